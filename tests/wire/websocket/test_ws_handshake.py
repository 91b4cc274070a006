from __future__ import annotations

from typing import Any

import pytest

from tornado_trio.wire.urls import origin_matches_host
from tornado_trio.wire.websocket.deflate import DeflateOptions, DeflateParams
from tornado_trio.wire.websocket.handshake import (
    HandshakeError,
    accept_value,
    check_answer,
    check_request,
    make_key,
    parse_subprotocols,
    request_headers,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def test_rfc_example() -> None:
    assert accept_value(KEY) == accept_value(KEY.encode()) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_good_request() -> None:
    assert check_request("GET", "HTTP/1.1", GOOD) == KEY
    assert check_request("GET", "HTTP/1.1", {**GOOD, "Upgrade": "WebSocket"}) == KEY
    assert make_key() != make_key()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Host": ""}, 400),
        ({"Upgrade": ""}, 400),
        ({"Upgrade": "h2c"}, 400),
        ({"Connection": "close"}, 400),
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": KEY + ", " + KEY}, 400),
        ({"Sec-WebSocket-Key": "é" * 24}, 400),
    ],
)
def test_refused(change: dict[str, str], status: int) -> None:
    with pytest.raises(HandshakeError) as caught:
        check_request("GET", "HTTP/1.1", {**GOOD, **change})
    assert caught.value.status == status
    if status == 426:
        assert caught.value.headers["Sec-WebSocket-Version"] == "13"


def test_http10_and_other_methods() -> None:
    with pytest.raises(HandshakeError) as caught:
        check_request("GET", "HTTP/1.0", GOOD)
    assert caught.value.status == 400
    with pytest.raises(HandshakeError) as caught:
        check_request("POST", "HTTP/1.1", GOOD)
    assert caught.value.status == 405


def test_subprotocols() -> None:
    assert parse_subprotocols(None) == []
    assert parse_subprotocols(" a, b\t,,c ") == ["a", "b", "c"]
    assert parse_subprotocols('ok, b d, é, "q"') == ["ok"]


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://a.test", "a.test", True),
        ("https://A.test:81/path", "a.TEST:81", True),
        ("http://a.test", "a.test:81", False),
        ("http://b.a.test", "a.test", False),
        ("null", "a.test", False),
        ("", "", False),
        ("http://[", "a.test", False),
        ("a.test", "a.test", False),
        ("http://a.test", None, False),
    ],
)
def test_origin(origin: str, host: str | None, same: bool) -> None:
    assert origin_matches_host(origin, host) is same


def test_client_request() -> None:
    headers = request_headers(KEY, subprotocols=["a", "b"], deflate=DeflateOptions(window_bits=15))
    assert check_request("GET", "HTTP/1.1", {**headers, "Host": "example.com"}) == KEY
    assert headers["Sec-WebSocket-Protocol"] == "a,b"
    assert headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
    with pytest.raises(ValueError):
        request_headers(KEY, subprotocols=["a b"])
    assert {*request_headers(KEY), "Host"} == set(GOOD)


ANSWER = {
    "Upgrade": "WebSocket",
    "Connection": "upgrade",
    "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
}


def test_good_answers() -> None:
    assert check_answer(101, ANSWER, KEY) == (None, None)
    full = {
        **ANSWER,
        "Sec-WebSocket-Protocol": "b",
        "Sec-WebSocket-Extensions": "permessage-deflate",
    }
    assert check_answer(
        101, full, KEY, subprotocols=["a", "b"], deflate=DeflateOptions(window_bits=15)
    ) == ("b", DeflateParams())


@pytest.mark.parametrize(
    "change",
    [
        {"Upgrade": "h2c"},
        {"Connection": "close"},
        {"Sec-WebSocket-Accept": "x"},
        {"Sec-WebSocket-Protocol": "b"},
        {"Sec-WebSocket-Extensions": "permessage-deflate"},
        {"Sec-WebSocket-Extensions": "a;"},
    ],
)
def test_bad_answers(change: dict[str, str]) -> None:
    with pytest.raises(HandshakeError):
        check_answer(101, {**ANSWER, **change}, KEY, subprotocols=["a"])


def test_other_status() -> None:
    empty: dict[str, Any] = {}
    with pytest.raises(HandshakeError) as caught:
        check_answer(403, empty, KEY)
    assert caught.value.status == 403
