"""Sockets that stand in a hub: what is told once must not be lost, whatever happens meanwhile."""

from __future__ import annotations

import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Sized
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from tests.platforms import needs_epoll
from tornado_trio.errors import StreamClosedError
from tornado_trio.net import SocketStream, TlsStream
from tornado_trio.net.readiness import Readable, ReadinessHub

pytestmark = pytest.mark.skipif(
    "not hasattr(__import__('select'), 'epoll')", reason="the hub uses epoll"
)


@asynccontextmanager
async def open_hub(connections: Sized = ()) -> AsyncIterator[ReadinessHub]:
    hub = ReadinessHub(connections)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        await wait_all_tasks_blocked()
        hub.crowded = True
        yield hub
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def member(hub: ReadinessHub) -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = SocketStream(ours)
        hub.arrange(stream)
        assert repr(stream.waiter) == "<Readable by the hub>"
        yield stream, theirs
        stream.close()


async def read(stream: SocketStream, count: int = 65536) -> bytes:
    await stream.wait_readable()
    data = stream.read_nowait(count)
    assert data is not None, "woken for nothing"
    return data


@asynccontextmanager
async def blocked(stream: SocketStream, results: list[object]) -> AsyncIterator[trio.CancelScope]:
    """A task that waits to read; what it got, or the error it got, is appended to `results`."""

    async def reader() -> None:
        try:
            results.append(await read(stream))
        except (StreamClosedError, trio.BusyResourceError) as exc:
            results.append(type(exc))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await wait_all_tasks_blocked()
        yield nursery.cancel_scope


async def test_one_poll_wakes_all_that_wait() -> None:
    async with open_hub() as hub, AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(member(hub)) for _ in range(300)]
        assert repr(hub) == "<ReadinessHub of 300 sockets>"
        for number in range(3):
            results: list[object] = []
            async with AsyncExitStack() as waits:
                for stream, _ in pairs:
                    await waits.enter_async_context(blocked(stream, results))
                for _, theirs in pairs:
                    theirs.send(b"%d" % number)
            assert results == [b"%d" % number] * 300
    assert repr(hub) == "<ReadinessHub of 0 sockets>"


async def test_what_came_before_joining_is_seen() -> None:
    async with open_hub() as hub:
        ours, theirs = socket.socketpair()
        with theirs:
            stream = SocketStream(ours)
            theirs.send(b"early")
            hub.arrange(stream)
            assert await read(stream) == b"early"
            stream.close()


async def test_a_read_that_ends_at_urgent_data_is_followed_by_another() -> None:
    """It is short, and more is there: the one read that proves nothing."""
    async with open_hub() as hub:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        with theirs:
            stream = SocketStream(ours)
            hub.arrange(stream)
            for _ in range(3):
                theirs.sendall(b"before")
                theirs.send(b"!", socket.MSG_OOB)
                theirs.sendall(b"after")
                got = b""
                with trio.fail_after(5):
                    while got != b"beforeafter":
                        await stream.wait_readable()
                        got += stream.read_nowait() or b""
            stream.close()


async def test_what_a_read_left_is_seen() -> None:
    """The edge has told of all of it already."""
    async with open_hub() as hub, member(hub) as (stream, theirs):
        theirs.send(b"abcdef")
        assert [await read(stream, 2) for _ in range(3)] == [b"ab", b"cd", b"ef"]
        theirs.send(b"g")
        assert await read(stream, 2) == b"g"
        theirs.send(b"hijk")
        target = bytearray(2)
        for expected in (b"hi", b"jk"):
            await stream.wait_readable()
            await stream.read_into(target)
            assert target == expected
        theirs.send(b"l")
        assert await read(stream) == b"l"


async def test_waiting_again_without_reading() -> None:
    async with open_hub() as hub, member(hub) as (stream, theirs):
        theirs.send(b"x")
        for _ in range(3):
            await stream.wait_readable()
        assert stream.read_nowait() == b"x"
        assert stream.read_nowait() is None
        results: list[object] = []
        async with blocked(stream, results):
            assert results == []
            theirs.send(b"y")
        assert results == [b"y"]


async def test_what_comes_while_nobody_waits() -> None:
    async with open_hub() as hub, member(hub) as (stream, theirs):
        theirs.send(b"one")
        await wait_all_tasks_blocked(0.01)  # the hub has been told
        assert await read(stream) == b"one"
        theirs.send(b"two")
        await wait_all_tasks_blocked(0.01)
        assert stream.read_nowait() == b"two"
        results: list[object] = []
        async with blocked(stream, results):
            theirs.send(b"three")
        assert results == [b"three"]


