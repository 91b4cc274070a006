"""Connections of a busy server share one wait; those of a quiet one do not."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tornado_trio.exchange import Exchange
from tornado_trio.server.server import Server
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, reply
from .test_structure import GET, socket_server

pytestmark = pytest.mark.skipif(
    "not hasattr(__import__('select'), 'epoll')", reason="the hub uses epoll"
)
MEMBERS = 40


async def app(exchange: Exchange) -> None:
    path = exchange.start_line.path
    if path == "/slow":
        await trio.sleep(0.001)
    if path == "/raw":
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "0"}))
        exchange.finish()
        stream = exchange.detach()
        async with stream:
            await stream.send_all(await stream.read_exactly(4))
        return
    body = await exchange.read_body()
    reply(exchange, body or b"hello")


class Crowd:
    """Clients that ask in step, and wait for the server as one."""

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self.sockets = [socket.create_connection(address) for _ in range(count)]
        for sock in self.sockets:
            sock.setblocking(False)

    async def round(self, request: bytes, answer: bytes = b"hello") -> None:
        for sock in self.sockets:
            sock.sendall(request)
        await self.answers(answer)

    async def answers(self, end: bytes) -> None:
        # As one task that takes few turns, so that it is the server's that are counted.
        missing = dict.fromkeys(self.sockets, b"")
        while missing:
            await wait_all_tasks_blocked()
            for sock, got in list(missing.items()):
                try:
                    data = sock.recv(65536)
                except BlockingIOError:
                    continue
                assert data, got
                missing[sock] = got + data
                if missing[sock].endswith(end):
                    assert missing.pop(sock).startswith(b"HTTP/1.1 200 ")

    async def join(self, server: Server) -> None:
        for _ in range(100):
            await self.round(GET)
        assert members(server) == MEMBERS

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


def members(server: Server) -> int:
    return int(repr(server.hub).split()[2])


async def test_a_crowd_joins_and_leaves() -> None:
    async with socket_server(app) as (server, connect):
        address = (await connect()).stream.socket.getpeername()
        crowd = Crowd(address, MEMBERS)
        await crowd.join(server)
        # All that a connection does goes on: bodies in pieces, handlers that wait, both.
        await crowd.round(GET.replace(b"/ ", b"/slow "))
        post = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        for _ in range(3):
            for sock in crowd.sockets:
                sock.sendall(post + b"123")
            await wait_all_tasks_blocked()
            await crowd.round(b"456789", b"123456789")
        # One of them becomes a connection of another kind.
        raw = crowd.sockets[0]
        raw.sendall(GET.replace(b"/ ", b"/raw "))
        await wait_all_tasks_blocked()
        assert members(server) == MEMBERS - 1
        raw.sendall(b"ping")
        got = b""
        while not got.endswith(b"ping"):
            await trio.lowlevel.wait_readable(raw)
            got += raw.recv(4096)
        # Those that leave are forgotten, and so are those that are idle for too long.
        for sock in crowd.sockets[2:]:
            sock.close()
        await wait_all_tasks_blocked()
        assert members(server) == 1
        # One alone goes the plain way again.
        crowd.sockets = crowd.sockets[1:2]
        for _ in range(500):
            await crowd.round(GET)
        assert members(server) == 0
        await crowd.round(GET)
        crowd.close()
        raw.close()


@pytest.mark.parametrize("together", [False, True], ids=["in turns", "at once"])
async def test_urgent_data_does_not_hold_up_what_follows(together: bool) -> None:
    """A read ends at its mark, short of what is there: no proof that nothing is left."""
    async with socket_server(app) as (server, connect):
        crowd = Crowd((await connect()).stream.socket.getpeername(), MEMBERS)
        await crowd.join(server)
        for _ in range(3):
            for sock in crowd.sockets:
                sock.sendall(GET[:7])
                if not together:
                    await trio.lowlevel.checkpoint()
                sock.send(b"!", socket.MSG_OOB)
                sock.sendall(GET[7:])
            with trio.fail_after(20):
                await crowd.answers(b"hello")
        crowd.close()


async def test_few_never_join() -> None:
    async with socket_server(app) as (server, connect):
        client = await connect()
        crowd = Crowd(client.stream.socket.getpeername(), 2)
        for _ in range(100):
            await crowd.round(GET)
        assert members(server) == 0
        crowd.close()


async def test_a_drain_ends_members() -> None:
    async with socket_server(app, grace=5) as (server, connect):
        crowd = Crowd((await connect()).stream.socket.getpeername(), MEMBERS)
        await crowd.join(server)
        for sock in crowd.sockets:
            sock.sendall(GET.replace(b"/ ", b"/slow "))
        server.begin_drain()
        for sock in crowd.sockets:
            got = b""
            while True:
                await trio.lowlevel.wait_readable(sock)
                data = sock.recv(65536)
                if not data:
                    break
                got += data
            assert got.endswith(b"hello")
        crowd.close()
        await wait_all_tasks_blocked()
        assert members(server) == 0
