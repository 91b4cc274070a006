"""A concurrent crawler: a queue of addresses, and workers that take from it.

    python -m compat examples/webspider.py --workers=10 http://127.0.0.1:8888/

Every page below the given address is fetched once. `Queue.join` waits until each address that
was put has been marked done; then the workers end, by a None each.

The coroutines need an IOLoop, not asyncio: `crawl` runs just as well in a plain `trio.run`,
inside `async with compat.open_loop():`.
"""

import sys
import time
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

from tornado import gen, httpclient, ioloop, queues
from tornado.options import define, options, parse_command_line

define("workers", default=10, help="pages fetched at a time", type=int)
define("seconds", default=60, help="give up after that long", type=float)


class Links(HTMLParser):
    """Collects where the anchors of a page lead."""

    def __init__(self):
        super().__init__()
        self.targets = []

    def handle_starttag(self, tag, attrs):
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.targets.append(target)


async def links_of(url):
    """The addresses that the page at `url` links to, without fragments."""
    response = await httpclient.AsyncHTTPClient().fetch(url)
    page = Links()
    page.feed(response.body.decode(errors="replace"))
    return [urldefrag(urljoin(response.effective_url, target))[0] for target in page.targets]


async def crawl(start, workers=10, seconds=60):
    """Fetch every page below `start`. Returns the addresses fetched, and {address: error}."""
    queue = queues.Queue()
    seen = {start}
    fetched = []
    failed = {}

    async def visit(url):
        try:
            targets = await links_of(url)
        except (httpclient.HTTPError, OSError) as error:
            failed[url] = error
            return
        fetched.append(url)
        for target in targets:
            if target.startswith(start) and target not in seen:
                seen.add(target)
                await queue.put(target)

    async def worker():
        async for url in queue:
            if url is None:
                return
            try:
                await visit(url)
            finally:
                queue.task_done()

    await queue.put(start)
    running = gen.multi([worker() for _ in range(workers)])
    try:
        await queue.join(timeout=timedelta(seconds=seconds))
    finally:
        for _ in range(workers):
            await queue.put(None)
    await running
    return fetched, failed


async def main(start):
    began = time.monotonic()
    fetched, failed = await crawl(start, options.workers, options.seconds)
    for url in sorted(fetched):
        print(url)
    for url, error in sorted(failed.items()):
        print(f"{url}: {error}", file=sys.stderr)
    print(f"{len(fetched)} pages, {len(failed)} failed, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    addresses = parse_command_line()
    if len(addresses) != 1:
        sys.exit("usage: webspider.py [--workers=N] [--seconds=N] ADDRESS")
    [address] = addresses
    ioloop.IOLoop.current().run_sync(lambda: main(address))
