"""Bytes from a peer into messages and control frames (RFC 6455 section 5, RFC 7692 section 6).

Knows one direction of one connection. No I/O, no answers: reacting to a ping or a close is up to
`protocol.py` and its callers.

Strategy:
 1. Pull, not push: `feed` stores, `next_event` hands out one event at a time, so a caller
    that stops asking holds at most the bytes it fed, never a list of inflated messages.
 2. The usual frame (whole, in one message, not compressed) is cut straight out of the bytes
    that were received: no copy but the payload's own.
 3. A frame that has arrived only in part is processed as it arrives: unmasked, inflated, checked.
    So invalid UTF-8 is found with its first byte (RFC 6455 8.1 allows, Autobahn 6.4 asks), a bomb
    with the byte that passes the limit, and one-byte reads cost linear time.
 4. Lengths are checked as announced, before any of the payload has arrived.
"""

from __future__ import annotations

import codecs
from struct import Struct
from typing import Final

from .deflate import Inflater
from .frames import (
    BINARY,
    CLOSE,
    CONT,
    MAX_CONTROL_PAYLOAD,
    PING,
    PONG,
    TEXT,
    Close,
    CloseCode,
    WebSocketProtocolError,
    apply_mask,
    parse_close,
)

__all__ = ["Event", "MessageReader"]

# (TEXT, str), (BINARY, bytes), (PING, bytes), (PONG, bytes), (CLOSE, Close)
Event = tuple[int, "str | bytes | Close"]

_U16 = Struct("!H").unpack_from
_U64 = Struct("!Q").unpack_from
_UTF8 = codecs.getincrementaldecoder("utf-8")

_CONTROLS: Final = frozenset((CLOSE, PING, PONG))


def _fail(reason: str, code: int = CloseCode.PROTOCOL_ERROR) -> WebSocketProtocolError:
    return WebSocketProtocolError(code, reason)


