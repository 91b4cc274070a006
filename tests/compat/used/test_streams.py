"""What programs read, assign, call and override of streams, their own and a connection's."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import tornado.web
import tornado.websocket
import trustme
from tornado import gen
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from .programs import Site, in_loop, old_program


@contextlib.contextmanager
def pair(kind: type[IOStream] = IOStream) -> Iterator[tuple[IOStream, IOStream]]:
    left, right = (kind(sock) for sock in socket.socketpair())
    try:
        yield left, right
    finally:
        left.close()
        right.close()


# --- what is left to read --------------------------------------------------------------------
@in_loop
async def test_read_buffer_size() -> None:
    """Is there anything left, before a select?"""
    with pair() as (left, right):
        assert left._read_buffer_size == 0
        await right.write(b"one\ntwo")
        await left.read_until(b"\n")
        assert left._read_buffer_size == 3
        assert await left.read_bytes(3) == b"two"
        assert left._read_buffer_size == 0


@in_loop
async def test_read_buffer() -> None:
    """Read what is left without a read."""
    with pair() as (left, right):
        await right.write(b"head\nrest of it")
        await left.read_until(b"\n")
        buffer = left._read_buffer
        assert len(buffer) == 10 and bytes(buffer[:4]) == b"rest" and buffer.find(b"of") == 5
        assert bytes(buffer) == b"rest of it"
        del left._read_buffer[:5]
        left._read_buffer_size -= 5
        assert await left.read_bytes(5) == b"of it"


@in_loop
async def test_read_buffer_edited_while_a_read_is_pending() -> None:
    with pair() as (left, right):
        await right.write(b"abc")
        line = left.read_until(b"\n")
        while len(left._read_buffer) < 3:
            await gen.sleep(0.001)
        left._read_buffer[:0] = b">"
        left._read_buffer_size += 1
        await right.write(b"d\n")
        assert await line == b">abcd\n"


# --- a read given up by hand -----------------------------------------------------------------
@in_loop
async def test_add_io_state_after_a_read_given_up() -> None:
    """The recipe for a timeout that keeps the stream: all that knows of the read is reset."""
    with pair() as (left, right):
        first = left.read_bytes(3)
        with pytest.raises(gen.TimeoutError):
            await gen.with_timeout(IOLoop.current().time() + 0.01, first)
        loop = IOLoop.current()
        loop.remove_handler(left.socket)
        assert left._state is not None
        state = left._state & ~loop.READ
        left._state = None
        left._read_callback = None
        left._read_future = None
        left._read_bytes = None
        left._add_io_state(state)
        assert not left.reading()
        await right.write(b"abcdef")
        assert await left.read_bytes(6) == b"abcdef"
        assert not first.done()


@in_loop
async def test_state() -> None:
    with pair() as (left, _):
        loop = IOLoop.current()
        assert left._state is None
        pending = left.read_bytes(1)
        assert left._state == loop.READ | loop.ERROR
        left._read_future = None
        assert not left.reading()
        again = left.read_bytes(1)
        left.close()
        with pytest.raises(StreamClosedError):
            await again
        assert left._state is None and not pending.done()


def test_read_callback_reset() -> None:
    old_program("""
import socket
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

left, right = [IOStream(sock) for sock in socket.socketpair()]
loop = IOLoop.current()
seen = []
assert left._read_callback is None
left.read_bytes(3, seen.append)
assert left._read_callback is not None
left._read_callback = None
assert left._read_callback is None
def done(data):
    seen.append(data)
    loop.stop()
left.read_bytes(4, done)
right.write(b"abcd")
loop.call_later(10, loop.stop)
loop.start()
assert seen == [b"abcd"], seen
""")


@in_loop
async def test_close_callback_reset() -> None:
    with pair() as (left, _):
        told: list[int] = []
        left.set_close_callback(lambda: told.append(1))
        assert left._close_callback is not None
        left._close_callback = None
        left.close()
        await gen.sleep(0.01)
        assert told == []


# --- writing, and the end --------------------------------------------------------------------
@in_loop
async def test_write_buffer() -> None:
    with pair() as (left, _):
        assert len(left._write_buffer) == 0
        pending = left.write(b"x" * 8_000_000)
        assert len(left._write_buffer) > 0
        left.close()
        assert left._write_buffer is None
        with pytest.raises(StreamClosedError):
            await pending


@in_loop
async def test_maybe_add_error_listener() -> None:
    """A stream that nobody reads learns of its end once it is listened to."""
    with pair() as (left, right):
        told = asyncio.Event()
        left._close_callback = told.set
        left._maybe_add_error_listener()
        assert left._state is not None and left._state & IOLoop.READ
        right.close()
        await told.wait()
        assert left.closed()


@in_loop
async def test_signal_closed_wrapped() -> None:
    told: list[bool] = []

    class Own(IOStream):
        def _signal_closed(self) -> None:
            told.append(self.closed())
            super()._signal_closed()

    with pair(Own) as (left, _):
        pending = left.read_bytes(1)
        left.close()
        assert told == [True]
        with pytest.raises(StreamClosedError):
            await pending


def test_maybe_run_close_callback_wrapped() -> None:
    old_program("""
