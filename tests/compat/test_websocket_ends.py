"""The end of a websocket is told at once, though the peer keeps its TCP connection open."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port, gen_test
from tornado.web import Application
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketHandler,
    WebSocketProtocol13,
    websocket_connect,
)

from .test_httpserver import in_loop
from .websocket_peer import Base, Recorder, frame

CLOSES = [
    (b"\x88\x02\x03\xe8", 1000),
    (b"\x88\x05\x0f\xa1bye", 4001),
    (b"\x88\x00", None),
]
MISTAKES = [
    b"\x81\x01\xff",  # not UTF-8
    b"\x83\x00",  # an opcode that does not exist
    b"\x81\x81\0\0\0\0x",  # masked, by a server
    b"\xc1\x01x",  # a bit of an extension that was not agreed on
]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_peer(talk: Talk) -> AsyncIterator[str]:
    """A server that shakes hands, talks, and then keeps its connections open to the end."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        [key] = re.findall("(?i)sec-websocket-key: (.*)\r", head)
        accept = WebSocketProtocol13.compute_accept_value(key)
        writer.write(
            b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept.encode()
        )
        await talk(reader, writer)
        await over.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        over.set()


def is_open(client: WebSocketClientConnection) -> bool:
    """Its TCP connection."""
    return not client.stream.closed()


@pytest.mark.parametrize("data, code", CLOSES)
@in_loop
async def test_a_client_is_told_of_the_close_frame(data: bytes, code: int | None) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x81\x01x" + data)

    async with raw_peer(talk) as url:
        client = await websocket_connect(url)
        assert await client.read_message() == "x"
        assert await client.read_message() is None
        assert is_open(client)
        assert client.close_code == code
        with pytest.raises(WebSocketClosedError):
            await client.write_message("late")
        client.close()


@pytest.mark.parametrize("data", MISTAKES)
@in_loop
async def test_a_client_is_told_of_a_violation(data: bytes) -> None:
    answered = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x81\x01x" + data)
        answered.set_result(await reader.readexactly(6))

    async with raw_peer(talk) as url:
        got: list[Any] = []
        told = asyncio.Event()

        def on_message(message: Any) -> None:
            got.append(message)
            if message is None:
                told.set()

        client = await websocket_connect(url, on_message_callback=on_message)
        await asyncio.wait_for(told.wait(), 5)
        assert is_open(client)
        assert got == ["x", None]
        assert (await answered)[0] == 0x88  # the close frame reaches the server all the same
    assert got == ["x", None]


@in_loop
async def test_a_client_that_closes_is_told_when_the_answer_has_come() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readexactly(8))[0] == 0x88
        writer.write(b"\x88\x02\x03\xe8")

    async with raw_peer(talk) as url:
        client = await websocket_connect(url)
        stream = client.stream
        client.close(1000)
        assert await client.read_message() is None
        assert not stream.closed()


class Watched(Recorder):
    """Says whether its connection was open still when it was told of the end."""

    def open(self, *args: str) -> None:
        super().open(*args)
        self.protocol: Any = self.ws_connection

    def on_close(self) -> None:
        super().on_close()
        self.events.append("open" if not self.protocol._native.closed else "closed")


class ServerTest(Base):
    def get_app(self) -> Any:
        app = super().get_app()
        app.add_handlers(".*", [("/watched", Watched)])
        return app

    @gen_test
    async def test_on_close_at_a_violation(self) -> None:
        for data, code in [
            (frame(1, b"\xff"), 1007),
            (frame(2, b"x" * 1001), 1009),
            (frame(3), 1002),
            (frame(1, b"x", mask=False), 1002),
        ]:
            peer, handler = await self.peer("/watched")
            peer.send(data)
            # The peer keeps its side open, and reads the close frame whole.
            events = await self.settle(handler)
            assert events == ["open", ("close", None, None), "open"]
            assert await peer.close_code() == code
            with pytest.raises(WebSocketClosedError):
                handler.write_message("late")

    @gen_test
    async def test_on_close_at_the_peers_close_frame(self) -> None:
        peer, handler = await self.peer("/watched")
        peer.send(frame(8, b"\x03\xe8"))
        assert (await self.settle(handler))[:2] == ["open", ("close", 1000, None)]
        assert await peer.close_code() == 1000

    @gen_test
    async def test_on_close_may_wait_and_close_again(self) -> None:
        peer, handler = await self.peer("/slow_to_close")
        peer.send(frame(3))
        await self.settle(handler)
        handler.close()
        handler.on_connection_close()
        assert await peer.close_code() == 1002


class Cancelling(WebSocketHandler):
    """Cancels the task that calls it, as programs do with all tasks."""

    def on_message(self, message: str | bytes) -> None:
        if message == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        self.write_message(message)

    def on_close(self) -> None:
        self.settings["closed"].append(self)


@pytest.mark.parametrize("message", ["cancel", "stay"])
def test_a_cancelled_websocket_ends_no_other(
    message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By the program, or by `asyncio.run` at its end."""
    app = Application([("/", Cancelling)], closed=[])

    async def main() -> None:
        sock, port = bind_unused_port()
        HTTPServer(app).add_socket(sock)
        first, other = [await websocket_connect(f"ws://127.0.0.1:{port}/") for _ in range(2)]
        await first.write_message(message)
        assert await first.read_message() == message
        if message == "cancel":
            assert await first.read_message() is None
            assert first.close_code == 1001
            assert len(app.settings["closed"]) == 1
        await other.write_message("hello")
        assert await other.read_message() == "hello"

    asyncio.run(main())
    assert len(app.settings["closed"]) == 2
    assert not caplog.records
