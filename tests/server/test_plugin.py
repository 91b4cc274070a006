"""The fixtures that programs use for their tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from tornado_trio import web
from tornado_trio.client import InvalidRequest, open_client
from tornado_trio.client.websocket import open_websocket
from tornado_trio.exchange import Exchange
from tornado_trio.net import MemoryNetwork
from tornado_trio.testing import MemoryServer
from tornado_trio.websocket import WebSocket

from .apps import hello, reply

MemoryServe = Callable[..., Awaitable[MemoryServer]]


async def test_two_servers_on_one_network(
    memory_serve: MemoryServe,
    memory_network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async def slow(exchange: Exchange) -> None:
        await trio.sleep(1000)
        reply(exchange, b"slow")

    first = await memory_serve(hello, host="first.local")
    second = await memory_serve(slow, host="second.local", port=8080)
    assert (await first.get("/")).body == b"hello"
    assert (await second.get("/")).body == b"slow"
    stream = await memory_network.connect("first.local", 80)
    await stream.send_all(b"GET / HTTP/1.0\r\n\r\n")
    assert (await stream.read_until_close()).endswith(b"hello")


async def test_a_host_of_asyncio(asyncio_host: None, autojump_clock: MockClock) -> None:
    """Both libraries may be awaited, and a scope cuts either; trio's clock jumps still."""
    with trio.move_on_after(3600):
        await trio.sleep_forever()
    assert trio.current_time() == 3600
    with trio.CancelScope() as scope:
        asyncio.get_running_loop().call_later(0.01, scope.cancel)
        await asyncio.sleep(60)
    assert scope.cancelled_caught


async def test_whose_loop_it_is(host: str) -> None:
    """As the parametrisation of this folder says."""
    if host == "asyncio":
        assert asyncio.get_running_loop().is_running()
    else:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()


class Visits(web.RequestHandler):
    async def get(self) -> None:
        count = int(self.get_cookie("visits") or 0) + 1
        self.set_cookie("visits", str(count))
        self.write({"visits": count, "q": self.get_query_argument("q", None)})

    async def post(self) -> None:
        self.write(self.request.body)


class Echo(web.WebSocketHandler):
    async def open(self, ws: WebSocket) -> None:
        await ws.send(self.get_cookie("visits") or "none")


async def test_the_client_of_a_server(memory_serve: MemoryServe) -> None:
    old = web.url("/old", web.RedirectHandler, {"url": "/visits"})
    app = web.Application([("/visits", Visits), ("/live", Echo), old])
    await memory_serve(hello, host="other.local", port=81)
    server = await memory_serve(app, port=8080)
    assert server.url == "http://test.local:8080"
    async with server.client() as client:
        posted = await client.post("/visits", json={"a": [1]})
        assert posted.json() == {"a": [1]}
        assert (await client.get("/visits", params={"q": "x"})).json() == {"visits": 1, "q": "x"}
        assert (await client.get("/old")).json() == {"visits": 2, "q": None}
        async with open_websocket("/live", client=client) as ws:
            assert await ws.receive() == "2"
        assert (await client.get("http://other.local:81/")).status == 200


async def test_a_websocket_without_a_base_needs_a_whole_url() -> None:
    async with open_client() as client:
        with pytest.raises(InvalidRequest, match="not a ws:// or wss:// URL"):
            async with open_websocket("/live", client=client):
                pass


async def test_a_base_that_is_none_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(ValueError, match="base_url: Unsupported url scheme"):
        async with open_client(base_url="api.example/v1"):
            pass


async def test_trio_in_a_task_of_asyncios_is_explained(
    asyncio_host: None, memory_serve: MemoryServe, caplog: pytest.LogCaptureFixture
) -> None:
    class Mixed(web.RequestHandler):
        async def get(self) -> None:
            wait = trio.lowlevel.checkpoint if self.get_argument("no", "") else trio.sleep_forever
            await asyncio.gather(wait())

    server = await memory_serve(web.Application([("/", Mixed)]))
    for path in ("/", "/?no=clock"):
        caplog.clear()
        assert (await server.get(path)).status == 500
        assert "trio's waits in a task of asyncio's" in caplog.text


async def test_what_is_no_message_of_a_websocket(
    memory_serve: MemoryServe, caplog: pytest.LogCaptureFixture
) -> None:
    class Sends(web.WebSocketHandler):
        async def open(self, ws: WebSocket) -> None:
            await ws.send({"a": 1})  # type: ignore[arg-type]

    server = await memory_serve(web.Application([("/", Sends)]))
    async with server.client() as client, open_websocket("/", client=client) as ws:
        await ws.wait_closed()
        assert ws.close_code == 1011
    assert "a message is str or bytes" in caplog.text and "not dict; as JSON" in caplog.text
