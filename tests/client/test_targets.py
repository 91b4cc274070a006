"""URLs taken apart: what is connected to, what is asked for, what is refused."""

from __future__ import annotations

import traceback

import pytest

from tornado_trio.client.errors import InvalidRequest
from tornado_trio.client.targets import (
    Origin,
    check_base,
    encode_basic,
    join_base,
    parse_target,
    resolve_location,
    show_url,
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


@pytest.mark.parametrize(
    ("location", "url"),
    [
        (b"/caf\xc3\xa9", "http://a.test/caf%C3%A9"),
        (b"/synspr\xf8ve", "http://a.test/synspr%F8ve"),
        (b"?q=\xe2\x82\xac&r=a b", "http://a.test/dir/page?q=%E2%82%AC&r=a%20b"),
        (b"/%C3%A9/\xc3\xa9", "http://a.test/%C3%A9/%C3%A9"),
        (b"x#\xc3\xa9", "http://a.test/dir/x#%C3%A9"),
        (b"//b.test/\xff", "http://b.test/%FF"),
        (b"https://b.test:81/\xe6\xb5\x8b?\xe6", "https://b.test:81/%E6%B5%8B?%E6"),
        (b"http://b\xc3\xbccher.test:81/\xf8", "http://bücher.test:81/%F8"),
        (b"http://m\xe9:p\xc3\xa9@b.test/", "http://m%E9:p%C3%A9@b.test/"),
        ("/測/é".encode(), "http://a.test/%E6%B8%AC/%C3%A9"),
    ],
)
def test_raw_bytes_of_a_location_are_kept(location: bytes, url: str) -> None:
    assert resolve_location("http://a.test/dir/page", location.decode("latin-1")) == url
    parse_target(url)


def test_a_location_that_is_text_stays_text() -> None:
    assert resolve_location("http://a.test/", "/測") == "http://a.test/測"
    assert resolve_location("http://é.test/é", "/\xe9") == "http://é.test/%E9"


def test_a_raw_host_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no UTF-8"):
        resolve_location("http://a.test/", "http://b\xfccher.test/")


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@a.test/\r\nX: y",
        "ftp://me:secret@a.test/",
        "http://me:secret@",
        "http://me:secret@a.test:0/",
        "http://me:secret@a.test:99999/",
        "http://me:secret@a.test:x/",
        "http://me:sec/secret@a.test/",
        "http://me:sec?secret@a.test:1/",
        "http://me:secret@[::1/",
        "http://me:secret@a\u2100b/",
        "http://me:secret@a test/",
        "//me:secret@a.test/",
        "http://secret@a.test:0/",
        "http://me:sec//secret@a.test/",
        "me:secret@a.test",
        "me:secret//secret@a.test",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    for function in (parse_target, lambda url: resolve_location("http://a.test", url)):
        try:
            function(url)
        except InvalidRequest as error:
            text = "".join(traceback.format_exception(error))
            assert "secret" not in text.replace(repr(url), "").split("InvalidRequest:")[-1]
            assert error.__cause__ is None and error.__suppress_context__ or not error.__context__


def test_urls_as_they_are_shown() -> None:
    assert show_url("http://a.test/@x") == "http://a.test/@x"
    assert show_url("http://me:pw@a.test/@x") == "http://a.test/@x"
    assert show_url("http://me:p/w@a.test/") == "http://***@a.test/"
    assert "pw" not in repr(parse_target("http://me:pw@a.test/"))


def test_bytes_are_refused_with_a_word() -> None:
    with pytest.raises(InvalidRequest, match="a URL is text, not bytes"):
        parse_target(b"http://a.test/")  # type: ignore[arg-type]


def test_basic() -> None:
    # RFC 7617, sections 2 and 2.1.
    assert encode_basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert encode_basic("test", "123£") == "Basic dGVzdDoxMjPCow=="
    with pytest.raises(InvalidRequest):
        encode_basic("a:b", "c")


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("/things", "https://a.test/v1/things"),
        ("things", "https://a.test/v1/things"),
        ("", "https://a.test/v1"),
        ("?q=http://b.test", "https://a.test/v1?q=http://b.test"),
        ("//b.test/x", "https://a.test/v1/b.test/x"),  # no way to another host
        ("/x?u=http://b.test", "https://a.test/v1/x?u=http://b.test"),
        ("http://b.test/x", "http://b.test/x"),
    ],
)
def test_a_url_after_the_base(url: str, whole: str) -> None:
    assert join_base("https://a.test/v1", url) == whole
    if url:
        assert join_base("https://a.test/v1/", url).replace("/v1/?", "/v1?") == whole


@pytest.mark.parametrize("base", ["a.test", "ftp://a.test", "http://a.test/?q", "http://a.test/#f"])
def test_what_cannot_be_a_base_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        check_base(base)
