"""Which engine speaks; what h11's does that `test_http1` does not ask of both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tornado_trio.client import ClientLimits, ClientOptions, open_client
from tornado_trio.errors import HTTPOutputError, LimitError, PeerError
from tornado_trio.limits import RESPONSES, STRICT, Dialect, Limits
from tornado_trio.server import ServerOptions
from tornado_trio.wire.engines import VARIABLE, engine_for
from tornado_trio.wire.events import END, EndOfMessage, RequestHead, ResponseHead, Signal
from tornado_trio.wire.h11_engine import REFUSED, H11ClientWire, H11ServerWire
from tornado_trio.wire.headers import HTTPHeaders
from tornado_trio.wire.http1 import ClientWire, ServerWire

LIMITS = Limits(max_body_size=1000, max_fields=5)


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_our_own_by_default() -> None:
    for name in (None, "own"):
        engine = engine_for(name, STRICT)
        assert type(engine.server_wire(LIMITS)) is ServerWire
        assert type(engine.client_wire(LIMITS)) is ClientWire


def test_by_option_and_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(engine_for("h11", STRICT).server_wire(LIMITS)) is H11ServerWire
    monkeypatch.setenv(VARIABLE, "h11")
    assert type(engine_for(None, STRICT).client_wire(LIMITS)) is H11ClientWire
    assert type(engine_for("own", STRICT).client_wire(LIMITS)) is ClientWire
    monkeypatch.setenv(VARIABLE, "h12")
    with pytest.raises(ValueError, match="TORNADO_TRIO_ENGINE='h12': the engines are own and h11"):
        engine_for(None, STRICT)


async def test_a_client_by_its_options() -> None:
    options = ClientOptions(engine="h11", limits=ClientLimits(max_fields=7))
    async with open_client(options) as client:
        assert type(client._engine._wires.client_wire(LIMITS)) is H11ClientWire
        assert client._engine.limits.max_fields == 7
    async with open_client(options, limits=ClientLimits(max_fields=8)) as client:
        assert client._engine.limits.max_fields == 8


def test_an_unknown_engine_is_refused_where_it_is_named() -> None:
    with pytest.raises(ValueError, match="engine='h12'"):
        ServerOptions(engine="h12")
    with pytest.raises(ValueError, match="engine='h12'"):
        ClientOptions(engine="h12")


@pytest.mark.parametrize("flag", REFUSED)
def test_what_h11_refuses(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = replace(STRICT, **{flag: True})
    with pytest.raises(ValueError, match=f"h11' refuses what the dialect allows: {flag}"):
        ServerOptions(engine="h11", dialect=dialect)
    ServerOptions(engine="own", dialect=dialect)
    # compat asks for what its release forgives, whatever the environment says.
    monkeypatch.setenv(VARIABLE, "h11")
    assert engine_for(None, dialect).dialect == STRICT


# --- h11's server ---------------------------------------------------------------------


def request(data: bytes, dialect: Dialect = STRICT) -> tuple[H11ServerWire, RequestHead]:
    wire = H11ServerWire(LIMITS, dialect)
    wire.feed(data)
    head = wire.next_event()
    assert isinstance(head, RequestHead)
    return wire, head


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"X: a\x01", 400),
        (b"X: a\r\n b", 400),
        (b"X: a\rb", 400),
        (b"X: a\nY: b", 400),
        (b"Content-Length: 1, 1", 400),
        (b"Content-Length: 1\r\nContent-Length: 1", 400),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: gzip", 400),
        (b"Transfer-Encoding: wild", 501),
        (b"Expect: wonders", 417),
        (b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5", 431),
        (b"X y: z", 400),
    ],
)
def test_what_it_leaves_to_its_user(lines: bytes, status: int) -> None:
    with pytest.raises(PeerError) as info:
        request(b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n")
    assert info.value.status == status


def test_it_forgives_what_it_can() -> None:
    _, head = request(b"GET /\xe9 HTTP/1.1\nHost: a\n\n", Dialect(bare_lf=True, raw_target=True))
    assert head.start_line.path == "/%E9"
    _, head = request(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", Dialect(repeated_length=True)
    )
    assert head.content_length == 1
    _, head = request(
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Dialect(chunked_http10=True)
    )
    assert head.chunked
    _, head = request(b"GET / HTTP/1.9\r\nHost: a\r\n\r\n")
    assert head.start_line.version == "HTTP/1.1"


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_chunks_through_h11(step: int) -> None:
    wire, _ = request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    body = b'3 ; x="y"\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\nnext'
    got, end = b"", None
    for start in range(0, len(body), step):
        wire.feed(body[start : start + step])
        while (event := wire.next_event()) not in (Signal.NEED_DATA, Signal.PAUSED):
            if isinstance(event, EndOfMessage):
                end = event
            else:
                assert isinstance(event, bytes)
                got += event
    assert got == b"abcde"
    assert end is not None and end.trailers == HTTPHeaders({"T": "u"})
    assert wire.take_rest() == b"next"


@pytest.mark.parametrize("body", [b"3\r\nabcX", b"3\r\nabc\rX", b"x\r\n", b"0\r\nX y: z\r\n\r\n"])
def test_bad_chunks(body: bytes) -> None:
    wire, _ = request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.feed(body)
    with pytest.raises(PeerError):
        while wire.next_event() is not Signal.NEED_DATA:
            pass


def test_bounds_are_ours() -> None:
    wire, _ = request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
    with pytest.raises(LimitError):
        wire.next_event()
    wire, _ = request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.feed(b"3e9\r\n")
    with pytest.raises(LimitError):
        wire.next_event()


def test_answers() -> None:
    wire, _ = request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.response_head(103, "Early", HTTPHeaders({"Link": "x"})).startswith(b"HTTP/1.1 103")
    head = wire.response_head(200, "OK", HTTPHeaders({"X": "\xe9 "}))
    assert head == b"HTTP/1.1 200 OK\r\nX: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert wire.body(b"abc") == b"3\r\nabc\r\n" and wire.body(b"") == b""
    assert wire.end(HTTPHeaders({"T": "u"})) == b"0\r\nT: u\r\n\r\n"
    assert wire.skip_body() and wire.next_cycle()
    # Another request on the same connection; a file that is sent past the engine.
    wire.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(wire.next_event(), RequestHead)
    wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "5"}))
    piece = bytearray(b"ab")
    assert wire.body(piece) is piece
    wire.count_sent(3)
    with pytest.raises(HTTPOutputError):
        wire.body(b"more")
    wire, _ = request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(HTTPOutputError):
        wire.response_head(200, "OK", HTTPHeaders({"Content-Length": "x"}))
    assert wire.response_head(500, "x", HTTPHeaders({"Content-Length": "0"}))


# --- h11's client ---------------------------------------------------------------------


def response(
    data: bytes, method: str = "GET", dialect: Dialect = RESPONSES
) -> tuple[H11ClientWire, ResponseHead]:
    wire = H11ClientWire(LIMITS, dialect)
    wire.request_head(method, "/", HTTPHeaders({"Host": "a"}))
    assert wire.end() == b""
    wire.feed(data)
    head = wire.next_event()
    assert isinstance(head, ResponseHead)
    return wire, head


def test_a_request() -> None:
    wire = H11ClientWire(LIMITS)
    fields = HTTPHeaders({"Host": "a", "Transfer-Encoding": "chunked"})
    head = wire.request_head("POST", "/x", fields)
    assert head == b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert wire.body(b"abc") == b"3\r\nabc\r\n"
    assert wire.end() == b"0\r\n\r\n"
    wire = H11ClientWire(LIMITS)
    wire.request_head("POST", "/x", HTTPHeaders({"Host": "a", "Content-Length": "3"}))
    wire.count_sent(1)
    assert wire.body(b"bc") == b"bc" and wire.end() == b""
    with pytest.raises(HTTPOutputError):
        H11ClientWire(LIMITS).request_head("GET", "/", HTTPHeaders())  # h11 wants a Host


def test_responses() -> None:
    wire, head = response(b"HTTP/1.1 100 x\r\n\r\nHTTP/1.0 200 OK\r\nX: a\r\n b\r\n\r\nbody")
    assert head.informational
    head = wire.next_event()  # type: ignore[assignment]
    assert isinstance(head, ResponseHead) and head.headers["X"] == "a b"
    assert wire.next_event() == b"body"
    wire.feed(b"")
    assert wire.next_event() is END and not wire.keep_alive
    wire, head = response(b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc")
    assert (wire.next_event(), wire.next_event()) == (b"abc", END)
    assert wire.next_cycle()


@pytest.mark.parametrize(
    "line", [b"HTTP/2.0 200 OK", b"HTTP/1.1 099 x", b"nonsense", b"HTTP/1.1 101 x"]
)
def test_bad_responses(line: bytes) -> None:
    with pytest.raises(PeerError) as info:
        response(line + b"\r\n\r\n")
    assert info.value.status == 502


def test_a_response_to_a_request_sent_by_other_ways() -> None:
    wire = H11ClientWire(LIMITS)
    wire.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert isinstance(wire.next_event(), ResponseHead)
    assert (wire.next_event(), wire.next_event()) == (b"ok", END)
