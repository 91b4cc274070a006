"""A batch program: `run_sync` starts the loop, runs one coroutine, and stops the loop.

    python -m compat examples/batch.py http://127.0.0.1:8888/ http://127.0.0.1:8888/nothing

It shows the ways to wait for several results (a list, a dict, whichever is first, with a
limit), the older style of coroutine beside the newer, and the blocking client.
"""

import sys
from datetime import timedelta

from tornado import gen, httpclient, ioloop
from tornado.httputil import url_concat
from tornado.options import parse_command_line


def fetch_blocking(url):
    """For programs without a loop: returns when the response is there."""
    client = httpclient.HTTPClient()
    try:
        return client.fetch(url, raise_error=False).code
    finally:
        client.close()


def fetch_code(url):
    return httpclient.AsyncHTTPClient().fetch(url, raise_error=False)


@gen.coroutine
def check_list(urls):
    """All at once; results in the order of `urls`."""
    responses = yield [fetch_code(url) for url in urls]
    return [response.code for response in responses]


@gen.coroutine
def check_dict(urls):
    """All at once; results by name."""
    responses = yield {url: fetch_code(url) for url in urls}
    return {url: response.code for url, response in responses.items()}


@gen.coroutine
def check_return(url):
    """The style of Python 2, where a generator could not return a value."""
    response = yield fetch_code(url)
    raise gen.Return(response.code)


async def check_native(urls):
    """Native coroutines wait for several with `gen.multi`."""
    responses = await gen.multi([fetch_code(url) for url in urls])
    return [response.code for response in responses]


async def first_of(urls):
    """The (index, code) of the answer that came first."""
    waiting = gen.WaitIterator(*[fetch_code(url) for url in urls])
    async for response in waiting:
        return waiting.current_index, response.code


async def within(url, seconds):
    """The code, or None when there is no answer in time."""
    try:
        response = await gen.with_timeout(
            timedelta(seconds=seconds),
            fetch_code(url),
            quiet_exceptions=httpclient.HTTPError,
        )
    except gen.TimeoutError:
        return None
    return response.code


async def search(url, **parameters):
    """A request made by hand: its address put together, its method and headers given."""
    request = httpclient.HTTPRequest(
        url_concat(url, parameters), method="GET", headers={"Accept": "text/html"}
    )
    response = await httpclient.AsyncHTTPClient().fetch(request, raise_error=False)
    return response.code


async def main(urls):
    """Returns how many addresses did not answer well."""
    codes = await check_dict(urls)
    for url, code in codes.items():
        print(code, url)
    return sum(code >= 400 for code in codes.values())


if __name__ == "__main__":
    addresses = parse_command_line()
    bad = ioloop.IOLoop.current().run_sync(lambda: main(addresses), timeout=60)
    sys.exit(min(bad, 1))
