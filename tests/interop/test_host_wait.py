"""`HostReadable`, through the streams that use it, in a guest run of asyncio."""

from __future__ import annotations  # noqa: I001

import compat  # noqa: F401 - first: makes `tornado` ours

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from tornado.platform.trio import run_task

from tornado_trio.errors import StreamClosedError
from tornado_trio.interop.host_wait import HostReadable
from tornado_trio.interop.trio_internals import BORROW
from tornado_trio.net.socket_stream import SocketStream

Body = Callable[[SocketStream, socket.socket], Coroutine[Any, Any, None]]


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    stream = SocketStream(ours)
    loop = asyncio.get_running_loop()
    stream.waiter = HostReadable(loop, ours.fileno())
    try:
        yield stream, theirs
    finally:
        stream.close()
        theirs.close()


def run(body: Body) -> None:
    async def main() -> None:
        async with pair() as (stream, theirs):
            await asyncio.wait_for(run_task(body(stream, theirs)), 5)

    asyncio.run(main())


async def read(stream: SocketStream) -> bytes:
    await stream.wait_readable()
    while (data := stream.read_nowait()) is None:
        await stream.wait_readable()  # it may wake for nothing, as trio's may
    return data


def test_wakes_and_stays_registered() -> None:
    async def body(stream: SocketStream, theirs: socket.socket) -> None:
        for word in (b"one", b"two", b"three"):
            asyncio.get_running_loop().call_later(0.01, theirs.send, word)
            assert await read(stream) == word
            assert stream.waiter._registered or not BORROW
        theirs.close()
        assert await read(stream) == b""

    run(body)


def test_a_busy_reader_is_not_woken_in_every_turn() -> None:
    async def body(stream: SocketStream, theirs: socket.socket) -> None:
        theirs.send(b"x")
        await stream.wait_readable()
        for _ in range(10_000):  # busy loops poll every 100 us
            if not stream.waiter._registered:
                break
            await asyncio.sleep(0)
        assert not stream.waiter._registered
        await stream.wait_readable()
        assert stream.read_nowait() == b"x"

    run(body)


def test_cancelled_by_trio() -> None:
    async def body(stream: SocketStream, theirs: socket.socket) -> None:
        with trio.move_on_after(0.01) as scope:
            await stream.wait_readable()
        assert scope.cancelled_caught
        theirs.send(b"x")
        await stream.wait_readable()
        assert await stream.read_some() == b"x"

    run(body)


def test_cancelled_by_asyncio() -> None:
    async def body(stream: SocketStream, theirs: socket.socket) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await stream.wait_readable()
        theirs.send(b"x")
        await stream.wait_readable()

    run(body)


def test_closed_while_waiting() -> None:
    async def body(stream: SocketStream, theirs: socket.socket) -> None:
        asyncio.get_running_loop().call_later(0.01, stream.close)
        with pytest.raises(StreamClosedError):
            await stream.wait_readable()
        with pytest.raises(StreamClosedError):
            await stream.wait_readable()

    run(body)


def test_the_selector_forgets_a_closed_descriptor() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):  # the same numbers again and again
            async with pair() as (stream, theirs):
                theirs.send(b"x")
                await run_task(stream.wait_readable())
            a, b = socket.socketpair()
            with a, b:
                a.setblocking(False)
                b.send(b"y")
                assert await loop.sock_recv(a, 1) == b"y"

    asyncio.run(main())


def test_one_waiter_at_a_time() -> None:
    async def body(stream: SocketStream, theirs: socket.socket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.wait_readable)
            await trio.sleep(0.01)
            with pytest.raises(trio.BusyResourceError):
                await stream.wait_readable()
            theirs.send(b"x")

    run(body)
