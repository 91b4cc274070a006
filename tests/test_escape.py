"""Escaping, and percent-decoding beneath it."""

from __future__ import annotations

import doctest
import functools
import json
import time
import urllib.parse
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio import escape
from tornado_trio._util import percent
from tornado_trio.escape import (
    json_decode,
    json_encode,
    linkify,
    native_str,
    parse_qs_bytes,
    recursive_unicode,
    squeeze,
    to_basestring,
    to_unicode,
    unquote_to_bytes,
    url_escape,
    url_unescape,
    utf8,
    xhtml_escape,
    xhtml_unescape,
)


def test_bytes_and_text() -> None:
    assert utf8("\xe9") == b"\xc3\xa9" and utf8(b"\xff") == b"\xff" and utf8(None) is None
    assert to_unicode(b"\xc3\xa9") == "\xe9" and to_unicode("x") == "x"
    assert to_unicode(None) is None
    assert native_str is to_unicode and to_basestring is to_unicode
    for wrong in (1, bytearray(b"x"), []):
        with pytest.raises(TypeError):
            utf8(wrong)  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            to_unicode(wrong)  # type: ignore[call-overload]
    with pytest.raises(UnicodeDecodeError):
        to_unicode(b"\xff")
    assert recursive_unicode({b"a": [b"b", (b"c", 1, None)]}) == {"a": ["b", ("c", 1, None)]}
    assert squeeze(" a \t\x00 b\xa0c  ") == "a b\xa0c"


def test_html() -> None:
    assert xhtml_escape(b"<&>'\"\xc3\xa9") == "&lt;&amp;&gt;&#x27;&quot;\xe9"
    assert xhtml_unescape("&#x26;&#38;&lt;&nbsp;&foo;&#xyz;") == "&&<\xa0&foo;&#xyz;"


def test_json() -> None:
    assert json_encode({"a": "</script>\u2028"}) == '{"a": "<\\/script>\\u2028"}'
    assert json_decode(json_encode("</")) == "</"
    assert json_decode(b'"\xc3\xa9"') == "\xe9"
    with pytest.raises(ValueError):
        json_decode("{")


# --- URLs ----------------------------------------------------------------------------------


def test_url_escape() -> None:
    assert url_escape("/ \xe9+&") == "%2F+%C3%A9%2B%26"
    assert url_escape("/ \xe9", plus=False) == "/%20%C3%A9"
    assert url_escape(b"\xff") == "%FF"


def test_url_unescape() -> None:
    assert url_unescape("a+b%20%e9", encoding="latin-1") == "a b \xe9"
    assert url_unescape("a+b%2b", plus=False) == "a+b+"
    assert url_unescape("%e9") == "\ufffd"
    assert url_unescape("\xe9%C3%A9") == "\xe9\xe9"
    assert url_unescape(b"a+b%e9", encoding=None) == b"a b\xe9"
    assert url_unescape("a+b%e9", encoding=None, plus=False) == b"a+b\xe9"
    assert url_unescape("plain") == "plain"


pieces = st.lists(
    st.sampled_from([b"%", b"=", b"a", b"2", b"F", b"%41", b"%3d", b"\r", b"\n", b"%e9", b"\xe9"])
).map(b"".join)


@given(st.one_of(pieces, st.binary()))
def test_unquote_is_the_standard_librarys(data: bytes) -> None:
    expected = urllib.parse.unquote_to_bytes(data)
    assert unquote_to_bytes(data) == expected
    with mock.patch.object(percent, "_SHORT", -1):  # by the decoder, however few there are
        assert unquote_to_bytes(data) == expected


@given(pieces)
def test_unquote_whatever_bytes_there_are(data: bytes) -> None:
    """Marks for "=" are chosen among the bytes that are not there; here all are."""
    data = data + b"%26&%=" + bytes(range(256)) + data
    assert unquote_to_bytes(data) == urllib.parse.unquote_to_bytes(data)


