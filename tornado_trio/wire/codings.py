"""Content codings: which one to send, and decoding what came, bounded.

Knows zlib and, when they are installed, brotli and zstandard. Knows no message: a
decoder takes bytes and gives bytes.

Decoders give out at most `max_chunk` bytes a step, so that a bomb (1 MB of zeros packs
1 GB) costs no memory before its size is noticed; the reader does the counting. All members of a
gzip body are decoded; truncation and trailing garbage are errors, never silence.
"""

from __future__ import annotations

import importlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..errors import HTTPInputError, LimitError, UnsupportedMediaError

_MAX_CHUNK: Final = 64 * 1024
_SLICE: Final = 4096


class CodingError(HTTPInputError):
    """A body that is not what its Content-Encoding says."""


class Decoder(ABC):
    """One content coding being undone."""

    @abstractmethod
    def feed(self, data: bytes, max_chunk: int = _MAX_CHUNK) -> Iterator[bytes]:
        """Decode more; pieces of at most `max_chunk` bytes. CodingError on bad data.

        Take all of them before feeding again; stopping early (the bound is crossed)
        leaves the decoder of no further use.
        """

    @abstractmethod
    def finish(self) -> None:
        """There is no more. CodingError when the body is truncated."""


class GzipDecoder(Decoder):
    """gzip, any number of members one after the other."""

    def __init__(self) -> None:
        self._member: Any = None  # zlib's object for the member being read

    def feed(self, data: bytes, max_chunk: int = _MAX_CHUNK) -> Iterator[bytes]:
        while data or (self._member is not None and self._pending):
            if self._member is None:
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                out = self._member.decompress(data, max_chunk)
            except zlib.error as error:
                raise CodingError(f"bad gzip data: {error}") from error
            if not self._member.eof:
                data = self._member.unconsumed_tail
                self._pending = len(out) == max_chunk
                if out:
                    yield out
                continue
            # What follows is the next member: anything else fails as its header.
            data, self._member = self._member.unused_data, None
            if out:
                yield out
            if len(data) > _SLICE:
                # A member may be 20 bytes short, and its end takes a copy of all that follows.
                for start in range(0, len(data), _SLICE):
                    yield from self.feed(data[start : start + _SLICE], max_chunk)
                return

    # A full piece may have more behind it inside zlib, although all input is consumed.
    _pending = False

    def finish(self) -> None:
        if self._member is not None:
            raise CodingError("truncated gzip data")


class DeflateDecoder(Decoder):
    """deflate: zlib's wrapping as RFC 9110 says, or none, as some servers send it."""

    def __init__(self) -> None:
        self._inflater: Any = None
        self._done = False
        self._started = False

    def feed(self, data: bytes, max_chunk: int = _MAX_CHUNK) -> Iterator[bytes]:
        if self._inflater is None and data:
            # CM = 8 in the low bits of the first byte is zlib's header; a raw stream
            # cannot begin so but for stored blocks with odd padding.
            wrapped = data[0] & 0x0F == 8
            self._inflater = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        more = False
        while data or more:
            if self._done:
                raise CodingError("data after the end of the deflate stream")
            try:
                out = self._inflater.decompress(data, max_chunk)
            except zlib.error as error:
                raise CodingError(f"bad deflate data: {error}") from error
            if self._inflater.eof:
                self._done, data, more = True, self._inflater.unused_data, False
            else:
                data, more = self._inflater.unconsumed_tail, len(out) == max_chunk
            if out:
                yield out

    def finish(self) -> None:
        if self._inflater is not None and not self._done:
            raise CodingError("truncated deflate data")