@pytest.mark.parametrize("together", [True, False])
async def test_the_end_is_seen(together: bool) -> None:
    """Also when it came with the last bytes, in one event, and again and again."""
    async with open_hub() as hub, member(hub) as (stream, theirs):
        theirs.send(b"last")
        if together:
            theirs.shutdown(socket.SHUT_WR)
        assert await read(stream) == b"last"
        if not together:
            theirs.shutdown(socket.SHUT_WR)
        for _ in range(3):
            assert await read(stream) == b""
        assert repr(stream.waiter) == "<Readable by trio>"
        assert repr(hub) == "<ReadinessHub of 0 sockets>"


async def test_a_reset_is_seen() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        async with open_hub() as hub:
            theirs = socket.create_connection(listener.getsockname())
            stream = SocketStream(listener.accept()[0])
            hub.arrange(stream)
            results: list[object] = []
            async with blocked(stream, results):
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                theirs.close()
            assert results == [StreamClosedError]
            stream.close()


async def test_a_cancelled_wait_loses_nothing() -> None:
    async with open_hub() as hub, member(hub) as (stream, theirs):
        for word in (b"one", b"two"):
            results: list[object] = []
            async with blocked(stream, results) as scope:
                scope.cancel()
            assert results == []
            theirs.send(word)
            assert await read(stream) == word
        # Cancelled when it has been woken already, and not run yet.
        results = []
        async with blocked(stream, results) as scope:
            theirs.send(b"three")
            stream.waiter.report()
            scope.cancel()
        assert results in ([], [b"three"])
        if not results:
            assert await read(stream) == b"three"


async def test_every_wait_is_a_checkpoint() -> None:
    async with open_hub() as hub, member(hub) as (stream, theirs):
        theirs.send(b"x")
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.wait_readable()
        assert scope.cancelled_caught
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(20):
                await stream.wait_readable()
            assert turns >= 19
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("doubt", [False, True])
async def test_closed_while_waiting(doubt: bool) -> None:
    async with open_hub() as hub, member(hub) as (stream, _):
        stream.waiter.doubt = doubt  # by trio, then
        results: list[object] = []
        async with blocked(stream, results):
            stream.close()
        assert results == [StreamClosedError]
        assert repr(hub) == "<ReadinessHub of 0 sockets>"
        with pytest.raises(trio.ClosedResourceError):
            await stream.waiter


@pytest.mark.parametrize("doubt", [False, True])
async def test_two_readers(doubt: bool) -> None:
    async with open_hub() as hub, member(hub) as (stream, theirs):
        stream.waiter.doubt = doubt
        results: list[object] = []
        async with blocked(stream, results):
            with pytest.raises(trio.BusyResourceError):
                await stream.wait_readable()
            theirs.send(b"x")
        assert results == [b"x"]


async def test_the_number_of_a_closed_socket_is_used_again() -> None:
    async with open_hub() as hub:
        numbers = set()
        for _ in range(5):
            async with member(hub) as (stream, theirs):
                numbers.add(stream.socket.fileno())
                theirs.send(b"x")
                assert await read(stream) == b"x"
        assert len(numbers) == 1


async def test_a_socket_closed_under_the_hub() -> None:
    """Its number is another's by then, and neither takes the other's place."""
    async with open_hub() as hub, member(hub) as (first, _):
        number = first.socket.fileno()
        results: list[object] = []
        async with blocked(first, results):
            first.socket.close()
            ours, theirs = socket.socketpair()
            assert number in (ours.fileno(), theirs.fileno())
            if theirs.fileno() == number:
                ours, theirs = theirs, ours
            second = SocketStream(ours)
            hub.arrange(second)
        assert results == [StreamClosedError]
        first.close()
        assert repr(hub) == "<ReadinessHub of 1 sockets>"
        with theirs:
            theirs.send(b"x")
            assert await read(second) == b"x"
            second.close()


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')")
async def test_a_child_keeps_a_socket_open() -> None:
    """Then the kernel does not forget it by itself: who has its number next must not be told."""
    async with open_hub() as hub:
        async with member(hub) as (stream, theirs):
            number = stream.socket.fileno()
            kept = os.dup(number)  # what a forked child has
            stream.close()
            later, peer = socket.socketpair()
            with later, peer:
                assert later.fileno() == number
                second = SocketStream(later)
                hub.arrange(second)
                results: list[object] = []
                async with blocked(second, results):
                    theirs.send(b"to the child")
                    await wait_all_tasks_blocked(0.02)
                    assert results == []
                    peer.send(b"to us")
                assert results == [b"to us"]
                second.close()
            os.close(kept)


