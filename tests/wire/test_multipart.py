"""The incremental multipart parser, and field parameters."""

from __future__ import annotations

import doctest
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import HTTPInputError
from tornado_trio.wire import parameters
from tornado_trio.wire.multipart import MultipartParser, Part, PartData, PartEnd, parse_part_head
from tornado_trio.wire.parameters import encode_header, parse_header

FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
END = b"\r\n--x--"


def parse(body: bytes, size: int = 0, boundary: bytes = b"x", **limits: int) -> list[Any]:
    """(name, filename, content type, data) of each part, the body fed `size` bytes a time."""
    parser = MultipartParser(boundary, **limits)
    parts: list[Any] = []
    complete = True
    for start in range(0, len(body), size or len(body) or 1):
        for event in parser.feed(body[start : start + (size or len(body))]):
            if isinstance(event, Part):
                assert complete
                parts.append([event.name, event.filename, event.content_type, []])
                complete = False
            elif isinstance(event, PartData):
                assert event.data and not complete
                parts[-1][3].append(event.data)
            else:
                assert isinstance(event, PartEnd)
                complete = True
    parser.finish()
    assert complete
    return [(*part[:3], b"".join(part[3])) for part in parts]


def whole(body: bytes, step: int, boundary: bytes = b"x") -> Any:
    """The same by `spans`."""
    parser = MultipartParser(boundary)
    parts: list[Any] = []
    try:
        for found in parser.spans(body, step):
            if found is not None:
                part, start, end = found
                parts.append((part.name, part.filename, part.content_type, body[start:end]))
    except HTTPInputError as error:
        return str(error)
    return parts


def outcome(*args: Any, **kwargs: Any) -> Any:
    try:
        return parse(*args, **kwargs)
    except HTTPInputError as error:
        return str(error)


def value(data: bytes) -> list[Any]:
    return [("a", None, None, data)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (FIELD + b"v" + END, value(b"v")),
        (FIELD + b"v" + END + b"\r\nepilogue", value(b"v")),
        (b"preamble\r\nmore\r\n" + FIELD + b"v" + END, value(b"v")),
        (b"\r\n" + FIELD + b"v" + END, value(b"v")),
        (b"--xy--y\r\n" + FIELD + b"v" + END, "Invalid multipart/form-data: bad delimiter line"),
        (FIELD + b"\r\n" + END[2:], value(b"")),
        (FIELD + END[2:], value(b"")),  # the head's line end is the delimiter's too
        (FIELD + b"--xy" + END, value(b"--xy")),
        (FIELD + b"\r\n--xy\r\n--" + END, value(b"\r\n--xy\r\n--")),
        (FIELD + b"v--x--" + END, value(b"v--x--")),
        (FIELD + b"v\r\n--x \t\r\n" + FIELD[5:] + b"w" + END, value(b"v") + value(b"w")),
        (FIELD + b"v\r\n--x" + b" " * 65 + END, "Invalid multipart/form-data: bad delimiter line"),
        (FIELD + b"v\r\n--x y" + END, "Invalid multipart/form-data: bad delimiter line"),
        (b"--x--", []),
        (FIELD + b"\r\r\n\r\n-\r\n--" + END, value(b"\r\r\n\r\n-\r\n--")),
    ],
)
def test_bodies(body: bytes, expected: Any, size: int) -> None:
    assert outcome(body, size) == expected
    assert whole(body, size or 1000) == expected


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"garbage",
        FIELD,
        FIELD + b"v",
        FIELD + b"v\r\n--x",
        FIELD + b"v\r\n--x-",
        FIELD + b"v\r\n--x\r\n",
        FIELD + b"v\r\n--x ",
        FIELD + b"v--x--",
    ],
)
def test_truncated(body: bytes, size: int) -> None:
    assert outcome(body, size) == "Invalid multipart/form-data: no final boundary found"
    assert whole(body, size or 1000) == outcome(body)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"", "multipart/form-data missing headers"),
        (b"X: y\r\n", "Invalid multipart/form-data"),
        (b"nonsense\r\n", "no colon in header line"),
        (b'Content-Disposition: attachment; name="a"\r\n', "Invalid multipart/form-data"),
        (b"Content-Disposition: form-data\r\n", "multipart/form-data missing name"),
        (b'Content-Disposition: form-data; name=""\r\n', "multipart/form-data missing name"),
        (b'Content-Disposition: form-data; name="\xff"\r\n', "part header is not UTF-8"),
        (b'Content-Disposition: form-data; name="a\rb"\r\n', "Invalid header value"),
        (b'Content-Disposition: form-data; name="a\x00b"\r\n', "Invalid header value"),
        (b'Content-Disposition: form-data;\r\n name="a"\r\n', "folding not supported"),
    ],
)
def test_bad_heads(head: bytes, message: str) -> None:
    assert message in outcome(b"--x\r\n" + head + b"\r\nv" + END)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b'Content-Disposition: form-data; name="a"', ("a", None, None)),
        (b'Content-Disposition: form-data; name="a"; filename="f"', ("a", "f", None)),
        (
            b'Content-Disposition: form-data; name="a"; filename="f"\r\nContent-Type: text/x; c=d',
            ("a", "f", "text/x; c=d"),
        ),
        (b'content-disposition: Form-Data; NAME="a"; filename=""', ("a", "", None)),
        (
            b'Content-Disposition: form-data; name="a"; filename="x"; filename*=UTF-8\'\'%C3%A1',
            ("a", "\xe1", None),
        ),
        (b'Content-Disposition: form-data; name="a\\"b;\xc3\xa9"', ('a"b;\xe9', None, None)),
        (
            b'Content-Type: t/p\r\nContent-Disposition: form-data; name="a"; filename="../f"',
            ("a", "../f", "t/p"),
        ),
    ],
)
def test_heads(head: bytes, part: tuple[str, str | None, str | None]) -> None:
    found = parse_part_head(head)
    assert (found.name, found.filename, found.content_type) == part
    disposition = head.split(b"isposition: ")[1].split(b"\r\n")[0].decode()
    assert found.headers["Content-Disposition"] == disposition
    assert found.headers.get("Content-Type") == part[2]


