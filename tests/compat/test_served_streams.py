"""`HTTPServer.handle_stream`: a program's own IOStreams, served by the native connection."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import socket
import ssl
from typing import Any

import pytest
import trustme
from tornado import web, websocket
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.testing import bind_unused_port

from .test_httpserver import GET, ask, in_loop, serving


class Streams(HTTPServer):
    """Keeps the streams it is given."""

    streams: list[IOStream]

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        self.streams = [*getattr(self, "streams", ()), stream]
        super().handle_stream(stream, address)


class Own(web.RequestHandler):
    """Says what it sees of its stream."""

    def get(self) -> None:
        stream = self.request.connection.stream
        same = stream is self.application.settings["server"].streams[-1]
        self.write({"same": same, "closed": stream.closed(), "ip": self.request.remote_ip})


def app_of(handler: type[web.RequestHandler]) -> web.Application:
    return web.Application([("/", handler)])


@in_loop
async def test_the_stream_is_the_programs() -> None:
    app = app_of(Own)
    async with serving(app, Streams) as (server, connect):
        app.settings["server"] = server
        stream = await connect()
        closed = asyncio.Event()
        for _ in range(3):  # one connection, kept alive
            first, _, body = await ask(stream, GET + b"\r\n")
            assert first == "HTTP/1.1 200 OK"
            assert body == b'{"same": true, "closed": false, "ip": "127.0.0.1"}'
        (own,) = server.streams
        own.set_close_callback(closed.set)
        stream.close()
        await closed.wait()
        assert own.closed()


@in_loop
async def test_a_stream_that_the_program_closes() -> None:
    """The handler that waits is told, as by any client that leaves."""
    told = asyncio.Event()

    class Waits(web.RequestHandler):
        async def get(self) -> None:
            self.request.connection.stream.close()
            await told.wait()

        def on_connection_close(self) -> None:
            told.set()

    async with serving(app_of(Waits), Streams) as (_, connect):
        stream = await connect()
        await stream.write(GET + b"\r\n")
        assert await stream.read_until_close() == b""
        await told.wait()


@in_loop
async def test_a_subclass_of_the_stream_does_the_work() -> None:
    """What a program overrides of its stream is what is read from, and written to."""

    class Shouting(IOStream):
        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            count = super().read_from_fd(buf)
            if count:
                memoryview(buf)[:count] = bytes(buf[:count]).replace(b"quiet", b"QUIET")
            return count

    class Shouts(HTTPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            super().handle_stream(Shouting(stream._give_away()), address)

    class Echo(web.RequestHandler):
        def post(self) -> None:
            self.write(self.request.body)

    async with serving(app_of(Echo), Shouts) as (_, connect):
        stream = await connect()
        _, _, body = await ask(
            stream, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nquiet"
        )
        assert body == b"QUIET"


class Tunnel(web.RequestHandler):
    """Reads from its stream, and so takes it over."""

    async def get(self) -> None:
        stream = self.request.connection.stream
        line = await stream.read_until(b"\n")
        await stream.write(b"got " + line)
        assert stream is self.request.connection.stream
        stream.close()


@pytest.mark.parametrize("ahead", [True, False])
@in_loop
async def test_reading_takes_the_connection_over(ahead: bool) -> None:
    async with serving(app_of(Tunnel), Streams) as (_, connect):
        stream = await connect()
        if ahead:  # read by the server along with the request
            await stream.write(GET + b"\r\nhere\n")
        else:
            await stream.write(GET + b"\r\n")
            await asyncio.sleep(0.05)
            await stream.write(b"here\n")
        assert await stream.read_until_close() == b"got here\n"


@in_loop
async def test_detach_gives_the_stream() -> None:
    class Takes(web.RequestHandler):
        async def get(self) -> None:
            stream = self.detach()
            assert stream is self.application.settings["server"].streams[-1]
            assert await stream.read_bytes(4) == b"more"
            await stream.write(b"thanks")
            stream.close()

    app = app_of(Takes)
    async with serving(app, Streams) as (server, connect):
        app.settings["server"] = server
        stream = await connect()
        await stream.write(GET + b"\r\nmore")
        assert await stream.read_until_close() == b"thanks"


@in_loop
async def test_large_bodies_both_ways() -> None:
    class Echo(web.RequestHandler):
        def post(self) -> None:
            self.write(self.request.body)

    body = bytes(range(256)) * 8192  # 2 MiB: more than the kernel holds
    async with serving(app_of(Echo), Streams) as (_, connect):
        stream = await connect()
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        writing = stream.write(head + body)
        answer = await stream.read_until(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        await asyncio.sleep(0.05)  # the server's writes have to wait
        assert await stream.read_bytes(len(body)) == body
        await writing


@in_loop
async def test_websockets() -> None:
    class Echo(websocket.WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            self.write_message(message)

    async with serving(app_of(Echo), Streams) as (server, connect):
        (sock,) = server._sockets.values()
        url = f"ws://127.0.0.1:{sock.getsockname()[1]}/"
        client = await websocket.websocket_connect(url)
        for message in ("one", "two" * 100_000):
            client.write_message(message)
            assert await client.read_message() == message
        client.close()
        assert await client.read_message() is None
        (own,) = server.streams
        while not own.closed():  # noqa: ASYNC110 - a turn or two
            await asyncio.sleep(0.01)


@in_loop
async def test_tls() -> None:
    ca = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    ca.configure_trust(client_context)

    class Protocol(web.RequestHandler):
        def get(self) -> None:
            assert isinstance(self.request.connection.stream, SSLIOStream)
            self.write(self.request.protocol)

    app = app_of(Protocol)
    async with serving(app, Streams, ssl_options=server_context) as (server, _):
        (sock,) = server._sockets.values()
        stream = SSLIOStream(socket.socket(), ssl_options=client_context)
        await stream.connect(sock.getsockname(), server_hostname="localhost")
        first, _, body = await ask(stream, GET + b"\r\n")
        assert (first, body) == ("HTTP/1.1 200 OK", b"https")
        stream.close()


@in_loop
async def test_a_stream_from_anywhere() -> None:
    """Not accepted by the server at all; before it listens, too."""
    theirs, ours = socket.socketpair()
    server = HTTPServer(app_of(Quick))
    server.handle_stream(IOStream(theirs), ("192.0.2.1", 1234))
    stream = IOStream(ours)
    first, _, body = await ask(stream, GET + b"\r\n")
    assert (first, body) == ("HTTP/1.1 200 OK", b"192.0.2.1")
    await server.close_all_connections()
    assert await stream.read_until_close() == b""


class Quick(web.RequestHandler):
    def get(self) -> None:
        self.write(self.request.remote_ip or "")


@in_loop
async def test_a_cancelled_wait_loses_nothing() -> None:
    """The adapter's wait for bytes is cut; the next read of the stream is another."""
    import trio
    from tornado._impl.streams.adapter import IOStreamAdapter
    from tornado.platform.trio import run_task

    listener, port = bind_unused_port()
    client = IOStream(socket.socket())
    await client.connect(("127.0.0.1", port))
    accepted, _ = listener.accept()
    listener.close()
    stream = IOStream(accepted)
    adapter = IOStreamAdapter(stream)

    async def waits() -> None:
        with trio.move_on_after(0.01):
            await adapter.wait_readable()
        await client.write(b"late")
        assert await adapter.read_some() == b"late"

    await run_task(waits())
    adapter.give_back()
    await client.write(b"own")
    assert await stream.read_bytes(3) == b"own"
    client.close()
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(1)
    stream.close()


