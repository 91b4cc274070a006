"""Methods of `HTTPServerRequest` that Tornado 6.0 removed.

Programs that pass a plain function to `HTTPServer` answer through the request: they write
the response as raw bytes, head and all. Our connections take a parsed head, so the bytes
are collected up to the empty line and parsed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tornado_trio.errors import HTTPOutputError
from tornado_trio.exchange import ResponseStartLine
from tornado_trio.wire import abnf
from tornado_trio.wire.headers import HTTPHeaders

_MAX_HEAD = 64 * 1024


class LegacyRequestMethods:
    """The removed methods; a base of `HTTPServerRequest`."""

    version: str
    connection: Any
    _finish_time: float | None
    _raw_head: bytes | None = b""  # what of the head was written; None: it was sent

    def supports_http_1_1(self) -> bool:
        """Is the client one that speaks HTTP/1.1?"""
        return self.version == "HTTP/1.1"

    def write(self, chunk: bytes, callback: Callable[[], object] | None = None) -> Any:
        """Send bytes of the response, its head included; `callback` runs when that is done.

        Once the head was sent (here, or by `connection.write_headers`) these are body bytes.
        """
        if not isinstance(chunk, bytes):
            raise TypeError("chunk must be bytes")
        if self._raw_head is not None:
            chunk = self._raw_head + chunk
            # A program that called connection.write_headers() writes a body here.
            if b"HTTP/"[: len(chunk)] == chunk[:5]:
                head, blank, body = chunk.partition(b"\r\n\r\n")
                self._raw_head = None if blank else chunk
                if len(head) > _MAX_HEAD:
                    raise HTTPOutputError("response head is too large")
                if not blank:
                    return None
                future = self._write_head(head, body)
                self._after(callback)
                return future
            self._raw_head = None
        future = self.connection.write(chunk)
        self._after(callback)
        return future

    def _write_head(self, head: bytes, body: bytes) -> Any:
        line, _, fields = head.decode("latin-1").partition("\r\n")
        match = abnf.status_line.fullmatch(line)
        if match is None:
            raise HTTPOutputError(f"malformed status line {line!r}")
        start_line = ResponseStartLine(match[1], int(match[2]), match[3] or "")
        return self.connection.write_headers(start_line, HTTPHeaders.parse(fields), body or None)

    def _after(self, callback: Callable[[], object] | None) -> None:
        if callback is not None:
            from tornado.ioloop import IOLoop  # below us in the layers, at run time only

            IOLoop.current().add_callback(callback)

    def finish(self) -> None:
        """End the response."""
        self.connection.finish()
        self._finish_time = time.time()