async def test_who_waits_when_the_hub_ends_goes_on() -> None:
    hub = ReadinessHub()
    ours, theirs = socket.socketpair()
    stream = SocketStream(ours)
    results: list[object] = []

    async def reader() -> None:
        while (data := stream.read_nowait()) is None:
            await stream.wait_readable()
        results.append(data)

    async with trio.open_nursery() as outer:
        async with trio.open_nursery() as inner:
            inner.start_soon(hub.run)
            await wait_all_tasks_blocked()
            hub.crowded = True
            hub.arrange(stream)
            outer.start_soon(reader)
            await wait_all_tasks_blocked()
            inner.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        assert repr(stream.waiter) == "<Readable by trio>"
        assert not hub.crowded
        theirs.send(b"x")
    assert results == [b"x"]
    theirs.close()
    stream.close()


async def test_joining_and_leaving() -> None:
    async with open_hub() as hub, member(hub) as (stream, theirs):
        hub.crowded = False
        hub.arrange(stream)
        assert stream.waiter is None
        assert repr(hub) == "<ReadinessHub of 0 sockets>"
        theirs.send(b"x")
        assert await read(stream) == b"x"
        hub.crowded = True
        hub.arrange(stream)
        hub.arrange(stream)
        assert type(stream.waiter) is Readable
        hub.part(stream)
        hub.part(stream)
        assert stream.waiter is None
        other = object()  # another's way of waiting is left alone
        stream.waiter = other
        hub.arrange(stream)
        hub.part(stream)
        assert stream.waiter is other
        stream.waiter = None
    hub.arrange(stream)  # it has ended
    assert stream.waiter is None


@needs_epoll
async def test_of_many_those_that_mostly_wait_stay() -> None:
    """A wait by the hub takes less memory; few are better off with trio's."""
    connections: list[None] = []
    async with open_hub(connections) as hub, member(hub) as (stream, theirs):
        hub.crowded = False
        hub.arrange(stream, mostly_waits=True)
        assert stream.waiter is None
        connections += [None] * 64
        hub.arrange(stream)
        assert stream.waiter is None
        hub.arrange(stream, mostly_waits=True)
        assert type(stream.waiter) is Readable
        theirs.send(b"x")
        assert await read(stream) == b"x"
        hub.arrange(stream, mostly_waits=True)
        assert type(stream.waiter) is Readable


@needs_epoll
async def test_no_more_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_hub() as hub:
        ours, theirs = socket.socketpair()
        with theirs:
            stream = SocketStream(ours)

            class Full:
                def register(self, fd: int, mask: int) -> None:
                    raise OSError(28, "No space left on device")

            with monkeypatch.context() as patch:
                patch.setattr(hub, "_epoll", Full())
                hub.arrange(stream)
            assert stream.waiter is None
            theirs.send(b"x")
            assert await read(stream) == b"x"
            stream.close()


async def test_tls() -> None:
    """Records come in halves, and several at once."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    left, right = socket.socketpair()
    async with open_hub() as hub:
        ours = TlsStream(server.wrap_socket(left, server_side=True, do_handshake_on_connect=False))
        theirs = TlsStream(
            client.wrap_socket(right, server_hostname="localhost", do_handshake_on_connect=False)
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(theirs.handshake)
            await ours.handshake()
        hub.arrange(ours)
        assert type(ours.waiter) is Readable
        data = random.Random(1).randbytes(300_000)
        got = bytearray()

        async def receive() -> None:
            while chunk := await ours.read_some(5000):
                got.extend(chunk)

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                at = 0
                for size in [1, 16384, 16385, 100_000, 3, len(data)]:
                    await theirs.send_all(data[at : at + size])
                    at += size
                    await wait_all_tasks_blocked()
                await theirs.send_eof()
        assert bytes(got) == data
        ours.close()
        theirs.close()


async def test_random_pieces() -> None:
    """Sizes, pauses and reads at random: every byte arrives, and the end."""
    rng = random.Random(7)
    async with open_hub() as hub, member(hub) as (stream, theirs):
        data = rng.randbytes(100_000)
        got = bytearray()

        async def receive() -> None:
            while True:
                size = rng.choice([1, 7, 100, 4096, 65536])
                if rng.random() < 0.5:
                    await stream.wait_readable()
                chunk = await stream.read_some(size)
                if not chunk:
                    return
                got.extend(chunk)
                if rng.random() < 0.2:
                    await trio.lowlevel.checkpoint()

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                at = 0
                theirs.setblocking(False)
                while at < len(data):
                    try:
                        at += theirs.send(data[at : at + rng.choice([1, 100, 5000])])
                    except BlockingIOError:
                        await trio.lowlevel.wait_writable(theirs)
                    if rng.random() < 0.3:
                        await trio.lowlevel.checkpoint()
                theirs.shutdown(socket.SHUT_WR)
        assert bytes(got) == data
