"""Request bodies that come compressed. Knows the codings; must not know streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from ..errors import LimitError, PeerError
from ..wire.codings import CodingError, make_decoder
from ..wire.http1 import ServerWire

__all__ = ["Inflater"]


class Inflater:
    """Inflates a body, piece by piece and within `max_body_size` (CVE-2025-69225)."""

    __slots__ = ("_coding", "_decoder", "_left", "_pieces", "_wire")

    def __init__(self, wire: ServerWire, coding: str) -> None:
        self._wire = wire
        self._coding = coding
        self._decoder = make_decoder(coding)
        self._pieces: Iterator[bytes] = iter(())
        # Taken when the body is first read: until then the bound may be changed.
        self._left: int | None = None

    async def read_chunk(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """The next inflated piece, at most `chunk_size` bytes; b"" at the end.

        `read` gives the compressed ones. Raises `PeerError` for data that is not what it
        says, truncated, or followed by something else; `LimitError` beyond the bound.
        """
        if self._left is None:
            self._left = self._wire.max_body_size
        decoder = self._decoder
        assert decoder is not None
        try:
            while True:
                for piece in self._pieces:
                    self._left -= len(piece)
                    if self._left < 0:
                        self._wire.close_after = True  # as after any body that is too large
                        raise LimitError("decompressed body too large")
                    if piece:
                        return piece
                data = await read()
                if not data:
                    decoder.finish()
                    return b""
                self._pieces = decoder.feed(data, self._wire.limits.chunk_size)
        except CodingError as exc:
            self._wire.close_after = True
            raise PeerError(f"invalid {self._coding.lower()} data: {exc}") from exc
