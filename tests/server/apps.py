"""Small applications the server's tests share."""

from __future__ import annotations

import logging

import pytest

from tornado_trio.exchange import Exchange, ResponseStartLine
from tornado_trio.wire.headers import HTTPHeaders

OK = ResponseStartLine("HTTP/1.1", 200, "OK")


def reply(exchange: Exchange, body: bytes = b"", code: int = 200, **headers: str) -> None:
    """Answer at once, with Content-Length."""
    fields = HTTPHeaders({"Content-Length": str(len(body))})
    for name, value in headers.items():
        fields[name.replace("_", "-")] = value
    exchange.write_headers(ResponseStartLine("HTTP/1.1", code, "Reason"), fields, body)
    exchange.finish()


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged, without the lines of the access log."""
    return [record for record in caplog.records if record.name != "tornado.access"]


async def hello(exchange: Exchange) -> None:
    reply(exchange, b"hello")


async def echo(exchange: Exchange) -> None:
    """The request's method, target and body."""
    body = await exchange.read_body()
    line = exchange.start_line
    reply(exchange, f"{line.method} {line.path} ".encode() + body)


async def stream(exchange: Exchange) -> None:
    """A body of unknown length."""
    exchange.write_headers(OK, HTTPHeaders())
    for piece in (b"one ", b"two ", b"three"):
        await exchange.write(piece)
    await exchange.finish()
