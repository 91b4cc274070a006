"""The HTTP/1.1 wire by itself: the client's reading, both sides' writing, the states.

What servers read is tested by tests/server/corpus.py, byte by byte.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import HTTPOutputError, LimitError, PeerError
from tornado_trio.limits import STRICT, Dialect, Limits
from tornado_trio.wire import bodies
from tornado_trio.wire.bodies import ChunkedReader
from tornado_trio.wire.engines import engine_for
from tornado_trio.wire.events import EndOfMessage, RequestHead, ResponseHead, Signal
from tornado_trio.wire.headers import HTTPHeaders
from tornado_trio.wire.http1 import ClientWire, ServerWire
from tornado_trio.wire.wire import end_of_head

LIMITS = Limits(max_body_size=1000, max_head_size=2000)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=["own", "h11"], scope="module", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The tests below make their wires by these two names, once for each engine."""
    chosen = engine_for(request.param, STRICT)
    with pytest.MonkeyPatch.context() as patch:
        for name, kind in (("ServerWire", chosen.server), ("ClientWire", chosen.client)):
            if hasattr(sys.modules[__name__], name):
                patch.setattr(sys.modules[__name__], name, kind)
        yield request.param


def client(method: str = "GET", **fields: str) -> ClientWire:
    wire = ClientWire(LIMITS)
    wire.request_head(method, "/", HTTPHeaders({"Host": "a", **fields}))
    return wire


def server(data: bytes = GET) -> ServerWire:
    wire = ServerWire(LIMITS)
    wire.feed(data)
    assert isinstance(wire.next_event(), RequestHead)
    return wire


def read(
    wire: ClientWire, data: bytes, step: int = 0, eof: bool = False
) -> tuple[int, bytes, object]:
    """Status, body, and what came last: EndOfMessage or a Signal."""
    pieces = [data[i : i + step] for i in range(0, len(data), step)] if step else [data]
    if eof:
        pieces.append(b"")
    status, body = 0, b""
    for piece in pieces:
        wire.feed(piece)
        while (event := wire.next_event()) is not Signal.NEED_DATA:
            if isinstance(event, ResponseHead):
                status = event.start_line.code
            elif isinstance(event, bytes):
                body += event
            else:
                return status, body, event
    return status, body, Signal.NEED_DATA


# --- responses as a client reads them ------------------------------------------------


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(
    ("method", "data", "status", "body"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\na", 200, b"a"),
        ("GET", b"HTTP/1.1 299 \xe9t\xe9\r\nContent-Length: 1\r\n\r\na", 299, b"a"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n", 200, b"abc"),  # noqa: E501
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 200, b"a"),  # noqa: E501
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, b"a"),
    ],
)  # fmt: skip
def test_good_responses(method: str, data: bytes, status: int, body: bytes, step: int) -> None:
    wire = client(method)
    got = read(wire, data, step)
    assert got[:2] == (status, body)
    assert isinstance(got[2], EndOfMessage)
    assert wire.next_event() is Signal.PAUSED
    assert wire.next_cycle() == (b"HTTP/1.0" not in data)


def test_response_that_lasts_until_the_end() -> None:
    for head in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"):
        wire = client()
        status, body, last = read(wire, head + b"some", eof=True)
        assert (status, body, type(last)) == (200, b"some", EndOfMessage)
        assert not wire.next_cycle()