class BrotliDecoder(Decoder):
    """br, by the `brotli` package (1.2 bounds each piece; older ones bound each input)."""

    # Older versions decode all they are given at once. 256 input bytes at a time keep a
    # piece of theirs around a megabyte even for a bomb.
    _STEP: Final = 256

    def __init__(self) -> None:
        brotli = importlib.import_module("brotli")
        self._error: type[Exception] = brotli.error
        self._decompressor = brotli.Decompressor()
        self._bounded = hasattr(self._decompressor, "can_accept_more_data")
        self._fed = False

    def feed(self, data: bytes, max_chunk: int = _MAX_CHUNK) -> Iterator[bytes]:
        self._fed = self._fed or bool(data)
        for start in range(0, len(data), self._STEP if not self._bounded else len(data) or 1):
            step = self._STEP if not self._bounded else len(data)
            yield from self._process(data[start : start + step], max_chunk)

    def _process(self, data: bytes, max_chunk: int) -> Iterator[bytes]:
        try:
            if not self._bounded:
                if out := self._decompressor.process(data):
                    yield out
                return
            while True:
                # The limit is where the output stops growing, by blocks of some 32 KiB.
                out = self._decompressor.process(data, output_buffer_limit=max_chunk)
                data = b""
                for start in range(0, len(out), max_chunk):
                    yield out[start : start + max_chunk]
                if self._decompressor.is_finished() or (
                    len(out) < max_chunk and self._decompressor.can_accept_more_data()
                ):
                    return
        except self._error as error:
            raise CodingError(f"bad brotli data: {error}") from error

    def finish(self) -> None:
        if self._fed and not self._decompressor.is_finished():
            raise CodingError("truncated brotli data")


class ZstdDecoder(Decoder):
    """zstd, by the `zstandard` package; frames one after the other."""

    _STEP: Final = 128
    # RFC 8878 3.1.1.1.2 asks decoders to support 8 MB and lets them refuse more.
    _MAX_WINDOW: Final = 8 * 1024 * 1024

    def __init__(self) -> None:
        zstandard = importlib.import_module("zstandard")
        self._error: type[Exception] = zstandard.ZstdError
        self._context = zstandard.ZstdDecompressor(max_window_size=self._MAX_WINDOW)
        self._frame: Any = None

    def feed(self, data: bytes, max_chunk: int = _MAX_CHUNK) -> Iterator[bytes]:
        # The package cannot bound its output, so its input comes in small steps: a block
        # is 128 KiB decoded at most and takes 4 bytes at least, which makes 4 MiB a step.
        for start in range(0, len(data), self._STEP):
            piece = data[start : start + self._STEP]
            while piece:
                if self._frame is None:
                    self._frame = self._context.decompressobj()
                try:
                    out = self._frame.decompress(piece)
                except self._error as error:
                    raise CodingError(f"bad zstd data: {error}") from error
                piece = b""
                if self._frame.eof:
                    piece, self._frame = self._frame.unused_data, None
                if out:
                    yield out

    def finish(self) -> None:
        if self._frame is not None:
            raise CodingError("truncated zstd data")


class ChainDecoder(Decoder):
    """Several codings, undone from the last applied to the first."""

    def __init__(self, outer: Decoder, inner: Decoder) -> None:
        self._outer = outer
        self._inner = inner

    def feed(self, data: bytes, max_chunk: int = _MAX_CHUNK) -> Iterator[bytes]:
        for piece in self._outer.feed(data, max_chunk):
            yield from self._inner.feed(piece, max_chunk)

    def finish(self) -> None:
        self._outer.finish()
        self._inner.finish()


