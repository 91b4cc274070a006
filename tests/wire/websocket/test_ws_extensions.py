from __future__ import annotations

import time

import pytest

from tornado_trio.wire.websocket.deflate import DeflateOptions, DeflateParams
from tornado_trio.wire.websocket.extensions import (
    ExtensionError,
    agree_deflate,
    check_deflate_answer,
    format_extension,
    offer_deflate,
    parse_extensions,
)

FULL = DeflateOptions(window_bits=15)


def test_parse() -> None:
    assert parse_extensions("") == []
    assert parse_extensions('a, b;x;y=1 ; z="2" ,, c') == [
        ("a", []),
        ("b", [("x", None), ("y", "1"), ("z", "2")]),
        ("c", []),
    ]
    for text in ("permessage-deflate; client_no_context_takeover; server_max_window_bits=10",):
        ((name, parameters),) = parse_extensions(text)
        assert format_extension(name, parameters) == text


@pytest.mark.parametrize(
    "field",
    [";", "a;", "a;=1", "a b", "a;x=", 'a;x="', 'a;x="b c"', "a;x=1 2", "é", "a;x=é", "a=1"],
)
def test_unreadable(field: str) -> None:
    with pytest.raises(ExtensionError):
        parse_extensions(field)


@pytest.mark.parametrize("unit", ["a;", ' "', ",", "\\", 'x="\\', "a; b=c, "])
def test_parse_is_linear(unit: str) -> None:
    begin = time.process_time()
    try:
        parse_extensions("a;x=" + unit * 60000)
    except ExtensionError:
        pass  # what is asked here is how long it takes
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("PERMESSAGE-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        # declined, then the next one taken
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_max_window_bits=99, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; nonsense, permessage-deflate", "permessage-deflate"),
        ("other; x=1, permessage-deflate", "permessage-deflate"),
    ],
)
def test_server_agrees(offer: str, answer: str) -> None:
    agreed = agree_deflate(parse_extensions(offer), FULL)
    assert agreed is not None
    assert agreed[1] == answer


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "other",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=abc",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; unknown=1",
    ],
)
def test_server_declines(offer: str) -> None:
    assert agree_deflate(parse_extensions(offer), FULL) is None


def test_server_options() -> None:
    options = DeflateOptions(
        window_bits=11, peer_window_bits=10, no_context_takeover=True, peer_no_context_takeover=True
    )
    agreed = agree_deflate(parse_extensions("permessage-deflate; client_max_window_bits"), options)
    assert agreed == (
        DeflateParams(True, True, 11, 10),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=11; client_max_window_bits=10",
    )
    # a client that cannot limit its window is not told to
    agreed = agree_deflate(parse_extensions("permessage-deflate"), options)
    assert agreed is not None and agreed[0].client_max_window_bits == 15


def test_client_offer() -> None:
    assert offer_deflate(FULL) == "permessage-deflate; client_max_window_bits"
    wish = DeflateOptions(
        window_bits=10, peer_window_bits=9, no_context_takeover=True, peer_no_context_takeover=True
    )
    assert offer_deflate(wish) == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=9; client_max_window_bits=10"
    )


def answer(field: str, options: DeflateOptions | None = FULL) -> DeflateParams | None:
    return check_deflate_answer(parse_extensions(field), options)


def test_client_checks_the_answer() -> None:
    assert answer("") is None
    assert answer("permessage-deflate") == DeflateParams()
    assert answer("permessage-deflate; server_max_window_bits=8") == DeflateParams(
        server_max_window_bits=8
    )
    assert answer("permessage-deflate", DeflateOptions(window_bits=10)) == DeflateParams(
        client_max_window_bits=10
    )


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("permessage-deflate", None),
        ("other", FULL),
        ("permessage-deflate, permessage-deflate", FULL),
        ("permessage-deflate; client_max_window_bits", FULL),
        ("permessage-deflate; client_max_window_bits=8", FULL),
        ("permessage-deflate; unknown", FULL),
        ("permessage-deflate", DeflateOptions(peer_no_context_takeover=True)),
        ("permessage-deflate", DeflateOptions(peer_window_bits=10)),
        ("permessage-deflate; server_max_window_bits=11", DeflateOptions(peer_window_bits=10)),
    ],
)
def test_client_refuses(field: str, options: DeflateOptions | None) -> None:
    with pytest.raises(ExtensionError):
        answer(field, options)