@pytest.mark.parametrize(
    ("data", "eof"),
    [
        (b"garbage\r\n\r\n", False),
        (b"HTTP/1.1 20 OK\r\n\r\n", False),
        (b"HTTP/1.1 2000 OK\r\n\r\n", False),
        (b"HTTP/1.1 +20 OK\r\n\r\n", False),
        (b"HTTP/2.0 200 OK\r\n\r\n", False),
        (b"HTTP/1.1  200 OK\r\n\r\n", False),
        (b"HTTP/1.1 200 O\x00K\r\n\r\n", False),
        (b"HTTP/1.1 200 O\rK\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX: a\x1bb\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n X: a\r\n\r\n", False),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", False),
        (b"\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False),  # noqa: E501
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", False),
        (b"HTTP/1.1 200 OK\r\nContent-", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 40, False),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3000, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 1001, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", False),
    ],
)  # fmt: skip
def test_bad_responses(data: bytes, eof: bool) -> None:
    wire = client()
    with pytest.raises(PeerError) as first:
        read(wire, data, eof=eof)
    with pytest.raises(PeerError) as again:
        wire.next_event()
    assert again.value is first.value
    assert not wire.next_cycle()


@pytest.mark.parametrize("step", [0, 1, 7])
def test_folds_become_blanks(step: int) -> None:
    wire = client()
    head = (
        b"HTTP/1.1 200 OK\r\nX: one\r\n two\r\n\t three\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"
    )
    data = b"\r\n" + head + b"2  \r\nok\r\n0\r\nT: a\r\n b\r\n\r\n"
    status, body, end = read(wire, data, step)
    assert (status, body) == (200, b"ok")
    assert wire.head is not None and wire.head.headers["X"] == "one two three"
    assert isinstance(end, EndOfMessage)
    assert end.trailers is not None and end.trailers["T"] == "a b"
    assert wire.next_cycle()


@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_204_ends_at_its_head_and_with_it_the_connection(field: bytes) -> None:
    wire = client()
    assert read(wire, b"HTTP/1.1 204 No\r\n" + field + b"\r\n\r\n")[:2] == (204, b"")
    assert not wire.next_cycle()  # the body that was announced may still come


def test_no_response_at_all() -> None:
    wire = client()
    wire.feed(b"")
    assert wire.next_event() is Signal.CLOSED


def test_unasked_bytes_end_reuse() -> None:
    wire = client()
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    read(wire, response * 2)
    assert wire.buffered == len(response)
    assert not wire.next_cycle()
    assert wire.next_cycle(pipelined=True)


def test_switching_protocols() -> None:
    wire = client(Connection="Upgrade", Upgrade="x")
    status, _, last = read(
        wire, b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello"
    )
    assert (status, last) == (101, Signal.SWITCHED)
    assert wire.head is not None and wire.head.upgrade
    assert wire.take_rest() == b"hello"
    wire = ClientWire(LIMITS)
    wire.request_head("CONNECT", "a:1", HTTPHeaders({"Host": "a:1"}))
    assert read(wire, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")[2] is Signal.SWITCHED
    assert wire.take_rest() == b"abc"


def test_lenient_dialect() -> None:
    wire = ClientWire(LIMITS, Dialect(bare_lf=True, repeated_length=True))
    wire.request_head("GET", "/", HTTPHeaders({"Host": "a"}))
    data = b"HTTP/1.1 200 OK\nContent-Length: 5, 5\nX: y\n\nhello"
    assert read(wire, data, 1)[:2] == (200, b"hello")
    server_wire = ServerWire(LIMITS, Dialect(bare_lf=True))
    server_wire.feed(b"\n" + GET.replace(b"\r", b""))
    assert isinstance(server_wire.next_event(), RequestHead)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_line_ends_of_both_kinds_in_a_request_are_never_forgiven(data: bytes) -> None:
    wire = ServerWire(LIMITS, Dialect(bare_lf=True))
    wire.feed(data)
    with pytest.raises(PeerError, match="bare LF in head"):
        wire.next_event()


@pytest.mark.parametrize("along", [b"", GET])
def test_chunked_http10_ends_with_what_came_along(along: bytes) -> None:
    """A proxy may have taken those bytes for the body; a client waits for its answer."""
    wire = ServerWire(LIMITS, Dialect(chunked_http10=True))
    head = b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.feed(head + b"2\r\nab\r\n0\r\n\r\n" + along)
    assert isinstance(wire.next_event(), RequestHead)
    while not isinstance(wire.next_event(), EndOfMessage):
        pass
    wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "0"}))
    wire.end()
    assert wire.next_cycle() is not bool(along)
    if not along:
        wire.feed(GET)
        assert isinstance(wire.next_event(), RequestHead)


