"""One HTTP request to a mounted ASGI application, and the messages about it.

Knows exchanges and ASGI's http messages. Most responses are a start and one body: those two
messages have a fast path.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Iterable
from functools import lru_cache
from http.client import responses
from typing import Final

import trio

from .._util.threads import FILES
from ..errors import HTTPInputError, StreamClosedError
from ..exchange import READY, Exchange, HTTPHeaders, ResponseStartLine
from .files import read_at
from .outbox import message
from .types import AsgiApplication, Message

__all__ = ["MountedRequest", "headers_of", "line_of"]

_PIECE: Final = 64 * 1024
# Opening a FIFO would wait for its writer.
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


@lru_cache(128)
def line_of(status: int) -> ResponseStartLine:
    """The status line of a response."""
    return ResponseStartLine("HTTP/1.1", status, responses.get(status, ""))


def headers_of(fields: Iterable[tuple[bytes, bytes]]) -> HTTPHeaders:
    """The fields of an application's response. ValueError: one of them is not valid in a head."""
    try:
        return HTTPHeaders.of_response(fields)
    except HTTPInputError as error:
        raise refused(error) from None


def refused(error: HTTPInputError) -> ValueError:
    """The error for an invalid field: the application's fault, not the client's."""
    return ValueError(f"the fields of an ASGI application: {error}")


