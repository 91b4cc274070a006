"""Who reads a session's connection: its handler while it waits for messages, else a task."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.websocket.test_ws_server import request
from tests.websocket.test_ws_session import Raw
from tornado_trio.exchange import Exchange
from tornado_trio.net.memory import memory_stream_pair
from tornado_trio.server import Server
from tornado_trio.web import Application, WebSocketHandler
from tornado_trio.websocket import (
    ConnectionClosed,
    SlowConsumer,
    WebSocket,
    WebSocketOptions,
    accept,
)
from tornado_trio.websocket.session import Reader
from tornado_trio.wire.websocket.frames import CLOSE, PING, PONG, TEXT, encode_frame

Body = Callable[[WebSocket], Awaitable[None]]
QUIET = WebSocketOptions(ping_interval=None, inbox_messages=2)


class Peer(Raw):
    def send(self, opcode: int, payload: bytes = b"") -> None:
        self.frame(opcode, payload)

    async def event(self) -> Any:
        with trio.fail_after(60):
            return await super().event()


def function(body: Body, options: WebSocketOptions) -> Any:
    async def app(exchange: Exchange) -> None:
        async with accept(exchange, options=options) as ws:
            await body(ws)

    return app


def handler(body: Body, options: WebSocketOptions) -> Any:
    class Socket(WebSocketHandler):
        websocket_options = options

        async def open(self, ws: WebSocket, *args: Any, **kwargs: Any) -> None:
            await body(ws)

    return Application([("/", Socket)])


@asynccontextmanager
async def conversation(app: Any) -> AsyncIterator[Peer]:
    client, stream = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Server(app).handle, stream)
        client.write(request())
        with trio.fail_after(60):
            assert b" 101 " in await client.read_until(b"\r\n\r\n")
        yield Peer(client)
        client.close()
        nursery.cancel_scope.cancel()


def reader_tasks() -> int:
    """Of all sessions of this run."""
    tasks = [trio.lowlevel.current_root_task()]
    found = 0
    while tasks:
        task = tasks.pop()
        assert task is not None
        found += task.name == "websocket reader"
        for nursery in task.child_nurseries:
            tasks.extend(nursery.child_tasks)
    return found


@pytest.mark.parametrize("make", [function, handler])
async def test_a_handler_that_waits_for_messages_reads_itself(
    autojump_clock: Any, make: Any
) -> None:
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    async with conversation(make(echo, QUIET)) as peer:
        for text in (b"one", b"two"):
            await trio.testing.wait_all_tasks_blocked()
            assert reader_tasks() == 0
            peer.send(TEXT, text)
            assert await peer.event() == (TEXT, text.decode())
        peer.send(PING, b"?")
        assert await peer.event() == (PONG, b"?")
        # Many at once, more than the inbox takes, in order.
        for number in range(200):
            peer.send(TEXT, str(number).encode())
        assert [(await peer.event())[1] for _ in range(200)] == [str(n) for n in range(200)]
        assert reader_tasks() == 0
        peer.send(CLOSE, b"\x03\xe8")
        assert await peer.event() == (CLOSE, (1000, ""))
        assert await peer.stream.read_some() == b""


@pytest.mark.parametrize("make", [function, handler])
async def test_a_busy_handler_has_a_reader_task(autojump_clock: Any, make: Any) -> None:
    async def slow(ws: WebSocket) -> None:
        async for message in ws:
            await trio.sleep(10)
            await ws.send(message)

    async with conversation(make(slow, QUIET)) as peer:
        peer.send(TEXT, b"one")
        await trio.testing.wait_all_tasks_blocked()
        assert reader_tasks() == 1
        begin = trio.current_time()
        peer.send(PING, b"?")
        assert await peer.event() == (PONG, b"?")
        assert trio.current_time() - begin < 1
        peer.send(TEXT, b"two")
        assert await peer.event() == (TEXT, "one")
        assert await peer.event() == (TEXT, "two")
        assert trio.current_time() - begin == pytest.approx(20)
        # Taken back as soon as the handler waits for messages again.
        await trio.testing.wait_all_tasks_blocked()
        assert reader_tasks() == 0
        peer.send(TEXT, b"three")
        assert await peer.event() == (TEXT, "three")


async def test_the_end_is_seen_while_the_handler_is_busy(autojump_clock: Any) -> None:
    codes: list[Any] = []

    async def busy(ws: WebSocket) -> None:
        await ws.receive()
        with trio.move_on_after(30):
            await ws.wait_closed()
        codes.append((ws.close_code, trio.current_time()))

    for end, code in ((lambda peer: peer.send(CLOSE, b"\x0f\xa0"), 4000), (_leave, 1006)):
        async with conversation(function(busy, QUIET)) as peer:
            begin = trio.current_time()
            peer.send(TEXT, b"one")
            await trio.sleep(1)
            end(peer)
            await trio.sleep(5)
        ((seen, when),) = codes
        assert seen == code
        assert when - begin == pytest.approx(1)
        codes.clear()


async def _sleep(ws: WebSocket) -> None:
    await trio.sleep_forever()


def _leave(peer: Peer) -> None:
    peer.stream.close()


async def test_a_ping_of_ours_is_answered(autojump_clock: Any) -> None:
    seen: list[float] = []

    async def ask(ws: WebSocket) -> None:
        seen.append(await ws.ping(b"!"))
        with pytest.raises(ConnectionClosed):
            await ws.receive()

    async with conversation(function(ask, QUIET)) as peer:
        assert await peer.event() == (PING, b"!")
        await trio.sleep(3)
        peer.send(PONG, b"!")
        await trio.sleep(1)
        assert seen == [pytest.approx(3)]
        assert reader_tasks() == 0
        peer.send(CLOSE)
        assert await peer.event() == (CLOSE, (1005, ""))


async def test_a_pong_and_the_end_at_once(autojump_clock: Any) -> None:
    seen: list[float] = []

    async def ask(ws: WebSocket) -> None:
        seen.append(await ws.ping(b"!"))
        with pytest.raises(ConnectionClosed):
            await ws.ping(b"?")

    async with conversation(function(ask, QUIET)) as peer:
        assert await peer.event() == (PING, b"!")
        await trio.sleep(3)
        peer.stream.write(encode_frame(PONG, b"!", mask=True) + encode_frame(CLOSE, b"", mask=True))
        assert await peer.event() == (CLOSE, (1005, ""))
    assert seen == [pytest.approx(3)]


async def test_waits_that_are_cancelled_lose_no_message(autojump_clock: Any) -> None:
    got: list[Any] = []

    async def impatient(ws: WebSocket) -> None:
        while len(got) < 4:
            with trio.move_on_after(1):
                got.append(await ws.receive())
                continue
            with trio.CancelScope() as scope:
                scope.cancel()
                got.append(await ws.receive())

    async with conversation(function(impatient, QUIET)) as peer:
        for text in (b"a", b"b", b"c", b"d"):
            peer.send(TEXT, text)
            await trio.sleep(1.5)
        assert await peer.event() == (CLOSE, (1000, ""))
    assert got == ["a", "b", "c", "d"]


async def test_an_inbox_of_messages_and_a_cancelled_scope(autojump_clock: Any) -> None:
    got: list[Any] = []

    async def body(ws: WebSocket) -> None:
        await trio.sleep(1)  # the reader task fills the inbox
        with trio.CancelScope() as scope:
            scope.cancel()
            got.append(await ws.receive())
        assert scope.cancelled_caught
        got.extend([await ws.receive(), await ws.receive(), await ws.receive()])

    async with conversation(function(body, QUIET)) as peer:
        for text in (b"a", b"b", b"c"):
            peer.send(TEXT, text)
        assert await peer.event() == (CLOSE, (1000, ""))
    assert got == ["a", "b", "c"]


async def test_children_of_the_handler_receive_too(autojump_clock: Any) -> None:
    async def split(ws: WebSocket) -> None:
        async def take(name: str) -> None:
            async for message in ws:
                await ws.send(f"{name} {message}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, "child")
            await trio.sleep(1)
            assert await ws.receive() in ("one", "two")
            await trio.sleep(1)

    async with conversation(function(split, QUIET)) as peer:
        await trio.sleep(1.5)  # both wait for a message
        peer.send(TEXT, b"one")
        peer.send(TEXT, b"two")
        assert (await peer.event())[1] in ("child one", "child two")
        peer.send(TEXT, b"three")  # while the handler sleeps
        assert await peer.event() == (TEXT, "child three")


async def test_a_cancelled_block_says_goodbye_by_itself(autojump_clock: Any) -> None:
    """Whether its handler read or a task did; the connection is not cancelled."""
    for wait in (WebSocket.receive, _sleep):

        async def app(exchange: Exchange, wait: Any = wait) -> None:
            with trio.move_on_after(3):
                async with accept(exchange, options=QUIET) as ws:
                    await wait(ws)

        async with conversation(app) as peer:
            begin = trio.current_time()
            assert await peer.event() == (CLOSE, (1001, ""))
            assert trio.current_time() - begin == pytest.approx(3)
            peer.send(CLOSE, b"\x03\xe9")
            assert await peer.stream.read_some() == b""
            assert trio.current_time() - begin == pytest.approx(3)


async def test_a_peer_that_never_answers_the_close_frame(autojump_clock: Any) -> None:
    async def leave(ws: WebSocket) -> None:
        await ws.receive()

    options = WebSocketOptions(ping_interval=None, close_timeout=7)
    async with conversation(function(leave, options)) as peer:
        begin = trio.current_time()
        peer.send(TEXT, b"one")
        assert await peer.event() == (CLOSE, (1000, ""))
        assert await peer.event() is None
        assert trio.current_time() - begin == pytest.approx(7)


async def test_the_keepalive_goes_on_whoever_reads(autojump_clock: Any) -> None:
    codes: list[Any] = []

    async def body(ws: WebSocket) -> None:
        await ws.receive()
        await trio.sleep(5)  # across the time of the next ping
        assert await ws.receive() == "two"
        with pytest.raises(ConnectionClosed):
            await ws.receive()
        codes.append(ws.close_code)

    options = WebSocketOptions(ping_interval=10, ping_timeout=4)
    async with conversation(function(body, options)) as peer:
        begin = trio.current_time()
        await trio.sleep(8)
        peer.send(TEXT, b"one")
        kind, payload = await peer.event()
        assert (kind, trio.current_time() - begin) == (PING, pytest.approx(10))
        peer.send(PONG, payload)
        await trio.sleep(5)
        peer.send(TEXT, b"two")
        kind, payload = await peer.event()
        assert (kind, trio.current_time() - begin) == (PING, pytest.approx(20))
        assert await peer.event() == (CLOSE, (1011, "keepalive ping timed out"))
        assert trio.current_time() - begin == pytest.approx(24)
        await trio.sleep(1)
    assert codes == [1011]


@pytest.mark.parametrize("make", [function, handler])
async def test_a_session_that_is_over_is_freed_at_once(autojump_clock: Any, make: Any) -> None:
    """Without the collector of cycles, which many short conversations would keep busy."""
    made: list[weakref.ref[WebSocket]] = []

    async def body(ws: WebSocket) -> None:
        made.append(weakref.ref(ws))
        await ws.receive()
        await trio.sleep(1)
        async for _ in ws:
            pass

    gc.collect()
    gc.disable()
    try:
        async with conversation(make(body, QUIET)) as peer:
            for text in (b"one", b"two", b"three", b"four"):
                peer.send(TEXT, text)
            peer.send(CLOSE)
            assert await peer.event() == (CLOSE, (1005, ""))
            assert await peer.stream.read_some() == b""
            await trio.testing.wait_all_tasks_blocked()
        assert [each() for each in made] == [None]
    finally:
        gc.enable()


async def test_roles(autojump_clock: Any) -> None:
    roles: list[Reader] = []
    sessions: list[WebSocket] = []

    async def body(ws: WebSocket) -> None:
        sessions.append(ws)
        roles.append(ws._reader)
        await trio.sleep(1)
        roles.append(ws._reader)
        await ws.receive()
        roles.append(ws._reader)

    async with conversation(function(body, QUIET)) as peer:
        await trio.sleep(2)
        assert sessions[0]._reader is Reader.HANDLER
        peer.send(TEXT, b"one")
        await peer.event()
    assert roles == [Reader.NOBODY, Reader.TASK, Reader.NOBODY]


async def test_a_handler_that_waits_for_something_else_after_all(autojump_clock: Any) -> None:
    """It asked the reader task to stop, and then needs it still: cancelled, or with a message that
    the task read meanwhile. In which order the two go on is trio's choice, so often."""
    roles: list[Reader] = []
    times = 20

    async def body(ws: WebSocket) -> None:
        for _ in range(times):
            await trio.sleep(1)
            with trio.CancelScope() as scope:
                scope.cancel()
                await ws.receive()
            await trio.sleep(1)
            roles.append(ws._reader)
            await ws.receive()  # as the message comes
            await trio.sleep(1)
            roles.append(ws._reader)
        await ws.wait_closed()

    async with conversation(function(body, QUIET)) as peer:
        for _ in range(times):
            await trio.sleep(2)
            peer.send(TEXT, b"x")
            await trio.sleep(1)
        peer.send(PING, b"?")
        assert await peer.event() == (PONG, b"?")
        peer.send(CLOSE)
        assert await peer.event() == (CLOSE, (1005, ""))
        assert await peer.stream.read_some() == b""
    assert roles == [Reader.TASK] * (2 * times)


