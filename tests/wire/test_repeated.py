"""Heads that repeat the one before: parsed as if they did not, and nobody sees another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import PeerError
from tornado_trio.limits import STRICT, Dialect, Limits
from tornado_trio.wire.engines import engine_for
from tornado_trio.wire.events import RequestHead
from tornado_trio.wire.heads import parse_request_head
from tornado_trio.wire.http1 import ServerWire
from tornado_trio.wire.repeated import HeadMemory

LIMITS = Limits()
LENIENT = Dialect(bare_lf=True, missing_host=True, raw_target=True, chunked_http10=True)
LINES = [
    b"GET / HTTP/1.1", b"GET /other?a=1 HTTP/1.1", b"POST / HTTP/1.1", b"GET / HTTP/1.0",
    b"GET http://b.example/x HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"OPTIONS * HTTP/1.1",
    b"GET / HTTP/1.2", b"GET /\xc3\xa9 HTTP/1.1", b"GET /#x HTTP/1.1", b"GET  / HTTP/1.1", b"",
    b"GET / HTTP/1.1\nX: y", b"GET / HTTP/1.1\r\nX: y", b"GET /\r HTTP/1.1",
]  # fmt: skip
FIELDS = [
    b"Host: a\r\n", b"Host: b\r\nX: y\r\n", b"Host: a\r\nHost: b\r\n", b"", b"X: y\r\n",
    b"Host: a\r\nContent-Length: 5\r\n", b"Host: a\r\nTransfer-Encoding: chunked\r\n",
    b"Host: a\r\nConnection: close\r\n", b"Host: a\r\nConnection: keep-alive\r\n",
    b"Host: a\r\nConnection: upgrade\r\nUpgrade: x\r\n", b"Host: a\r\nExpect: 100-continue\r\n",
    b"Host: a\r\nCookie: a=1\r\nCookie: b=2\r\n", b"Host: a\nX: y\n", b"Host: a\r\nX: y\x00\r\n",
]  # fmt: skip


def outcome(parse: object, data: bytes, dialect: Dialect) -> object:
    try:
        head = parse(data, LIMITS, dialect)  # type: ignore[operator]
    except PeerError as error:
        return type(error), error.status, str(error)
    return (
        type(head.start_line), head.start_line, head.start_line.target,
        list(head.headers.get_all()), head.content_length, head.chunked, head.keep_alive,
        head.expect_continue, head.upgrade,
    )  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from(LINES), st.sampled_from(FIELDS), st.integers(1, 4)), max_size=8
    ),
    st.sampled_from([STRICT, LENIENT]),
)
def test_a_repeated_head_means_what_it_meant(
    heads: list[tuple[bytes, bytes, int]], dialect: Dialect
) -> None:
    memory = HeadMemory()
    for line, fields, times in heads:
        data = line + b"\r\n" + fields + b"\r\n"
        expected = outcome(parse_request_head, data, dialect)
        for _ in range(times):
            assert outcome(memory.parse, data, dialect) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from(LINES), st.sampled_from(FIELDS), st.integers(1, 3), st.integers(1, 3)
        ),
        max_size=8,
    ),
    st.sampled_from([STRICT, LENIENT]),
)
def test_a_head_means_what_it_meant_whatever_other_connections_began_with(
    heads: list[tuple[bytes, bytes, int, int]], dialect: Dialect
) -> None:
    firsts = HeadMemory()
    earlier = HeadMemory(firsts)
    for line, fields, connections, times in heads:
        data = line + b"\r\n" + fields + b"\r\n"
        expected = outcome(parse_request_head, data, dialect)
        for _ in range(connections):
            memory = HeadMemory(firsts)
            for _ in range(times):
                assert outcome(memory.parse, data, dialect) == expected
            assert outcome(earlier.parse, data, dialect) == expected


def parse(memory: HeadMemory, data: bytes) -> RequestHead:
    return memory.parse(data, LIMITS, STRICT)


def test_what_a_program_changes_is_its_own() -> None:
    memory = HeadMemory()
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    for _ in range(4):
        head = parse(memory, data)
        assert dict(head.headers) == {"Host": "a", "X": "y"}
        assert head.keep_alive and head.content_length is None
        head.headers["X"] = "changed"
        head.headers.add("Cookie", "secret=1")
        del head.headers["Host"]
        head.keep_alive, head.content_length = False, 7


def test_connections_begin_with_what_others_began_with() -> None:
    firsts = HeadMemory()
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    fields = len(data) - len("GET / HTTP/1.1")
    for _ in range(2):
        memory = HeadMemory(firsts)
        assert "of 0 bytes" in repr(memory)
        parse(memory, data)
        parse(memory, b"GET /later HTTP/1.1\r\nHost: b\r\n\r\n")  # which is no first head
    memory = HeadMemory(firsts)
    assert f"of {fields} bytes" in repr(memory)
    head = parse(memory, data)
    head.headers["Host"] = "changed"
    parse(memory, b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
    head = parse(HeadMemory(firsts), data)
    assert head.start_line.target == "/"
    assert head.headers["Host"] == "a"


def test_one_server_knows_nothing_of_anothers_connections() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    small = Limits(max_head_size=len(data) - 1)
    engine = engine_for("own", STRICT)
    for _ in range(3):
        wire = engine.server_wire(LIMITS)
        wire.feed(data)
        assert isinstance(wire.next_event(), RequestHead)
    wire = engine.server_wire(small)  # as after `use_options`
    wire.feed(data)
    with pytest.raises(PeerError, match="too large"):
        wire.next_event()
    other = engine_for("own", STRICT).server_wire(LIMITS)
    assert "of 0 bytes" in repr(other._parse.__self__)  # type: ignore[attr-defined]


def test_little_is_kept() -> None:
    memory = HeadMemory()
    for number in range(3):  # others each time: nothing
        parse(memory, b"GET / HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % number)
        assert "of 0 bytes" in repr(memory)
    for _ in range(3):  # too long
        parse(memory, b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 2000))
        assert "of 0 bytes" in repr(memory)
    same = b"\r\nHost: a\r\n\r\n"
    parse(memory, b"GET / HTTP/1.1" + same)
    assert "of 0 bytes" in repr(memory)
    parse(memory, b"GET /other HTTP/1.1" + same)
    assert f"of {len(same)} bytes" in repr(memory)
    parse(memory, b"GET / HTTP/1.1\r\nHost: b\r\n\r\n")
    assert "of 0 bytes" in repr(memory)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_receive_is_feed_and_next_event(size: int) -> None:
    """Whatever the pieces, and whether a head comes with a body or with half of another."""
    post = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    data = (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" + post) * 3 + b"GET"

    def events(wire: ServerWire, whole: bool) -> list[object]:
        found: list[object] = []
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if whole:
                event: object = wire.receive(piece)
            else:
                wire.feed(piece)
                event = wire.next_event()
            while "NEED_DATA" not in repr(event):
                found.append(event if isinstance(event, bytes) else repr(event))
                if "PAUSED" in repr(event):
                    assert wire.next_cycle()
                event = wire.next_event()
        return found

    both = [events(ServerWire(LIMITS), whole) for whole in (True, False)]
    bodies = [[each for each in found if isinstance(each, bytes)] for found in both]
    assert both[0] == both[1]
    assert b"".join(bodies[0]) == b"hello" * 3


def test_receive_knows_the_end_and_what_is_no_head() -> None:
    wire = ServerWire(Limits(max_head_size=100))
    assert "NEED_DATA" in repr(wire.receive(b"GET / "))
    assert "NEED_DATA" in repr(wire.receive(b"HTTP/1.1\r\n"))
    with pytest.raises(PeerError, match="Connection closed"):
        wire.receive(b"")
    assert "CLOSED" in repr(ServerWire(LIMITS).receive(b""))
    with pytest.raises(PeerError, match="head too large"):
        ServerWire(Limits(max_head_size=100)).receive(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 100)
        )
    with pytest.raises(PeerError, match="not HTTP"):
        ServerWire(LIMITS).receive(b"\x16\x03\x01")
