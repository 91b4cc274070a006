"""Undoing a response's content coding, piece by piece and bounded.

Knows `wire.codings`. The bound counts decoded bytes (CVE-2026-49855), and a piece is
handed on before the next one is decoded, so a bomb costs neither memory nor a long step.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import final

from ..errors import HTTPInputError
from ..wire.codings import CodingError, Decoder, make_decoder, supported_codings
from .errors import BodyTooLarge, ResponseError


@cache
def accept_encoding() -> str:
    """The Accept-Encoding value for what this installation decodes."""
    return ", ".join(supported_codings())


@final
class BodyDecoder:
    """A decoder with a bound. Feed it, then take `pending` until it is empty.

    `finished`: the end was fed and everything handed out.
    """

    __slots__ = ("_decoder", "_left", "_limit", "_pieces", "finished")

    def __init__(self, decoder: Decoder, limit: int | None) -> None:
        self._decoder = decoder
        self._limit = limit
        self._left = limit
        self._pieces: Iterator[bytes] | None = None
        self.finished = False

    def feed(self, data: bytes) -> None:
        """Encoded bytes; b"" is the end. Raises `ResponseError` if the data is cut short."""
        if data:
            self._pieces = self._decoder.feed(data)
            return
        self.finished = True
        try:
            self._decoder.finish()
        except CodingError as error:
            raise ResponseError(str(error), "body") from error

    def pending(self) -> bytes:
        """The next piece, b"" if more has to be fed.

        Raises: `ResponseError` for bad data, `BodyTooLarge`.
        """
        if self._pieces is None:
            return b""
        try:
            piece = next(self._pieces, None)
        except CodingError as error:
            raise ResponseError(str(error), "body") from error
        if piece is None:
            self._pieces = None
            return b""
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise BodyTooLarge(f"decompressed body too large (over {self._limit} bytes)")
        return piece


def decoder_for(content_encoding: str | None, limit: int | None) -> BodyDecoder | None:
    """A decoder for a Content-Encoding field.

    None if there is nothing to decode, and for a coding we do not know: its bytes are
    handed on as they are, with the field that names it.
    """
    if not content_encoding:
        return None
    try:
        decoder = make_decoder(content_encoding)
    except HTTPInputError:
        return None
    return None if decoder is None else BodyDecoder(decoder, limit)
