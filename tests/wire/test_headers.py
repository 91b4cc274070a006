"""Header fields."""

from __future__ import annotations

import copy
import doctest
import pickle
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import HTTPInputError, PeerError
from tornado_trio.wire import abnf, headers
from tornado_trio.wire.headers import HTTPHeaders, is_valid_name, is_valid_value, normalize_name

# --- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("content-type", "Content-Type"),
        ("CONTENT-TYPE", "Content-Type"),
        ("www-authenticate", "Www-Authenticate"),
        ("x", "X"),
        ("", ""),
        ("-a-", "-A-"),
    ],
)
def test_normalize(name: str, usual: str) -> None:
    assert normalize_name(name) == usual
    assert normalize_name(name) == usual  # once more, from the cache


def test_name_caches_are_bounded() -> None:
    for i in range(5000):
        HTTPHeaders.from_raw([(b"x-%d" % i, b"")]).encode()
    HTTPHeaders({"Y" * 100: ""})["y" * 100]
    assert len(headers._spelling) <= headers._CACHE_SIZE
    assert len(headers._raw_names) <= headers._CACHE_SIZE
    assert len(headers._checked_names) <= headers._CACHE_SIZE
    assert "y" * 100 not in headers._spelling


def test_fields_of_responses() -> None:
    """Known ones and others give what `from_raw` gives, each time; nothing bad is remembered."""
    vary = [(b"Vary", b"a"), (b"vary", b"b")]
    some = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=\xe9"), (b"X-Own", b"1")]
    lists: Any = [[b"content-type", b"text/plain"], [bytearray(b"x-own"), b"1"]]
    for fields in (some, vary, lists, tuple(some), []):
        for _ in range(2):
            found = HTTPHeaders.of_response(fields)
            assert list(found.get_all()) == list(HTTPHeaders.from_raw(fields).get_all())
            found["Content-Type"] = "other"
    for bad in ((b"content-type", b"a\nb"), (b"a b", b"1"), (b"", b"")):
        for _ in range(2):
            with pytest.raises(HTTPInputError):
                HTTPHeaders.of_response([bad])
    assert ("set-cookie" in str(headers._given.__self__).lower()) is False  # type: ignore[attr-defined]
    for i in range(3000):
        HTTPHeaders.of_response([(b"content-length", b"%d" % i)])
    assert len(headers._given.__self__) <= headers._CACHE_SIZE  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "\u00e9", "a\x00", "(", "a\u1234"])
def test_bad_names(name: str) -> None:
    assert not is_valid_name(name)
    h = HTTPHeaders()
    with pytest.raises(HTTPInputError):
        h.add(name, "1")
    with pytest.raises(HTTPInputError):
        HTTPHeaders.from_raw([(name.encode("utf-8"), b"1")])
    h[name] = "1"  # lenient, as Tornado is: but it does not go on the wire
    with pytest.raises(ValueError):
        h.encode()
    # Having been read or stored does not make it good.
    with pytest.raises(HTTPInputError):
        HTTPHeaders().add(name, "1")


# --- values --------------------------------------------------------------------------------


@pytest.mark.parametrize("byte", range(256))
def test_value_bytes(byte: int) -> None:
    value = f"a{chr(byte)}b"
    good = byte == 9 or (byte >= 32 and byte != 127)
    assert is_valid_value(value) is good
    raw = [(b"X", value.encode("latin-1"))]
    if good:
        assert HTTPHeaders.from_raw(raw)["x"] == value
        assert HTTPHeaders({"X": value}).encode() == b"X: " + raw[0][1] + b"\r\n"
        return
    with pytest.raises(PeerError) as info:
        HTTPHeaders.from_raw(raw)
    assert info.value.status == 400
    with pytest.raises(HTTPInputError):
        HTTPHeaders().add("X", value)
    for h in (HTTPHeaders({"X": value}), HTTPHeaders([("A", "1"), ("X", value), ("B", "2")])):
        with pytest.raises(ValueError):
            h.encode()


def test_value_outside_latin1() -> None:
    assert not is_valid_value("\u20ac")
    h = HTTPHeaders()
    with pytest.raises(HTTPInputError):
        h.add("X", "\u20ac")
    h.add("X", "\u20ac", _chars_are_bytes=False)
    with pytest.raises(ValueError):
        h.encode()


