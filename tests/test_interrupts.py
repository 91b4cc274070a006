"""What ends the process leaves our context managers as it is: callers catch it, shells see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.lowlevel

from tornado_trio import open_client, serve, web
from tornado_trio.client import Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.exchange import Cause, Exchange, Finished, HTTPHeaders, ResponseStartLine
from tornado_trio.net import MemoryNetwork
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.websocket import WebSocket


class Talks(web.WebSocketHandler):
    async def open(self, ws: WebSocket) -> None:
        async for _ in ws:
            pass


APP = web.Application([("/", Talks)])


async def in_open_client(error: BaseException) -> None:
    async with open_client():
        raise error


async def in_open_websocket(error: BaseException) -> None:
    async with memory_server(APP) as server:
        network = Network(dial=server.network.connect)
        async with open_websocket("ws://test.local/", network=network):
            raise error


async def in_a_nursery_around_a_conversation(error: BaseException) -> None:
    """A client's and a session of one's own, one in the other."""
    async with memory_server(APP) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network) as client:
            async with open_websocket("ws://test.local/", client=client) as ws:
                await ws.send("x")
                raise error


async def in_memory_server(error: BaseException) -> None:
    async with memory_server(APP):
        raise error


async def in_a_handler(error: BaseException) -> None:
    """Whose service ends in order: another request is answered."""
    answered = []

    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/exit":
            await trio.lowlevel.checkpoint()
            raise error
        await trio.sleep(0.2)
        head = ResponseStartLine("HTTP/1.1", 200, "OK")
        exchange.write_headers(head, HTTPHeaders({"Content-Length": "1"}), b"x")
        exchange.finish()

    network = MemoryNetwork()
    listener = network.listen(80, "a")

    async def ask(path: str) -> None:
        stream = await network.connect("a", 80)
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answered.append((await stream.read_until_close())[:12])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "/other")
        await trio.lowlevel.checkpoint()
        nursery.start_soon(ask, "/exit")
        try:
            await serve(app, listeners=[listener], grace=10)
        except (KeyboardInterrupt, SystemExit) as exit:
            assert exit is error
            caught = exit
    assert sorted(answered) == [b"HTTP/1.1 200", b"HTTP/1.1 503"]
    raise caught


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=["ctrl-c", "exit"])
@pytest.mark.parametrize(
    "place",
    [
        in_open_client,
        in_open_websocket,
        in_a_nursery_around_a_conversation,
        in_memory_server,
        in_a_handler,
    ],
)
def test_bare(place: Callable[[BaseException], Awaitable[None]], error: BaseException) -> None:
    with pytest.raises(BaseException) as caught:
        trio.run(place, error)
    assert caught.value is error




async def test_the_log_names_the_exit_that_ended_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Exits(web.RequestHandler):
        async def get(self) -> None:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with memory_server(web.Application([("/", Exits)])) as server:
            assert (await server.get("/")).code == 503
            await trio.sleep_forever()
    [said] = [each.getMessage() for each in caplog.records if "the server ends" in each.msg]
    assert "SystemExit: 3, " in said and "test_interrupts.py:" in said and "Exits.get" in said


@pytest.mark.parametrize("begun", [False, True], ids=["nothing sent", "half sent"])
async def test_the_record_of_an_exit_says_what_was_sent(begun: bool) -> None:
    class Exits(web.RequestHandler):
        async def get(self) -> None:
            if begun:
                self.set_status(202)
                self.write("half")
                await self.flush()
            await trio.lowlevel.checkpoint()
            raise SystemExit(3)

    records: list[Finished] = []
    options = ServerOptions(access_log=records.append)
    network = MemoryNetwork()
    app = web.Application([("/", Exits)])
    got = b""
    with pytest.raises(SystemExit):
        async with memory_server(app, options, network=network, host="a"):
            stream = await network.connect("a", 80)
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            got = await stream.read_until_close()
            await trio.sleep_forever()
    status = 202 if begun else 503
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert [(each.status, each.cause) for each in records] == [(status, Cause.CANCELLED)]
