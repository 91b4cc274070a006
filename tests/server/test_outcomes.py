"""Each row of the table of causes: what the client gets, what is logged, what the record says."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tornado_trio import web
from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import (
    CLIENT_LEFT,
    FINISH,
    OUTCOMES,
    Cause,
    Exchange,
    Finished,
    ResponseStartLine,
)
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.server import ServerOptions
from tornado_trio.testing import MemoryServer, RawClient, memory_server
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, lines, reply

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"

# What happens to a request: called with its exchange, in its handler.
Ending = Callable[[Exchange], Awaitable[None]]
# And from outside, once it runs.
Outside = Callable[[MemoryServer, RawClient], Awaitable[None]]


async def waits(exchange: Exchange) -> None:
    await trio.sleep(1000)


async def answers(exchange: Exchange) -> None:
    await trio.lowlevel.checkpoint()
    reply(exchange, b"answer")


async def upgrades(exchange: Exchange) -> None:
    head = ResponseStartLine("HTTP/1.1", 101, "Switching Protocols")
    exchange.write_headers(head, HTTPHeaders({"Upgrade": "x", "Connection": "Upgrade"}))
    exchange.detach().close()


async def floods(exchange: Exchange) -> None:
    exchange.write_headers(OK, HTTPHeaders())
    while True:
        await exchange.write(bytes(100_000))


async def reads(exchange: Exchange) -> None:
    await exchange.read_body()
    raise AssertionError("not reached")


async def has_a_child_that_fails(exchange: Exchange) -> None:
    async def child() -> None:
        await trio.sleep(1)
        raise KeyError("child")

    exchange.nursery.start_soon(child)
    await trio.sleep(1000)


async def fails(exchange: Exchange) -> None:
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError


async def ends(exchange: Exchange) -> None:
    await trio.lowlevel.checkpoint()


async def aborts(exchange: Exchange) -> None:
    await trio.lowlevel.checkpoint()
    exchange.abort()


async def cancels(exchange: Exchange) -> None:
    exchange.cancel_scope.cancel()
    await trio.lowlevel.checkpoint()


async def nothing(server: MemoryServer, client: RawClient) -> None:
    pass


async def leaves(server: MemoryServer, client: RawClient) -> None:
    client.stream.close()


async def shuts_down_its_side(server: MemoryServer, client: RawClient) -> None:
    await client.stream.send_eof()


async def drains(server: MemoryServer, client: RawClient) -> None:
    await server.server.drain(1)


async def interrupts(server: MemoryServer, client: RawClient) -> None:
    server.server.interrupt()


@dataclass(frozen=True)
class Row:
    """How a cause comes about; what then is `OUTCOMES`'s to say, but for what is said here."""

    ending: Ending = waits
    outside: Outside = nothing
    request: bytes = GET
    options: dict[str, Any] = field(default_factory=dict)
    #: The status that is recorded, and that the client gets (0: it gets none).
    recorded: int = 0
    answered: int = 0
    #: What stands in the one line that is logged, and its level.
    level: int = 0
    log: str = ""


