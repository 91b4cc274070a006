"""Answers to requests that came together share packets, and none of them is kept back for long."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
import trio.testing

from tornado_trio.exchange import Cause, Exchange, Finished, ResponseStartLine
from tornado_trio.net import SocketStream
from tornado_trio.net.memory import MemoryStream, memory_stream_pair
from tornado_trio.net.stream import Stream
from tornado_trio.server import Server, ServerOptions
from tornado_trio.server import connection as connections
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, reply


class Keeping(MemoryStream):
    """Holds back for ever what it may, where Linux does for 200 ms."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.kept = b""
        self.sent: list[bytes] = []

    def write(self, data: Any) -> bool:
        self.kept += bytes(data)
        if not self.corked:
            self.send_kept()
        return True

    def write_more(self, data: Any) -> bool:
        self.kept += bytes(data)
        return True

    def push(self) -> None:
        super().push()
        self.send_kept()

    def close(self) -> None:
        if not self.closed:
            self.send_kept()
        super().close()

    def send_kept(self) -> None:
        data, self.kept = self.kept, b""
        if data:
            self.sent.append(data)
            Stream.write(self, data)


class Client:
    def __init__(self, app: Any, records: list[Finished] | None = None) -> None:
        self.far, near = memory_stream_pair()
        self.near = Keeping(near._inbound, near._outbound, None, None)
        options = ServerOptions(access_log=None if records is None else records.append)
        self.server = Server(app, options)

    async def answers(self) -> int:
        """How many have come, when nothing else happens."""
        await trio.testing.wait_all_tasks_blocked()
        return (self.far.read_nowait() or b"").count(b"HTTP/1.1 200 ")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine does."""
    monkeypatch.setattr(connections, "_QUICK", math.inf)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Client]]:
    clients: list[Client] = []
    async with trio.open_nursery() as nursery:

        def make(app: Any, records: list[Finished] | None = None) -> Client:
            client = Client(app, records)
            clients.append(client)
            nursery.start_soon(client.server.handle, client.near)
            return client

        yield make
        nursery.cancel_scope.cancel()
    for client in clients:
        assert client.near.kept == b""


def requests(*paths: str, method: str = "GET") -> bytes:
    return b"".join(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths)


async def hello(exchange: Exchange) -> None:
    reply(exchange, b"hello")


@pytest.mark.parametrize("count", [1, 2, 3, 10, 16, 40])
async def test_together(connect: Any, count: int) -> None:
    records: list[Finished] = []
    client = connect(hello, records)
    client.far.write(requests(*["/"] * count))
    assert await client.answers() == count
    # The first is not known to have company; and after 16 others have a turn.
    assert len(client.near.sent) == min(count, 2) + (count > 16) + (count > 32)
    assert [record.cause for record in records] == [Cause.COMPLETE] * count
    assert [record.bytes_out for record in records] == [5] * count


async def test_a_client_that_waits_for_each_answer(connect: Any) -> None:
    client = connect(hello)
    for _ in range(3):
        client.far.write(requests("/"))
        assert await client.answers() == 1
    assert len(client.near.sent) == 3


@pytest.mark.parametrize("rest", [b"", b"GET / HT", requests("/", "/")])
async def test_before_a_handler_waits_what_was_kept_is_sent(connect: Any, rest: bytes) -> None:
    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/wait":
            await event.wait()
        reply(exchange, b"hello")

    event = trio.Event()
    client = connect(app)
    client.far.write(requests("/", "/", "/", "/wait") + rest)
    assert await client.answers() == 3
    event.set()
    assert await client.answers() == (3 if rest.endswith(b"\r\n\r\n") else 1)


async def test_before_a_handler_that_finishes_later(connect: Any) -> None:
    def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/later":
            later.append(exchange)
        else:
            reply(exchange, b"hello")

    later: list[Exchange] = []
    client = connect(app)
    client.far.write(requests("/", "/", "/", "/later", "/"))
    assert await client.answers() == 3
    reply(later[0], b"hello")
    assert await client.answers() == 2


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHo", id="part of a head"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo", id="of a body"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo",
            id="of a chunk",
        ),
    ],
)
async def test_before_the_client_is_waited_for(connect: Any, rest: bytes) -> None:
    async def app(exchange: Exchange) -> None:
        await exchange.read_body()
        reply(exchange, b"hello")

    client = connect(app)
    client.far.write(requests("/", "/", "/") + rest)
    assert await client.answers() == 3


async def test_bodies_on_the_way(connect: Any) -> None:
    async def app(exchange: Exchange) -> None:
        reply(exchange, await exchange.read_body() or b"none")

    client = connect(app)
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    client.far.write((requests("/", "/") + post) * 2 + post)
    assert await client.answers() == 7


async def test_what_is_streamed_goes_at_once(connect: Any) -> None:
    """Also while the handler computes; and what comes after it shares a packet again."""

    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path != "/stream":
            reply(exchange, b"hello")
            return
        before = len(client.near.sent)
        exchange.write_headers(OK, HTTPHeaders())
        assert client.near.kept == b"" and len(client.near.sent) == before + 1
        exchange.write(b"chunk")
        assert client.near.kept == b""
        exchange.finish()

    client = connect(app)
    client.far.write(requests("/", "/", "/stream", "/", "/", "/"))
    assert await client.answers() == 6
    # The first; the second with a head; a chunk; its end; three together.
    assert len(client.near.sent) == 5


async def test_informational_answers_go_at_once(connect: Any) -> None:
    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/early":
            await exchange.send_informational(103, "Early Hints", HTTPHeaders({"Link": "</a>"}))
            assert client.near.kept == b""
        reply(exchange, b"hello")

    client = connect(app)
    client.far.write(requests("/", "/", "/early", "/", "/"))
    assert await client.answers() == 5


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_answers_without_a_body(connect: Any, method: str) -> None:
    client = connect(hello)
    client.far.write(requests("/", "/", "/", method=method))
    assert await client.answers() == 3
    assert len(client.near.sent) == 2


@pytest.mark.parametrize("how", ["close", "fail", "abort", "short", "malformed", "drain", "exit"])
async def test_the_end_of_a_connection(connect: Any, how: str, caplog: Any) -> None:
    """What was answered before is sent, whatever ends it in the middle of others."""
    caplog.set_level(logging.CRITICAL)

    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/":
            reply(exchange, b"hello")
        elif how == "close":
            reply(exchange, b"hello", Connection="close")
        elif how == "drain":
            client.server.begin_drain()
            reply(exchange, b"hello")
        elif how == "fail":
            raise ZeroDivisionError
        elif how == "abort":
            exchange.abort()
        elif how == "exit":
            exchange.cancel_scope.cancel()
            await trio.lowlevel.checkpoint()
        else:
            exchange.write_headers(OK, HTTPHeaders({"Content-Length": "5"}), b"he")

    records: list[Finished] = []
    client = connect(app, records)
    bad = b"BAD\r\n\r\n" if how == "malformed" else requests("/bad")
    client.far.write(requests("/", "/", "/") + bad + requests("/", "/"))
    assert await client.answers() == 3 + (how in ("close", "drain", "short"))
    causes = [record.cause for record in records]
    assert causes[:3] == [Cause.COMPLETE] * 3
    assert len(records) == 3 + (how != "malformed")


async def test_a_connection_that_is_taken_over(connect: Any) -> None:
    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/":
            reply(exchange, b"hello")
            return
        switching = ResponseStartLine("HTTP/1.1", 101, "Switching Protocols")
        exchange.write_headers(switching, HTTPHeaders({"Upgrade": "x", "Connection": "Upgrade"}))
        async with exchange.detach() as stream:
            stream.write(b"HTTP/1.1 200 in another tongue")
            await trio.sleep_forever()

    client = connect(app)
    client.far.write(requests("/", "/", "/", "/switch") + requests("/", "/"))
    assert await client.answers() == 4


async def test_children_that_outlive_their_answer(connect: Any) -> None:
    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/child":
            exchange.nursery.start_soon(trio.sleep_forever)
        reply(exchange, b"hello")

    client = connect(app)
    client.far.write(requests("/", "/", "/child", "/", "/"))
    assert await client.answers() == 3  # without a nursery of the server's the others wait


async def test_a_client_that_left(connect: Any) -> None:
    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/leave":
            client.near._outbound.break_off()
        reply(exchange, b"hello")

    records: list[Finished] = []
    client = connect(app, records)
    client.far.write(requests("/", "/", "/leave"))
    await trio.testing.wait_all_tasks_blocked()
    assert [record.cause for record in records] == [
        Cause.COMPLETE,
        Cause.COMPLETE,
        Cause.CLIENT_GONE,
    ]


async def test_answers_that_took_their_time_go_one_by_one(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_QUICK", -1.0)
    client = connect(hello)
    client.far.write(requests(*["/"] * 10))
    assert await client.answers() == 10
    assert len(client.near.sent) == 10


@pytest.mark.skipif(not hasattr(socket, "MSG_MORE"), reason="Linux keeps back what is asked to")
async def test_by_a_socket() -> None:
    kept: list[bool] = []

    async def app(exchange: Exchange) -> None:
        kept.append(stream._kept_back)
        if exchange.start_line.path == "/wait":
            await trio.lowlevel.checkpoint()
            kept.append(stream._kept_back)
        reply(exchange, b"hello")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = SocketStream(socket.create_connection(listener.getsockname()))
        stream = SocketStream(listener.accept()[0])
    async with client, trio.open_nursery() as nursery:
        nursery.start_soon(Server(app).handle, stream)
        await client.send_all(requests("/", "/", "/", "/wait", "/", "/", "/"))
        for _ in range(7):
            await client.read_until(b"hello")
        assert kept == [False, False, True, True, False, False, True, True]
        await trio.testing.wait_all_tasks_blocked()
        assert not stream._kept_back and not stream.corked
        await client.send_all(requests("/", "/", "/"))
        for _ in range(3):
            await client.read_until(b"hello")
        nursery.cancel_scope.cancel()
