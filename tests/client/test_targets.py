"""URLs taken apart: what is connected to, what is asked for, what is refused."""

from __future__ import annotations

import pytest

from tornado_trio.client.errors import InvalidRequest
from tornado_trio.client.targets import (
    Origin,
    encode_basic,
    parse_target,
    resolve_location,
    without_credentials,
)


@pytest.mark.parametrize(
    ("url", "origin", "path", "host"),
    [
        ("http://a.test", ("http", "a.test", 80), "/", "a.test"),
        ("http://a.test:80/x", ("http", "a.test", 80), "/x", "a.test"),
        ("HTTPS://A.Test:8443/x?y=1#f", ("https", "a.test", 8443), "/x?y=1", "a.test:8443"),
        ("http://a.test?q", ("http", "a.test", 80), "/?q", "a.test"),
        ("http://[::1]:81/", ("http", "::1", 81), "/", "[::1]:81"),
        ("http://u:p@a.test/", ("http", "a.test", 80), "/", "a.test"),
        ("wss://a.test/ws", ("https", "a.test", 443), "/ws", "a.test"),
        ("http://a.test/a b?c d", ("http", "a.test", 80), "/a%20b?c%20d", "a.test"),
        ("http://a.test/%41/é", ("http", "a.test", 80), "/%41/%C3%A9", "a.test"),
        ("http://bücher.test/", ("http", "xn--bcher-kva.test", 80), "/", "xn--bcher-kva.test"),
    ],
)
def test_parts(url: str, origin: tuple[str, str, int], path: str, host: str) -> None:
    target = parse_target(url)
    assert target.origin == Origin(*origin)
    assert target.path == path
    assert target.host_header == host


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.test/",
        "a.test",
        "",
        "//a.test/",
        "http://",
        "http:///x",
        "http://a.test:99999/",
        "http://a.test:x/",
        "http://a.test:0/",
        "http://a.test/\r\nX: y",
        "http://a.test/\x00",
        "http://a test/",
        "http://a\\b/",
        "http://[::1/",
        "http://" + "é" * 70 + ".test/",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_target(url)


def test_credentials() -> None:
    assert parse_target("http://us%40er:p%20w@a.test/").credentials == ("us@er", "p w")
    assert parse_target("http://me@a.test/").credentials == ("me", "")
    assert parse_target("http://a.test/").credentials is None
    assert without_credentials("http://me:secret@a.test:1/x") == "http://a.test:1/x"
    assert without_credentials("http://a.test/x") == "http://a.test/x"
    assert "secret" not in parse_target("http://me:secret@a.test/x").absolute


def test_resolve_location() -> None:
    assert resolve_location("http://a.test/b/c?d", "e") == "http://a.test/b/e"
    assert resolve_location("http://a.test/b#frag", "/x") == "http://a.test/x#frag"
    assert resolve_location("http://a.test/b#frag", "/x#own") == "http://a.test/x#own"
    assert resolve_location("http://a.test/", "//b.test/x") == "http://b.test/x"


def test_basic() -> None:
    # RFC 7617, sections 2 and 2.1.
    assert encode_basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert encode_basic("test", "123£") == "Basic dGVzdDoxMjPCow=="
    with pytest.raises(InvalidRequest):
        encode_basic("a:b", "c")
