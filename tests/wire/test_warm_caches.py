"""What is remembered of earlier messages changes nothing: warm, cold and h11 are told apart by
speed alone.

A connection's memory of heads, the lines of responses that are kept, spellings of names.
"""

from __future__ import annotations

import enum
from http import HTTPStatus
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_trio.errors import HTTPInputError, HTTPOutputError, PeerError
from tornado_trio.limits import STRICT, Dialect, Limits
from tornado_trio.wire import headers as fields_module
from tornado_trio.wire.events import EndOfMessage, RequestHead, Signal
from tornado_trio.wire.h11_engine import H11ServerWire
from tornado_trio.wire.headers import HTTPHeaders
from tornado_trio.wire.heads import parse_request_head
from tornado_trio.wire.http1 import ServerWire
from tornado_trio.wire.writing import status_line

LIMITS = Limits(max_head_size=400, max_fields=6, max_body_size=50)
TORNADO = Dialect(bare_lf=True, repeated_length=True, chunked_http10=True, raw_target=True)
OLD = Dialect(
    bare_lf=True, repeated_length=True, chunked_http10=True, raw_target=True, missing_host=True,
    loose_fields=True, folding=True,
)  # fmt: skip
STARTS = [
    b"GET / HTTP/1.1", b"GET / HTTP/1.1", b"GET /other HTTP/1.1", b"POST / HTTP/1.1",
    b"HEAD / HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/1.2", b"GET / HTTP/2.0",
    b"GET http://b/ HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"GET / ",
    b"GET /\xc3\xa9 HTTP/1.1", b"GET / HTTP/1.1\r\nCookie: c", b"GET / HTTP/1.1\nCookie: c",
    b"GET /\r\n HTTP/1.1", b"GET /" + b"a" * 400 + b" HTTP/1.1",
]  # fmt: skip
FIELDS = [
    b"Host: a", b"Host: a", b"Host: b", b"host:a", b"Host: a\r\nCookie: one", b"Host: a/b",
    b"Host: a\r\nContent-Length: 3", b"Host: a\r\nContent-Length: 30", b"Host: a\r\nHost: a",
    b"Host: a\r\nContent-Length: 3, 3", b"Host: a\r\nTransfer-Encoding: chunked",
    b"Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", b"Cookie: alone",
    b"Host: a\r\nContent-Length: 99", b"Host: a\r\nConnection: close", b"Host: a\r\n X: fold",
    b"Host: a\r\nConnection: Upgrade\r\nUpgrade: x", b"Host: a\r\nExpect: 100-continue",
    b"Host: a\nX: y", b"Host: a\r\nX : y", b"Host: a\r\nX: \x00",
    b"Host: a\r\nCookie: " + b"c" * 300, b"Host: a" + b"\r\nX: y" * 7, b"",
]  # fmt: skip
BODIES = [b"", b"", b"", b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"\r\n", b"\n", b"GET /"]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Requests of which many say the same, at times with one byte changed."""
    data = bytearray()
    for _ in range(draw(st.integers(1, 5))):
        line, fields = draw(st.sampled_from(STARTS)), draw(st.sampled_from(FIELDS))
        end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
        head = line + end + (fields + end if fields else b"") + end
        body = draw(st.sampled_from(BODIES))
        data += (head + body) * draw(st.integers(1, 4))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    starts = [0, *ends[:-1]]
    return [data[start:end] for start, end in zip(starts, ends, strict=True) if end > start]


def read(wire: ServerWire, received: list[bytes], *, whole: bool, meddle: bool) -> list[Any]:
    """What a server is told. `meddle`: its program does to a head whatever it likes."""
    found: list[Any] = []
    try:
        for piece in received:
            if whole:
                event: Any = wire.receive(piece)
            else:
                wire.feed(piece)
                event = wire.next_event()
            while event not in (Signal.NEED_DATA, Signal.CLOSED, Signal.SWITCHED):
                if isinstance(event, RequestHead):
                    found.append(describe(event))
                    if meddle:
                        event.headers["Host"] = "of an earlier one"
                        event.headers.add("Cookie", "secret")
                elif isinstance(event, EndOfMessage):
                    found.append("end")
                elif event is Signal.PAUSED:
                    if not wire.next_cycle():
                        return [*found, "the last"]
                elif type(found[-1]) is bytes:  # pieces of a body are as long as they are
                    found[-1] += event
                else:
                    found.append(bytes(event))
                event = wire.next_event()
    except PeerError as error:
        # How much of a body was seen before its fault depends on the pieces.
        found = [each for each in found if type(each) is not bytes]
        return [*found, (error.status, type(error).__name__)]
    return [*found, wire.buffered]


def describe(head: RequestHead) -> object:
    return (
        tuple(head.start_line), head.start_line.target, tuple(head.headers.get_all()),
        head.content_length, head.chunked, head.keep_alive, head.expect_continue, head.upgrade,
    )  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(
    streams(),
    st.lists(st.integers(0, 10_000), max_size=6),
    st.sampled_from([STRICT, TORNADO, OLD]),
    st.booleans(),
)
def test_a_connection_that_remembers_reads_as_one_that_does_not(
    data: bytes, cuts: list[int], dialect: Dialect, meddle: bool
) -> None:
    received = pieces(data, cuts)
    cold = ServerWire(LIMITS, dialect)
    cold._parse = parse_request_head
    expected = read(cold, received, whole=False, meddle=False)
    for whole in (True, False):
        warm = ServerWire(LIMITS, dialect)
        assert read(warm, received, whole=whole, meddle=meddle) == expected


def accepted(found: list[Any]) -> list[Any]:
    """Up to the first refusal: the engines have each their own order of looking for faults."""
    return [each for each in found if type(each) is not tuple or type(each[0]) is not int]


@settings(max_examples=400, deadline=None)
@given(streams(), st.lists(st.integers(0, 10_000), max_size=6))
def test_a_connection_that_remembers_reads_as_h11(data: bytes, cuts: list[int]) -> None:
    received = pieces(data, cuts)
    ours = read(ServerWire(LIMITS), received, whole=True, meddle=True)
    theirs = read(H11ServerWire(LIMITS), received, whole=False, meddle=False)
    assert accepted(ours) == accepted(theirs)


class Word(str, enum.Enum):  # noqa: UP042 - a StrEnum is shown as its text
    """As web frameworks have them for media types."""

    CLOSE = "close"
    SAME = "same"


class Loud(str):
    def __str__(self) -> str:
        return "loud\r\nSet-Cookie: a=1"


VALUES: list[Any] = [
    "close", Word.CLOSE, "same", Word.SAME, Loud("same"), 5, "5", True, "True", 5.0, b"same", "",
    "\xe9", "\u20ac", "a\r\nX: y", "a\0", "a" * 200, None, "None",
]  # fmt: skip
NAMES = ["Connection", "content-type", "Content-Length", "X-Own", "Set-Cookie", "Vary", "a b"]


def encoded(fields: list[tuple[str, Any]], repeated: bool) -> object:
    head = HTTPHeaders()
    try:
        for name, value in fields:
            head[name] = value
            if repeated and isinstance(value, str):
                head.add(name, value)
        return head.encode()
    except (ValueError, HTTPInputError, HTTPOutputError) as error:
        return type(error)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=4),
        max_size=5,
    ),
    st.booleans(),
)
def test_lines_that_are_kept_are_what_would_be_written(
    heads: list[list[tuple[str, Any]]], repeated: bool
) -> None:
    def forget() -> None:
        fields_module._lines.clear()
        fields_module._checked_names.clear()

    expected = []
    for fields in heads:
        forget()
        expected.append(encoded(fields, repeated))
    forget()
    for _ in range(2):
        assert [encoded(fields, repeated) for fields in heads] == expected
    for head in expected:
        if isinstance(head, bytes):
            assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r")
            assert b"\r\nX: y" not in head and b"a=1" not in head


def test_a_member_of_an_enum_is_the_text_that_it_is() -> None:
    fields_module._lines.clear()
    for value in (Word.CLOSE, "close", Word.CLOSE):
        assert HTTPHeaders({"Connection": value}).encode() == b"Connection: close\r\n"
    assert HTTPHeaders({"X-Own": Loud("quiet")}).encode() == b"X-Own: quiet\r\n"


def test_the_first_status_of_its_kind_does_not_decide_how_others_are_shown() -> None:
    for code in (200.0, 200, HTTPStatus.OK):
        status_line.cache_clear()
        for other in (code, 200, 200.0, HTTPStatus.OK):
            assert status_line(other, "OK") == b"HTTP/1.1 200 OK\r\n"  # type: ignore[arg-type]
    for phrase in (Word.SAME, "same"):
        assert status_line(200, phrase) == b"HTTP/1.1 200 same\r\n"