class MountedRequest:
    """`receive` and `send` of one request."""

    __slots__ = ("_exchange", "_gone", "_read_all", "_sized", "_start", "_trailers")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._gone: trio.Event | None = None
        self._read_all = False
        self._start: Message | None = None  # what was said, and waits for the body
        self._sized = False  # by a Content-Length
        self._trailers: HTTPHeaders | None = None  # where the application has announced some

    def unfinished(self, app: AsgiApplication) -> RuntimeError:
        """The application has returned without completing its response."""
        if self._exchange.status or self._start is not None:
            return RuntimeError(f"{app!r} returned before its response was complete")
        return RuntimeError(f"{app!r} sent no response")

    async def receive(self) -> Message:
        """The next chunk of the body; after the end, or if it is cut off, `http.disconnect`."""
        if not self._read_all:
            try:
                chunk = await self._exchange.read_chunk()
            except StreamClosedError:
                return message("http.disconnect")
            self._read_all = not chunk
            return message("http.request", body=chunk, more_body=bool(chunk))
        await self._until_gone()
        return message("http.disconnect")

    async def _until_gone(self) -> None:
        exchange = self._exchange
        if exchange.finished or exchange.gone is not None:
            await trio.lowlevel.checkpoint()
            return
        if self._gone is None:
            self._gone = trio.Event()
            exchange.set_close_callback(self._gone.set)
        await self._gone.wait()

    async def send(self, each: Message) -> None:
        """Handle a message; waits while the client's buffer is full. OSError: it has
        disconnected."""
        kind = each["type"]
        if kind == "http.response.body":
            exchange = self._exchange
            start = self._start
            if start is None or each.get("more_body") or self._trailers is not None:
                await self._send_piece(each)
                return
            body = each.get("body", b"")
            if type(body) is not bytes:
                body = bytes(body)
            status = start["status"]
            try:
                headers = HTTPHeaders.of_response(start.get("headers", ()))
            except HTTPInputError as error:
                raise refused(error) from None
            self._start = None
            if "Content-Length" not in headers._fields:
                if status >= 200 and status not in (204, 304):
                    if exchange.start_line.method != "HEAD":
                        headers["Content-Length"] = str(len(body))
            exchange.write_headers(line_of(status), headers, body or None)
            done = exchange.finish()
            if self._gone is not None:
                self._gone.set()
            if done is not READY:
                await awaited(done)
        elif kind == "http.response.start":
            if self._start is not None or self._exchange.status:
                raise RuntimeError("http.response.start was sent twice")
            self._start = each
            if each.get("trailers"):
                self._trailers = HTTPHeaders()
        else:
            await self._send_other(kind, each)

    async def _send_piece(self, each: Message) -> None:
        body = bytes(each.get("body", b""))
        exchange = self._exchange
        done: Awaitable[None] = READY
        if self._start is not None:
            done = self._send_head(body or None)
        elif not exchange.status:
            raise RuntimeError("http.response.body was sent before http.response.start")
        elif body:
            done = exchange.write(body)
        if not each.get("more_body", False) and self._trailers is None:
            done = self._finish()
        await awaited(done)

    def _send_head(self, chunk: bytes | None = None, size: int | None = None) -> Awaitable[None]:
        start, self._start = self._start, None
        assert start is not None
        headers = headers_of(start.get("headers", ()))
        if size is not None:
            headers.setdefault("Content-Length", str(size))
        self._sized = "Content-Length" in headers
        return self._exchange.write_headers(line_of(start["status"]), headers, chunk)

    def _finish(self, trailers: HTTPHeaders | None = None) -> Awaitable[None]:
        done = self._exchange.finish(trailers)
        if self._gone is not None:
            self._gone.set()
        return done

    async def _send_other(self, kind: str, each: Message) -> None:
        if kind == "http.response.pathsend":
            await self._send_path(each["path"])
        elif kind == "http.response.zerocopysend":
            await self._send_file(each)
        elif kind == "http.response.trailers" and self._trailers is not None:
            for name, value in headers_of(each.get("headers", ())).get_all():
                self._trailers.add(name, value)
            if not each.get("more_trailers", False):
                await awaited(self._finish(self._trailers))
        elif kind == "http.response.early_hint":
            links = headers_of((b"Link", link) for link in each["links"])
            await self._exchange.send_informational(103, "Early Hints", links)
        else:
            raise ValueError(f"an unknown message of an ASGI application: {kind!r}")

    async def _send_path(self, path: str) -> None:
        """A whole file, and the end of the response. OSError: it cannot be opened."""
        if self._start is None:
            raise RuntimeError("http.response.pathsend comes right after http.response.start")
        descriptor = await FILES.run(os.open, path, _FLAGS)
        try:
            size = os.fstat(descriptor).st_size
            await self._send_part(descriptor, 0, size, size)
            await awaited(self._finish())
        finally:
            os.close(descriptor)

    async def _send_file(self, each: Message) -> None:
        """A part of an open file, from where it stands unless said otherwise, to its end."""
        if self._start is None and not self._exchange.status:
            raise RuntimeError("http.response.zerocopysend was sent before http.response.start")
        descriptor: int = each["file"]
        offset: int | None = each.get("offset")
        if offset is None:
            offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        count: int | None = each.get("count")
        if count is None:
            count = max(0, os.fstat(descriptor).st_size - offset)
        last = not each.get("more_body", False) and self._trailers is None
        await self._send_part(descriptor, offset, count, count if last else None)
        if last:
            await awaited(self._finish())

    async def _send_part(self, descriptor: int, offset: int, count: int, size: int | None) -> None:
        """With sendfile if the length is given; `size` is that of the whole body, if known."""
        exchange = self._exchange
        done: Awaitable[None] = READY
        if self._start is not None:
            exchange.more_follows()
            done = self._send_head(size=size)
        if exchange.start_line.method == "HEAD":
            await awaited(done)
        elif self._sized and type(exchange).sendfile is not Exchange.sendfile:
            await awaited(exchange.sendfile(descriptor, offset, count))
        else:
            while count > 0:
                piece = await FILES.run(read_at, descriptor, offset, min(count, _PIECE))
                if not piece:
                    raise EOFError("the file is shorter than it was")
                offset += len(piece)
                count -= len(piece)
                await awaited(exchange.write(piece))


async def awaited(done: Awaitable[None]) -> None:
    """Wait until the client has taken it. OSError: it has disconnected (ASGI 2.4), for each message
    anew."""
    try:
        await done
    except StreamClosedError as error:
        raise OSError("the client has gone") from error
