from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from tornado_trio.wire.websocket.frames import (
    BINARY,
    PING,
    TEXT,
    Close,
    WebSocketProtocolError,
    apply_mask,
    encode_close,
    encode_frame,
    parse_close,
    valid_close_code,
)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_encode_agrees_with_websockets(size: int) -> None:
    payload = bytes(i & 255 for i in range(size))
    assert encode_frame(BINARY, payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)


def test_flags() -> None:
    assert encode_frame(TEXT, b"x", fin=False, rsv1=True) == b"\x41\x01x"
    assert encode_frame(PING, b"") == b"\x89\x00"


def test_masked() -> None:
    frame = encode_frame(TEXT, b"hello", mask=True)
    assert frame[:2] == b"\x81\x85"
    assert apply_mask(frame[6:], frame[2:6]) == b"hello"
    assert encode_frame(TEXT, b"hello", mask=True)[2:6] != frame[2:6]


@pytest.mark.parametrize(
    ("code", "valid"),
    [(c, False) for c in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)]
    + [(c, True) for c in (1000, 1001, 1002, 1003, 1007, 1009, 1011, 1012, 1014, 3000, 4999)],
)
def test_close_codes(code: int, valid: bool) -> None:
    assert valid_close_code(code) is valid
    payload = code.to_bytes(2, "big") + b"why"
    if valid:
        assert encode_close(code, "why") == payload
        assert parse_close(payload) == Close(code, "why")
    else:
        with pytest.raises(ValueError):
            encode_close(code)
        with pytest.raises(WebSocketProtocolError) as caught:
            parse_close(payload)
        assert caught.value.code == 1002


def test_close_payloads() -> None:
    assert parse_close(b"") == Close(1005, "")
    assert encode_close(None) == b""
    with pytest.raises(ValueError):
        encode_close(None, "reason without a code")
    with pytest.raises(WebSocketProtocolError) as caught:
        parse_close(b"\x03")
    assert caught.value.code == 1002
    with pytest.raises(WebSocketProtocolError) as caught:
        parse_close(b"\x03\xe8\xff")
    assert caught.value.code == 1007


def test_long_reason_is_cut_between_characters() -> None:
    payload = encode_close(1000, "é" * 100)
    assert len(payload) <= 125
    assert parse_close(payload).reason == "é" * 61
    assert parse_close(encode_close(1000, b"bytes")).reason == "bytes"
