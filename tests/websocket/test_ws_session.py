from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tornado_trio.net.memory import MemoryStream, memory_stream_pair
from tornado_trio.websocket import (
    ConnectionClosed,
    DeflateOptions,
    SlowConsumer,
    WebSocket,
    WebSocketOptions,
    broadcast,
    run_session,
)
from tornado_trio.wire.websocket import DeflateParams, WebSocketProtocol
from tornado_trio.wire.websocket.frames import CLOSE, PING, PONG, TEXT, encode_close, encode_frame

Session = AbstractAsyncContextManager[WebSocket]
QUIET = WebSocketOptions(ping_interval=None)


def session(
    stream: MemoryStream, client: bool, options: WebSocketOptions = QUIET, deflate: bool = False
) -> Session:
    params = DeflateParams(False, False, 12, 12) if deflate else None
    protocol = WebSocketProtocol(
        client=client,
        max_size=options.max_message_size,
        deflate=params,
        options=options.deflate or DeflateOptions(),
    )
    return run_session(stream, protocol, options)


@asynccontextmanager
async def open_pair(
    options: WebSocketOptions = QUIET, deflate: bool = False
) -> AsyncIterator[tuple[WebSocket, WebSocket]]:
    """A client and a server session."""
    client, server = memory_stream_pair()
    async with (
        session(client, True, options, deflate) as ws_client,
        session(server, False, options, deflate) as ws_server,
    ):
        yield ws_client, ws_server


class Raw:
    """A peer of bytes: sends what it likes, reads frames."""

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
        self.protocol = WebSocketProtocol(client=True)

    def frame(self, opcode: int, payload: bytes = b"", **kwargs: Any) -> None:
        self.stream.write(encode_frame(opcode, payload, mask=True, **kwargs))

    async def event(self) -> Any:
        while (event := self.protocol.next_event()) is None:
            data = await self.stream.read_some()
            if not data:
                return None
            self.protocol.receive(data)
        return event


def raw_server(options: WebSocketOptions = QUIET) -> tuple[Raw, Session]:
    client, server = memory_stream_pair(capacity=4096)
    return Raw(client), session(server, False, options)


@pytest.mark.parametrize("deflate", [False, True])
async def test_echo_both_ways(autojump_clock: Any, deflate: bool) -> None:
    async with open_pair(deflate=deflate) as (client, server):
        for message in ("héllo", b"\x00\xff", "", "x" * 200_000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, message)
                assert await server.receive() == message
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.send, message)
                assert await client.receive() == message
        assert "open" in repr(client)
        stats = server.statistics()
        assert (stats.received, stats.sent, stats.inbox, stats.state) == (4, 4, 0, "open")


async def test_iteration_ends_with_the_connection(autojump_clock: Any) -> None:
    got: list[str | bytes] = []
    async with open_pair() as (client, server):

        async def serve() -> None:
            got.extend([message async for message in server])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await client.send("one")
            await client.send(bytearray(b"two"))
            await client.close(1001, "bye")
        assert got == ["one", b"two"]
        assert (server.close_code, server.close_reason) == (1001, "bye")
        assert (client.close_code, client.close_reason) == (1001, "")
        assert client.closed and server.closed
        for call in (client.send("x"), server.receive(), server.ping()):
            with pytest.raises(ConnectionClosed):
                await call
        with pytest.raises(ConnectionClosed):
            server.send_nowait("x")
        await client.close()


async def test_messages_before_the_close_are_still_received(autojump_clock: Any) -> None:
    async with open_pair() as (client, server):
        await client.send("last")
        await client.close()
        assert await server.receive() == "last"
        with pytest.raises(ConnectionClosed) as caught:
            await server.receive()
        assert caught.value.code == 1000


async def test_close_from_both_sides_at_once(autojump_clock: Any) -> None:
    async with open_pair() as (client, server):
        begin = trio.current_time()
        client._link.send_close(4000, "c")  # both frames are on their way at the same time
        server._link.send_close(4001, "s")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.close)
            nursery.start_soon(server.close)
        assert trio.current_time() == begin
        assert (client.close_code, server.close_code) == (4001, 4000)