import socket
from tornado.ioloop import IOLoop
from tornado.iostream import BaseIOStream, IOStream

told = []
original = BaseIOStream._maybe_run_close_callback
def wrapped(self):
    told.append(self.closed())
    return original(self)
BaseIOStream._maybe_run_close_callback = wrapped
loop = IOLoop.current()
stream = IOStream(socket.socketpair()[0])
stream.set_close_callback(loop.stop)
stream._maybe_run_close_callback()
stream.close()
loop.start()
assert told[:2] == [False, True], told
""")


@in_loop
async def test_handlers_of_events_overridden() -> None:
    seen: list[str] = []

    class Own(IOStream):
        def _handle_events(self, fd: Any, events: int) -> None:
            seen.append("events")
            super()._handle_events(fd, events)

        def _handle_read(self) -> None:
            seen.append("read")
            super()._handle_read()

        def _handle_write(self) -> None:
            seen.append("write")
            super()._handle_write()

    with pair(Own) as (left, right):
        reading = left.read_bytes(4_000_000)
        await asyncio.gather(right.write(b"x" * 4_000_000), reading)
        assert {"events", "read", "write"} <= set(seen)


@in_loop
async def test_do_ssl_handshake() -> None:
    """TLS after a greeting in the clear, as a client of NATS makes it."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO tls\r\n")
        await writer.start_tls(server_context)
        writer.write(b"ping" + await reader.readexactly(4))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    loop = IOLoop.current()
    plain = IOStream(socket.socket())
    await plain.connect(server.sockets[0].getsockname())
    assert await plain.read_until(b"\r\n") == b"INFO tls\r\n"
    loop.remove_handler(plain.socket.fileno())
    wrapped = context.wrap_socket(
        plain.socket, do_handshake_on_connect=False, server_hostname="127.0.0.1"
    )
    stream = SSLIOStream(wrapped)
    stream._do_ssl_handshake()
    await stream.write(b"PONG")
    assert await stream.read_bytes(8) == b"pingPONG"
    stream.close()
    server.close()


# --- a connection's stream -------------------------------------------------------------------
class Streams(HTTPServer):
    """Sees its streams, which are then the program's own."""

    def handle_stream(self, stream: Any, address: Any) -> None:
        super().handle_stream(stream, address)


kinds = pytest.mark.parametrize("kind", [HTTPServer, Streams])


