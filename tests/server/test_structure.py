"""Disconnects, deadlines, children and the drain, over memory and over real sockets."""

from __future__ import annotations

import errno
import logging
import re
import socket
import struct
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import Exchange
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.net import open_tcp_listeners
from tornado_trio.net.socket_stream import SocketStream
from tornado_trio.server import (
    FINISH,
    Server,
    ServerOptions,
    critical,
    grace,
    serve_connections,
)
from tornado_trio.testing import RawClient, memory_server
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, hello, lines, reply

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET10 = b"GET / HTTP/1.0\r\n\r\n"
Connect = Callable[[], Awaitable[RawClient]]
Serve = Callable[..., AbstractAsyncContextManager[tuple[Server, Connect]]]


@asynccontextmanager
async def socket_server(
    app: Callable[[Exchange], object], options: ServerOptions | None = None, grace: float = 0
) -> AsyncIterator[tuple[Server, Connect]]:
    """As `memory_server`, on a port."""
    server = Server(app, options)  # type: ignore[arg-type]
    clients = []
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[object]) -> None:
            listeners = open_tcp_listeners(0, "127.0.0.1")
            await serve_connections(server, listeners, grace=grace, task_status=task_status)

        listeners = await nursery.start(run)

        async def connect() -> RawClient:
            sock = socket.create_connection(listeners[0].address)
            client = RawClient(SocketStream(sock))
            clients.append(client)
            return client

        try:
            yield server, connect
        finally:
            for client in clients:
                client.stream.close()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def in_memory(
    app: Callable[[Exchange], object], options: ServerOptions | None = None, grace: float = 0
) -> AsyncIterator[tuple[Server, Connect]]:
    async with memory_server(app, options, grace=grace) as server:  # type: ignore[arg-type]
        yield server.server, server.connect


both = pytest.mark.parametrize("serve", [in_memory, socket_server], ids=["memory", "socket"])


class Witness:
    """A handler that waits, and what happened to it."""

    def __init__(self, seconds: float = 5, on_disconnect: object = None) -> None:
        self.events: list[str] = []
        self.started = trio.Event()
        self.ended = trio.Event()
        self.seconds = seconds
        self.on_disconnect = on_disconnect

    async def __call__(self, exchange: Exchange) -> None:
        exchange.set_close_callback(lambda: self.events.append("callback"))
        if self.on_disconnect is not None:
            exchange.on_disconnect = self.on_disconnect  # type: ignore[assignment]
        try:
            await exchange.read_body()
            self.started.set()
            await trio.sleep(self.seconds)
            self.events.append("ran on")
            reply(exchange, b"done")
        except trio.Cancelled:
            self.events.append("cancelled")
            raise
        finally:
            self.ended.set()


def reset(client: RawClient) -> None:
    """Close as a crashed client does."""
    sock = client.stream.socket
    if sock is None:
        client.stream.reset()  # type: ignore[attr-defined]
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.stream.close()


# --- disconnects -----------------------------------------------------------------


@both
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("request_", [GET, GET10, GET + GET], ids=["1.1", "1.0", "pipelined"])
async def test_client_gone_cancels(
    serve: Serve, how: str, request_: bytes, autojump_clock: MockClock
) -> None:
    witness = Witness(seconds=60)
    async with serve(witness, ServerOptions(timeouts=Timeouts(half_closed=1))) as (_, connect):
        client = await connect()
        await client.send(request_)
        await witness.started.wait()
        client.stream.close() if how == "close" else reset(client)
        await witness.ended.wait()
    assert witness.events == ["callback", "cancelled"]


