"""WebSocket frames as bytes (RFC 6455, section 5): encoding, masking, close payloads.

Pure functions. Knows no connection, no direction, no I/O.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import Final, NamedTuple

from ...errors import PeerError
from .masking import apply_mask

__all__ = [
    "BINARY",
    "CLOSE",
    "CONT",
    "PING",
    "PONG",
    "TEXT",
    "Close",
    "CloseCode",
    "WebSocketProtocolError",
    "apply_mask",
    "encode_close",
    "encode_frame",
    "parse_close",
    "valid_close_code",
]

# Opcodes are plain integers: an IntEnum lookup per frame costs more than the frame's header.
CONT: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

MAX_CONTROL_PAYLOAD: Final = 125

_HEAD16 = Struct("!BBH").pack
_HEAD64 = Struct("!BBQ").pack
_CODE = Struct("!H")


class CloseCode:
    """The close codes this package itself sends or reports (RFC 6455 7.4.1, IANA registry)."""

    NORMAL: Final = 1000
    GOING_AWAY: Final = 1001
    PROTOCOL_ERROR: Final = 1002
    UNSUPPORTED_DATA: Final = 1003
    NO_STATUS: Final = 1005  # reported only: a close frame without a code
    ABNORMAL: Final = 1006  # reported only: the connection ended without a close frame
    INVALID_DATA: Final = 1007
    POLICY_VIOLATION: Final = 1008
    MESSAGE_TOO_BIG: Final = 1009
    INTERNAL_ERROR: Final = 1011
    TRY_AGAIN_LATER: Final = 1013


class WebSocketProtocolError(PeerError):
    """The peer broke the protocol or crossed a limit; `code` is the close code to send."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Close(NamedTuple):
    """What a close frame says. `code` is `CloseCode.NO_STATUS` when it says nothing."""

    code: int
    reason: str


def encode_frame(
    opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False, mask: bool = False
) -> bytes:
    """One frame. `mask` for frames a client sends."""
    length = len(payload)
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    second = 0x80 if mask else 0
    if length < 126:
        head = bytes((first, second | length))
    elif length < 65536:
        head = _HEAD16(first, second | 126, length)
    else:
        head = _HEAD64(first, second | 127, length)
    if mask:
        # RFC 6455 5.3 wants the key from a strong source; a system call per frame (0.4 us)
        # is cheaper than reasoning about a pool that two forked processes would share.
        key = os.urandom(4)
        return b"".join((head, key, apply_mask(payload, key)))
    return head + payload


def valid_close_code(code: int) -> bool:
    """May `code` appear in a close frame? (1004-1006 and 1015 may not.)"""
    return 3000 <= code <= 4999 or 1000 <= code <= 1003 or 1007 <= code <= 1014


def encode_close(code: int | None, reason: str | bytes = b"") -> bytes:
    """The payload of a close frame.

    The reason is truncated (between characters) to fit a control frame.

    Raises:
        ValueError: the code may not be sent, or there is a reason but no code.
    """
    if isinstance(reason, str):
        reason = reason.encode()
    if code is None:
        if reason:
            raise ValueError("a close reason needs a code")
        return b""
    if not valid_close_code(code):
        raise ValueError(f"close code {code} may not be sent")
    room = MAX_CONTROL_PAYLOAD - 2
    if len(reason) > room:
        reason = reason[:room].decode("utf-8", "ignore").encode()
    return _CODE.pack(code) + reason


def parse_close(payload: bytes) -> Close:
    """Read the payload of a close frame.

    Raises:
        WebSocketProtocolError: it has one byte, a code that may not be sent, or bad UTF-8.
    """
    if not payload:
        return Close(CloseCode.NO_STATUS, "")
    if len(payload) == 1:
        raise WebSocketProtocolError(CloseCode.PROTOCOL_ERROR, "close frame of one byte")
    (code,) = _CODE.unpack_from(payload)
    if not valid_close_code(code):
        raise WebSocketProtocolError(CloseCode.PROTOCOL_ERROR, "invalid close code")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise WebSocketProtocolError(CloseCode.INVALID_DATA, "close reason is not UTF-8") from None