class BoundedDecoder:
    """The content coding of one message undone, piece by piece and within a bound.

    Feed it, take `next_piece` until that is empty, feed it again. So a bomb costs neither
    memory nor a long step, and the bound counts decoded bytes (CVE-2025-69225,
    CVE-2026-49855).

    Args:
      decoder: of `make_decoder`.
      max_size: bytes of the whole body; None: no bound. May be changed (`max_size`) until
        the first piece is taken.
      max_chunk: bytes of one piece.

    Attributes:
      finished: the end was fed, and everything handed out.
    """

    __slots__ = ("_decoder", "_max_chunk", "_pieces", "_size", "finished", "max_size")

    def __init__(
        self, decoder: Decoder, max_size: int | None, *, max_chunk: int = _MAX_CHUNK
    ) -> None:
        self.max_size = max_size
        self.finished = False
        self._decoder = decoder
        self._max_chunk = max_chunk
        self._pieces: Iterator[bytes] | None = None
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Encoded bytes; b"" is the end. CodingError when the body is truncated there."""
        if data:
            self._pieces = self._decoder.feed(data, self._max_chunk)
        else:
            self.finished = True
            self._decoder.finish()

    def next_piece(self) -> bytes:
        """The next decoded bytes; b"" when more has to be fed.

        Raises:
          CodingError: they are not what the coding's name says.
          LimitError: they exceed `max_size`.
        """
        if self._pieces is None:
            return b""
        piece = next(self._pieces, None)
        if piece is None:
            self._pieces = None
            return b""
        self._size += len(piece)
        if self.max_size is not None and self._size > self.max_size:
            raise LimitError(f"decompressed body too large (over {self.max_size} bytes)")
        return piece


def _installed(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def supported_codings() -> tuple[str, ...]:
    """The codings this installation decodes, best first."""
    extra = [name for name, module in (("zstd", "zstandard"), ("br", "brotli"))
             if _installed(module)]  # fmt: skip
    return (*extra, "gzip", "deflate")


def make_decoder(content_encoding: str) -> Decoder | None:
    """A decoder for a Content-Encoding field; None when there is nothing to decode.

    HTTPInputError (415) for a coding we do not know, and for more than two: each layer
    multiplies what a bomb can do.
    """
    names = [name.strip(" \t").lower() for name in content_encoding.split(",")]
    names = [name for name in names if name and name != "identity"]
    if not names:
        return None
    if len(names) > 2:
        raise UnsupportedMediaError("Too many content codings")
    decoders = [_decoder_for(name) for name in names]
    return decoders[0] if len(decoders) == 1 else ChainDecoder(decoders[1], decoders[0])


def _decoder_for(name: str) -> Decoder:
    if name in ("gzip", "x-gzip"):
        return GzipDecoder()
    if name == "deflate":
        return DeflateDecoder()
    if name == "br" and _installed("brotli"):
        return BrotliDecoder()
    if name == "zstd" and _installed("zstandard"):
        return ZstdDecoder()
    raise UnsupportedMediaError(f"Unsupported Content-Encoding: {name}")


# --- choosing ----------------------------------------------------------------------------


def coding_quality(accept_encoding: str, coding: str) -> float:
    """How much a client wants `coding`: 0.0 (not at all) to 1.0, by its Accept-Encoding.

    A coding that is not listed is not wanted, but for "identity" (RFC 9110 12.5.3).
    """
    quality: float | None = None
    anything: float | None = None
    for item in accept_encoding.split(","):
        name, semicolon, parameters = item.partition(";")
        name = name.strip(" \t").lower()
        if name == coding or (coding == "gzip" and name == "x-gzip"):
            quality = _q(parameters) if semicolon else 1.0
        elif name == "*":
            anything = _q(parameters) if semicolon else 1.0
    if quality is not None:
        return quality
    if anything is not None:
        return anything
    return 1.0 if coding == "identity" else 0.0


def _q(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip(" \t").lower() == "q":
            try:
                return min(max(float(value[:16]), 0.0), 1.0)
            except ValueError:
                return 0.0  # malformed: the safe reading is "do not send it"
    return 1.0


def choose_coding(accept_encoding: str | None, available: Sequence[str]) -> str | None:
    """The coding of `available` (best first) that the client likes best; None for none."""
    if not accept_encoding:
        return None
    best, best_quality = None, 0.0
    for coding in available:
        quality = coding_quality(accept_encoding, coding)
        if quality > best_quality:
            best, best_quality = coding, quality
    return best