def test_unquote_takes_another_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["aaaa", "bbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(tokens))
    data = b"%=\0aaaa%26" + bytes(range(256))
    assert unquote_to_bytes(data) == data.replace(b"%26", b"&")
    assert list(tokens) == []


@given(st.lists(st.sampled_from([b"a", b"=", b"&", b"%41", b"%", b"+", b"4"]), max_size=30))
def test_a_form_in_steps_is_the_form(parts: list[bytes]) -> None:
    data = b"".join(parts)
    whole, percent.STEP = percent.STEP, 3
    try:
        steps = percent.parse_form_steps(data)
        yields = 0
        while True:
            try:
                next(steps)
                yields += 1
            except StopIteration as done:
                assert done.value == parse_qs_bytes(data, keep_blank_values=True)
                break
        assert yields >= len(data) // 3 - 1
    finally:
        percent.STEP = whole


def test_names_are_bounded() -> None:
    body = b"a=1&" + b"%" * (8 * 1024 * 1024 + 1)
    with pytest.raises(ValueError, match="Field name too long"):
        list(percent.parse_form_steps(body))


@given(pieces, st.integers(3, 9))
def test_unquote_in_pieces(data: bytes, chunk: int) -> None:
    whole, percent._CHUNK = percent._CHUNK, chunk
    try:
        assert unquote_to_bytes(data) == urllib.parse.unquote_to_bytes(data)
    finally:
        percent._CHUNK = whole


@pytest.mark.parametrize("unit", [b"%", b"%41", b"%=", b"%\r\n", b"%4", b"a%3D="])
def test_unquote_is_linear(unit: bytes) -> None:
    start = time.process_time()
    unquote_to_bytes(unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 3


def test_query_strings() -> None:
    assert parse_qs_bytes("a=1&a=2%zz&b=%e9&c&d=") == {"a": [b"1", b"2%zz"], "b": [b"\xe9"]}
    assert parse_qs_bytes(b"&c&=x&d=&=", keep_blank_values=True) == {
        "c": [b""],
        "": [b"x", b""],
        "d": [b""],
    }
    assert parse_qs_bytes("a=1;b=2") == {"a": [b"1;b=2"]}  # CVE-2021-23336
    assert parse_qs_bytes("%E9+=+%2B") == {"\xe9 ": [b" +"]}
    assert parse_qs_bytes("", strict_parsing=True) == {}
    with pytest.raises(ValueError):
        parse_qs_bytes("a=1&b", strict_parsing=True)
    assert len(parse_qs_bytes("a=1&b=2", max_num_fields=2)) == 2
    with pytest.raises(ValueError, match="Max number of fields"):
        parse_qs_bytes("a=1&b=2&c=3", max_num_fields=2)


@given(
    st.lists(st.sampled_from(["a", "=", "&", "%41", "+", "%", "\xe9", ";"])).map("".join),
    st.booleans(),
    st.booleans(),
)
def test_query_strings_are_the_standard_librarys(qs: str, keep: bool, strict: bool) -> None:
    def outcome(parse: Any) -> Any:
        try:
            return parse()
        except ValueError:
            return ValueError

    expected = outcome(lambda: urllib.parse.parse_qs(qs, keep, strict, encoding="latin-1"))
    found = outcome(
        lambda: {
            name: [value.decode("latin-1") for value in values]
            for name, values in parse_qs_bytes(qs, keep, strict).items()
        }
    )
    assert found == expected


# --- links ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "html"),
    [
        ("see http://a.com/b.", {}, 'see <a href="http://a.com/b">http://a.com/b</a>.'),
        ("www.a.com!", {}, '<a href="http://www.a.com">www.a.com</a>!'),
        ("www.a.com", {"require_protocol": True}, "www.a.com"),
        ("www.", {}, "www."),
        ("www.! http://a", {}, 'www.! <a href="http://a">http://a</a>'),
        ("http://a.com/(b)(c", {}, '<a href="http://a.com/(b)">http://a.com/(b)</a>(c'),
        ("<http://a.com>", {}, '&lt;<a href="http://a.com">http://a.com</a>&gt;'),
        ('"http://a.com"', {}, '&quot;<a href="http://a.com">http://a.com</a>&quot;'),
        ("http://a.com/?b&c", {}, '<a href="http://a.com/?b&amp;c">http://a.com/?b&amp;c</a>'),
        ("javascript://x", {}, "javascript://x"),
        ("javascript:alert(1)", {}, "javascript:alert(1)"),
        ("ftp://x", {"permitted_protocols": ["ftp"]}, '<a href="ftp://x">ftp://x</a>'),
        ("http://a", {"extra_params": ' rel="x" '}, '<a href="http://a" rel="x">http://a</a>'),
        (
            "www.a",
            {"extra_params": lambda href: f'x="{href}"'},
            '<a href="http://www.a" x="http://www.a">www.a</a>',
        ),
        (
            "http://www.example.com/aaaaaaaaaaaaaaaa/b",
            {"shorten": True},
            '<a href="http://www.example.com/aaaaaaaaaaaaaaaa/b" '
            'title="http://www.example.com/aaaaaaaaaaaaaaaa/b">http://www.example.com/aaaaaaaa...</a>',
        ),
        (
            "http://www.example.com/a&b&cccccccccccccccc",
            {"shorten": True},
            '<a href="http://www.example.com/a&amp;b&amp;cccccccccccccccc" '
            'title="http://www.example.com/a&amp;b&amp;cccccccccccccccc">'
            "http://www.example.com/a&amp;b...</a>",
        ),
        (
            "http://" + "a" * 60,
            {"shorten": True},
            f'<a href="http://{"a" * 60}" title="http://{"a" * 60}">http://{"a" * 23}...</a>',
        ),
        (
            "http://" + "a" * 30,
            {"shorten": True},
            f'<a href="http://{"a" * 30}">http://{"a" * 30}</a>',
        ),
    ],
)
def test_linkify(text: str, options: dict[str, Any], html: str) -> None:
    assert linkify(text, **options) == html


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        ".",
        "http://a.com/" + "(a" * 50_000,
        "http://a." * 20_000,
        "www.a(" * 20_000,
        "a-" * 50_000,
    ],
)
def test_linkify_is_linear(text: str) -> None:
    start = time.process_time()
    linkify(text + "http://a/" + "." * 100_000)
    assert time.process_time() - start < 3


