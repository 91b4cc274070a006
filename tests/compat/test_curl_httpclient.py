"""`tornado.curl_httpclient`, against raw servers."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import gc
import weakref
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from tests.compat.raw_server import OK, run, serving
from tests.python import python

try:
    from tornado.curl_httpclient import CurlAsyncHTTPClient, CurlError
except ImportError:
    CurlAsyncHTTPClient = CurlError = None  # type: ignore[assignment,misc]

with_curl = pytest.mark.skipif(CurlAsyncHTTPClient is None, reason="pycurl is not installed")


@with_curl
def test_curl() -> None:
    def answer(request: bytes) -> bytes | None:
        if b" /moved" in request:
            return (
                b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"
            )
        if b" /gone" in request:
            return None
        return OK

    async def main() -> None:
        async with serving(answer) as server:
            http = CurlAsyncHTTPClient(force_instance=True)
            response = await http.fetch(server.url(), headers={"X": "\xe9", "Y": ""})
            assert response.body == b"ok" and response.reason == "OK"
            assert {"queue", "connect", "total"} <= set(response.time_info)
            assert b"X: \xe9\r\n" in server.requests[0] and b"Y:\r\n" in server.requests[0]
            assert b"Expect" not in server.requests[0] and b"Pragma" not in server.requests[0]
            seen: list[Any] = []
            await http.fetch(server.url(), prepare_curl_callback=seen.append)
            assert len(seen) == 1 and server.connections == 1
            for path in ("/moved", "/gone"):
                with pytest.raises(CurlError) as caught:
                    await http.fetch(server.url(path))
                assert caught.value.code == 599 and caught.value.errno
            with pytest.raises(ValueError):
                await http.fetch(server.url(), headers={"a": "b\r\nc: d"})
            with pytest.raises(NotImplementedError):
                await http.fetch(server.url(), method="POST", body_producer=print)
            with pytest.raises(ValueError):
                await http.fetch(server.url(), ssl_options={})
            http.close()
            http.close()

    run(main)


@with_curl
def test_curl_queues_beyond_max_clients() -> None:
    async def main() -> None:
        async with serving() as server:
            http = CurlAsyncHTTPClient(force_instance=True, max_clients=2)
            responses = await asyncio.gather(*[http.fetch(server.url()) for _ in range(10)])
            assert [r.body for r in responses] == [b"ok"] * 10 and server.connections <= 2
            http.close()

    run(main)


@with_curl
def test_clients_of_closed_loops_are_forgotten() -> None:
    async def main() -> weakref.ref[AsyncHTTPClient]:
        return weakref.ref(AsyncHTTPClient())

    first = asyncio.run(main())
    asyncio.run(main())
    gc.collect()
    assert first() is None


@with_curl
def test_configure() -> None:
    saved = AsyncHTTPClient._save_configuration()
    try:
        AsyncHTTPClient.configure(
            "tornado.curl_httpclient.CurlAsyncHTTPClient",
            max_clients=2,
            defaults={"user_agent": "x"},
        )

        async def main() -> None:
            async with serving() as server:
                http = AsyncHTTPClient()
                assert isinstance(http, CurlAsyncHTTPClient) and len(http._curls) == 2
                await http.fetch(server.url())
                assert b"User-Agent: x\r\n" in server.requests[0]
                http.close()

        run(main)
        with pytest.raises(ValueError):
            AsyncHTTPClient.configure(HTTPRequest)
    finally:
        AsyncHTTPClient._restore_configuration(saved)


def test_without_pycurl_the_error_is_clear() -> None:
    code = (
        "import sys; sys.modules['pycurl'] = None\n"
        "try:\n    import tornado.curl_httpclient\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = python("-m", "compat", "-c", code)
    assert "needs the package pycurl" in done.stdout, done.stderr