@pytest.mark.parametrize("request_", [GET, GET + GET], ids=["one", "pipelined"])
async def test_client_gone_is_noticed_without_epoll(
    request_: bytes, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr("tornado_trio.server.watch.select", types.SimpleNamespace())
    witness = Witness(seconds=60)
    async with socket_server(witness) as (_, connect):
        client = await connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        await wait_all_tasks_blocked(0.01)
        await client.send(b"x" + request_)
        await witness.started.wait()
        client.stream.close()
        await witness.ended.wait()
    assert witness.events == ["callback", "cancelled"]


@both
async def test_policy_finish(serve: Serve, autojump_clock: MockClock) -> None:
    witness = Witness(on_disconnect=FINISH)
    async with serve(witness) as (_, connect):
        client = await connect()
        await client.send(GET)
        await witness.started.wait()
        client.stream.close()
        await witness.ended.wait()
    assert witness.events == ["callback", "ran on"]


@pytest.mark.parametrize(("seconds", "end"), [(3, "ran on"), (60, "cancelled")])
@both
async def test_policy_grace(
    serve: Serve, seconds: float, end: str, autojump_clock: MockClock
) -> None:
    witness = Witness(seconds, grace(10))
    async with serve(witness) as (_, connect):
        client = await connect()
        await client.send(GET)
        await witness.started.wait()
        client.stream.close()
        await witness.ended.wait()
    assert witness.events == ["callback", end]


async def test_critical_block_is_not_cut(autojump_clock: MockClock) -> None:
    events = []
    ended = trio.Event()

    async def app(exchange: Exchange) -> None:
        try:
            async with critical(timeout=30):
                await trio.sleep(20)
                events.append("written")
            await trio.sleep(20)
            events.append("too far")
        finally:
            ended.set()

    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(GET)
        await trio.sleep(1)
        client.stream.close()
        await ended.wait()
    assert events == ["written"]


@pytest.mark.parametrize("request_", [GET, GET10], ids=["1.1", "1.0"])
async def test_half_closed_client_gets_its_response(
    request_: bytes, autojump_clock: MockClock
) -> None:
    """`nc -N`: the client shuts down its sending side and waits. Real sockets."""
    witness = Witness(seconds=5)
    async with socket_server(witness) as (_, connect):
        client = await connect()
        await client.send(request_)
        await client.stream.send_eof()
        response = await client.response()
        assert response.body == b"done"
        probes = [head.start_line.code for head in response.informational]
        assert probes == ([102] if request_ is GET else [])
    assert witness.events == ["ran on"]


async def test_half_closed_http10_client_that_stays_silent_is_given_up(
    autojump_clock: MockClock,
) -> None:
    witness = Witness(seconds=60)
    async with socket_server(witness) as (_, connect):
        client = await connect()
        await client.send(GET10)
        await client.stream.send_eof()
        await witness.ended.wait()
    assert witness.events == ["callback", "cancelled"]


@both
async def test_client_leaves_in_the_middle_of_its_body(
    serve: Serve, autojump_clock: MockClock
) -> None:
    witness = Witness()
    async with serve(witness) as (server, connect):
        client = await connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        await wait_all_tasks_blocked(0.01)
        client.stream.close()
        await witness.ended.wait()
        await trio.sleep(1)
        assert not server.connections
    assert witness.events in (["callback"], ["callback", "cancelled"])


async def test_writing_to_a_client_that_left(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    seen: list[object] = []

    async def app(exchange: Exchange) -> None:
        exchange.on_disconnect = FINISH
        exchange.write_headers(OK, HTTPHeaders())
        await trio.sleep(1)
        exchange.write(b"nobody awaits this")
        try:
            await exchange.write(b"but this")
        except StreamClosedError as exc:
            seen.append(exc)
        exchange.finish()

    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(GET)
        client.stream.close()
        await trio.sleep(2)
        assert len(seen) == 1
        assert not server.server.connections
    assert not lines(caplog)


# --- deadlines -------------------------------------------------------------------


async def test_request_timeout(caplog: pytest.LogCaptureFixture, autojump_clock: MockClock) -> None:
    witness = Witness(seconds=60)
    options = ServerOptions(timeouts=Timeouts(request=10))
    async with memory_server(witness, options) as server:
        response = await server.get()
        assert response.code == 503
        assert response.headers["Connection"] == "close"
        assert trio.current_time() < 20
    assert witness.events == ["cancelled"]
    assert len(lines(caplog)) == 1


async def test_deadline_of_one_request(autojump_clock: MockClock) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.set_timeout(1)
        with trio.CancelScope() as scope:
            await trio.sleep(0.5)
        assert not scope.cancelled_caught
        exchange.set_timeout(None)
        await trio.sleep(50)
        reply(exchange, b"in time")

    async with memory_server(app) as server:
        assert (await server.get()).body == b"in time"


@pytest.mark.parametrize("sent", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"])
async def test_slow_head(sent: bytes, autojump_clock: MockClock) -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        began = trio.current_time()
        for byte in sent:
            await client.send(bytes([byte]))
            await trio.sleep(1)
        response = await client.response()
        assert response.code == 408
        assert 59 < trio.current_time() - began < 63


async def test_idle_connection_is_closed_silently(autojump_clock: MockClock) -> None:
    async with memory_server(hello, ServerOptions(timeouts=Timeouts(idle=100))) as server:
        client = await server.connect()
        await client.request(GET)
        await trio.sleep(90)
        await client.request(GET)  # starts the time anew
        began = trio.current_time()
        assert await client.rest() == b""
        assert 94 < trio.current_time() - began < 101


async def test_body_timeout(caplog: pytest.LogCaptureFixture, autojump_clock: MockClock) -> None:
    caplog.set_level(logging.INFO)
    witness = Witness()
    async with memory_server(witness, ServerOptions(timeouts=Timeouts(body=10))) as server:
        response = await server.request(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
        )
        assert (response.code, response.headers["Connection"]) == (408, "close")
    assert [record.message for record in lines(caplog)] == ["Timeout reading body from 127.0.0.1"]


@both
async def test_stalled_body(
    serve: Serve, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """Bytes may come slowly, but they must come; what the handler does meanwhile is its own."""
    caplog.set_level(logging.INFO)

    async def app(exchange: Exchange) -> None:
        async for _ in exchange.body():
            await trio.sleep(100)
        reply(exchange, b"never")

    async with serve(app) as (server, connect):
        client, other = await connect(), await connect()
        await other.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        began = trio.current_time()
        await trio.sleep(50)
        await other.send(b"a")
        for _ in range(4):
            await client.send(b"a")
            await trio.sleep(50)
        response = await client.response("POST")
        assert (response.code, response.headers["Connection"]) == (408, "close")
        # Read at 50, 150 and 250 seconds; waited for from 350 on.
        assert 410 <= trio.current_time() - began < 411
        assert (await other.response("POST")).body == b"never"
        await trio.sleep(61)
        assert repr(server.body_timeouts) == "<BodyReadTimeouts of 0 connections>"
    assert [record.message for record in lines(caplog)] == ["Timeout reading body from 127.0.0.1"]


async def test_stalls_are_not_timed_unless_wanted(autojump_clock: MockClock) -> None:
    witness = Witness()
    async with memory_server(witness, ServerOptions(timeouts=Timeouts(stall=None))) as server:
        client = await server.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        await trio.sleep(10_000)
        assert (await client.request(b"a", "POST")).code == 200


@both
async def test_client_that_does_not_read(serve: Serve, autojump_clock: MockClock) -> None:
    ended = trio.Event()

    async def app(exchange: Exchange) -> None:
        try:
            exchange.write_headers(OK, HTTPHeaders())
            while True:
                await exchange.write(bytes(100_000))
        finally:
            ended.set()

    async with serve(app, ServerOptions(timeouts=Timeouts(write=5))) as (server, connect):
        client = await connect()
        await client.send(GET)
        await ended.wait()
        await trio.sleep(10)
        assert not server.connections


async def test_unawaited_writes_are_bounded(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.write_headers(OK, HTTPHeaders())
        for _ in range(1000):
            exchange.write(bytes(10_000))

    options = ServerOptions(limits=Limits(max_write_buffer=100_000))
    async with memory_server(app, options) as server:
        client = await server.connect()
        await client.send(GET)
        await trio.sleep(1)
        assert not server.server.connections
    assert "WriteBufferFull" in caplog.text


# --- children --------------------------------------------------------------------


async def test_children_that_outlive_the_answer_hold_no_other_request(
    autojump_clock: MockClock,
) -> None:
    done = []

    async def child(name: str) -> None:
        await trio.sleep(5)
        done.append(name)

    async def app(exchange: Exchange) -> None:
        exchange.nursery.start_soon(child, exchange.start_line.path)
        reply(exchange, b"at once")

    async with memory_server(app) as server:
        client = await server.connect()
        began = trio.current_time()
        for path in ("/a", "/b", "/c"):
            response = await client.request(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert response.body == b"at once"
        assert trio.current_time() - began < 4 and done == []
        await wait_all_tasks_blocked()
        assert server.server.statistics()["phases"] == {"released": 3, "idle": 1}
        await client.send(b"GET /d HTTP/1.0\r\n\r\n")
        assert (await client.rest()).endswith(b"at once")
        assert trio.current_time() - began < 4 and done == []
        await trio.sleep(10)
        assert sorted(done) == ["/a", "/b", "/c", "/d"]
        assert not server.server.connections


@pytest.mark.parametrize("waits", [0, 1])
@pytest.mark.parametrize("request_", [None, 20])
async def test_children_have_the_deadline_of_their_request(
    waits: int, request_: int | None, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """And not what was left of the time for the wait before it."""
    ended = []

    async def child() -> None:
        with trio.move_on_after(1000) as scope:
            try:
                await trio.sleep_forever()
            finally:
                ended.append((scope.cancel_called, trio.current_time()))

    async def app(exchange: Exchange) -> None:
        exchange.nursery.start_soon(child)
        if waits:
            await trio.lowlevel.checkpoint()
        reply(exchange, b"answer")

    timeouts = Timeouts(idle=5, request=request_)
    async with memory_server(app, ServerOptions(timeouts=timeouts)) as server:
        client = await server.connect()
        await trio.sleep(4)
        assert (await client.request(GET)).body == b"answer"
        await trio.sleep(1500)
        assert ended == ([(True, 1004)] if request_ is None else [(False, 24)])
        assert not server.server.connections
    assert [record.message.rpartition(": ")[2] for record in lines(caplog)] == (
        [] if request_ is None else ["children of its request took longer than they may"]
    )


async def test_a_failing_child_fails_the_request(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async def child() -> None:
        raise KeyError("child")

    async def app(exchange: Exchange) -> None:
        exchange.nursery.start_soon(child)
        await trio.sleep_forever()

    async with memory_server(app) as server:
        response = await server.get()
        assert response.code == 500
        await trio.sleep(5)
        assert not server.server.connections
    assert "KeyError" in caplog.text and "GET /" in caplog.text
    assert re.search(r"in a child of request [0-9a-f-]{15}: GET / \(127.0.0.1\)", caplog.text)
    assert len(lines(caplog)) == 1


# --- the drain -------------------------------------------------------------------


async def drained(server: Server, **kwargs: float) -> float:
    began = trio.current_time()
    await server.drain(**kwargs)
    return trio.current_time() - began


async def test_drain_of_idle_connections(autojump_clock: MockClock) -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        await client.request(GET)
        assert await drained(server.server, grace=30) <= 0.3
        assert await client.rest() == b""


async def test_drain_lets_requests_end_and_says_close(autojump_clock: MockClock) -> None:
    async def app(exchange: Exchange) -> None:
        await trio.sleep(5)
        reply(exchange, b"done")

    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(GET)
        await trio.sleep(1)
        assert 3.9 <= await drained(server.server, grace=30) <= 4.5
        response = await client.response()
        assert (response.body, response.headers["Connection"]) == (b"done", "close")


async def test_drain_answers_a_request_that_was_on_its_way(autojump_clock: MockClock) -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        await client.request(GET)
        server.server.begin_drain()
        await trio.sleep(0.1)
        response = await client.request(GET)
        assert (response.body, response.headers["Connection"]) == (b"hello", "close")


async def test_drain_cuts_what_takes_too_long(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async def stubborn(exchange: Exchange) -> None:
        if exchange.start_line.path == "/stubborn":
            with trio.CancelScope(shield=True):
                await trio.sleep(1000)
        await trio.sleep(1000)

    async with memory_server(stubborn) as server:
        clients = [await server.connect() for _ in range(2)]
        await clients[0].send(GET)
        await clients[1].send(b"GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
        await trio.sleep(1)
        report = await server.server.drain(grace=10, cancel_grace=3)
        assert (report.cancelled, report.abandoned) == (2, 1)
        assert 12 < report.seconds < 14
        assert (await clients[0].response()).code == 503
        assert await clients[1].rest() == b""


@both
async def test_drain_with_a_client_that_does_not_read(
    serve: Serve, autojump_clock: MockClock
) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "20000000"}))
        await exchange.write(bytes(20_000_000))
        await exchange.finish()

    async with serve(app) as (server, connect):
        client = await connect()
        await client.send(GET)
        await trio.sleep(0.5)
        assert await drained(server, grace=3, cancel_grace=1) < 4.5


async def test_cancelling_serve_drains(autojump_clock: MockClock) -> None:
    async def app(exchange: Exchange) -> None:
        await trio.sleep(5)
        reply(exchange, b"done")

    responses = []
    async with socket_server(app, grace=30) as (_, connect):
        client = await connect()
        await client.send(GET)
        await trio.sleep(0.5)

        async def read() -> None:
            responses.append(await client.response())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.sleep(0.5)
        assert responses[0].body == b"done"


# --- accidents -------------------------------------------------------------------


async def test_reset_at_any_point_leaks_nothing(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async def app(exchange: Exchange) -> None:
        body = await exchange.read_body()
        exchange.write_headers(OK, HTTPHeaders())
        await exchange.write(body)
        await trio.lowlevel.checkpoint()
        await exchange.finish()

    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    async with socket_server(app) as (server, connect):
        for cut in range(0, len(request) + 1, 3):
            client = await connect()
            await client.send(request[:cut])
            await wait_all_tasks_blocked(0.002)
            reset(client)
        await trio.sleep(1)
        assert not server.connections
        assert repr(server.watch) == "<DisconnectWatch of 0 sockets>"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_accept_survives_emfile(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    class Exhausted:
        """A listener out of descriptors for a while."""

        closed = False
        address = ("x", 1)
        failures = 50

        def __init__(self, listener: object) -> None:
            self.listener = listener

        def __getattr__(self, name: str) -> object:
            return getattr(self.listener, name)

        def accept_nowait(self) -> object:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return self.listener.accept_nowait()  # type: ignore[attr-defined]

    server = Server(hello)
    async with trio.open_nursery() as nursery:
        [real] = open_tcp_listeners(0, "127.0.0.1")
        await nursery.start(
            lambda task_status: serve_connections(
                server, [Exhausted(real)], grace=0, task_status=task_status
            )
        )
        client = RawClient(SocketStream(socket.create_connection(real.address)))
        assert (await client.request(GET)).body == b"hello"
        client.stream.close()
        nursery.cancel_scope.cancel()
    assert len(lines(caplog)) == 1


@both
async def test_read_ahead_is_bounded(serve: Serve, autojump_clock: MockClock) -> None:
    """A client that pipelines without end while its first request is handled."""
    witness = Witness(seconds=20)
    options = ServerOptions(limits=Limits(max_pipelined=10_000))
    async with serve(witness, options) as (server, connect):
        client = await connect()
        await client.send(GET)
        await witness.started.wait()
        with trio.move_on_after(1):
            await client.stream.send_all(GET * 1_000_000)
        [connection] = server.connections
        assert connection.wire.buffered < 10_000 + 65536
        assert (await client.response()).body == b"done"
        client.stream.close()
