"""Readers of message bodies: by length, by chunks, until the end of the stream.

Knows the chunked grammar of RFC 9112 7.1. Must not know heads or connections.

Each reader takes from the front of a `bytearray` what it can and returns it: `bytes`
(never empty), `EndOfMessage`, or None for "more bytes needed". Chunked data is joined
across chunks in one pass over the buffer (CVE-2025-69229): position index, one deletion
at the end. But one call takes no more than `Limits.chunks_per_step` of them, half a millisecond,
so that the caller can let others run between.
"""

from __future__ import annotations

from typing import TypeAlias

from .._util.late import pattern_later
from ..errors import LimitError, PeerError
from ..limits import STRICT, Dialect, Limits
from . import abnf
from .events import END, EndOfMessage
from .heads import parse_fields

__all__ = ["BodyReader", "ChunkedReader", "EofReader", "LengthReader"]

_SIZE = pattern_later(rb"[0-9A-Fa-f]{1,16}", globals())
_BARE_LF = pattern_later(rb"(?<!\r)\n", globals())
_T = abnf.TOKEN.encode()
# chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ); the quoted
# string without controls, its escapes paired. Blanks before the line's end are no part of it.
_EXTENSION = pattern_later(
    rb"(?:[ \t]*;[ \t]*" + _T + rb"(?:[ \t]*=[ \t]*(?:" + _T + rb'|"(?:[\t\x20\x21\x23-\x5b'
    rb'\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*',
    globals(),
)


class LengthReader:
    """A body of `length` bytes (Content-Length)."""

    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        self.remaining = length

    def read(self, buffer: bytearray, max_bytes: int) -> bytes | EndOfMessage | None:
        if not self.remaining:
            return END
        if not buffer:
            return None
        count = min(self.remaining, max_bytes, len(buffer))
        data = bytes(buffer) if count == len(buffer) else bytes(buffer[:count])
        del buffer[:count]
        self.remaining -= count
        return data

    def eof(self) -> EndOfMessage:
        """The stream ended. Raises `PeerError` unless the body may end so."""
        raise PeerError("Connection closed while reading body")


def too_long(length: int, limit: int) -> LimitError:
    """A body that announces more than `max_body_size`."""
    return LimitError(f"Content-Length too long: {length}, and max_body_size is {limit}")


class EofReader:
    """A response body that lasts until the stream ends, at most `limit` bytes."""

    __slots__ = ("left",)

    def __init__(self, limit: int) -> None:
        self.left = limit

    def read(self, buffer: bytearray, max_bytes: int) -> bytes | EndOfMessage | None:
        if not buffer:
            return None
        data = bytes(buffer[:max_bytes])
        del buffer[:max_bytes]
        self.left -= len(data)
        if self.left < 0:
            raise LimitError("body too large")
        return data

    def eof(self) -> EndOfMessage:
        return END


class ChunkedReader:
    """A chunked body with its extensions (ignored) and trailers (delivered).

    `limit` bounds the data; the framing is bounded by `Limits`: each line, the trailer
    section, and all extension bytes beyond what the data pays for.
    """

    __slots__ = (
        "_dialect", "_in_trailers", "_limits", "_need_crlf", "_overhead", "_searched", "left",
        "remaining",
    )  # fmt: skip

    def __init__(self, limit: int, limits: Limits, dialect: Dialect = STRICT) -> None:
        self.left = limit
        self.remaining = 0
        self._need_crlf = False
        self._in_trailers = False
        self._overhead = 0
        self._searched = 0  # so many bytes of the trailers hold no end
        self._limits = limits
        self._dialect = dialect

    def read(self, buffer: bytearray, max_bytes: int) -> bytes | EndOfMessage | None:
        if self._in_trailers:
            return self._trailers(buffer)
        pieces: list[bytes | bytearray] = []
        have = 0
        at = 0
        end = len(buffer)
        chunks = 0
        steps = self._limits.chunks_per_step
        while at < end and have < max_bytes and chunks < steps:
            if self.remaining:
                count = min(self.remaining, end - at, max_bytes - have)
                pieces.append(buffer[at : at + count])
                have += count
                at += count
                self.remaining -= count
                if not self.remaining:
                    self._need_crlf = True
                    chunks += 1
                continue
            if self._need_crlf:
                after = buffer[at : at + 2]
                if after != b"\r\n"[: len(after)]:
                    # CVE-2025-43859: exactly CRLF, or the framing is lost.
                    raise PeerError("improperly terminated chunk: no CRLF after its data")
                if len(after) < 2:
                    break
                at += 2
                self._need_crlf = False
                continue
            step = self._size_line(buffer, at)
            if step == 0:
                break
            at += step
            if self._in_trailers:
                break
        if at:
            del buffer[:at]
        if pieces:
            return b"".join(pieces)
        return self._trailers(buffer) if self._in_trailers else None

    def eof(self) -> EndOfMessage:
        raise PeerError("Connection closed while reading body")

    def _size_line(self, buffer: bytearray, at: int) -> int:
        """Take a chunk-size line at `at`; its length, 0 if it is not complete."""
        limits = self._limits
        stop = buffer.find(b"\n", at, at + limits.max_chunk_line)
        if stop < 0:
            if len(buffer) - at >= limits.max_chunk_line:
                raise LimitError("chunk size line too long", 400)
            if _SIZE.match(buffer, at) is None:
                raise PeerError("invalid chunk size")
            return 0
        match = _SIZE.match(buffer, at, stop)
        if match is None or buffer[stop - 1] != 13:
            raise PeerError("invalid chunk size")
        if match.end() != stop - 1:
            last = stop - 1
            if self._dialect.chunk_padding:
                last = match.end() + len(buffer[match.end() : last].rstrip(b" \t"))
            if not _EXTENSION.fullmatch(buffer, match.end(), last):
                raise PeerError("invalid chunk size or extension")
        size = int(match[0], 16)
        self.left -= size
        if self.left < 0:
            raise LimitError("chunked body too large")
        # A chunk pays for its CRLFs and 14 bytes of size, and again for as much as it carries.
        self._overhead = max(0, self._overhead + (stop + 1 - at) - 16 - size)
        if self._overhead > limits.max_chunk_overhead:
            raise LimitError("chunk extensions out of proportion", 400)
        self.remaining = size
        self._in_trailers = size == 0
        return stop + 1 - at

    def _unsearched(self) -> int:
        """Where an end of the trailers may begin that was not there before."""
        return max(self._searched - 3, 0)

    def _trailers(self, buffer: bytearray) -> EndOfMessage | None:
        if buffer.startswith(b"\r\n"):
            del buffer[:2]
            return END
        searched = self._searched
        end = buffer.find(b"\r\n\r\n", self._unsearched())
        if end < 0:
            if len(buffer) > self._limits.max_trailer_size:
                raise LimitError("trailer section too large", 431)
            if _BARE_LF.search(buffer, searched):
                raise PeerError("bare LF in trailer section")
            self._searched = len(buffer)
            return None
        if end > self._limits.max_trailer_size:
            raise LimitError("trailer section too large", 431)
        trailers = parse_fields(bytes(buffer[: end + 4]), self._limits, self._dialect)
        del buffer[: end + 4]
        return EndOfMessage(trailers)


BodyReader: TypeAlias = LengthReader | ChunkedReader | EofReader
