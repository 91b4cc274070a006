"""The same text twice: by an ASGI application that is mounted, and by a function of exchanges.

    python mounted.py PORT [function]

What the first costs beside the second is the price of the mount.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import trio

from tornado_trio import serve
from tornado_trio.asgi import Receive, Scope, Send, mount
from tornado_trio.exchange import Exchange, HTTPHeaders, ResponseStartLine

OK = ResponseStartLine("HTTP/1.1", 200, "OK")


async def function(exchange: Exchange) -> None:
    headers = HTTPHeaders({"Content-Type": "text/plain", "Content-Length": "12"})
    await exchange.write_headers(OK, headers, b"Hello, world")
    await exchange.finish()


async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"12")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"Hello, world"})


def make_app(door: str = "mounted") -> Any:
    logging.getLogger("tornado.access").disabled = True
    return function if door == "function" else mount(mounted)


async def main() -> None:
    await serve(make_app(*sys.argv[2:]), int(sys.argv[1]), host="127.0.0.1")


if __name__ == "__main__":
    trio.run(main)