async def test_block_decides_the_code(autojump_clock: Any) -> None:
    class Boom(Exception):
        pass

    for action, code in (("return", 1000), ("raise", 1011), ("cancel", 1001)):
        client, server = memory_stream_pair()
        async with session(client, True) as ws:
            with trio.CancelScope() as scope:
                try:
                    async with session(server, False):
                        if action == "raise":
                            raise Boom
                        if action == "cancel":
                            scope.cancel()
                            await trio.sleep_forever()
                except Boom:
                    assert action == "raise"
            await ws.wait_closed()
            assert ws.close_code == code
        assert client.closed and server.closed


async def test_slow_handler_blocks_neither_ping_nor_close(autojump_clock: Any) -> None:
    async with open_pair() as (client, server):
        await client.send("work")
        assert await server.receive() == "work"
        # the server's handler is busy: it does not receive
        assert await client.ping() == 0.0
        await client.send("unread")
        await client.ping()
        begin = trio.current_time()
        await client.close()
        assert trio.current_time() == begin
        assert server.close_code == 1000


async def test_full_inbox_stops_the_peer(autojump_clock: Any) -> None:
    options = WebSocketOptions(ping_interval=None, inbox_messages=4)
    async with open_pair(options) as (client, server):
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for _ in range(1000):
                await client.send("x" * 10_000)
                sent += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await trio.testing.wait_all_tasks_blocked()
            assert sent < 40
            assert server.statistics().inbox == 4
            for _ in range(1000):
                assert await server.receive() == "x" * 10_000


async def test_inbox_is_bounded_in_bytes(autojump_clock: Any) -> None:
    options = WebSocketOptions(ping_interval=None, inbox_bytes=10)
    raw, context = raw_server(options)
    async with context as ws:
        for _ in range(5):
            raw.frame(TEXT, b"123456")
        await trio.testing.wait_all_tasks_blocked()
        assert ws.statistics().inbox == 2
        await ws.close()  # does not wait for the handler to make room


async def test_peer_that_stops_reading(autojump_clock: Any) -> None:
    raw, context = raw_server()
    async with context as ws:
        with trio.move_on_after(5) as scope:
            while True:
                await ws.send("x" * 1000)
        assert scope.cancelled_caught
        assert ws.statistics().unsent <= QUIET.send_buffer + 1100
        assert not ws.send_nowait("left out")
        assert ws.statistics().dropped == 1
        begin = trio.current_time()
    assert trio.current_time() - begin <= QUIET.close_timeout
    assert raw.stream.closed is False


async def test_drop_oldest(autojump_clock: Any) -> None:
    options = WebSocketOptions(
        ping_interval=None, slow_consumer=SlowConsumer.DROP_OLDEST, send_buffer=10_000
    )
    raw, context = raw_server(options)
    async with context as ws:
        for number in range(1000):
            await ws.send(f"{number:04}" + "x" * 996)
        stats = ws.statistics()
        assert stats.dropped > 900
        assert stats.unsent < 20_000
        numbers: list[int] = []
        while not numbers or numbers[-1] != 999:
            numbers.append(int((await raw.event())[1][:4]))
        assert numbers == sorted(numbers)
        assert len(numbers) == 1000 - stats.dropped
        await trio.testing.wait_all_tasks_blocked()
        await ws.send("again")
        assert (await raw.event())[1] == "again"
        raw.frame(CLOSE, encode_close(1000))
        await ws.wait_closed()


async def test_close_policy(autojump_clock: Any) -> None:
    options = WebSocketOptions(
        ping_interval=None, slow_consumer=SlowConsumer.CLOSE, send_buffer=10_000
    )
    raw, context = raw_server(options)
    async with context as ws:
        with pytest.raises(ConnectionClosed):
            for _ in range(100):
                await ws.send("x" * 1000)
        begin = trio.current_time()
        await ws.wait_closed()
        assert trio.current_time() - begin <= options.close_timeout
        assert ws.close_code == 1013
    del raw


async def test_pongs_do_not_pile_up(autojump_clock: Any) -> None:
    raw, context = raw_server()
    async with context as ws:
        while ws.send_nowait("x" * 1000):
            pass
        for number in range(5000):
            raw.frame(PING, b"%d" % number)
        await raw.stream.drain()
        await trio.testing.wait_all_tasks_blocked()
        assert ws.statistics().unsent < QUIET.send_buffer + 3000
        pongs: list[bytes] = []
        while not pongs or pongs[-1] != b"4999":
            event = await raw.event()
            if event[0] == PONG:
                pongs.append(event[1])
        assert len(pongs) < 10
        ws.abort()