# --- the stream of a websocket -------------------------------------------------------------
@pytest.mark.parametrize("kind", [HTTPServer, Streams])
@in_loop
async def test_the_stream_of_a_websocket(kind: type[HTTPServer]) -> None:
    """An IOStream to look at; read, it takes the connection over."""
    seen: dict[str, Any] = {}
    closed, ended = asyncio.Event(), asyncio.Event()

    class Echo(websocket.WebSocketHandler):
        async def on_message(self, message: str | bytes) -> None:
            assert self.ws_connection is not None
            stream = self.ws_connection.stream
            assert isinstance(stream, IOStream) and stream is self.stream
            seen.update(
                closed=stream.closed(),
                unsent=len(stream._write_buffer),
                family=stream.socket.family,
            )
            if message == "look":
                stream.set_close_callback(closed.set)
                await self.write_message("seen")
                return
            await self.write_message("go on")
            line = await stream.read_until(b"\n")
            await stream.write(b"raw " + line)
            stream.close()

        def on_close(self) -> None:
            ended.set()

    async with serving(app_of(Echo), kind) as (server, _):
        (sock,) = server._sockets.values()
        url = f"ws://127.0.0.1:{sock.getsockname()[1]}/"
        client = await websocket.websocket_connect(url)
        await client.write_message("look")
        assert await client.read_message() == "seen"
        assert seen == {"closed": False, "unsent": 0, "family": socket.AF_INET}
        client.close()
        await closed.wait()
        await ended.wait()
        ended.clear()
        client = await websocket.websocket_connect(url)
        await client.write_message("take")
        assert await client.read_message() == "go on"
        raw = client.stream
        assert isinstance(raw, IOStream)
        await raw.write(b"line\n")
        assert await raw.read_until_close() == b"raw line\n"
        await ended.wait()