BROKEN = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
BIG = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
ROWS = {
    Cause.COMPLETE: Row(answers, recorded=200, answered=200),
    Cause.UPGRADED: Row(upgrades, recorded=101),
    Cause.CLIENT_GONE: Row(waits, leaves, recorded=499, level=logging.DEBUG, log="has gone"),
    Cause.HALF_CLOSED: Row(
        waits,
        shuts_down_its_side,
        b"GET /x HTTP/1.0\r\n\r\n",
        recorded=499,
        level=logging.DEBUG,
        log="closed its side",
    ),
    # Its response had begun.
    Cause.NOT_READING: Row(floods, recorded=200, level=logging.DEBUG, log="does not read"),
    Cause.REQUEST_DEADLINE: Row(
        options={"timeouts": Timeouts(request=5)},
        recorded=503,
        answered=503,
        level=logging.WARNING,
        log="took longer than it may",
    ),
    Cause.BODY_DEADLINE: Row(
        reads,
        request=POST,
        options={"timeouts": Timeouts(body=5)},
        recorded=408,
        answered=408,
        level=logging.INFO,
        log="Timeout reading body from 127.0.0.1",
    ),
    Cause.BODY_STALLED: Row(
        reads,
        request=POST,
        recorded=408,
        answered=408,
        level=logging.INFO,
        log="Timeout reading body from 127.0.0.1",
    ),
    Cause.DRAIN: Row(
        waits, drains, recorded=503, answered=503, level=logging.WARNING, log="is shutting down"
    ),
    Cause.INTERRUPTED: Row(
        waits, interrupts, recorded=503, answered=503, level=logging.WARNING, log="at once"
    ),
    Cause.CHILD_FAILED: Row(
        has_a_child_that_fails,
        recorded=500,
        answered=500,
        level=logging.ERROR,
        log="Uncaught exception in a child of <Http1Exchange GET /x",
    ),
    Cause.HANDLER_FAILED: Row(
        fails,
        recorded=500,
        answered=500,
        level=logging.ERROR,
        log="Uncaught exception in <Http1Exchange GET /x",
    ),
    Cause.UNFINISHED: Row(
        ends, recorded=500, answered=500, level=logging.ERROR, log="ended without finishing"
    ),
    Cause.LIMIT: Row(
        reads,
        request=BIG,
        options={"limits": Limits(max_body_size=100)},
        recorded=413,
        answered=413,
        level=logging.INFO,
        log="Content-Length too long",
    ),
    Cause.PROTOCOL_ERROR: Row(
        reads,
        request=BROKEN,
        recorded=400,
        answered=400,
        level=logging.INFO,
        log="Malformed HTTP message from 127.0.0.1: ",
    ),
    Cause.ABORTED: Row(aborts, recorded=500, answered=500),
    Cause.CANCELLED: Row(cancels, recorded=503, answered=503),
}


async def run(
    app: Any, row: Row, *, taken: bytes = b""
) -> tuple[bytes, list[Finished], RawClient]:
    """What the client got, and the records; `taken` of the response is awaited first."""
    records: list[Finished] = []
    options = ServerOptions(access_log=records.append, **row.options)
    got = b""
    async with memory_server(app, options) as server:
        client = await server.connect()
        await client.send(row.request)
        if taken:
            got = await client.stream.read_until(taken, max_bytes=10_000)
        else:
            await wait_all_tasks_blocked()
        await row.outside(server, client)
        if row.ending is floods:
            await trio.sleep(200)  # and reads nothing
        with trio.move_on_after(300):
            try:
                while piece := await client.stream.read_some():
                    got += piece
            except StreamClosedError:
                pass  # cut, or closed by ourselves
        await trio.sleep(10)
        # Nothing but tasks of the connection that goes on.
        assert not [each for each in server.server.connections if each.busy]
    return got, records, client


