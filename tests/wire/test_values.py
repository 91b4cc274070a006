"""Ranges, conditions, dates, hosts and URLs: the small formats."""

from __future__ import annotations

import datetime
import doctest
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import HTTPInputError
from tornado_trio.wire import abnf, cookies, dates, ranges, urls
from tornado_trio.wire.conditional import (
    compute_etag,
    if_range_holds,
    match,
    none_match,
    not_modified_since,
    parse_etags,
)
from tornado_trio.wire.dates import format_timestamp, http_date, parse_date
from tornado_trio.wire.ranges import (
    UnsatisfiableRange,
    content_range,
    parse_range,
    resolve_range,
)
from tornado_trio.wire.urls import (
    encode_username_password,
    parse_host,
    qs_to_qsl,
    split_absolute_form,
    split_host_and_port,
    url_concat,
)

# --- ranges ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "parsed"),
    [
        ("bytes=1-2", (1, 3)),
        ("bytes= 1 - 2 ", (1, 3)),
        ("bytes=6-", (6, None)),
        ("bytes=-6", (-6, None)),
        ("bytes=-0", (None, 0)),
        ("bytes=-", (None, None)),
        ("bytes=5-1", (5, 2)),
        ("bytes=1-2,3-4", None),
        ("bytes=" + "0-0," * 1000, None),  # CVE-2011-3192
        ("lines=1-2", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=0_0-0_4", None),
        ("bytes=--5", None),
        ("bytes=\u0661-\u0662", None),  # CVE-2025-69225: digits are ASCII
        ("bytes=1", (1, None)),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_parse_range(field: str, parsed: object) -> None:
    assert parse_range(field) == parsed


@pytest.mark.parametrize(
    ("field", "size", "found"),
    [
        (None, 10, None),
        ("", 10, None),
        ("lines=1-2", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=2-3", 10, (2, 4)),
        ("bytes=2-99", 10, (2, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
    ],
)
def test_resolve_range(field: str | None, size: int, found: object) -> None:
    assert resolve_range(field, size) == found


@pytest.mark.parametrize(
    ("field", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=5-1", 10), ("bytes=0-", 0)]
)
def test_unsatisfiable(field: str, size: int) -> None:
    with pytest.raises(UnsatisfiableRange) as info:
        resolve_range(field, size)
    assert info.value.status == 416 and info.value.size == size


def test_range_is_linear() -> None:
    """CVE-2025-62727."""
    start = time.process_time()
    for unit in (" ", "-", "0", "1-2,"):
        parse_range("bytes=" + unit * 500_000)
    assert time.process_time() - start < 2


def test_content_range() -> None:
    assert content_range(None, None, 4) == "bytes 0-3/4"
    assert content_range(1, 3, 4) == "bytes 1-2/4"


# --- conditions ----------------------------------------------------------------------------


def test_etags() -> None:
    assert compute_etag([b"a", b"b"]) == compute_etag([b"ab"])
    assert compute_etag([b"x"]).startswith('"')
    assert parse_etags('"a", W/"b" , "c,d",*, junk') == ['"a"', 'W/"b"', '"c,d"', "*"]


@pytest.mark.parametrize(
    ("field", "weak", "strong"),
    [
        ('"a"', True, True),
        ('W/"a"', True, False),
        ('"b", "a"', True, True),
        ("*", True, True),
        ('"b"', False, False),
        ("a", False, False),
        ("", False, False),
    ],
)
def test_matching(field: str, weak: bool, strong: bool) -> None:
    assert none_match(field, '"a"') is weak
    assert none_match(field, 'W/"a"') is weak
    assert match(field, '"a"') is strong
    assert match(field, 'W/"a"') is (field == "*")


def test_modified_since() -> None:
    modified = 1359312200.7
    assert not_modified_since("Sun, 27 Jan 2013 18:43:20 GMT", modified)
    assert not not_modified_since("Sun, 27 Jan 2013 18:43:19 GMT", modified)
    assert not not_modified_since("yesterday", modified)


def test_if_range() -> None:
    modified = 1359312200.7
    date = format_timestamp(modified)
    assert if_range_holds('"a"', '"a"', None)
    assert if_range_holds(f" {date}", '"a"', modified)
    assert not if_range_holds('"b"', '"a"', modified)
    assert not if_range_holds('"a"', None, modified)
    assert not if_range_holds('W/"a"', 'W/"a"', modified)
    assert not if_range_holds(date, '"a"', modified + 5)
    assert not if_range_holds(date, '"a"', None)
    assert not if_range_holds("junk", '"a"', modified)


# --- dates -------------------------------------------------------------------------------


def test_format_timestamp() -> None:
    expected = "Sun, 27 Jan 2013 18:43:20 GMT"
    seconds = 1359312200.503611
    naive = datetime.datetime(2013, 1, 27, 18, 43, 20)
    zone = datetime.timezone(datetime.timedelta(hours=-4))
    for ts in (
        seconds,
        int(seconds),
        time.gmtime(seconds),
        tuple(time.gmtime(seconds)),
        naive,
        naive.replace(tzinfo=datetime.UTC),
        datetime.datetime.fromtimestamp(seconds, zone),
    ):
        assert format_timestamp(ts) == expected
    assert format_timestamp(-0.5) == "Wed, 31 Dec 1969 23:59:59 GMT"
    with pytest.raises(TypeError):
        format_timestamp("x")  # type: ignore[arg-type]


@given(st.integers(0, 10**10))
def test_dates_round_trip(seconds: int) -> None:
    assert parse_date(format_timestamp(seconds)) == seconds


def test_parse_date() -> None:
    # The three formats of RFC 9110 5.6.7.
    for text in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ):
        assert parse_date(text) == 784111777
    for text in ("", "junk", "Sun, 99 Nov 1994 08:49:37 GMT", "1" * 100, "Sun, 06 Nov 99999999999"):
        assert parse_date(text) is None


@given(st.text(max_size=70))
def test_parse_date_anything(text: str) -> None:
    parse_date(text)


def test_http_date(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1359312200.5
    monkeypatch.setattr(time, "time", lambda: now)
    assert http_date() == "Sun, 27 Jan 2013 18:43:20 GMT"
    assert http_date() is http_date()
    now += 0.5
    assert http_date() == "Sun, 27 Jan 2013 18:43:21 GMT"


# --- hosts and URLs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "parsed"),
    [
        ("a", ("a", None)),
        ("a:80", ("a", 80)),
        ("a:", ("a", None)),
        ("", ("", None)),
        ("[::1]", ("[::1]", None)),
        ("[::1]:80", ("[::1]", 80)),
        ("EX-ample_.com:443", ("EX-ample_.com", 443)),
        ("1.2.3.4", ("1.2.3.4", None)),
    ],
)
def test_hosts(field: str, parsed: tuple[str, int | None]) -> None:
    assert parse_host(field) == parsed
    assert parse_host(field) == parsed


@pytest.mark.parametrize(
    "field",
    [
        "a b",
        "a/b",
        "u@a",
        "a\x00",
        "a:b",
        "a:80:80",
        "[::1",
        "::1]",
        "[::1]x",
        "[[::1]]",
        "a[b]",
        "a,b",
        "a, b",
        "a:99999",
        "a:123456",
        "a:\u0661",
        "\xe9",
        "a%zz",
        "a?b",
        "a#b",
        "a\\b",
    ],
)
def test_bad_hosts(field: str) -> None:
    with pytest.raises(HTTPInputError, match="Invalid Host"):
        parse_host(field)


def test_host_cache_is_bounded() -> None:
    for i in range(1000):
        parse_host(f"h{i}")
    parse_host("x" * 300)
    assert len(abnf._hosts) <= abnf._MAX_HOSTS
    assert "x" * 300 not in abnf._hosts


def test_there_is_one_grammar() -> None:
    """A token is spelled in one place."""
    package = Path(abnf.__file__).parents[1]
    spelled = [path.name for path in package.rglob("*.py") if "+\\-.^_`|~" in path.read_text()]
    assert spelled == ["abnf.py"]


def test_split_host_and_port() -> None:
    for netloc, parsed in {
        "a:80": ("a", 80),
        "a": ("a", None),
        "[::1]:80": ("[::1]", 80),
        "[::1]": ("[::1]", None),
        "::1": ("::1", None),
        "a:b": ("a:b", None),
        "a:": ("a:", None),
        "": ("", None),
        "[::1": ("[::1", None),
        "a:\u0663": ("a:\u0663", None),
    }.items():
        assert split_host_and_port(netloc) == parsed


def test_absolute_form() -> None:
    assert split_absolute_form("http://a:80/b?c") == ("a:80", "/b?c")
    assert split_absolute_form("HTTPS://a") == ("a", "/")
    assert split_absolute_form("http://a?b") == ("a", "/?b")
    for target in ("/a", "*", "a:80", "/http://a", "ftp://a/b", ""):
        assert split_absolute_form(target) is None


def test_url_concat() -> None:
    assert url_concat("http://a/?x=1#f", {"y": "\xe9 "}) == "http://a/?x=1&y=%C3%A9+#f"
    assert url_concat("/p?x&y=", [("z", 1), ("z", 2)]) == "/p?x=&y=&z=1&z=2"
    assert url_concat("/p?x", None) == "/p?x"
    with pytest.raises(TypeError):
        url_concat("/p", "a=b")  # type: ignore[arg-type]
    assert list(qs_to_qsl({"a": ["1", "2"], "b": []})) == [("a", "1"), ("a", "2")]


def test_username_password() -> None:
    assert encode_username_password("a\u0301", b"\xff") == b"\xc3\xa1:\xff"
    assert encode_username_password(b"u", "p") == b"u:p"


def test_doctests() -> None:
    for module in (abnf, cookies, dates, ranges, urls):
        result = doctest.testmod(module)
        assert result.attempted and not result.failed
