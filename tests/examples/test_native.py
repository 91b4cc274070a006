"""The native services, in memory: real server, client and parsers; no port, no waiting."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.ports import free_port
from tornado_trio.client import Client, Network, open_client
from tornado_trio.client.websocket import WebSocketRefused, open_websocket
from tornado_trio.net.memory import MemoryNetwork
from tornado_trio.testing import MemoryServer, memory_server
from tornado_trio.websocket import WebSocket

from .programs import get, load, running

SITE = "http://test.local"


@asynccontextmanager
async def site(app: Any, network: MemoryNetwork) -> AsyncIterator[MemoryServer]:
    async with memory_server(app, network=network) as server:
        yield server


@asynccontextmanager
async def client_on(network: MemoryNetwork) -> AsyncIterator[Client]:
    async with open_client(network=Network(dial=network.connect)) as client:
        yield client


# --- prices ---------------------------------------------------------------------------------


@asynccontextmanager
async def prices() -> AsyncIterator[tuple[Any, Client, MemoryServer]]:
    network = MemoryNetwork()
    async with client_on(network) as client:
        app = load("native/prices.py").make_app(client, SITE)
        async with site(app, network) as server:
            yield app, client, server


async def test_prices_until_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async with prices() as (_, client, _):
        began = trio.current_time()
        response = await client.get(SITE + "/prices")
        assert response.json() == {"prices": {"near": 4, "far": 3, "slow": None}}
        assert trio.current_time() - began == pytest.approx(0.5, abs=0.01)
        # The question to the slow shop was cut: its connection is closed, not kept.
        assert client.statistics()["idle"] == 3


async def test_prices_takes_too_long(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with prices() as (app, client, _):
        app.settings["patience"] = 60
        response = await client.get(SITE + "/prices")
        assert response.status == 503
        assert trio.current_time() == pytest.approx(5, abs=0.01)


async def test_an_order_survives_its_client(autojump_clock: trio.testing.MockClock) -> None:
    async with prices() as (app, client, server):
        response = await client.post(SITE + "/orders", form={"shop": "near"})
        assert (response.status, app.settings["orders"]) == (201, ["near"])
        assert (await client.post(SITE + "/orders", form={"shop": "none"})).status == 404
        leaving = await server.connect()
        await leaving.send(
            b"POST /orders HTTP/1.1\r\nHost: test.local\r\nContent-Length: 8\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\nshop=far"
        )
        await trio.sleep(0.05)
        leaving.stream.close()
        await trio.sleep(1)
        assert app.settings["orders"] == ["near", "far"]


# --- events -------------------------------------------------------------------------------------


async def events_of(response: Any) -> AsyncIterator[str]:
    rest = b""
    async for chunk in response:
        *events, rest = (rest + chunk).split(b"\n\n")
        for event in events:
            yield event.decode()


async def test_events(autojump_clock: trio.testing.MockClock) -> None:
    example = load("native/events.py")
    network = MemoryNetwork()
    feed = example.Feed()
    async with site(example.make_app(feed), network), client_on(network) as client:
        async with client.stream("GET", SITE + "/events") as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            events = events_of(response)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(example.ticker, feed, 10)
                await trio.testing.wait_all_tasks_blocked()
                assert feed.followers == 1
                first = await anext(events)
                assert first.startswith('id: 1\ndata: {"time": ')
                assert trio.current_time() == pytest.approx(10, abs=1)
                nursery.cancel_scope.cancel()
            # No news: a sign of life, so that nothing in between takes the line for dead.
            assert await anext(events) == ": "
            await events.aclose()
        with trio.fail_after(30):
            while feed.followers:  # noqa: ASYNC110 (the handler is cancelled where it waits)
                await trio.sleep(0.1)

        for text in ("two", "three", "four"):
            feed.publish(text)
        headers = [("Last-Event-ID", "2")]
        async with client.stream("GET", SITE + "/events", headers=headers) as response:
            events = events_of(response)
            assert [await anext(events), await anext(events)] == [
                "id: 3\ndata: three",
                "id: 4\ndata: four",
            ]
            await events.aclose()


async def test_rows_wait_for_the_client(autojump_clock: trio.testing.MockClock) -> None:
    example = load("native/events.py")
    network = MemoryNetwork()
    async with site(example.make_app(example.Feed()), network) as server:
        async with client_on(network) as client:
            response = await client.get(SITE + "/rows?count=250")
            rows = [json.loads(line) for line in response.text.splitlines()]
            assert rows == [{"row": number} for number in range(250)]
        # Who asks for a million and reads nothing makes the server wait, not grow.
        silent = await server.connect()
        await silent.send(b"GET /rows?count=1000000 HTTP/1.1\r\nHost: test.local\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        [connection] = server.server.connections
        assert connection.stream.unsent < 256 * 1024


# --- rooms ---------------------------------------------------------------------------------------


@asynccontextmanager
async def member(network: MemoryNetwork, room: str) -> AsyncIterator[WebSocket]:
    async with (
        client_on(network) as client,
        open_websocket(f"ws://test.local/rooms/{room}", client=client) as ws,
    ):
        yield ws


async def test_rooms(autojump_clock: trio.testing.MockClock) -> None:
    example = load("native/rooms.py")
    network, rooms = MemoryNetwork(), example.Rooms()
    async with site(example.make_app(rooms), network) as server:
        async with member(network, "blue") as one, member(network, "red") as elsewhere:
            assert await one.receive() == await elsewhere.receive() == "1 are here"
            async with member(network, "blue") as two:
                assert await one.receive() == await two.receive() == "2 are here"
                await two.send("hello")
                assert await one.receive() == await two.receive() == "hello"
                assert json.loads((await server.get("/")).body) == {"blue": 2, "red": 1}
            await trio.testing.wait_all_tasks_blocked()
            assert json.loads((await server.get("/")).body) == {"blue": 1, "red": 1}
            with trio.move_on_after(1) as waiting:
                await elsewhere.receive()
            assert waiting.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()
        assert rooms.members == {}


async def test_a_member_who_does_not_read(autojump_clock: trio.testing.MockClock) -> None:
    example = load("native/rooms.py")
    network, rooms = MemoryNetwork(), example.Rooms()
    async with site(example.make_app(rooms), network) as server:
        silent = await server.connect()
        await silent.send(
            b"GET /rooms/blue HTTP/1.1\r\nHost: test.local\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        await silent.stream.read_until(b"1 are here")
        async with member(network, "blue") as talker:
            assert await talker.receive() == "2 are here"
            for number in range(500):
                await talker.send(f"{number:04}" * 1000)
                assert (await talker.receive())[:4] == f"{number:04}"
            [slow] = [ws for ws in rooms.members["blue"] if ws.statistics().dropped]
            assert slow.statistics().unsent <= 128 * 1024


async def test_no_websocket(autojump_clock: trio.testing.MockClock) -> None:
    example = load("native/rooms.py")
    network = MemoryNetwork()
    async with site(example.make_app(example.Rooms()), network) as server:
        assert (await server.get("/rooms/blue")).code in (400, 426)
        async with client_on(network) as client:
            with pytest.raises(WebSocketRefused) as caught:
                async with open_websocket(
                    "ws://test.local/rooms/blue",
                    client=client,
                    headers=[("Origin", "http://elsewhere.example")],
                ):
                    pass
            assert caught.value.status == 403


# --- as programs --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["prices", "events", "rooms"])
def test_as_a_program(name: str, tmp_path: Any) -> None:
    """It starts, answers, and ends on Ctrl+C."""
    from .programs import EXAMPLES

    port = free_port()
    program = tmp_path / f"{name}.py"
    program.write_text((EXAMPLES / f"native/{name}.py").read_text().replace("8888", str(port)))
    with running(program, overlay=False) as process:
        path = {"prices": "/shops/near", "events": "/rows?count=2", "rooms": "/"}[name]
        assert get(f"http://127.0.0.1:{port}{path}")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