def test_doctests() -> None:
    result = doctest.testmod(escape)
    assert result.attempted and not result.failed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.booleans(), inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_json_is_what_the_standard_library_writes(value: object) -> None:
    assert json_encode(value) == json.dumps(value).replace("</", "<\\/")


def test_json_that_cannot_be_written_leaves_nothing_behind() -> None:
    inner: dict[str, object] = {"a": 1}
    circular: list[object] = [inner]
    circular.append(circular)
    for bad, error in (
        (circular, ValueError),
        ({"x": inner, "y": object()}, TypeError),
        ({(1, 2): inner}, TypeError),
        ([inner, {1, 2}], TypeError),
    ):
        with pytest.raises(error):
            json_encode(bad)
        # It was on the way when the other failed: not taken for circular now.
        assert json_encode([inner, inner]) == '[{"a": 1}, {"a": 1}]'


def test_json_as_a_program_had_changed_it_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a function without globals, as those of C; and what is put back is found."""
    for name in ("_plain_dumps", "_plain_default", "_encoder"):
        monkeypatch.setattr(escape, name, None)
    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", functools.partial(json.dumps, sort_keys=True))
        assert json_encode({"b": "</", "a": 1}) == '{"a": 1, "b": "<\\/"}'
        assert escape._encoder is None
    assert json_encode({"b": 1, "a": 1}) == '{"b": 1, "a": 1}'
    assert escape._encoder is not None


def test_json_as_a_program_has_changed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.JSONEncoder, "default", lambda self, value: "replaced")
    assert json_encode({"a": {1}}) == '{"a": "replaced"}'
    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", lambda value: "</all>")
        assert json_encode({}) == "<\\/all>"
    encoder = json.JSONEncoder(sort_keys=True)
    monkeypatch.setattr(json, "_default_encoder", encoder)
    assert json_encode({"b": 1, "a": 2}) == '{"a": 2, "b": 1}'
    monkeypatch.setattr(escape, "_encoder", None)  # where there is none in C
    assert json_encode({"b": [1.5, None]}) == '{"b": [1.5, null]}'