async def test_ping_measures(autojump_clock: Any) -> None:
    raw, context = raw_server()
    async with context as ws:
        times: list[float] = []

        async def ping(payload: bytes | None) -> None:
            times.append(await ws.ping(payload))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping, None)
            assert (await raw.event())[0] == PING
            nursery.start_soon(ping, b"two")
            assert await raw.event() == (PING, b"two")
            await trio.sleep(0.5)
            raw.frame(PONG, b"unknown")
            await trio.sleep(0.5)
            raw.frame(PONG, b"two")  # answers the earlier one, too
        assert times == [1.0, 1.0]
        assert ws.latency == 1.0
        with pytest.raises(ValueError):
            await ws.ping(b"x" * 126)
        raw.stream.close()
        with pytest.raises(ConnectionClosed):
            await ws.ping()


async def test_keepalive_notices_a_vanished_peer(autojump_clock: Any) -> None:
    options = WebSocketOptions(ping_interval=10, ping_timeout=5)
    raw, context = raw_server(options)
    async with context as ws:
        begin = trio.current_time()
        await ws.wait_closed()
        assert trio.current_time() - begin == 15
        assert (ws.close_code, ws.close_reason) == (1011, "keepalive ping timed out")
    del raw


async def test_keepalive_spares_who_sends_and_who_waits_for_us(autojump_clock: Any) -> None:
    options = WebSocketOptions(ping_interval=10, ping_timeout=5, inbox_messages=1)
    raw, context = raw_server(options)
    async with context as ws:
        for _ in range(20):
            await trio.sleep(3)
            raw.frame(TEXT, b"alive")  # answers no ping, but sends
            await ws.receive()
        raw.frame(TEXT, b"fills the inbox")
        await trio.sleep(100)
        assert not ws.closed
        await ws.receive()
        await ws.wait_closed()
        assert ws.close_code == 1011


async def test_keepalive_of_a_living_peer(autojump_clock: Any) -> None:
    options = WebSocketOptions(ping_interval=1, ping_timeout=1)
    async with open_pair(options) as (client, server):
        await trio.sleep(100)
        assert not client.closed and not server.closed


async def test_vanished_without_a_word(autojump_clock: Any) -> None:
    for how in ("close", "reset"):
        raw, context = raw_server()
        async with context as ws:
            getattr(raw.stream, how)()
            async for _ in ws:
                pass
            assert (ws.close_code, ws.close_reason) == (1006, "")
            with pytest.raises(ConnectionClosed):
                await ws.send("x")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode_frame(TEXT, b"x"), 1002),
        (encode_frame(TEXT, b"\xff", mask=True), 1007),
        (encode_frame(TEXT, b"x" * 1025, mask=True), 1009),
        (encode_frame(3, b"", mask=True), 1002),
        (encode_frame(CLOSE, b"\x03\xec", mask=True), 1002),
        (encode_frame(PING, b"", mask=True, fin=False), 1002),
    ],
    ids=range(6),
)
async def test_what_the_peer_does_wrong(autojump_clock: Any, data: bytes, code: int) -> None:
    raw, context = raw_server(WebSocketOptions(ping_interval=None, max_message_size=1024))
    async with context as ws:
        raw.stream.write(data)
        with pytest.raises(ConnectionClosed) as caught:
            await ws.receive()
        assert caught.value.code == ws.close_code == code
    kind, close = await raw.event()
    assert kind == CLOSE and close.code == code
    assert await raw.event() is None


@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
@pytest.mark.parametrize(
    ("first", "code"), [(b"\x88", 1000), (b"\x83", 1002)], ids=["close", "violation"]
)
async def test_the_end_is_told_while_the_peer_keeps_its_connection(
    autojump_clock: Any, client: bool, first: bytes, code: int
) -> None:
    ours, theirs = memory_stream_pair()
    head = b"\x02" if client else b"\x82\0\0\0\0"
    async with trio.open_nursery() as nursery, session(ours, client) as ws:
        began = trio.current_time()
        failed = []

        async def ping() -> None:
            try:
                await ws.ping()
            except ConnectionClosed as error:
                failed.append((error.code, trio.current_time() - began))

        nursery.start_soon(ping)
        await trio.testing.wait_all_tasks_blocked()
        theirs.write(first + head + b"\x03\xe8")
        async for _ in ws:
            pass
        with pytest.raises(ConnectionClosed):
            await ws.receive()
        assert trio.current_time() == began
        assert ws.close_code == code
        await trio.testing.wait_all_tasks_blocked()
        assert failed == [(code, 0)]
        assert ours.closed is (not client and code == 1000)
    assert ours.closed