def test_add_takes_bytes_and_nothing_else() -> None:
    h = HTTPHeaders()
    h.add("X", b"\xe9")  # type: ignore[arg-type]
    assert h["x"] == "\xe9"
    with pytest.raises(TypeError):
        h.add("X", 1)  # type: ignore[arg-type]


# --- repeated fields -------------------------------------------------------------------------


def test_repeated() -> None:
    h = HTTPHeaders([("a", "0")])
    h.add("A", "1")
    h.add("set-cookie", "x=1")
    h.add("Set-Cookie", "y=2")
    h.add("SET-COOKIE", "z=3")
    assert h["set-Cookie"] == "x=1,y=2,z=3"
    assert h["set-Cookie"] == "x=1,y=2,z=3"
    h.add("Set-Cookie", "w=4")
    assert h["Set-Cookie"] == "x=1,y=2,z=3,w=4"
    assert h.get_list("a") == ["0", "1"]
    assert list(h.get_all()) == [
        ("A", "0"),
        ("A", "1"),
        ("Set-Cookie", "x=1"),
        ("Set-Cookie", "y=2"),
        ("Set-Cookie", "z=3"),
        ("Set-Cookie", "w=4"),
    ]
    h["Set-Cookie"] = "only"
    assert h.get_list("Set-Cookie") == ["only"]
    assert h.get_list("nope") == []
    h.get_list("A").append("2")  # a copy
    assert h.get("A") == "0,1"


def test_combining_is_linear() -> None:
    """CVE-2025-67725: 100 000 equal fields, and a read, in well under a second."""
    start = time.process_time()
    h = HTTPHeaders.from_raw([(b"X", b"a")] * 100_000)
    for _ in range(100):
        assert len(h["X"]) == 199_999
    assert time.process_time() - start < 2


# --- the mapping -------------------------------------------------------------------------------


def test_mapping() -> None:
    h = HTTPHeaders({"a": "1"}, b_c="2")
    assert dict(h) == {"A": "1", "B_c": "2"}
    assert "A" in h and "a" in h and "x" not in h and 1 not in h
    assert len(h) == 2 and list(h) == ["A", "B_c"]
    assert h.get("x") is None and h.get("x", "d") == "d" and h.get("A") == "1"
    with pytest.raises(KeyError):
        h["x"]
    del h["A"]
    with pytest.raises(KeyError):
        del h["a"]
    assert h == {"B_c": "2"}
    with pytest.raises(TypeError):
        HTTPHeaders({}, {})


def test_update() -> None:
    class Keys:
        def keys(self) -> list[str]:
            return ["k"]

        def __getitem__(self, name: str) -> str:
            return "v"

    h = HTTPHeaders(a="1")
    other = HTTPHeaders([("a", "2")])
    other.add("a", "3")
    h.update(other, c="4")
    h.update([("d", "5")])
    h.update({"e": "6"})
    h.update(Keys())
    assert h.get_list("a") == ["2", "3"]
    assert list(h) == ["A", "C", "D", "E", "K"]


def test_not_a_string() -> None:
    h = HTTPHeaders()
    h["Content-Length"] = 5  # type: ignore[assignment]
    assert list(h.get_all()) == [("Content-Length", "5")]
    assert h.get_list("Content-Length") == ["5"]
    assert h.encode() == b"Content-Length: 5\r\n"


def test_bytes_go_out_as_they_are() -> None:
    h = HTTPHeaders()
    h["X"] = b"\xe9"  # type: ignore[assignment]
    assert h.encode() == b"X: \xe9\r\n"
    assert h.get_list("X") == ["\xe9"]
    h["X"] = b"a\r\nY: b"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="Illegal"):
        h.encode()


def test_copies() -> None:
    h = HTTPHeaders([("A", "1"), ("B", "2")])
    h.add("A", "3")
    for new in (
        h.copy(),
        copy.copy(h),
        copy.deepcopy(h),
        HTTPHeaders(h),
        pickle.loads(pickle.dumps(h)),
    ):
        assert new == h and list(new.get_all()) == list(h.get_all())
        new.add("A", "4")
        new["B"] = "5"
        assert h.get_list("A") == ["1", "3"] and h["B"] == "2"