async def talk(site: Site, sent: bytes) -> bytes:
    """What comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(sent)
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data


@kinds
@in_loop
async def test_request_stream_read(kind: type[HTTPServer]) -> None:
    """A tunnel: bytes past the protocol, with a callback for the end."""

    class Tunnel(tornado.web.RequestHandler):
        async def connect(self) -> None:
            client = self.request.connection.stream
            await client.write(b"HTTP/1.0 200 Connection established\r\n\r\n")
            first = await client.read_bytes(4)
            rest = await client.read_until(b"\n")
            await client.write(b"<" + first + rest.strip() + b">")
            client.close()

        SUPPORTED_METHODS = ("CONNECT",)

    async with Site([("/.*|.*", Tunnel)], kind) as site:
        data = await talk(site, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\npingpong\n")
        assert data == b"HTTP/1.0 200 Connection established\r\n\r\n<pingpong>"


@kinds
@in_loop
async def test_request_stream_looked_at(kind: type[HTTPServer]) -> None:
    class Page(tornado.web.RequestHandler):
        async def get(self) -> None:
            stream = self.request.connection.stream
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.write(
                {
                    "closed": stream.closed(),
                    "writing": stream.writing(),
                    "same": stream.fileno() is stream.socket,
                    "_closed": stream._closed,
                }
            )

    async with Site([("/", Page)], kind) as site:
        response = await site.fetch()
        assert response.body == (
            b'{"closed": false, "writing": false, "same": true, "_closed": false}'
        )


@kinds
@in_loop
async def test_request_stream_closed_attribute(kind: type[HTTPServer]) -> None:
    seen: list[Any] = []

    class Page(tornado.web.RequestHandler):
        async def get(self) -> None:
            stream = self.request.connection.stream
            seen.append(stream._closed)
            stream.close()
            seen.append(stream._closed)

    async with Site([("/", Page)], kind) as site:
        await talk(site, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert seen == [False, True]


@kinds
@in_loop
async def test_request_stream_close_callback(kind: type[HTTPServer]) -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    class Waits(tornado.web.RequestHandler):
        async def get(self) -> None:
            self.request.connection.stream.set_close_callback(told.set)
            begun.set()
            await told.wait()

    async with Site([("/", Waits)], kind) as site:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await begun.wait()
        writer.close()
        await writer.wait_closed()
        await told.wait()


@kinds
@in_loop
async def test_request_stream_back_pressure(kind: type[HTTPServer]) -> None:
    """How full is it, and is it one?"""

    class Page(tornado.web.RequestHandler):
        async def get(self) -> None:
            stream = self.request.connection.stream
            assert isinstance(stream, IOStream)
            self.write(
                {
                    "unsent": len(stream._write_buffer),
                    "unread": stream._read_buffer_size,
                    "bytes": len(stream._read_buffer),
                    "most": stream.max_buffer_size >= 1024,
                }
            )

    async with Site([("/", Page)], kind) as site:
        response = await site.fetch()
        assert response.body == b'{"unsent": 0, "unread": 0, "bytes": 0, "most": true}'


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message: Any) -> None:
        self.write_message(message)


@kinds
@in_loop
async def test_websocket_stream_socket(kind: type[HTTPServer]) -> None:
    """The loop of a broadcast: forget those without a socket."""
    seen: list[Any] = []
    closed = asyncio.Event()

    class Page(Echo):
        def on_message(self, message: Any) -> None:
            self.connection = self.ws_connection
            assert self.connection is not None
            seen.append(bool(self.connection.stream.socket))
            self.write_message(message)

        def on_close(self) -> None:
            closed.set()

    async with Site([("/", Page)], kind) as site:
        client = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{site.port}/")
        client.write_message("x")
        assert await client.read_message() == "x"
        client.close()
        await closed.wait()
    assert seen == [True]


@kinds
@in_loop
async def test_websocket_stream_write_buffer(kind: type[HTTPServer]) -> None:
    """The next picture is sent when the last one has gone."""
    seen: list[int] = []

    class Page(Echo):
        def on_message(self, message: Any) -> None:
            assert self.ws_connection is not None
            stream = self.ws_connection.stream
            seen.append(len(stream._write_buffer))
            self.write_message(b"x" * 20_000_000, binary=True)
            seen.append(len(stream._write_buffer))

    async with Site([("/", Page)], kind) as site:
        url = f"ws://127.0.0.1:{site.port}/"
        client = await tornado.websocket.websocket_connect(url, max_message_size=30_000_000)
        client.write_message("x")
        assert len((await client.read_message()) or b"") == 20_000_000
        client.close()
    assert seen[0] == 0 and seen[1] > 1_000_000


@kinds
@in_loop
async def test_websocket_stream_add_io_state(kind: type[HTTPServer]) -> None:
    """A writer of the program's own puts a frame in the buffer and has it sent."""

    class Page(Echo):
        def on_message(self, message: Any) -> None:
            assert self.ws_connection is not None
            stream = self.ws_connection.stream
            frame = b"\x81\x04push"
            stream._write_buffer.append(frame)
            stream._total_write_index = getattr(stream, "_total_write_index", 0) + len(frame)
            stream._add_io_state(IOLoop.current().WRITE)

    async with Site([("/", Page)], kind) as site:
        client = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{site.port}/")
        client.write_message("x")
        assert await client.read_message() == "push"
        client.close()


@kinds
@in_loop
async def test_websocket_handler_stream(kind: type[HTTPServer]) -> None:
    class Page(Echo):
        def open(self) -> None:  # type: ignore[override]
            assert self.ws_connection is not None
            self.ws_connection.stream.set_nodelay(True)
            self.write_message("open")

    async with Site([("/", Page)], kind) as site:
        client = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{site.port}/")
        assert await client.read_message() == "open"
        client.close()
    old_program("""
import tornado.httpserver, tornado.ioloop, tornado.testing, tornado.web, tornado.websocket
from tornado import gen

class Page(tornado.websocket.WebSocketHandler):
    def open(self):
        self.stream.set_nodelay(True)
        self.write_message("open")

@gen.coroutine
def main():
    listener, port = tornado.testing.bind_unused_port()
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Page)]))
    server.add_socket(listener)
    client = yield tornado.websocket.websocket_connect("ws://127.0.0.1:%d/" % port)
    message = yield client.read_message()
    assert message == "open"
    client.close()
    server.stop()

tornado.ioloop.IOLoop.current().run_sync(main)
""")