# --- what we write --------------------------------------------------------------------


def test_request_heads() -> None:
    wire = ClientWire(LIMITS)
    head = wire.request_head("POST", "/x?y", HTTPHeaders({"Host": "a", "Content-Length": "3"}))
    assert head == b"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    assert wire.body(b"abc") == b"abc"
    assert wire.end() == b""
    wire.request_head("POST", "/", HTTPHeaders({"Host": "a", "Transfer-Encoding": "chunked"}))
    assert wire.body(b"abc") == b"3\r\nabc\r\n"
    assert wire.body(b"") == b""
    assert wire.end(HTTPHeaders({"X": "y"})) == b"0\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        ("G T", "/", {}),
        ("GET\r\nX:", "/", {}),
        ("GET", "/ x", {}),
        ("GET", "/\r\nX: y", {}),
        ("GET", "", {}),
        ("GET", "/\xe9", {}),
        ("GET", "/", {"X": "a\r\nb"}),
        ("GET", "/", {"X": "a\x00"}),
        ("GET", "/", {"X Y": "a"}),
        ("GET", "/", {"X\n": "a"}),
        ("GET", "/", {"X": "\u20ac"}),
        ("GET", "/", {"Content-Length": "+3"}),
        ("GET", "/", {"Content-Length": "\u0663"}),
        ("GET", "/", {"Transfer-Encoding": "gzip"}),
    ],
)
def test_requests_that_may_not_be_sent(method: str, target: str, fields: dict[str, str]) -> None:
    with pytest.raises(HTTPOutputError):
        ClientWire(LIMITS).request_head(method, target, HTTPHeaders(fields))


@pytest.mark.parametrize(
    ("code", "reason"), [(99, "x"), (1000, "x"), (200, "a\r\nX: y"), (200, "\x00"), (200, "\u20ac")]
)
def test_status_lines_that_may_not_be_sent(code: int, reason: str) -> None:
    with pytest.raises(HTTPOutputError):
        server().response_head(code, reason, HTTPHeaders())


def test_response_lengths_are_kept() -> None:
    wire = server()
    wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "3"}))
    with pytest.raises(HTTPOutputError, match="less"):
        wire.end()
    with pytest.raises(HTTPOutputError, match="more data than Content-Length"):
        wire.body(b"abcd")
    wire = server()
    wire.response_head(304, "Not Modified", HTTPHeaders())
    with pytest.raises(HTTPOutputError):
        wire.body(b"a")
    wire = server()
    wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "3"}))
    with pytest.raises(HTTPOutputError, match="already"):
        wire.response_head(200, "OK", HTTPHeaders())
    with pytest.raises(HTTPOutputError):
        wire.count_sent(4)
    wire.count_sent(3)
    assert wire.end() == b""


def test_204_has_no_framing() -> None:
    wire = server()
    head = wire.response_head(204, "No Content", HTTPHeaders({"Content-Length": "0"}))
    assert head == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_header_names_keep_their_spelling() -> None:
    wire = server()
    head = wire.response_head(200, "OK", HTTPHeaders({"content-type": "x", "etag": '"y"'}))
    assert head.startswith(b'HTTP/1.1 200 OK\r\nContent-Type: x\r\nEtag: "y"\r\n')


def test_next_cycle_of_a_server() -> None:
    wire = server(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
    assert wire.body_unread
    assert not wire.skip_body()
    assert not wire.next_cycle()
    wire.feed(b"c" + GET)
    assert wire.next_event() == b"abc"
    assert isinstance(wire.next_event(), EndOfMessage)
    wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "0"}))
    wire.end()
    assert wire.next_event() is Signal.PAUSED
    assert wire.next_cycle()
    head = wire.next_event()
    assert isinstance(head, RequestHead) and head.start_line.method == "GET"