async def test_close_waits_only_so_long(autojump_clock: Any) -> None:
    raw, context = raw_server()
    async with context as ws:
        begin = trio.current_time()
        await ws.close(4000)
        assert trio.current_time() - begin == QUIET.close_timeout
        assert ws.close_code == 4000
        with pytest.raises(ValueError):
            await ws.close(1006)
    assert (await raw.event())[1] == (4000, "")


async def test_cancelled_with_a_silent_peer(autojump_clock: Any) -> None:
    raw, context = raw_server()
    begin = trio.current_time()
    with trio.move_on_after(1):
        async with context as ws:
            while ws.send_nowait("x" * 1000):
                pass
            await trio.sleep_forever()
    assert trio.current_time() - begin == 1 + QUIET.cancel_timeout
    del raw


async def test_messages_after_our_close_are_dropped(autojump_clock: Any) -> None:
    raw, context = raw_server()
    async with context as ws:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ws.close)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(100):
                raw.frame(TEXT, b"x")
            raw.frame(CLOSE, encode_close(1000))
        assert ws.statistics().inbox == 0


@pytest.mark.parametrize("deflate", [False, True])
async def test_fragments(autojump_clock: Any, deflate: bool) -> None:
    async def parts(*values: str | bytes) -> AsyncIterator[str | bytes]:
        for value in values:
            await trio.sleep(1)
            yield value

    async with open_pair(deflate=deflate) as (client, server):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, parts("a", "é", "c"))
            await trio.sleep(2.5)
            nursery.start_soon(client.send, "after")
            assert not client.send_nowait("between")
        assert await server.receive() == "aéc"
        assert await server.receive() == "after"
        await client.send(parts(b"1", b"2"))
        assert await server.receive() == b"12"
        await client.send(parts())
        assert await server.receive() == b""
        with pytest.raises(TypeError):
            await client.send(parts(b"1", "2"))


async def test_broadcast(autojump_clock: Any) -> None:
    text = "breaking news " * 20
    raw, context = raw_server()
    async with (
        context as slow,
        open_pair() as (plain_client, plain),
        open_pair(deflate=True) as (packed_client, packed),
        open_pair() as (gone_client, gone),
    ):
        while slow.send_nowait("x" * 1000):
            pass
        await gone_client.close()
        for _ in range(3):
            assert broadcast([slow, plain, packed, gone], text) == [slow]
            assert broadcast([plain_client, packed_client], text) == []
            assert broadcast([packed], b"bytes", compress=False) == []
            assert await plain_client.receive() == await packed_client.receive() == text
            assert await plain.receive() == await packed.receive() == text
            assert await packed_client.receive() == b"bytes"
            await packed.send(text)
            assert await packed_client.receive() == text
        slow.abort()
    del raw


async def test_cancelling_receive_loses_nothing(autojump_clock: Any) -> None:
    rng = random.Random(1)
    async with open_pair() as (client, server):

        async def feed() -> None:
            for number in range(100):
                await client.send(str(number))
                await trio.sleep(rng.random())

        got: list[str | bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            while len(got) < 100:
                with trio.move_on_after(rng.random()):
                    got.append(await server.receive())
        assert got == [str(number) for number in range(100)]


async def test_many_small_messages_let_others_run(autojump_clock: Any) -> None:
    options = WebSocketOptions(ping_interval=None, inbox_messages=100_000)
    client, server = memory_stream_pair(capacity=1_000_000)
    async with session(server, False, options) as ws:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while ws.statistics().received < 5000:
                turns += 1
                await trio.lowlevel.checkpoint()

        client.write(encode_frame(TEXT, b"x", mask=True) * 5000)
        with trio.fail_after(10):
            await other()
        assert turns > 20
        client.close()


def test_options_are_checked() -> None:
    with pytest.raises(ValueError):
        WebSocketOptions(inbox_messages=0)
    with pytest.raises(ValueError):
        WebSocketOptions(ping_interval=0)
