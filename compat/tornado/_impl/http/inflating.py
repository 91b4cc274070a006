"""Decompression of bodies for a message delegate.

Knows delegates and the decoder, which bounds its output.
"""

from __future__ import annotations

from typing import Any

from tornado import httputil

from tornado_trio.errors import LimitError
from tornado_trio.wire.codings import BoundedDecoder, CodingError, GzipDecoder

__all__ = ["_GzipMessageDelegate"]


class _GzipMessageDelegate(httputil.HTTPMessageDelegate):
    """Inflates a gzip body on its way to a delegate, which gets `chunk_size` bytes at once.

    Attributes:
      max_body_size: bytes that may come out of a body; None: any number.
    """

    __module__ = "tornado.http1connection"

    def __init__(
        self,
        delegate: httputil.HTTPMessageDelegate,
        chunk_size: int,
        max_body_size: int | None = None,
    ) -> None:
        self._delegate = delegate
        self._chunk_size = chunk_size
        self.max_body_size = max_body_size
        self._decoder: BoundedDecoder | None = None

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        coding = headers.get("Content-Encoding", "")
        if coding.lower() == "gzip":
            self._decoder = BoundedDecoder(GzipDecoder(), None, max_chunk=self._chunk_size)
            headers["X-Consumed-Content-Encoding"] = coding
            del headers["Content-Encoding"]
        return self._delegate.headers_received(start_line, headers)

    async def data_received(self, chunk: bytes) -> None:
        decoder = self._decoder
        if decoder is None:
            await self._deliver(chunk)
            return
        # The wire bounds only what went in (CVE-2026-49855); either bound may be changed.
        decoder.max_size = self.max_body_size
        decoder.feed(chunk)
        while piece := self._inflated(decoder):
            await self._deliver(piece)

    def _inflated(self, decoder: BoundedDecoder) -> bytes:
        try:
            return decoder.next_piece()
        except (CodingError, LimitError) as exc:
            raise httputil.HTTPInputError(f"invalid gzip data: {exc}") from exc

    async def _deliver(self, piece: bytes) -> None:
        result = self._delegate.data_received(piece)
        if result is not None:
            await result

    def finish(self) -> None:
        if self._decoder is not None:
            try:
                self._decoder.feed(b"")
            except CodingError as exc:
                raise httputil.HTTPInputError(f"invalid gzip data: {exc}") from exc
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()
