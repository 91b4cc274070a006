"""`request.connection.stream`, and tunnels that CONNECT handlers make with it."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme
from tornado import gen, web, websocket
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.testing import bind_unused_port

from .test_httpserver import ask, both, in_loop, serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
MEGABYTES = 3 * 1024 * 1024


# --- tunnels ------------------------------------------------------------------------------


class Gathering(web.RequestHandler):
    """A tunnel of two coroutines."""

    SUPPORTED_METHODS = ("CONNECT",)  # type: ignore[assignment]

    async def connect(self) -> None:
        assert self.request.uri is not None
        host, port = self.request.uri.split(":")
        client = self.request.connection.stream
        upstream = IOStream(socket.socket())
        await upstream.connect((host, int(port)))
        await client.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self.relay(client, upstream), self.relay(upstream, client))

    async def relay(self, source: IOStream, target: IOStream) -> None:
        try:
            while True:
                await target.write(await source.read_bytes(64 * 1024, partial=True))
        except StreamClosedError:
            target.close()


class CallingBack(web.RequestHandler):
    """A tunnel in the manner of Tornado 4."""

    SUPPORTED_METHODS = ("CONNECT",)  # type: ignore[assignment]

    @web.asynchronous
    def connect(self) -> None:
        assert self.request.uri is not None
        host, port = self.request.uri.split(":")
        client: Any = self.request.connection.stream
        upstream: Any = IOStream(socket.socket())

        def relay(target: Any, data: bytes | None) -> None:
            if data:
                target.write(data)

        def ended(target: Any, data: bytes | None = None) -> None:
            relay(target, data)
            target.close()

        def start() -> None:
            client.read_until_close(
                functools.partial(ended, upstream), functools.partial(relay, upstream)
            )
            upstream.read_until_close(
                functools.partial(ended, client), functools.partial(relay, client)
            )
            client.write(b"HTTP/1.0 200 Connection established\r\n\r\n")

        upstream.connect((host, int(port)), start)


tunnels = pytest.mark.parametrize("handler", [Gathering, CallingBack])
pytestmark = pytest.mark.filterwarnings("ignore:.*gone since Tornado 6")


@contextlib.asynccontextmanager
async def target(serve: Callable[[Any, Any], Any], **options: Any) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()


async def tunnel(connect: Any, port: int, ahead: bytes = b"") -> IOStream:
    stream: IOStream = await connect()
    line = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    await stream.write(line + ahead)
    head = await stream.read_until(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    return stream


@both
@tunnels
@in_loop
async def test_three_megabytes_each_way(kind: type[HTTPServer], handler: Any) -> None:
    async with target(echo) as port, serving(web.Application([(".*", handler)]), kind) as (_, go):
        stream = await tunnel(go, port)
        data = bytes(range(256)) * (MEGABYTES // 256)
        sent = stream.write(data)
        assert await stream.read_bytes(len(data)) == data
        await sent


@both
@tunnels
@in_loop
async def test_twenty_at_once(kind: type[HTTPServer], handler: Any) -> None:
    async with target(echo) as port, serving(web.Application([(".*", handler)]), kind) as (_, go):

        async def talk(number: int) -> None:
            stream = await tunnel(go, port)
            for round_ in range(5):
                said = b"%d/%d;" % (number, round_)
                await stream.write(said)
                assert await stream.read_until(b";") == said

        await gen.multi([talk(number) for number in range(20)])


@both
@tunnels
@in_loop
async def test_a_server_that_speaks_first_and_a_client_that_speaks_early(
    kind: type[HTTPServer], handler: Any
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome;")
        writer.write((await reader.readuntil(b";")).upper())
        await writer.drain()
        writer.close()

    async with target(greet) as port, serving(web.Application([(".*", handler)]), kind) as (_, go):
        stream = await tunnel(go, port)
        assert await stream.read_until(b";") == b"welcome;"
        await stream.write(b"hello;")
        assert await stream.read_until_close() == b"HELLO;"
        stream = await tunnel(go, port, ahead=b"early;")
        assert await stream.read_until_close() == b"welcome;EARLY;"


@both
@tunnels
@in_loop
async def test_tls_inside(kind: type[HTTPServer], handler: Any) -> None:
    authority = trustme.CA()
    serving_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("inside.test").configure_cert(serving_context)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with (
        target(echo, ssl=serving_context) as port,
        serving(web.Application([(".*", handler)]), kind) as (_, go),
    ):
        plain = await tunnel(go, port)
        inside = await plain.start_tls(False, context, server_hostname="inside.test")
        await inside.write(b"secret;")
        assert await inside.read_until(b";") == b"secret;"
        inside.close()


@both
@in_loop
async def test_a_tunnel_that_is_refused(kind: type[HTTPServer]) -> None:
    class Refusing(web.RequestHandler):
        SUPPORTED_METHODS = ("CONNECT",)  # type: ignore[assignment]

        def connect(self) -> None:
            self.set_status(403)
            self.finish("no")

    async with serving(web.Application([(".*", Refusing)]), kind) as (_, go):
        first, _, body = await ask(await go(), b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (first, body) == ("HTTP/1.1 403 Forbidden", b"no")


# --- the stream of a connection -------------------------------------------------------------


class Looking(web.RequestHandler):
    def get(self) -> None:
        stream = self.request.connection.stream
        assert isinstance(stream, IOStream) and not isinstance(stream, SSLIOStream)
        assert stream is self.request.connection.stream
        assert not stream.closed() and not stream._closed
        assert stream.socket.getpeername()[0] == "127.0.0.1"
        assert stream.fileno() is stream.socket  # as upstream: programs call its methods
        assert stream.max_buffer_size >= 64 * 1024
        assert stream.error is None
        stream.set_nodelay(True)
        self.write("looked")


class LookingSocket(websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        assert self.ws_connection is not None
        stream = self.ws_connection.stream
        self.write_message(f"{stream._closed} {stream.closed()}")


@both
@in_loop
async def test_looking_takes_nothing(kind: type[HTTPServer]) -> None:
    app = web.Application([("/", Looking), ("/ws", LookingSocket)])
    async with serving(app, kind) as (server, go):
        stream = await go()
        for _ in range(2):
            assert (await ask(stream, GET))[2] == b"looked"
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/ws")
        await client.write_message("x")
        assert await client.read_message() == "False False"
        client.close()


@both
@in_loop
async def test_reading_takes_the_connection(kind: type[HTTPServer]) -> None:
    ended = asyncio.Event()

    class Reading(web.RequestHandler):
        async def get(self) -> None:
            stream = self.request.connection.stream
            line = await stream.read_until(b";")
            assert self.request.connection.stream is stream
            await stream.write(line.upper())
            buffer = bytearray(4)
            await stream.read_into(buffer)
            await stream.write(bytes(buffer))
            stream.close()
            with pytest.raises(StreamClosedError):
                await stream.read_bytes(1)
            ended.set()

    async with serving(web.Application([("/", Reading)]), kind) as (_, go):
        stream = await go()
        await stream.write(GET)
        await stream.write(b"ab;")
        assert await stream.read_until(b";") == b"AB;"
        await stream.write(b"wxyz")
        assert await stream.read_until_close() == b"wxyz"
        await ended.wait()


@pytest.mark.parametrize("own", [True, False])
@in_loop
async def test_a_close_callback_while_the_handler_waits(own: bool) -> None:
    told: list[str] = []
    waiting, gone = asyncio.Event(), asyncio.Event()

    class Waiting(web.RequestHandler):
        async def get(self) -> None:
            stream = self.request.connection.stream
            stream.set_close_callback(self.gone if own else self.on_connection_close)
            waiting.set()
            await gone.wait()

        def gone(self) -> None:
            told.append("gone")
            gone.set()

        def on_connection_close(self) -> None:
            told.append("handler")
            gone.set()

    sock, port = bind_unused_port()
    server = HTTPServer(web.Application([("/", Waiting)]))
    server.add_socket(sock)
    stream = IOStream(socket.socket())
    await stream.connect(("127.0.0.1", port))
    await stream.write(GET)
    await waiting.wait()
    stream.close()
    await gone.wait()
    server.stop()
    await server.close_all_connections()
    assert told == (["gone"] if own else ["handler"])
