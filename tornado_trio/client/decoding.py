"""Undoing a response's content coding: the wire's bounded decoder with the client's errors."""

from __future__ import annotations

from functools import cache
from typing import final

from ..errors import HTTPInputError, LimitError
from ..wire.codings import BoundedDecoder, CodingError, make_decoder, supported_codings
from .errors import BodyTooLarge, ResponseError


@cache
def accept_encoding() -> str:
    """The Accept-Encoding value for what this installation decodes."""
    return ", ".join(supported_codings())


@final
class BodyDecoder:
    """A bounded decoder. Feed it, then take `pending` until it is empty.

    `finished`: the end was fed and everything was returned.
    """

    __slots__ = ("_bounded",)

    def __init__(self, bounded: BoundedDecoder) -> None:
        self._bounded = bounded

    @property
    def finished(self) -> bool:
        return self._bounded.finished

    def feed(self, data: bytes) -> None:
        """Encoded bytes; b"" is the end. Raises `ResponseError` if the data is cut short."""
        try:
            self._bounded.feed(data)
        except CodingError as error:
            raise ResponseError(str(error), "body") from error

    def pending(self) -> bytes:
        """The next piece, b"" if more has to be fed.

        Raises: `ResponseError` for bad data, `BodyTooLarge`.
        """
        try:
            return self._bounded.next_piece()
        except CodingError as error:
            raise ResponseError(str(error), "body") from error
        except LimitError as error:
            raise BodyTooLarge(str(error)) from error


def decoder_for(content_encoding: str | None, limit: int | None) -> BodyDecoder | None:
    """A decoder for a Content-Encoding field.

    None if there is nothing to decode, and for an unknown coding: its bytes are passed on as they
    are, with the field that names it.
    """
    if not content_encoding:
        return None
    try:
        decoder = make_decoder(content_encoding)
    except HTTPInputError:
        return None
    return None if decoder is None else BodyDecoder(BoundedDecoder(decoder, limit))
