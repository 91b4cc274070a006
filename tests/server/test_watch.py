"""The watch for clients that leave: what it knows of sockets that are closed under it."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.platforms import needs_epoll
from tornado_trio.exchange import Exchange
from tornado_trio.server.watch import DisconnectWatch
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, reply
from .test_structure import GET, socket_server

pytestmark = pytest.mark.skipif(
    "not hasattr(__import__('select'), 'epoll')", reason="the watch uses epoll"
)


async def waits(exchange: Exchange) -> None:
    """`/fail`: fails in the middle of its response."""
    await trio.sleep(0.001)
    if exchange.start_line.path == "/fail":
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "10"}), b"half")
        await trio.sleep(0.001)
        raise ValueError("on purpose")
    reply(exchange, b"hello")


async def test_a_response_that_is_broken_off_leaves_nothing_watched() -> None:
    async with socket_server(waits) as (server, connect):
        client = await connect()
        await client.send(GET.replace(b"/ ", b"/fail "))
        assert (await client.rest()).endswith(b"half")
        await wait_all_tasks_blocked()
        assert repr(server.watch) == "<DisconnectWatch of 0 sockets>"


async def test_the_descriptor_of_a_socket_closed_under_the_watch_is_used_again() -> None:
    """As the kernel does: the next connection has the number of the last."""
    async with socket_server(waits) as (server, connect):
        # Made beforehand, so that it is the server's socket that gets the number.
        later = [socket.socket() for _ in range(3)]
        client = await connect()
        await client.send(GET.replace(b"/ ", b"/fail "))
        address = client.stream.socket.getpeername()
        await client.rest()
        await wait_all_tasks_blocked()
        for sock in later:
            sock.connect(address)
            sock.sendall(GET)
            sock.setblocking(False)
            await trio.lowlevel.wait_readable(sock)
            assert sock.recv(4096).endswith(b"hello")
            sock.close()


class Deaf:
    """An observer that is told nothing."""

    def on_input(self) -> None:
        raise AssertionError

    def on_hangup(self, half: bool) -> None:
        raise AssertionError


@needs_epoll
async def test_disarming_leaves_the_next_owner_of_a_number_alone() -> None:
    watch = DisconnectWatch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await wait_all_tasks_blocked()
        ours, theirs = socket.socketpair()
        first, second = Deaf(), Deaf()
        number = watch.arm(ours.fileno(), first, input=True)
        assert number == ours.fileno()
        ours.close()
        again = socket.fromfd(theirs.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        assert watch.arm(again.fileno(), second, input=False) == number
        watch.disarm(number, ours.fileno(), first)
        assert repr(watch) == "<DisconnectWatch of 1 sockets>"
        watch.disarm(number, again.fileno(), second)
        assert repr(watch) == "<DisconnectWatch of 0 sockets>"
        again.close()
        theirs.close()
        nursery.cancel_scope.cancel()


async def test_without_a_task_or_a_socket_nothing_is_watched() -> None:
    watch = DisconnectWatch()
    ours, theirs = socket.socketpair()
    assert watch.arm(ours.fileno(), Deaf(), input=True) is None
    assert watch.arm(None, Deaf(), input=True) is None
    ours.close()
    theirs.close()
