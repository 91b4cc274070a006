"""A client that has left gives its descriptor back, though its handler runs on."""

from __future__ import annotations

import os

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.platforms import needs_epoll
from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import Exchange
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.server import CANCEL, FINISH, Server, ServerOptions, critical, grace
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, reply
from .test_structure import GET, GET10, Serve, both, reset, socket_server

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
# Elsewhere nobody may look at a stream whose body is unread: see `watch`.
OPTIONS = ServerOptions(timeouts=Timeouts(half_closed=1))


class Slow:
    """Takes an hour, then reads what there is of the body, if anything is, and answers."""

    def __init__(self, policy: object = FINISH, *, answers_first: bool = False) -> None:
        self.policy = policy
        self.answers_first = answers_first
        self.begun = trio.Event()
        self.bodies: list[bytes | None] = []

    async def __call__(self, exchange: Exchange) -> None:
        exchange.on_disconnect = self.policy  # type: ignore[assignment]
        if self.answers_first:
            reply(exchange, b"done")
        self.begun.set()
        try:
            async with critical(timeout=7200):
                await trio.sleep(3600)
                self.bodies.append(await exchange.read_body())
        except StreamClosedError:
            self.bodies.append(None)
        if not self.answers_first:
            reply(exchange, b"done")


def streams_open(server: Server) -> int:
    return sum(not connection.stream.closed for connection in server.connections)


close_or_reset = pytest.mark.parametrize("how", ["close", "reset"])
policies = pytest.mark.parametrize(
    "policy", [FINISH, grace(7200), CANCEL], ids=["finish", "grace", "cancel"]
)


async def leave_it(serve: Serve, app: Slow, request: bytes, how: str) -> None:
    async with serve(app, OPTIONS) as (server, connect):
        client = await connect()
        await client.send(request)
        await app.begun.wait()
        client.stream.close() if how == "close" else reset(client)
        await trio.sleep(30)
        assert len(server.connections) == 1  # the handler's task
        assert streams_open(server) == 0
        await trio.sleep(7200)
        assert not server.connections


@both
@close_or_reset
@policies
@pytest.mark.parametrize(
    "request_",
    [GET, GET10, GET + GET, b"HEAD" + GET[3:]],
    ids=["get", "1.0", "pipelined", "head"],
)
async def test_its_stream_is_closed_at_once(
    serve: Serve, how: str, policy: object, request_: bytes, autojump_clock: MockClock
) -> None:
    """And what it had sent beyond this request is not begun."""
    app = Slow(policy)
    await leave_it(serve, app, request_, how)
    assert app.bodies == [b""]


@needs_epoll
@close_or_reset
@policies
@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (POST + b"0123456789", b"0123456789"),
        (POST + b"0123456789" + GET, b"0123456789"),
        (POST + b"01234", None),
        (POST[:-2] + b"Expect: 100-continue\r\n\r\n", None),
    ],
    ids=["whole", "whole and more", "half", "announced"],
)
async def test_what_it_had_sent_of_its_body_is_there_for_the_handler(
    how: str, policy: object, request_: bytes, body: bytes | None, autojump_clock: MockClock
) -> None:
    app = Slow(policy)
    await leave_it(socket_server, app, request_, how)
    assert app.bodies == [body]


@both
@close_or_reset
@pytest.mark.parametrize("request_", [GET, GET10], ids=["get", "1.0"])
async def test_when_the_response_is_over_and_the_handler_is_not(
    serve: Serve, how: str, request_: bytes, autojump_clock: MockClock
) -> None:
    app = Slow(answers_first=True)
    async with serve(app, OPTIONS) as (server, connect):
        client = await connect()
        assert (await client.request(request_)).body == b"done"
        await wait_all_tasks_blocked()
        client.stream.close() if how == "close" else reset(client)
        await trio.sleep(30)
        assert [connection.phase for connection in server.connections] == ["released"]
        held = [c.stream for c in server.connections if not c.detached and not c.stream.closed]
        assert not held
        await trio.sleep(7200)
        assert not server.connections


@needs_epoll
@close_or_reset
async def test_when_the_body_of_the_answered_request_is_not_over(
    how: str, autojump_clock: MockClock
) -> None:
    app = Slow(answers_first=True)
    async with socket_server(app, OPTIONS) as (server, connect):
        client = await connect()
        assert (await client.request(POST + b"01234")).body == b"done"
        client.stream.close() if how == "close" else reset(client)
        await trio.sleep(30)
        assert len(server.connections) == 1
        assert streams_open(server) == 0
        await trio.sleep(7200)
        assert not server.connections


@both
async def test_in_the_middle_of_a_response(serve: Serve, autojump_clock: MockClock) -> None:
    begun = trio.Event()
    failed = []

    async def app(exchange: Exchange) -> None:
        exchange.on_disconnect = FINISH
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "8"}), b"half")
        begun.set()
        await trio.sleep(3600)
        try:
            await exchange.write(b"half")
        except StreamClosedError as error:
            failed.append(error)
        exchange.finish()

    async with serve(app, OPTIONS) as (server, connect):
        client = await connect()
        await client.send(GET)
        await begun.wait()
        client.stream.close()
        await trio.sleep(30)
        assert streams_open(server) == 0
        await trio.sleep(7200)
        assert not server.connections
    assert len(failed) == 1


@both
async def test_a_body_that_is_being_read_is_read_to_its_end(
    serve: Serve, autojump_clock: MockClock
) -> None:
    """Also if it is more than is read ahead of a handler."""
    size = 300_000
    read: list[int] = []

    async def app(exchange: Exchange) -> None:
        exchange.on_disconnect = FINISH
        total = 0
        while chunk := await exchange.read_chunk():
            total += len(chunk)
            await trio.sleep(60)
        read.append(total)
        await trio.sleep(3600)

    limits = Limits(chunk_size=4096)
    options = ServerOptions(limits=limits, timeouts=Timeouts(half_closed=1))
    async with serve(app, options) as (server, connect):
        client = await connect()
        head = b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % size
        await client.send(head + b"x" * size)
        client.stream.close()
        await trio.sleep(3600 + 60 * (size // 1024))
        assert read == [size]
        assert not server.connections


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
async def test_a_hundred_clients_leave_no_descriptor_behind() -> None:
    """Real ones, in real time: each handler waits for an event that does not come."""
    began = 0
    over = trio.Event()

    async def app(exchange: Exchange) -> None:
        nonlocal began
        exchange.on_disconnect = FINISH
        began += 1
        await over.wait()

    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with socket_server(app) as (server, connect):
        before = held()
        for _ in range(100):
            client = await connect()
            await client.send(GET)
            client.stream.close()
        with trio.fail_after(10):
            while began < 100 or held() > before:  # noqa: ASYNC110 - the kernel's doing
                await trio.sleep(0.01)
        assert len(server.connections) == 100
        over.set()