def test_limits() -> None:
    body = (FIELD + b"v\r\n") * 3 + b"--x--"
    assert len(parse(body, max_parts=3)) == 3
    assert "too many parts" in outcome(body, max_parts=2)
    assert outcome(body, max_part_header_size=50) == parse(body)
    assert "header too large" in outcome(body, max_part_header_size=40)
    # Found while reading, without waiting for the head's end.
    assert "header too large" in outcome(b"--x\r\n" + b"y" * 200, 10, max_part_header_size=100)
    for boundary in (b"", b"x" * 257):
        assert "bad boundary" in outcome(b"", boundary=boundary)


def test_stops_at_the_first_error() -> None:
    """CVE-2025-47287: however many malformed parts, one error."""
    parser = MultipartParser(b"x")
    events = parser.feed(b"--x\r\n\r\n" * 1000)
    with pytest.raises(HTTPInputError):
        list(events)


def test_data_comes_as_it_arrives() -> None:
    parser = MultipartParser(b"x")
    (part,) = parser.feed(FIELD)
    assert isinstance(part, Part)
    assert [e.data for e in parser.feed(b"12345") if isinstance(e, PartData)] == [b"12345"]
    assert [e.data for e in parser.feed(b"6\r\n") if isinstance(e, PartData)] == [b"6"]
    assert [e.data for e in parser.feed(b"7") if isinstance(e, PartData)] == [b"\r\n7"]
    assert list(parser.feed(b"")) == []
    assert list(parser.feed(END)) == [PartEnd()]
    assert list(parser.feed(b"more")) == []
    parser.finish()


@pytest.mark.parametrize("filler", [b"\r\n--xA", b"\r\n--x-", b"\r\n--x\r", b"\r\n--x\n"])
@pytest.mark.parametrize("size", [0, 999])
def test_false_delimiters_are_data_and_no_objects(filler: bytes, size: int) -> None:
    """20 MB of them took 8 s and 660 MB: each was an event, and so was what stood between."""
    data = filler * 5000 + b"."
    body = FIELD + data + END
    parser = MultipartParser(b"x")
    step = size or len(body)
    feeds = [body[at : at + step] for at in range(0, len(body), step)]
    events = [list(parser.feed(piece)) for piece in feeds]
    parser.finish()
    assert max(len(some) for some in events) <= 3
    found = [event.data for some in events for event in some if isinstance(event, PartData)]
    assert b"".join(found) == data