class MessageReader:
    """Reads one peer's frames.

    Args:
        masked: frames must be masked (we are the server); otherwise they must not be.
        max_size: bound on a message in bytes, inflated; None: none.
        inflater: set when permessage-deflate was agreed.

    Attributes:
        wire_bytes, message_bytes: bytes received, heads and all, and those of the messages
            they became.
        messages: how many those are.
    """

    __slots__ = (
        "_buf",
        "_check",
        "_fin",
        "_inflating",
        "_key",
        "_message",
        "_opcode",
        "_pos",
        "_remaining",
        "inflater",
        "masked",
        "max_size",
        "message_bytes",
        "messages",
        "wire_bytes",
    )

    def __init__(self, masked: bool, max_size: int | None, inflater: Inflater | None) -> None:
        self.masked = masked
        self.max_size = max_size
        self.inflater = inflater
        self.wire_bytes = 0
        self.message_bytes = 0
        self.messages = 0
        self._buf = b""
        self._pos = 0
        # The frame whose payload is being read.
        self._remaining = 0
        self._key = b""
        self._fin = True
        # The message that frame belongs to; `_opcode` 0: none has begun.
        self._opcode = 0
        self._message: bytearray | None = None
        self._inflating = False
        self._check: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes) -> None:
        """Store what was received. Ask for all events first, so that nothing piles up."""
        self.wire_bytes += len(data)
        if self._pos >= len(self._buf):
            self._buf = data
        else:
            self._buf = self._buf[self._pos :] + data
        self._pos = 0

    @property
    def buffered(self) -> int:
        """Bytes fed but not yet used."""
        return len(self._buf) - self._pos

    @property
    def mid_frame(self) -> bool:
        """Whether an end of the stream now would cut off a frame or a message."""
        return self._remaining > 0 or self._opcode != 0 or self.buffered > 0

    def next_event(self) -> Event | None:
        """The next message or control frame; None when more bytes are needed.

        Raises:
            WebSocketProtocolError: with the close code to fail the connection with.
        """
        if self._remaining:
            return self._go_on()
        buf = self._buf
        pos = self._pos
        available = len(buf) - pos
        while available >= 2:
            first, second = buf[pos], buf[pos + 1]
            if (second > 127) is not self.masked:
                raise _fail("frame not masked" if self.masked else "frame masked")
            length = second & 127
            opcode = first & 15
            if opcode > 7 or first & 0x70 or opcode > 2:
                self._check_head(first, opcode, length)
            head = 2
            if length == 126:
                if available < 4:
                    return None
                (length,) = _U16(buf, pos + 2)
                head = 4
            elif length == 127:
                if available < 10:
                    return None
                length, head = _long(buf, pos), 10
            if opcode < 8:
                self._check_data(first, opcode, length)
            key = b""
            if self.masked:
                head += 4
                if available < head:
                    return None
                key = buf[pos + head - 4 : pos + head]
            start = pos + head
            end = start + length
            if end > len(buf):
                return None if opcode > 7 else self._go_on_from(start, first, length, key)
            payload = buf[start:end]
            if key and payload:
                payload = apply_mask(payload, key)
            self._pos = end
            if opcode > 7:
                return (opcode, parse_close(payload) if opcode == CLOSE else payload)
            if first & 0xC0 == 0x80 and self._opcode == 0:
                return self._whole(opcode, payload)
            self._begin(first, opcode, 0, b"")
            event = self._take(payload)
            if event is not None:
                return event
            pos = end
            available = len(buf) - pos
        if not available:
            self._buf = b""  # releases a large read while the connection is idle
            self._pos = 0
        return None

    def _go_on_from(self, start: int, first: int, length: int, key: bytes) -> Event | None:
        """A data frame that has come in part: take what is there."""
        self._pos = start
        self._begin(first, first & 15, length, key)
        return self._go_on()

    # --- checks --------------------------------------------------------------

    def _check_head(self, first: int, opcode: int, length: int) -> None:
        """The rarer heads: control frames, reserved bits, unknown opcodes."""
        if opcode > 7:
            if opcode not in _CONTROLS:
                raise _fail("unknown opcode")
            if not first & 0x80:
                raise _fail("fragmented control frame")
            if length > MAX_CONTROL_PAYLOAD:
                raise _fail("control frame too long")
        elif opcode > BINARY:
            raise _fail("unknown opcode")
        reserved = first & 0x70
        if reserved and not (
            reserved == 0x40 and self.inflater is not None and opcode in (TEXT, BINARY)
        ):
            raise _fail("reserved bits set")

    def _check_data(self, first: int, opcode: int, length: int) -> None:
        """Order of fragments, and the length a data frame announces."""
        if (opcode == CONT) is (self._opcode == 0):
            raise _fail(
                "continuation of no message" if opcode == CONT else "message inside a message"
            )
        limit = self.max_size
        if limit is None:
            return
        if self._inflating if opcode == CONT else first & 0x40:
            # Incompressible data grows: five bytes for each stored block, and zlib's block
            # sizes are ours to be generous about. Inflating has its own, exact bound.
            limit += (limit >> 7) + 64
        elif self._message is not None:
            limit -= len(self._message)
        if length > limit:
            raise _fail("message too big", CloseCode.MESSAGE_TOO_BIG)

    # --- messages in one piece -------------------------------------------------

    def _whole(self, opcode: int, payload: bytes) -> Event:
        self.message_bytes += len(payload)
        self.messages += 1
        if opcode == BINARY:
            return (BINARY, payload)
        try:
            return (TEXT, payload.decode())
        except UnicodeDecodeError:
            raise _fail("text is not UTF-8", CloseCode.INVALID_DATA) from None

    # --- messages in several pieces, or compressed ------------------------------

    def _begin(self, first: int, opcode: int, length: int, key: bytes) -> None:
        """A data frame begins, of which `length` payload bytes are still to be read."""
        self._fin = first > 127
        self._remaining = length
        self._key = key
        if opcode != CONT:
            self._opcode = opcode
            self._message = bytearray()
            self._inflating = first & 0x40 != 0
            self._check = _UTF8() if opcode == TEXT else None

    def _go_on(self) -> Event | None:
        """Process what has arrived of the current frame's payload."""
        buf = self._buf
        pos = self._pos
        data = buf[pos : pos + self._remaining] if pos or len(buf) > self._remaining else buf
        size = len(data)
        if not size:
            return None
        self._pos = pos + size
        key = self._key
        if key:
            data = apply_mask(data, key)
            turn = size & 3
            if turn:
                self._key = key[turn:] + key[:turn]
        self._remaining -= size
        event = self._take(data)
        if event is None and not self._remaining:
            return self.next_event()
        return event

    def _take(self, data: bytes) -> Event | None:
        """Add a piece to the message; the event if that completes it."""
        message = self._message
        if message is None:  # pragma: no cover - `_begin` always set it
            raise _fail("continuation of no message")
        done = self._fin and not self._remaining
        before = len(message)
        if self._inflating and self.inflater is not None:
            self.inflater.decompress(data, done, message, self.max_size)
            piece: bytes | bytearray = message[before:] if before else message
        else:
            message += data
            piece = data
        opcode = self._opcode
        if self._check is not None:
            try:
                text = self._check.decode(piece, done)
                if done and before:
                    text = message.decode()
            except UnicodeDecodeError:
                raise _fail("text is not UTF-8", CloseCode.INVALID_DATA) from None
        if not done:
            return None
        self.message_bytes += len(message)
        self.messages += 1
        self._opcode = 0
        self._message = None
        self._check = None
        return (TEXT, text) if opcode == TEXT else (BINARY, bytes(message))


def _long(buf: bytes, pos: int) -> int:
    """The length in eight bytes of the frame head at `pos`."""
    length: int = _U64(buf, pos + 2)[0]
    if length >> 63:
        raise _fail("frame length with its top bit set")
    return length
