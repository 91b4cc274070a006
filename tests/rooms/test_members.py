"""WebSockets as members of rooms: everybody hears everything once, slow ones too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.rooms.conftest import Places
from tornado_trio.client import Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.exchange import Exchange
from tornado_trio.rooms import Member, Message, Rooms, SlowConsumer
from tornado_trio.testing import memory_server
from tornado_trio.websocket import WebSocket, WebSocketOptions, accept

Connect = Callable[..., Any]


@asynccontextmanager
async def members_of(
    *rooms: Rooms, slow: SlowConsumer = SlowConsumer.WAIT, buffer: int = 1000, **join: Any
) -> AsyncIterator[tuple[Connect, list[Member]]]:
    """A server whose websockets join room "a"; connections take the processes in turn."""
    options = WebSocketOptions(
        slow_consumer=slow, send_buffer=buffer, ping_interval=None, deflate=None
    )
    members: list[Member] = []
    joined = trio.Semaphore(0)

    async def app(exchange: Exchange) -> None:
        place = rooms[len(members) % len(rooms)]
        since = exchange.start_line.path.partition("?since=")[2] or None
        async with accept(exchange, options=options) as ws:
            async with place.join("a", ws, since=since, **join) as member:
                members.append(member)
                joined.release()
                async for message in ws:
                    await place.publish("a", message)

    async with memory_server(app) as server:

        @asynccontextmanager
        async def connect(since: str = "") -> AsyncIterator[WebSocket]:
            url = "ws://test.local/" + (f"?since={since}" if since else "")
            quiet = WebSocketOptions(ping_interval=None, deflate=None)
            network = Network(dial=server.network.connect)
            async with open_websocket(url, network=network, options=quiet) as ws:
                with trio.fail_after(5):
                    await joined.acquire()
                yield ws

        yield connect, members


async def take(ws: WebSocket, count: int) -> list[str | bytes]:
    with trio.fail_after(15):
        return [await ws.receive() for _ in range(count)]


async def test_members_hear_each_other(places: Places) -> None:
    async with places() as (here, there), members_of(here, there) as (connect, _):
        async with connect() as ann, connect() as bob, connect() as cid:
            await ann.send("hello")
            await bob.send(b"\x00\x01")
            heard = await take(ann, 2)
            assert sorted(map(str, heard)) == ["b'\\x00\\x01'", "hello"]
            assert heard == await take(bob, 2) == await take(cid, 2)
            assert here.statistics().listeners >= 2


async def test_what_members_hear_is_made_once_for_all(places: Places) -> None:
    made = []

    def encode(message: Message) -> str:
        made.append(message.id)
        return json.dumps([message.id, message.data])

    async with places(1) as (here,), members_of(here, encode=encode) as (connect, _):
        async with connect() as ann, connect() as bob, connect() as cid:
            ids = [await here.publish("a", str(n)) for n in range(5)]
            expected = [json.dumps([i, str(n)]) for n, i in enumerate(ids)]
            for ws in (ann, bob, cid):
                assert await take(ws, 5) == expected
            assert made == ids


async def test_a_member_that_comes_back_misses_nothing(places: Places) -> None:
    def encode(message: Message) -> str:
        return json.dumps([message.id, message.data, message.missed])

    async with places(history=50) as (here, there):
        async with members_of(here, there, encode=encode) as (connect, _):
            async with connect() as ws:
                await here.publish("a", "0")
                last = json.loads((await take(ws, 1))[0])[0]
            for n in range(1, 20):
                await here.publish("a", str(n))
            async with connect(since=last) as ws:
                await there.publish("a", "20")
                heard = [json.loads(each) for each in await take(ws, 20)]
                assert [each[1] for each in heard] == [str(n) for n in range(1, 21)]
                assert not any(each[2] for each in heard)
            for n in range(60):
                await here.publish("a", str(n))
            async with connect(since=last) as ws:
                heard = [json.loads(each) for each in await take(ws, 50)]
                assert [each[1] for each in heard] == [str(n) for n in range(10, 60)]
                assert [each[2] for each in heard] == [True] + 49 * [False]


@pytest.mark.parametrize("kept", [100, 0])
async def test_a_slow_member_does_not_hold_up_others(places: Places, kept: int) -> None:
    big = "x" * 40_000
    async with places(1, history=kept) as (here,), members_of(here) as (connect, members):
        async with connect() as slow, connect() as fast:
            for n in range(60):
                await here.publish("a", f"{n}:{big}")
                heard = await take(fast, 1)
                assert str(heard[0]).startswith(f"{n}:")
            slow_one = members[0]
            if kept:
                # It was served from the history at its own pace, and is live again.
                heard = await take(slow, 60)
                assert [str(each).partition(":")[0] for each in heard] == [*map(str, range(60))]
                assert slow_one.dropped == 0
            else:
                assert slow_one.dropped > 0
            for each in (slow, fast):
                last = False
                while not last:
                    await here.publish("a", "last")
                    with trio.move_on_after(0.5):  # without a history it may be left out
                        while not last:
                            last = await each.receive() == "last"


async def test_a_member_too_slow_for_the_history_is_told(places: Places) -> None:
    def encode(message: Message) -> str:
        return ("!" if message.missed else "") + str(message.data)

    async with places(1, history=3) as (here,):
        async with members_of(here, encode=encode) as (connect, _):
            async with connect() as slow:
                for n in range(200):
                    await here.publish("a", f"{n}:" + "x" * 40_000)
                await here.publish("a", "end")
                heard = [""]
                while not heard[-1].endswith("end"):
                    heard.append(str((await take(slow, 1))[0]).partition(":")[0])
                numbers = [int(each.strip("!")) for each in heard[1:-1]]
                assert numbers == sorted(set(numbers)) and len(numbers) < 200
                for before, now, text in zip(numbers, numbers[1:], heard[2:-1], strict=False):
                    assert text.startswith("!") is (now != before + 1)


async def test_the_oldest_are_dropped(places: Places) -> None:
    drop = SlowConsumer.DROP_OLDEST
    async with places(1) as (here,), members_of(here, slow=drop) as (connect, members):
        async with connect() as slow:
            for n in range(200):
                await here.publish("a", f"{n}:" + "x" * 40_000)
            heard = [""]
            while heard[-1] != "199":
                heard.append(str((await take(slow, 1))[0]).partition(":")[0])
            assert len(heard) < 200


async def test_the_slow_one_is_closed(places: Places) -> None:
    close = SlowConsumer.CLOSE
    async with places(1) as (here,), members_of(here, slow=close) as (connect, _):
        async with connect() as slow, connect() as fast:
            for n in range(200):
                await here.publish("a", f"{n}:" + "x" * 40_000)
                await take(fast, 1)
            async for _message in slow:
                pass
            assert slow.close_code == 1013


async def test_members_with_a_key_are_present(places: Places) -> None:
    async with places() as (here, there):
        async with members_of(here, key="ann", meta={"x": 1}) as (connect, _):
            async with connect(), connect():
                for _ in range(50):
                    if (await there.present("a")) == {"ann": ({"x": 1}, {"x": 1})}:
                        break
                    await trio.sleep(0.05)
                else:
                    raise AssertionError(await there.present("a"))
            for _ in range(50):
                if not await there.present("a"):
                    break
                await trio.sleep(0.05)
            else:
                raise AssertionError("still there")


async def test_a_member_joins_once() -> None:
    async with Rooms() as rooms:
        failed = []

        async def app(exchange: Exchange) -> None:
            async with accept(exchange) as ws, rooms.join("a", ws), rooms.join("b", ws):
                try:
                    async with rooms.join("a", ws):
                        raise AssertionError("not reached")
                except ValueError as error:
                    failed.append(str(error))

        async with memory_server(app) as server:
            network = Network(dial=server.network.connect)
            async with open_websocket("ws://test.local/", network=network) as ws:
                assert [message async for message in ws] == []
        assert "already" in failed[0] and rooms.statistics().listeners == 0