@pytest.mark.parametrize("unit", [b"\r", b"\r\n", b"\r\n--", b"\r\n--x?", b"\r\n--x", b"a", b"-"])
@pytest.mark.parametrize("size", [0, 1000])
def test_linear(unit: bytes, size: int) -> None:
    """CVE-2023-46136, CVE-2024-53981: nothing in the data makes it slow."""
    data = unit * (1_000_000 // len(unit))
    start = time.process_time()
    outcome(FIELD + data + END, size)
    outcome(data + END, size)
    whole(FIELD + data + END, size or len(data))
    whole(data + END, size or len(data))
    assert time.process_time() - start < 4


@pytest.mark.parametrize("boundary", [b"-", b"-" * 70, b"a" * 70, b"ab" * 35, b"-" * 256])
@pytest.mark.parametrize("after", [b"", b"A", b"A \t", b"\r", b"-", b"\r\r", b"-\r", b"\n"])
def test_linear_with_boundaries_that_repeat(boundary: bytes, after: bytes) -> None:
    delimiter = b"\r\n--" + boundary
    field = delimiter + FIELD[3:]
    start = time.process_time()
    for unit in (delimiter + after, boundary + after, delimiter + b"A" + field):
        body = field[2:] + delimiter + b"A" + unit * (500_000 // len(unit)) + delimiter + b"--"
        limits = {"max_parts": 10_000}
        assert outcome(body, 5000, boundary, **limits) == outcome(body, 0, boundary, **limits)
        whole(body, 5000, boundary)
    assert time.process_time() - start < 8


def test_real_delimiters_among_false_ones() -> None:
    """Where each ending comes next is kept, and found again once it is behind."""
    value_ = b"\r\n--xA \t-\r\n--x\r-"
    body = FIELD + value_ + b"\r\n"
    for padding in (b"", b" ", b"\t", b"", b" ", b"", b"\t "):
        body += b"--x" + padding + FIELD[3:] + value_ + b"\r\n"
    body += END[2:] + END
    for size in (0, 1, 5, 64):
        assert outcome(body, size) == value(value_) * 8
    for step in (1, 5, 64, 10_000):
        assert whole(body, step) == value(value_) * 8


BOUNDARIES = [b"x", b"-", b"--", b"xx", b"xyx", b"x ", b"\r\n--", b"--x--"]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A boundary and a body, mostly of what looks like its delimiters."""
    boundary = draw(st.sampled_from(BOUNDARIES))
    delimiter = b"\r\n--" + boundary
    field = delimiter + FIELD[3:]
    afters = [b"", b"A", b"\r", b"-", b"\n", b"\r\r", b"--", b" ", b"\t", b" x"]
    units = [delimiter + after for after in afters]
    units += [b"\r", b"\n", b"\r\n", b"-", b"--", b" ", b"y", b"\r\n\r\n", b"\r\n--"]
    units += [boundary, delimiter[2:], field, delimiter + b" " + FIELD[3:]]
    body = b"".join(draw(st.lists(st.sampled_from(units), max_size=16)))
    start, end = draw(st.sampled_from([b"", field[2:]])), draw(st.sampled_from([b"", delimiter]))
    return boundary, start + body + (end and end + b"--")


@given(bodies(), st.lists(st.integers(0, 300)), st.integers(1, 40))
def test_cuts_do_not_matter(made: tuple[bytes, bytes], cuts: list[int], step: int) -> None:
    boundary, body = made
    expected = outcome(body, 0, boundary)
    assert outcome(body, 1, boundary) == expected
    assert outcome(body, step, boundary) == expected
    assert whole(body, step, boundary) == expected
    parser = MultipartParser(boundary)
    data, parts, at = b"", 0, 0
    try:
        for cut in [*sorted(cuts), len(body)]:
            for event in parser.feed(body[at:cut]):
                parts += isinstance(event, Part)
                data += event.data if isinstance(event, PartData) else b""
            at = max(at, cut)
        parser.finish()
    except HTTPInputError as error:
        assert str(error) == expected
    else:
        assert (parts, data) == (len(expected), b"".join([part[3] for part in expected]))


# --- parameters --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value", "found"),
    [
        ("a", "a", {}),
        ("", "", {}),
        ("a;b", "a", {}),
        ('form-data; name="a;b"; y=c ', "form-data", {"name": "a;b", "y": "c"}),
        ('a; b="c\\"d"; e=f;', "a", {"b": 'c"d', "e": "f"}),
        ('a; B="C:\\dir\\f"', "a", {"b": "C:\\dir\\f"}),
        ('a; b="\\\\"; c=d', "a", {"b": "\\", "c": "d"}),
        ('a; b="c" d; e=f', "a", {"b": '"c" d', "e": "f"}),
        ('a; b="c; d=e', "a", {"b": '"c; d=e'}),
        ('a; b="C:\\tmp\\"', "a", {"b": "C:\\tmp\\"}),
        ('a; b="C:\\tmp\\"; c=d', "a", {"b": "C:\\tmp\\", "c": "d"}),
        ('a; b="\\"', "a", {"b": "\\"}),
        ('a; b="f\\"; c="a.bin"', "a", {"b": "f\\", "c": "a.bin"}),
        ('a; b="\\\\host\\share\\"', "a", {"b": "\\\\host\\share\\"}),
        ('a; b="C:\\tmp\\\\"', "a", {"b": "C:\\tmp\\"}),
        ('a; b="c"d"', "a", {"b": 'c"d'}),
        ('a; b="c"d" ; e="f"g"', "a", {"b": 'c"d', "e": 'f"g'}),
        ('a; b=""c""', "a", {"b": '"c"'}),
        ('a; b="c\\";d\\"e"', "a", {"b": 'c";d"e'}),
        ('a; b = "c;d" ; e=f', "a", {"b": "c;d", "e": "f"}),
        ("a; b=; =c;; d==e", "a", {"b": "", "d": "=e"}),
        ("a; b='c'", "a", {"b": "'c'"}),
        ("a; b*=UTF-8''%C3%A9; b=x", "a", {"b": "\xe9"}),
        ("a; b*=iso-8859-1'en'%e9", "a", {"b": "\xe9"}),
        ("a; b*=rot13''%e9", "a", {"b": "\xe9"}),
        ("a; b*=UTF-8''%c3", "a", {"b": "\ufffd"}),
        ("a; b*=x", "a", {"b": "x"}),
        ("a; b*1=y; b*0=x; c*0*=UTF-8''%C3; c*1=%A9", "a", {"b": "xy", "c": "\xe9"}),
        ("a; *=x; **=y; b*x=z", "a", {}),
    ],
)
def test_parse_header(line: str, value: str, found: dict[str, str]) -> None:
    result, params = parse_header(line)
    assert result == value
    assert {k: v for k, v in params.items() if k} == found


def test_encode_header() -> None:
    assert encode_header("x", {}) == "x"
    assert encode_header("x", {"a": None, "b": "1"}) == "x; a; b=1"


@pytest.mark.parametrize(
    "line",
    [
        'x; a="' + ";" * 500_000 + '"; b=c',
        'x; a="' + ";" * 500_000,
        "x" + '; a="\\"' * 100_000,
        "x" + ";=" * 250_000,
        'x; a="' + "\\" * 500_001,
        "x" + '; a="' * 100_001 + "\\",
        "x" + "; a*0=b" * 50_000,
        "x" + ';a="b' * 100_000,
        "x" + ';a="\\";a=\\"' * 50_000,
        'x; a="' + '"' * 500_000 + "y",
        'x; a="' + '" ' * 250_000 + "y",
        "x" + "; a=" + " " * 500_000 + '"',
    ],
)
def test_parameters_are_linear(line: str) -> None:
    """CVE-2025-67726, CVE-2024-24762, CVE-2026-28356."""
    start = time.process_time()
    parse_header(line)
    assert time.process_time() - start < 2


@given(st.text())
def test_parse_header_anything(line: str) -> None:
    parse_header(line)
    parse_header("x; a" + line)


def test_doctests() -> None:
    result = doctest.testmod(parameters)
    assert result.attempted and not result.failed
