from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from tornado_trio.web import AnyMatches, DefaultHostMatches, HostMatches, PathMatches
from tornado_trio.web.matchers import literal_prefix, unquote_or_none


def request(path: str = "/", host_name: str = "h.com", **headers: str) -> Any:
    return SimpleNamespace(path=path, host_name=host_name, headers=headers)


def test_any() -> None:
    assert AnyMatches().match(request()) == {}
    assert AnyMatches().reverse() is None


def test_host() -> None:
    matcher = HostMatches("www.example.com")
    assert matcher.host_pattern.pattern == "www.example.com$"
    assert matcher.match(request(host_name="www.example.com")) == {}
    assert matcher.match(request(host_name="www.example.com.evil.org")) is None


def test_default_host() -> None:
    app = SimpleNamespace(default_host="www.example.com")
    matcher = DefaultHostMatches(app, re.compile(r"www\.example\.com$"))
    assert matcher.match(request()) == {}
    assert matcher.match(request(**{"X-Real-Ip": "1.2.3.4"})) is None
    app.default_host = "other"
    assert matcher.match(request()) is None


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/foo", "/foo", {}),
        ("/foo", "/foo2", None),
        ("/foo", "/fo", None),
        ("^/foo$", "/foo", {}),
        (r"/a\.b", "/a.b", {}),
        (r"/a\.b", "/axb", None),
        ("/x/.*", "/x/yz", {}),
        ("/x/(.*)", "/x/y%20z", {"path_args": [b"y z"], "path_kwargs": {}}),
        ("/x/(.+)?", "/x/", {"path_args": [None], "path_kwargs": {}}),
        ("/x/(?P<n>.*)", "/x/1+2", {"path_args": [], "path_kwargs": {"n": b"1+2"}}),
        ("/x/(.*)", "/x/%ff", {"path_args": [b"\xff"], "path_kwargs": {}}),
    ],
)
def test_path(pattern: str, path: str, expected: Any) -> None:
    assert PathMatches(pattern).match(request(path)) == expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/café", "/caf%C3%A9", []),
        ("/café", "/caf%c3%a9", []),
        ("/café", "/café", []),
        ("/caf\\xe9", "/caf%C3%A9", []),
        ("/café", "/caf%E9", None),
        ("/é?x", "/x", []),
        ("/[äö]+/(.*)", "/%C3%A4%C3%B6/b%2Fc%C3%A9", [b"b/c\xc3\xa9"]),
        (r"/(\w+)/\u6d4b", "/%C3%A4/%E6%B5%8B", [b"\xc3\xa4"]),
        (r"/(\w+)/x", "/%C3%A4/x", None),  # as ever: no such text in the pattern
    ],
)
def test_patterns_beyond_ascii(pattern: str, path: str, expected: Any) -> None:
    found = PathMatches(pattern).match(request(path))
    assert (None if found is None else found.get("path_args", [])) == expected


def test_a_compiled_pattern_is_taken_as_it_is() -> None:
    assert PathMatches(re.compile("/foo")).match(request("/foobar")) == {}
    assert PathMatches(re.compile("/FOO$", re.IGNORECASE)).match(request("/foo")) == {}


def test_named_and_positional_groups_do_not_mix() -> None:
    with pytest.raises(AssertionError, match="all named or all positional"):
        PathMatches("/(a)(?P<b>c)")


@pytest.mark.parametrize(
    ("pattern", "args", "url"),
    [
        ("/favicon\\.ico", (), "/favicon.ico"),
        ("^/favicon\\.ico$", (), "/favicon.ico"),
        ("/api/([0-9]+)/icon\\.png", (5,), "/api/5/icon.png"),
        ("/a/(.*)", ("1 + 1",), "/a/1%20%2B%201"),
        ("/a/(.*)", (b"\xe9",), "/a/%E9"),
        ("/a/(.*)", ("é",), "/a/%C3%A9"),
        ("/a/(?P<x>[^)]+)/b", ("y",), "/a/y/b"),
        ("/a/(x(y)z)/b", ("w",), "/a/w/b"),
        ("/a/(.+)?", ("w",), "/a/w"),
        ("/100%/(.*)", ("w",), "/100%/w"),
        ("/é%/(.*)", ("ö",), "/%C3%A9%/%C3%B6"),
    ],
)
def test_reverse(pattern: str, args: tuple[Any, ...], url: str) -> None:
    assert PathMatches(pattern).reverse(*args) == url


@pytest.mark.parametrize("pattern", [r"^/api/v\d+/foo/(\w+)$", "/(?:a|b)/c", "/(?=a)b"])
def test_not_reversible(pattern: str) -> None:
    with pytest.raises(ValueError, match="Cannot reverse url regex"):
        PathMatches(pattern).reverse("x")


def test_reverse_wants_all_arguments() -> None:
    with pytest.raises(AssertionError):
        PathMatches("/(a)").reverse()


@pytest.mark.parametrize(
    ("pattern", "flags", "prefix", "exact"),
    [
        ("/a/b$", 0, "/a/b", True),
        ("^/a/b$", 0, "/a/b", True),
        ("/a/b", 0, "/a/b", False),
        (r"/a\.b/(.*)$", 0, "/a.b/", False),
        (r"/a\d$", 0, "/a", False),
        ("/ab?$", 0, "/a", False),
        ("/ab*c$", 0, "/a", False),
        ("/ab+$", 0, "/a", False),
        ("/ab{2}$", 0, "/a", False),
        ("/a|/b$", 0, "", False),
        ("/(a|b)$", 0, "/", False),
        ("/[|]x$", 0, "/", False),
        (r"/a\|b$", 0, "/a|b", True),
        ("(?i)/a$", re.IGNORECASE, "", False),
        ("/a$", re.IGNORECASE, "", False),
        (".*$", 0, "", False),
        ("/a$b", 0, "/a", False),
        ("/aé$", 0, "/a", False),
        ("/aé?b$", 0, "/a", False),
        (r"/a\–b$", 0, "/a", False),
    ],
)
def test_literal_prefix(pattern: str, flags: int, prefix: str, exact: bool) -> None:
    assert literal_prefix(re.compile(pattern, flags)) == (prefix, exact)


def test_unquote() -> None:
    assert unquote_or_none(None) is None
    assert unquote_or_none("a%2Fb") == b"a/b"
    assert unquote_or_none("a+b") == b"a+b"
