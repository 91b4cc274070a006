from __future__ import annotations

import pytest

from tornado_trio.wire.websocket.deflate import DeflateOptions, DeflateParams
from tornado_trio.wire.websocket.handshake import HandshakeError
from tornado_trio.wire.websocket.upgrade import agree, first_match

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
PLAIN = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
}


def test_the_least() -> None:
    agreement = agree("GET", "HTTP/1.1", GOOD)
    assert agreement.headers == PLAIN
    assert agreement.subprotocol is agreement.deflate is None


def test_subprotocols() -> None:
    offered = {**GOOD, "Sec-WebSocket-Protocol": "a, b"}
    best = agree("GET", "HTTP/1.1", offered, select_subprotocol=first_match(["b", "a"]))
    assert best.subprotocol == best.headers["Sec-WebSocket-Protocol"] == "b"
    none = agree("GET", "HTTP/1.1", offered, select_subprotocol=first_match(["c"]))
    assert none.subprotocol is None and none.headers == PLAIN
    with pytest.raises(ValueError, match="not a subprotocol"):
        agree("GET", "HTTP/1.1", offered, select_subprotocol=lambda offered: "a\r\nX: 1")


def test_compression() -> None:
    offered = {**GOOD, "Sec-WebSocket-Extensions": "permessage-deflate"}
    assert agree("GET", "HTTP/1.1", offered).deflate is None
    agreement = agree("GET", "HTTP/1.1", offered, deflate=DeflateOptions(window_bits=15))
    assert agreement.deflate == DeflateParams()
    assert agreement.headers["Sec-WebSocket-Extensions"] == "permessage-deflate"


def test_refused() -> None:
    with pytest.raises(HandshakeError) as caught:
        agree("GET", "HTTP/1.1", {**GOOD, "Sec-WebSocket-Extensions": '"'})
    assert caught.value.status == 400
    with pytest.raises(HandshakeError) as caught:
        agree("PUT", "HTTP/1.1", GOOD)
    assert caught.value.status == 405