def _drop(ws: WebSocket) -> None:
    ws.abort()


def _too_slow(ws: WebSocket) -> None:
    while ws.send_nowait(b"x" * 65536):
        pass


@pytest.mark.parametrize(("end", "code"), [(_drop, 1006), (_too_slow, 1013)])
async def test_an_end_while_the_inbox_is_full(autojump_clock: Any, end: Any, code: int) -> None:
    """Nobody takes its messages, and so nothing is read that would tell of the end."""
    seen: list[Any] = []
    options = WebSocketOptions(
        ping_interval=None, inbox_messages=2, slow_consumer=SlowConsumer.CLOSE
    )

    async def body(ws: WebSocket) -> None:
        await trio.sleep(1)
        assert ws.statistics().inbox == 2
        end(ws)
        await ws.wait_closed()
        seen.append((ws.close_code, [message async for message in ws]))

    async with conversation(function(body, options)) as peer:
        for text in (b"one", b"two", b"three"):
            peer.send(TEXT, text)
        await trio.sleep(20)
    assert seen == [(code, ["one", "two"])]


async def test_a_peer_that_leaves_while_the_inbox_is_full(autojump_clock: Any) -> None:
    """It is noticed by the next ping, which cannot be sent."""
    seen: list[Any] = []
    options = WebSocketOptions(ping_interval=10, ping_timeout=5, inbox_messages=2)

    async def body(ws: WebSocket) -> None:
        await ws.wait_closed()
        seen.append((ws.close_code, trio.current_time()))

    async with conversation(function(body, options)) as peer:
        begin = trio.current_time()
        for text in (b"one", b"two", b"three"):
            peer.send(TEXT, text)
        await trio.sleep(13)
        assert seen == []
        peer.stream.close()
        await trio.sleep(20)
    assert seen == [(1006, pytest.approx(begin + 25, abs=5))]