def test_the_tests_know_every_cause() -> None:
    assert set(ROWS) == set(Cause) == set(OUTCOMES)


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name.lower())
async def test_row(
    cause: Cause, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """For an application that knows nothing of errors."""
    caplog.set_level(logging.DEBUG, "tornado")
    row = ROWS[cause]
    got, [record], _ = await run(row.ending, row)
    if row.answered:
        assert got.startswith(f"HTTP/1.1 {row.answered} ".encode())
        assert (b"\r\nConnection: close\r\n" in got) == (cause is not Cause.COMPLETE)
    elif cause is Cause.UPGRADED:
        assert got.startswith(b"HTTP/1.1 101 ")
    elif row.ending is not floods:
        assert got in (b"", b"HTTP/1.1 102 Processing\r\n\r\n")
    assert (record.cause, record.status) == (cause, row.recorded)
    assert (record.target, record.client, record.tls) == ("/x", "127.0.0.1", False)
    assert record.complete == (cause in (Cause.COMPLETE, Cause.UPGRADED))
    logged = [each for each in lines(caplog) if "drain: " not in each.getMessage()]
    said = [(each.levelno, row.log in each.getMessage()) for each in logged]
    assert said == ([(row.level, True)] if row.log else [])
    [line] = [each for each in caplog.records if each.name == "tornado.access"]
    assert line.getMessage().startswith(f"{row.recorded} {record.method} /x (127.0.0.1) ")
    if cause in CLIENT_LEFT:
        assert OUTCOMES[cause].level == logging.DEBUG


HALF = [
    Cause.REQUEST_DEADLINE,
    Cause.DRAIN,
    Cause.INTERRUPTED,
    Cause.CHILD_FAILED,
    Cause.HANDLER_FAILED,
    Cause.UNFINISHED,
    Cause.ABORTED,
    Cause.CANCELLED,
]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("cause", HALF, ids=lambda cause: cause.name.lower())
async def test_a_response_that_breaks_off_is_seen_to_break_off(
    cause: Cause,
    version: bytes,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: MockClock,
) -> None:
    """No last chunk; and to HTTP/1.0, where the close is the end, a reset."""
    row = ROWS[cause]

    async def app(exchange: Exchange) -> None:
        exchange.write_headers(OK, HTTPHeaders(), b"half")
        await trio.sleep(0.5)
        await row.ending(exchange)

    row = Row(**{**row.__dict__, "request": GET.replace(b"1.1", version)})
    got, [record], client = await run(app, row, taken=b"half")
    assert (record.cause, record.status, record.complete) == (cause, 200, False)
    assert record.bytes_out == 4
    assert b"0\r\n\r\n" not in got
    with pytest.raises(StreamClosedError) if version == b"1.0" else _whatever():
        client.stream._in.take_all()
        await client.stream.read_some()


class _whatever:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> bool:
        return True


class Page(web.RequestHandler):
    """Its own error page, headers, and what it is told."""

    told: list[tuple[int, Any, bool]] = []
    finished: list[int] = []
    ending: Ending = staticmethod(waits)

    def set_default_headers(self) -> None:
        self.set_header("X-Ours", "1")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.told.append((status_code, kwargs.get("cause"), "exc_info" in kwargs))
        self.finish(f"our page {status_code}")

    def on_finish(self) -> None:
        self.finished.append(self.get_status())

    async def get(self) -> None:
        await self.ending(self.request.connection)

    post = get


THROUGH_THE_APPLICATION = [
    Cause.REQUEST_DEADLINE,
    Cause.BODY_DEADLINE,
    Cause.BODY_STALLED,
    Cause.DRAIN,
    Cause.INTERRUPTED,
    Cause.CHILD_FAILED,
    Cause.HANDLER_FAILED,
    Cause.LIMIT,
    Cause.PROTOCOL_ERROR,
    Cause.CANCELLED,
]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("cause", THROUGH_THE_APPLICATION, ids=lambda cause: cause.name.lower())
async def test_row_through_the_application(
    cause: Cause,
    streams: bool,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: MockClock,
) -> None:
    """The handler's page, its default headers, its line: also where it was not made yet."""
    caplog.set_level(logging.INFO, "tornado")
    row = ROWS[cause]
    kind = type("Handler", (Page,), {"ending": staticmethod(row.ending)})
    if streams:
        kind = web.stream_request_body(kind)
    Page.told.clear()
    Page.finished.clear()
    got, [record], _ = await run(web.Application([("/x", kind)]), row)
    assert got.startswith(f"HTTP/1.1 {row.answered} ".encode())
    assert got.endswith(f"our page {row.answered}".encode())
    assert b"\r\nX-Ours: 1\r\n" in got
    # Of what the handler itself was told of by an exception the server is not the cause.
    [(status, told, has_exception)] = Page.told
    asked_for = told is not None or cause in (
        Cause.HANDLER_FAILED,
        Cause.LIMIT,
        Cause.PROTOCOL_ERROR,
    )
    assert status == row.answered and told in (None, cause) and asked_for
    errors = (Cause.CHILD_FAILED, Cause.HANDLER_FAILED, Cause.LIMIT, Cause.PROTOCOL_ERROR)
    assert has_exception == (cause in errors)
    assert Page.finished == [row.answered]
    assert record.status == row.answered
    access = [each for each in caplog.records if each.name == "tornado.access"]
    assert len(access) == 1 and access[0].getMessage().startswith(f"{row.answered} ")
    assert record.handler is not None and record.handler.endswith("Handler")


@pytest.mark.parametrize("finishes", [False, True])
async def test_on_finish_of_a_handler_whose_client_left(
    finishes: bool, autojump_clock: MockClock
) -> None:
    """Nothing is written for nobody; with `finish` it runs to its end, and 499 is recorded."""
    Page.told.clear()
    Page.finished.clear()

    async def sleeps(exchange: Exchange) -> None:
        await trio.sleep(5)  # `run` looks after 10

    attributes = {"ending": staticmethod(sleeps)}
    if finishes:
        attributes["on_disconnect"] = FINISH  # type: ignore[assignment]
    kind = type("Handler", (Page,), attributes)
    row = Row(waits, leaves)
    got, [record], _ = await run(web.Application([("/x", kind)]), row)
    assert (got, Page.told, Page.finished) == (b"", [], [200])
    assert (record.cause, record.status) == (Cause.CLIENT_GONE, 499)


async def test_the_first_cause_counts(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """A handler that fails while its deadline unwinds it; a client that leaves meanwhile."""

    async def app(exchange: Exchange) -> None:
        try:
            await trio.sleep(1000)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            raise KeyError("in finally")

    row = Row(options={"timeouts": Timeouts(request=5)})
    got, [record], _ = await run(app, row)
    assert got.startswith(b"HTTP/1.1 503 ")
    assert record.cause is Cause.REQUEST_DEADLINE
    assert "KeyError" in caplog.text and "took longer than it may" in caplog.text


async def test_a_record_of_every_request_and_one_only(autojump_clock: MockClock) -> None:
    """Pipelined, failing, lingering, refused: each that had a head; none that had none."""
    records: list[Finished] = []

    async def app(exchange: Exchange) -> None:
        path = exchange.start_line.path
        if path == "/linger":
            reply(exchange, b"x")
            await trio.sleep(100)
        elif path == "/children":
            exchange.nursery.start_soon(trio.sleep, 100)
            reply(exchange, b"x")
        elif path == "/wait":
            await trio.sleep(1)
            reply(exchange, b"x")
            await trio.sleep(100)
        else:
            reply(exchange, await exchange.read_body())

    async with memory_server(app, ServerOptions(access_log=records.append)) as server:
        client = await server.connect()
        for path in ("/a", "/linger", "/children", "/wait", "/b"):
            await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await client.send(b"POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        for _ in range(6):
            await client.response()
        await client.send(b"garbage\r\n\r\n")
        await client.rest()
        # Not when the handler ends, but when the response does.
        seen = {record.target: record for record in records}
        assert set(seen) == {"/a", "/linger", "/children", "/wait", "/b", "/c"}
        await trio.sleep(200)
    assert len(records) == 6 and len({record.id for record in records}) == 6
    assert (seen["/c"].bytes_in, seen["/c"].bytes_out) == (3, 3)


async def test_a_hook_that_raises_hurts_nobody(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    def hook(record: Finished) -> None:
        raise KeyError("bug in the metrics hook")

    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/slow":
            await trio.sleep(1000)
        reply(exchange, b"x")

    options = ServerOptions(access_log=hook, timeouts=Timeouts(request=5))
    async with memory_server(app, options) as server:
        client = await server.connect()
        for _ in range(3):
            assert (await client.request(GET)).code == 200
        assert (await server.get("/slow")).code == 503
        assert (await client.request(GET)).code == 200
    assert caplog.text.count("KeyError: 'bug in the metrics hook'") == 5