def test_subclass() -> None:
    class Mine(HTTPHeaders):
        pass

    assert type(Mine({"a": "1"}).copy()) is Mine
    assert type(Mine.from_raw([])) is Mine and type(Mine.parse("a: 1")) is Mine


def test_text() -> None:
    h = HTTPHeaders([("A", "1"), ("B", "2")])
    h.add("A", "3")
    assert str(h) == "A: 1\nA: 3\nB: 2\n"
    assert HTTPHeaders.parse(str(h)) == h
    assert repr(h) == "HTTPHeaders([('A', '1'), ('A', '3'), ('B', '2')])"
    assert h.encode() == b"A: 1\r\nA: 3\r\nB: 2\r\n"
    assert HTTPHeaders().encode() == b""


# --- parsing ---------------------------------------------------------------------------------


def test_parse() -> None:
    h = HTTPHeaders.parse("A: 1\r\nB:\t2 \t\nC:3\r\n\r\n")
    assert dict(h) == {"A": "1", "B": "2", "C": "3"}
    assert dict(HTTPHeaders.parse("Only: one")) == {"Only": "one"}
    assert not HTTPHeaders.parse("")


@pytest.mark.parametrize(
    "text",
    [
        "A: 1\r\n folded\r\n",
        "A: 1\r\n\tfolded\r\n",
        " A: 1",
        "no colon",
        "A : 1",
        ": 1",
        "A: 1\r",
        "A: 1\rB: 2\r\n",
        "A: \x00",
        "A: \u20ac",
        "\xe9: 1",
        "\r",
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(HTTPInputError):
        HTTPHeaders.parse(text)


def test_parse_line() -> None:
    h = HTTPHeaders()
    for line in ("A: 1\r\n", "B: 2\n", "C: 3", "", "\n"):
        h.parse_line(line)
    assert dict(h) == {"A": "1", "B": "2", "C": "3"}
    h.parse_line("D: \xa0x\xa0")  # only SP and TAB are blanks
    assert h["D"] == "\xa0x\xa0"


@given(st.text())
def test_parse_anything(text: str) -> None:
    try:
        h = HTTPHeaders.parse(text)
    except HTTPInputError:
        return
    for name, value in h.get_all():
        assert abnf.field_name.fullmatch(name) and abnf.field_value.fullmatch(value)
    assert HTTPHeaders.parse(h.encode().decode("latin-1")) == h


@given(st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5))))
def test_from_raw_agrees_with_add(fields: list[tuple[bytes, bytes]]) -> None:
    def build(make: object) -> object:
        try:
            return list(make())  # type: ignore[operator]
        except HTTPInputError:
            return None

    def added() -> object:
        h = HTTPHeaders()
        for name, value in fields:
            h.add(name.decode("latin-1"), value.decode("latin-1"))
        return h.get_all()

    assert build(lambda: HTTPHeaders.from_raw(fields).get_all()) == build(added)


def test_doctests() -> None:
    result = doctest.testmod(headers)
    assert result.attempted and not result.failed


def test_lines_that_are_remembered() -> None:
    """They are checked, few, and no secret or single client's."""
    secret = HTTPHeaders({"Set-Cookie": "a=1", "Etag": '"x"', "Server": "remembered/1"})
    for _ in range(2):
        assert secret.encode() == b'Set-Cookie: a=1\r\nEtag: "x"\r\nServer: remembered/1\r\n'
    assert ("Server", "remembered/1") in headers._lines
    assert not {name for name, _ in headers._lines} & {"Set-Cookie", "Etag"}
    for bad in ("a\r\nX: y", "a\n", "a\x00", "\u20ac"):
        for _ in range(2):
            with pytest.raises(ValueError):
                HTTPHeaders({"Server": bad}).encode()
    for number in range(1200):
        assert HTTPHeaders({"Content-Length": str(number)}).encode().endswith(b"%d\r\n" % number)
    assert len(headers._lines) <= headers._CACHE_SIZE
    # A number is no text, and equals other numbers.
    for value, shown in ((1, b"1"), (1.0, b"1.0"), (True, b"True"), (b"1", b"1")):
        assert HTTPHeaders({"Server": value}).encode() == b"Server: " + shown + b"\r\n"  # type: ignore[dict-item]
