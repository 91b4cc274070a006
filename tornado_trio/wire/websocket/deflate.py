"""permessage-deflate (RFC 7692): the two zlib streams of one connection.

Knows bytes and parameters that were agreed elsewhere (`extensions.py`); no frames, no I/O.

Both directions create their zlib object with the first message that needs it. A deflate
object of the default Tornado settings (15 bits, level 8) takes 256 KiB at once, so an idle
connection that negotiated compression must not hold one.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .frames import CloseCode, WebSocketProtocolError

if TYPE_CHECKING:
    # Named so by typeshed; neither exists at run time before Python 3.14.
    from zlib import _Compress, _Decompress

__all__ = ["DeflateOptions", "DeflateParams", "Deflater", "Inflater"]

_TAIL: Final = b"\x00\x00\xff\xff"  # ends every sync flush; not sent (RFC 7692 7.2.1)
_WINDOW: Final = 32768
# Final blocks of one message: each costs a zlib object and a copy of the window, and may be
# two bytes short. A sender that flushes with them makes one for each message or fragment.
_FREE_BLOCKS: Final = 64
_BYTES_PER_BLOCK: Final = 1024  # what the message has to bring for each further one
# What follows a final block is copied; so it is fed in pieces of this size.
_SLICE: Final = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class DeflateOptions:
    """Settings of compression.

    Args:
        level: zlib level of what we send (-1, 0 to 9).
        mem_level: zlib memory level of what we send, 1 to 9.
        window_bits: our own window, 9 to 15.
        peer_window_bits: the window requested of the peer, 8 to 15; None: no request.
        no_context_takeover: start every message of ours afresh.
        peer_no_context_takeover: request the same of the peer.
        min_size: messages of fewer bytes are sent as they are.

    The defaults keep a busy connection at about 20 KiB for what it sends (2^(bits+2) +
    2^(level+9) bytes; 15 bits and level 8 would be 256 KiB) and lose a few percent of ratio.
    """

    level: int = 6
    mem_level: int = 4
    window_bits: int = 12
    peer_window_bits: int | None = None
    no_context_takeover: bool = False
    peer_no_context_takeover: bool = False
    min_size: int = 64

    def __post_init__(self) -> None:
        if not -1 <= self.level <= 9:
            raise ValueError("level must be -1 to 9")
        if not 1 <= self.mem_level <= 9:
            raise ValueError("mem_level must be 1 to 9")
        if not 9 <= self.window_bits <= 15:
            # zlib cannot write raw deflate with a window of 8 bits.
            raise ValueError("window_bits must be 9 to 15")
        if self.peer_window_bits is not None and not 8 <= self.peer_window_bits <= 15:
            raise ValueError("peer_window_bits must be 8 to 15")


@dataclass(frozen=True, slots=True)
class DeflateParams:
    """What both sides agreed on."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15


class Deflater:
    """Compresses the messages of one direction."""

    __slots__ = ("_level", "_mem_level", "_z", "keep", "min_size", "wbits")

    def __init__(self, wbits: int, keep: bool, options: DeflateOptions) -> None:
        self.wbits = max(wbits, 9)
        self.keep = keep
        self.min_size = options.min_size
        self._level = options.level
        self._mem_level = options.mem_level
        self._z: _Compress | None = None

    def compress(self, data: bytes, fin: bool = True) -> bytes:
        """The next piece of a message; `fin` for its last one."""
        z = self._z
        if z is None:
            z = self._z = zlib.compressobj(self._level, zlib.DEFLATED, -self.wbits, self._mem_level)
        out = z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH)
        if not fin:
            return out
        if not self.keep:
            self._z = None
        return out[:-4]

    def reset(self) -> None:
        """Forget the context: bytes compressed elsewhere go to the peer in between.

        What follows then never refers to what the peer's window held before, so the peer
        needs to know nothing of it. This is what lets `broadcast` compress once for all.
        """
        self._z = None


class Inflater:
    """Decompresses the messages of one direction, never past a bound."""

    __slots__ = ("_credit", "_z", "keep", "wbits")

    def __init__(self, wbits: int, keep: bool) -> None:
        self.wbits = wbits
        self.keep = keep
        # What the message under way may still spend on final blocks, in bytes.
        self._credit = _FREE_BLOCKS * _BYTES_PER_BLOCK
        self._z: _Decompress | None = None

    def decompress(self, data: bytes, fin: bool, out: bytearray, limit: int | None) -> None:
        """Append the next decompressed piece of a message to `out`.

        Raises:
            WebSocketProtocolError: 1009 as soon as `out` would pass `limit`; 1007 for bytes
                that are not deflate, and for more final blocks than any sender needs.
        """
        try:
            self._feed(data, out, limit)
            if fin:
                self._feed(_TAIL, out, limit)
                self._credit = _FREE_BLOCKS * _BYTES_PER_BLOCK
        except zlib.error:
            raise WebSocketProtocolError(
                CloseCode.INVALID_DATA, "invalid compressed data"
            ) from None
        if fin and not self.keep:
            self._z = None

    def _feed(self, data: bytes, out: bytearray, limit: int | None) -> None:
        rest = self._inflate(data, out, limit)
        if rest is None:
            return
        self._credit += len(data)
        view = memoryview(rest)
        for start in range(0, len(view), _SLICE):
            piece: bytes | memoryview | None = view[start : start + _SLICE]
            while piece:
                piece = self._inflate(piece, out, limit)

    def _inflate(self, data: bytes | memoryview, out: bytearray, limit: int | None) -> bytes | None:
        """Inflate `data` up to a final block; what follows that, or None if there was none."""
        z = self._z
        if z is None:
            z = self._z = zlib.decompressobj(wbits=-self.wbits)
        # One byte more than allowed is asked for: less than that coming out means that
        # zlib holds nothing back.
        room = 0 if limit is None else limit - len(out) + 1
        piece = z.decompress(data, room)
        if room and len(piece) >= room:
            raise WebSocketProtocolError(CloseCode.MESSAGE_TOO_BIG, "message too big")
        out += piece
        if not z.eof:
            return None
        # A final block (RFC 7692 7.2.3.4) ends zlib's stream, not the message: go on with
        # a new object that knows the window. Only this message's part of it is at hand.
        self._credit -= _BYTES_PER_BLOCK
        if self._credit < 0:
            raise WebSocketProtocolError(
                CloseCode.INVALID_DATA, "too many final blocks in compressed data"
            )
        self._z = zlib.decompressobj(wbits=-self.wbits, zdict=bytes(out[-_WINDOW:]))
        return z.unused_data