def test_a_bound_changed_after_the_head() -> None:
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n"
    wire = server(data)
    wire.max_body_size = 3000
    assert wire.next_event() is Signal.NEED_DATA
    wire = server(data)
    with pytest.raises(LimitError) as caught:
        wire.next_event()
    assert caught.value.status == 413


def test_absolute_form_replaces_host() -> None:
    wire = ServerWire(LIMITS)
    wire.feed(b"GET http://b:8080/x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    head = wire.next_event()
    assert isinstance(head, RequestHead)
    assert (head.start_line.path, head.headers["Host"]) == ("/x?y", "b:8080")


def test_many_one_byte_chunks_cost_linear_time() -> None:
    """Counted, not timed: the buffer is gone through in steps, each piece joined once."""
    wire = ServerWire(Limits())
    wire.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.next_event()
    wire.feed(b"1\r\na\r\n" * 10_000)
    pieces = []
    while isinstance(event := wire.next_event(), bytes):
        pieces.append(event)
    assert b"".join(pieces) == b"a" * 10_000
    assert len(pieces) <= 26


# --- corners --------------------------------------------------------------------------


def test_older_dialects(engine: str) -> None:
    if engine == "h11":
        return  # refuses them, see test_engines.py
    loose = Dialect(missing_host=True, loose_fields=True)
    wire = ServerWire(LIMITS, loose)
    wire.feed(b"GET / HTTP/1.1\r\nX: a\r\n\t b\x01\r\nTransfer-Encoding: chunked\r\n\r\n")
    head = wire.next_event()
    assert isinstance(head, RequestHead)
    assert (head.headers["X"], head.chunked) == ("a b\x01", True)
    for bad in (b"X\r\n", b"X: a\x00\r\n", b"X y: z\r\n"):
        wire = ServerWire(LIMITS, loose)
        wire.feed(b"GET / HTTP/1.1\r\n" + bad + b"\r\n")
        with pytest.raises(PeerError):
            wire.next_event()


@pytest.mark.parametrize(
    ("request_", "fields", "expected", "again"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", {}, b"HTTP/1.1 200 OK\r\n\r\n", False),
        (
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            {"Content-Length": "0"},
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n",
            True,
        ),
        (
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            {},
            b"HTTP/1.1 200 OK\r\n\r\n",
            False,
        ),
        (
            GET,
            {"Content-Length": "0", "Connection": "Close"},
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n",
            False,
        ),
        (
            GET,
            {"Content-Length": "0", "Connection": "x"},
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x\r\n\r\n",
            True,
        ),
        (GET, {}, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (
            GET,
            {"Transfer-Encoding": "gzip"},  # of the program, which cannot know the framing
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            True,
        ),
        (
            GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            {"Content-Length": "0", "Connection": "Keep-Alive, x"},
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, close\r\n\r\n",
            False,
        ),
        (
            b"GET / HTTP/1.0\r\n\r\n",
            {"Content-Length": "0", "Connection": "keep-alive"},
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            False,
        ),
        (
            GET,
            {"Content-Length": "0", "Connection": "x-close"},
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x-close\r\n\r\n",
            True,
        ),
    ],
)
def test_persistence_of_responses(
    engine: str, request_: bytes, fields: dict[str, str], expected: bytes, again: bool
) -> None:
    wire = server(request_)
    head = wire.response_head(200, "OK", HTTPHeaders(fields))
    if engine == "h11" and b"HTTP/1.0" in request_ and not fields:
        expected = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"  # it says so
    assert head == expected
    wire.end()
    assert wire.skip_body()
    assert wire.next_cycle() is again


@pytest.mark.parametrize("coding", ["chunked", "gzip"])
@pytest.mark.parametrize("length", [None, "5"])
@pytest.mark.parametrize(
    ("method", "version", "status", "framing"),
    [
        ("GET", "1.1", 200, "Transfer-Encoding: chunked"),
        ("POST", "1.1", 404, "Transfer-Encoding: chunked"),
        ("GET", "1.0", 200, ""),
        ("HEAD", "1.1", 200, ""),
        ("GET", "1.1", 304, ""),
        ("GET", "1.1", 204, ""),
        ("GET", "1.1", 103, ""),
        ("CONNECT", "1.1", 200, ""),
    ],
)
def test_framing_is_not_the_programs(
    engine: str,
    method: str,
    version: str,
    status: int,
    framing: str,
    length: str | None,
    coding: str,
) -> None:
    target = "a:1" if method == "CONNECT" else "/"
    wire = server(f"{method} {target} HTTP/{version}\r\nHost: a\r\n\r\n".encode())
    headers = HTTPHeaders({"Transfer-Encoding": coding})
    if length is not None:
        headers["Content-Length"] = length
        framing = "Content-Length: 5" if status not in (103, 204) and method != "CONNECT" else ""
    head = wire.response_head(status, "x", headers)
    fields = [line for line in head.decode().split("\r\n")[1:] if line]
    if engine == "h11" and length is None:
        # It says what the answer to GET would, and that HTTP/1.0 ends.
        if method == "HEAD":
            framing = "Transfer-Encoding: chunked"
        elif version == "1.0" and status == 200:
            framing = "Connection: close"
    assert fields == ([framing] if framing else [])


def test_a_coding_beside_a_length_for_tornados_tests(engine: str) -> None:
    if engine == "h11":
        return  # refuses it, see test_engines.py
    fields = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
    for method, kept in (("GET", True), ("HEAD", False)):
        wire = ServerWire(LIMITS, Dialect(coding_beside_length=True))
        wire.feed(GET.replace(b"GET", method.encode()))
        wire.next_event()
        assert (b"chunked" in wire.response_head(200, "OK", HTTPHeaders(fields))) is kept
        assert wire.body(b"12345") == (b"12345" if kept else b"")


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (1000, {}),
        (99, {}),
        (200, {"Content-Length": "-5"}),
        (200, {"Content-Length": "5, 5"}),
        (200, {"X y": "1"}),
        (200, {"X": "a\nb"}),
        (200, {"X": "\u6d4b"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_another_head_after_one_that_cannot_be_sent(
    status: int, fields: dict[str, str], method: str
) -> None:
    wire = server(GET.replace(b"GET", method.encode()))
    with pytest.raises(HTTPOutputError):
        wire.response_head(status, "x", HTTPHeaders(fields))
    head = wire.response_head(500, "No", HTTPHeaders({"Content-Length": "3"}))
    assert head == b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\n"
    assert wire.body(b"abc") == (b"abc" if method == "GET" else b"")
    assert wire.end() == b""
    assert wire.skip_body() and wire.next_cycle()


def test_a_length_stored_as_a_number() -> None:
    wire = server()
    headers = HTTPHeaders()
    headers["Content-Length"] = 3  # type: ignore[assignment]
    assert b"Content-Length: 3\r\n" in wire.response_head(200, "OK", headers)


@pytest.mark.parametrize("body", [b"Content-Length: 2000\r\n\r\n", CHUNKED + b"x\r\n"])
def test_after_a_malformed_body_the_answer_is_the_last(body: bytes) -> None:
    wire = server(b"POST / HTTP/1.1\r\nHost: a\r\n" + body)
    with pytest.raises(PeerError):
        wire.next_event()
    head = wire.response_head(413, "No", HTTPHeaders({"Content-Length": "0"}))
    assert b"Connection: close\r\n" in head
    assert not wire.next_cycle()


@pytest.mark.parametrize("version", ["1.2", "1.9"])
def test_later_minor_versions_are_served_as_1_1(version: str) -> None:
    wire = server(f"GET / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
    assert wire.head is not None
    assert (wire.head.start_line.version, wire.head.keep_alive) == ("HTTP/1.1", True)
    assert b"chunked" in wire.response_head(200, "OK", HTTPHeaders())
    peer = client()
    answer = f"HTTP/{version} 200 OK\r\nContent-Length: 2\r\n\r\nhi".encode()
    assert read(peer, answer)[:2] == (200, b"hi")
    assert peer.keep_alive


def test_bytes_beyond_ascii_in_a_target() -> None:
    line = "GET /café?q=é HTTP/1.1\r\n".encode()
    for rest in (b"Host: a\r\n\r\n", b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"):
        wire = ServerWire(LIMITS, Dialect(raw_target=True))
        wire.feed(line + rest)
        head = wire.next_event()
        assert isinstance(head, RequestHead)
        assert head.start_line.path == "/caf%C3%A9?q=%C3%A9"
        strict = ServerWire(LIMITS)
        strict.feed(line + rest)
        with pytest.raises(PeerError):
            strict.next_event()
    lines = b"G\xe9T / HTTP/1.1", b"GET / HTTP/1.\xb2", b"GET /\xe9#x HTTP/1.1", b"GET /\xe9 x"
    for bad in lines:
        wire = ServerWire(LIMITS, Dialect(raw_target=True))
        wire.feed(bad + b"\r\nHost: a\r\n\r\n")
        with pytest.raises(PeerError):
            wire.next_event()


def test_informational_heads() -> None:
    wire = server()
    assert wire.response_head(103, "Early Hints", HTTPHeaders({"Link": "x"})) == (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    )
    assert not wire.responded
    wire.response_head(101, "Switching Protocols", HTTPHeaders())
    assert wire.responded
    assert server(b"GET / HTTP/1.0\r\n\r\n").response_head(103, "Hints", HTTPHeaders()) == b""


def test_body_of_head_goes_nowhere(engine: str) -> None:
    wire = server(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    head = wire.response_head(200, "OK", HTTPHeaders())
    assert (b"Transfer-Encoding" in head) is (engine == "h11")
    assert wire.body(b"abc") == b""
    assert wire.end() == b""


def test_a_response_written_by_the_program() -> None:
    wire = server()
    wire.raw_response()
    assert wire.body(b"HTTP/1.1 200 OK\r\n\r\n") == b"HTTP/1.1 200 OK\r\n\r\n"
    assert wire.end() == b""


def test_what_comes_after_an_upgrade() -> None:
    wire = server(GET + b"raw")
    assert wire.take_rest() == b"raw"
    assert wire.next_event() is Signal.SWITCHED
    assert not wire.next_cycle()


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://b?x", "/?x", "b"),
        (b"http://b", "/", "b"),
        (b"HTTP://b/y", "/y", "b"),
    ],
)
def test_absolute_forms(target: bytes, path: str, host: str) -> None:
    wire = server(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.head is not None
    assert (wire.head.start_line.path, wire.head.headers["Host"]) == (path, host)


def test_connect() -> None:
    wire = server(b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n")
    assert wire.head is not None
    assert wire.head.start_line.path == "b:443"
    # RFC 9110 9.3.6: no framing in the answer, and no request after the tunnel.
    head = wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "5"}))
    assert head == b"HTTP/1.1 200 OK\r\n\r\n"
    assert (wire.body(b"bytes"), wire.end()) == (b"bytes", b"")
    assert wire.skip_body() and not wire.next_cycle()


def test_connect_refused() -> None:
    wire = server(b"CONNECT [::1]:443 HTTP/1.1\r\nHost: b:443\r\n\r\n")
    head = wire.response_head(403, "No", HTTPHeaders({"Content-Length": "0"}))
    assert head == b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    assert wire.skip_body() and wire.next_cycle()


def test_body_that_need_not_be_fed(engine: str) -> None:
    if engine == "h11":
        return  # sees all of it
    wire = server(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert not wire.passthrough(b"abc")  # nobody has asked for the body yet
    assert wire.next_event() is Signal.NEED_DATA
    assert wire.passthrough(b"abc")
    assert not wire.passthrough(b"defg")
    assert not wire.passthrough(b"")
    wire.feed(b"de")
    assert wire.next_event() == b"de"
    assert isinstance(wire.next_event(), EndOfMessage)


def test_requests_that_end_their_connection() -> None:
    wire = client(Connection="close")
    read(wire, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert not wire.next_cycle()


def test_reprs() -> None:
    wire = server()
    assert repr(wire.head) == "<RequestHead GET / HTTP/1.1>"
    answered = client()
    read(answered, b"HTTP/1.1 404 Not Here\r\nContent-Length: 0\r\n\r\n")
    assert repr(answered.head) == "<ResponseHead 404 Not Here>"


def test_trailers_byte_by_byte_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []

    class Buffer(bytearray):
        def find(self, wanted: Any, start: int = 0, *end: int) -> int:  # type: ignore[override]
            searched.append(len(self) - start)
            return super().find(wanted, start, *end)

    def search(buffer: bytearray, start: int = 0) -> None:
        searched.append(len(buffer) - start)

    monkeypatch.setattr(bodies, "_BARE_LF", SimpleNamespace(search=search))
    reader, buffer = ChunkedReader(1000, Limits()), Buffer()
    trailers = b"".join(b"T%d: %s\r\n" % (number, b"x" * 50) for number in range(100))
    for byte in b"0\r\n" + trailers + b"\r\n":
        end = reader.read(buffer, 1000)
        assert end is None
        buffer.append(byte)
    end = reader.read(buffer, 1000)
    assert isinstance(end, EndOfMessage) and end.trailers is not None
    assert len(end.trailers) == 100
    assert sum(searched) < 20 * len(trailers)


# --- bodies that another reader of the stream may read ------------------------------------------
def test_a_body_read_elsewhere() -> None:
    wire = server(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET ")
    assert wire.body_reader() is not None
    assert wire.give_back() == b"bodyGET " and not wire.buffered
    wire.end_body()
    assert wire.next_event() is Signal.PAUSED
    wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "0"}))
    wire.end()
    assert wire.next_cycle()
    wire.feed(GET)
    assert isinstance(wire.next_event(), RequestHead)


def test_what_was_given_back_may_be_fed_again() -> None:
    wire = server(b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"4\r\nwi")
    wire.feed(wire.give_back())
    wire.feed(b"ki\r\n0\r\n\r\nGET ")
    got = b""
    while isinstance(event := wire.next_event(), bytes):
        got += event
    assert got == b"wiki" and isinstance(event, EndOfMessage)
    wire.end_body()  # it has ended: nothing changes
    assert wire.give_back() == b"GET "
    assert wire.next_event() is Signal.PAUSED


def test_a_body_of_another_length() -> None:
    wire = client()
    wire.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwikipedia")
    assert isinstance(wire.next_event(), ResponseHead)
    wire.expect(4)
    assert wire.next_event() == b"wiki" and isinstance(wire.next_event(), EndOfMessage)
    assert wire.give_back() == b"pedia"


def test_what_comes_with_a_body_that_proxies_may_see_otherwise_ends_the_connection() -> None:
    wire = ServerWire(LIMITS, Dialect(chunked_http10=True))
    wire.feed(b"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" + CHUNKED + b"0\r\n")
    assert isinstance(wire.next_event(), RequestHead)
    wire.close_after = False
    wire.feed(wire.give_back())  # not over yet: nothing is concluded from it
    assert not wire.close_after
    wire.feed(b"\r\nGET / HTTP/1.1\r\n")
    assert isinstance(wire.next_event(), EndOfMessage)
    assert wire.give_back() and wire.close_after


@given(st.text("a\r\n", max_size=12), st.integers(0, 4), st.booleans())
def test_end_of_head(text: str, start: int, lenient: bool) -> None:
    """Where a pattern finds it, from any place on."""
    data = text.encode()
    pattern = rb"\r?\n\r?\n" if lenient else rb"\r\n\r\n"
    match = re.compile(pattern).search(data, start)
    dialect = Dialect(bare_lf=lenient)
    assert end_of_head(data, dialect, start) == (match.end() if match else -1)
