"""`Link` and `LookAhead` as callback-style programs use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tornado_trio.errors import StreamClosedError
from tornado_trio.net.memory import MemoryStream, memory_stream_pair
from tornado_trio.websocket.link import Link
from tornado_trio.websocket.tracing import TracedLink
from tornado_trio.wire.websocket import WebSocketProtocol, encode_shared
from tornado_trio.wire.websocket.frames import CLOSE, PING, PONG, TEXT, encode_close, encode_frame


class Program:
    """A receiver whose text messages say how long they take."""

    def __init__(self, stream: MemoryStream, nursery: trio.Nursery) -> None:
        stream.nursery = nursery
        self.events: list[Any] = []
        self.lost = 0
        protocol = WebSocketProtocol(client=False, max_size=1000)
        self.link = Link(stream, protocol, self.receive, close_timeout=5, lost=self.gone)

    def receive(self, opcode: int, payload: Any) -> Awaitable[Any] | None:
        self.events.append((opcode, payload))
        if opcode == TEXT and payload:
            return self.link.read_ahead(self.work(float(payload)))
        if opcode == PING:
            self.link.answer_ping(payload)
        if opcode == PONG:
            self.link.pong_came()
        return None

    async def work(self, seconds: float) -> str:
        if seconds < 0:
            raise ZeroDivisionError
        if seconds:
            await trio.sleep(seconds)
        self.events.append("done")
        return "done"

    def gone(self) -> None:
        self.lost += 1


@asynccontextmanager
async def program() -> AsyncIterator[tuple[Program, MemoryStream]]:
    client, server = memory_stream_pair(capacity=1 << 20)
    async with trio.open_nursery() as nursery:
        made = Program(server, nursery)
        nursery.start_soon(made.link.run)
        yield made, client
        nursery.cancel_scope.cancel()
    client.close()
    server.close()


def send(stream: MemoryStream, opcode: int, payload: bytes = b"") -> None:
    stream.write(encode_frame(opcode, payload, mask=True))


async def test_reads_ahead_only_while_busy(autojump_clock: Any) -> None:
    async with program() as (made, client):
        send(client, TEXT, b"0")  # does not wait: nothing is started for it
        await wait_all_tasks_blocked()
        assert made.link.ahead is not None and made.link.ahead._scope is None
        send(client, TEXT, b"10")
        send(client, PING, b"a")
        await wait_all_tasks_blocked()
        assert await client.read_exactly(3) == encode_frame(PONG, b"a")
        send(client, PONG, b"b")
        send(client, TEXT, b"")
        await trio.sleep(1)
        assert made.link.pongs == 1
        assert made.events == [(TEXT, "0"), "done", (TEXT, "10")]
        await trio.sleep(10)
        assert made.events[3:] == ["done", (PING, b"a"), (PONG, b"b"), (TEXT, "")]
        # In their turn they were neither answered nor counted again; others are.
        assert client.read_nowait() is None and made.link.pongs == 1
        send(client, PING, b"c")
        send(client, PONG, b"d")
        await wait_all_tasks_blocked()
        assert client.read_nowait() == encode_frame(PONG, b"c")
        assert made.link.pongs == 2
        send(client, TEXT, b"0")
        await wait_all_tasks_blocked()
        assert made.events[-1] == "done"


async def test_the_end_is_seen_at_once(autojump_clock: Any) -> None:
    for how in ("close", "reset"):
        async with program() as (made, client):
            send(client, TEXT, b"10")
            await trio.sleep(1)
            getattr(client, how)()
            await trio.sleep(1)
            assert made.lost == 1
            await trio.sleep(20)
            assert made.events[-1] == "done"
            assert made.link.stream.closed


async def test_an_end_waits_for_messages(autojump_clock: Any) -> None:
    """They came before it, and nobody else has them."""
    for how in ("close", "reset"):
        async with program() as (made, client):
            send(client, TEXT, b"10")
            send(client, TEXT, b"5")
            send(client, PING)
            await trio.sleep(1)
            getattr(client, how)()
            await trio.sleep(10)
            assert made.events == [(TEXT, "10"), "done", (TEXT, "5")]
            assert made.lost == 1  # none waits now
            await trio.sleep(10)
            assert made.events[3:] == ["done", (PING, b"")]
            assert made.link.stream.closed


async def test_a_close_frame_waits_its_turn(autojump_clock: Any) -> None:
    async with program() as (made, client):
        send(client, TEXT, b"10")
        send(client, TEXT, b"1")
        send(client, CLOSE, encode_close(1000))
        await trio.sleep(5)
        assert made.events == [(TEXT, "10")]
        await trio.sleep(10)
        assert made.events[1:] == ["done", (TEXT, "1"), "done", (CLOSE, (1000, ""))]
        assert made.link.stream.closed


async def test_a_mistake_waits_its_turn(autojump_clock: Any) -> None:
    async with program() as (made, client):
        send(client, TEXT, b"10")
        send(client, TEXT, b"")
        send(client, 3)
        await trio.sleep(5)
        assert made.link.error is None
        await trio.sleep(10)
        assert made.events[-1] == (TEXT, "")
        assert made.link.error is not None and made.link.error.code == 1002


async def test_bounded(autojump_clock: Any) -> None:
    async with program() as (made, client):
        send(client, TEXT, b"10")
        for _ in range(1000):
            send(client, TEXT, b"")
        await trio.sleep(5)
        assert made.link.ahead is not None and len(made.link.ahead.events) == 32
        await trio.sleep(10)
        assert made.events.count((TEXT, "")) == 1000


async def test_what_the_receiver_raises_is_raised(autojump_clock: Any) -> None:
    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        made = Program(server, nursery)
        send(client, TEXT, b"-1")
        with pytest.raises(ZeroDivisionError):
            await made.link.run()
        assert not server.closed  # a close frame may still be sent
        made.link.send_close(1011)
        made.link.send_close(1011)
        made.link.abort()
        made.link.write_quietly(b"late")
    client.close()


async def test_cancelled_while_busy(autojump_clock: Any) -> None:
    async with program() as (made, client):
        send(client, TEXT, b"10")
        await trio.sleep(1)
    assert made.events == [(TEXT, "10")]


async def test_over_comes_before_the_peer_closes_its_connection(autojump_clock: Any) -> None:
    client, server = memory_stream_pair()
    protocol = WebSocketProtocol(client=True, max_size=1000)  # waits for the server's end
    over: list[float] = []
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        client.nursery = nursery
        link = Link(client, protocol, lambda opcode, payload: None, close_timeout=5)
        nursery.start_soon(link.run, lambda: over.append(trio.current_time() - begin))
        server.write(encode_frame(CLOSE, encode_close(1000)))
    assert over == [0] and trio.current_time() - begin == 5
    assert client.closed
    server.close()


def test_as_a_tracer_sees_it() -> None:
    protocol = WebSocketProtocol(client=False)
    traced = TracedLink(protocol, "chat")
    protocol.receive(encode_frame(TEXT, b"one", mask=True) + encode_frame(PING, b"", mask=True))
    assert protocol.next_event() == (TEXT, "one") and protocol.next_event() == (PING, b"")
    for fin in (False, True):  # one message
        protocol.send_fragment(TEXT, b"two", fin)
    protocol.send_message(b"three")
    protocol.admit_shared(encode_shared("four"))
    protocol.send_ping()
    counts = traced.statistics()
    assert (counts.received, counts.sent, counts.dropped) == (1, 3, 0)
    assert (traced.client, traced.subprotocol, traced.close_code) == (False, "chat", None)
    protocol.receive_eof()
    assert traced.close_code == 1006


# --- writes that wait, pongs, the wait for the peer's close ------------------------------------
@asynccontextmanager
async def choked() -> AsyncIterator[tuple[Link, MemoryStream, trio.Nursery]]:
    """A link whose peer does not read, with 2000 bytes unsent."""
    client, server = memory_stream_pair(capacity=1000)
    protocol = WebSocketProtocol(client=False, max_size=1000)
    async with trio.open_nursery() as nursery:
        server.nursery = nursery
        link = Link(server, protocol, lambda opcode, payload: None, close_timeout=5)
        assert not server.write(bytes(3000))
        yield link, client, nursery
        nursery.cancel_scope.cancel()
    client.close()
    server.close()


async def test_when_drained() -> None:
    """In order, once all that was written is on its way; with the error if it never is."""
    async with choked() as (link, client, _):
        seen: list[Any] = []
        link.when_drained(lambda error: seen.append((1, error)))
        link.when_drained(lambda error: seen.append((2, error)))
        await wait_all_tasks_blocked()
        assert seen == []
        await client.read_exactly(3000)
        await wait_all_tasks_blocked()
        assert seen == [(1, None), (2, None)]
    async with choked() as (link, client, _):
        link.when_drained(seen.append)
        client.close()
        await wait_all_tasks_blocked()
        assert isinstance(seen[-1], StreamClosedError)


async def test_only_the_latest_ping_waits_for_its_pong() -> None:
    async with choked() as (link, client, _):
        for number in range(100):
            link.answer_ping(b"%d" % number)
        await client.read_exactly(3000)
        await wait_all_tasks_blocked()
        frames = client.read_nowait()
        assert frames == encode_frame(PONG, b"0") + encode_frame(PONG, b"99")
        link.answer_ping(b"next")
        assert client.read_nowait() == encode_frame(PONG, b"next")


async def test_a_pong_sent_by_others() -> None:
    """`send_pong` may take its time: until `pong_left` only the latest ping waits."""
    async with choked() as (link, _, _):
        sent = []
        link.send_pong = lambda payload: sent.append(payload) is not None
        for payload in (b"1", b"2", b"3"):
            link.answer_ping(payload)
        assert sent == [b"1"]
        link.pong_left()
        assert sent == [b"1", b"3"]
        link.pong_left()
        assert sent == [b"1", b"3"]


@pytest.mark.parametrize("stopped", [False, True])
async def test_abort_later(stopped: bool, autojump_clock: Any) -> None:
    async with choked() as (link, _, _):
        link.send_close()
        link.abort_later()
        link.abort_later()  # once is enough
        await trio.sleep(4)
        if stopped:
            link.stop_waiting()
        await trio.sleep(2)
        assert link.stream.closed is not stopped


async def test_how_to_wait_is_given() -> None:
    """A program with an event loop has its own way to start tasks, and timers."""
    client, server = memory_stream_pair()
    timers: list[Any] = []
    taken_back: list[Any] = []

    def later(seconds: float, callback: Any) -> Any:
        timers.append((seconds, callback))
        return lambda: taken_back.append(callback)

    protocol = WebSocketProtocol(client=False, max_size=1000)
    link = Link(server, protocol, lambda opcode, payload: None, 5, later=later)
    link.send_close()
    link.abort_later()
    assert timers == [(5, link.abort)]
    link.stop_waiting()
    assert taken_back == [link.abort]
    client.close()
    server.close()
