"""What programs take from websockets and from the HTTP clients."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
import tornado.httpclient
import tornado.simple_httpclient
import tornado.web
import tornado.websocket
from tornado import httputil
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient
from tornado.websocket import WebSocketHandler, WebSocketProtocol13, websocket_connect

from .programs import Site, in_loop, old_program


class Echo(WebSocketHandler):
    def on_message(self, message: str | bytes) -> Any:
        return self.write_message(message, binary=isinstance(message, bytes))


class Page(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("page")


# --- websockets ------------------------------------------------------------------------------
@in_loop
async def test_terminated_flags() -> None:
    seen: list[Any] = []
    closed = asyncio.Event()

    class Timer(Echo):
        def on_message(self, message: str | bytes) -> Any:
            self.protocol = self.ws_connection
            assert self.protocol is not None
            seen.append((self.protocol.client_terminated, self.protocol.server_terminated))
            self.write_message("go")

        def on_close(self) -> None:
            assert self.protocol is not None
            seen.append((self.protocol.client_terminated, self.protocol.server_terminated))
            closed.set()

    async with Site([("/", Timer)]) as site:
        client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
        client.write_message("x")
        assert await client.read_message() == "go"
        client.close()
        await closed.wait()
    assert seen == [(False, False), (True, True)]


@in_loop
async def test_get_websocket_protocol_overridden() -> None:
    from tornado.websocket import _WebSocketParams

    class Own(Echo):
        def get_websocket_protocol(self) -> Any:
            params = _WebSocketParams(
                ping_interval=None, ping_timeout=None, max_message_size=10, compression_options={}
            )
            self.write_message_size = params.max_message_size
            return WebSocketProtocol13(self, mask_outgoing=False, params=params)

        def get_compression_options(self) -> Any:
            return {}

    async with Site([("/", Own)]) as site:
        client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
        client.write_message("x" * 10)
        assert await client.read_message() == "x" * 10
        client.write_message("x" * 11)
        assert await client.read_message() is None
        assert client.close_code == 1009
        client.close()


@in_loop
async def test_abort() -> None:
    closed = asyncio.Event()

    class Drops(Echo):
        def on_message(self, message: str | bytes) -> Any:
            assert self.ws_connection is not None
            self.ws_connection._abort()

        def on_close(self) -> None:
            closed.set()

    async with Site([("/", Drops)]) as site:
        client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
        client.write_message("x")
        assert await client.read_message() is None and client.close_code is None
        await closed.wait()
        client.close()


class Extra(WebSocketProtocol13):
    """Says more in its answer, as proxies for websockets want it."""

    async def _accept_connection(self, handler: Any) -> None:
        handler.set_header("Grip-Hold", "stream")
        await super()._accept_connection(handler)


class Held(Echo):
    def get_websocket_protocol(self) -> Any:
        return Extra(self, False, tornado.websocket._WebSocketParams())


@in_loop
async def test_accept_connection_overridden() -> None:
    async with Site([("/", Held)]) as site:
        client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
        assert client.headers["Grip-Hold"] == "stream"
        client.write_message("x")
        assert await client.read_message() == "x"
        client.close()


@pytest.mark.parametrize("generation", ["4.5", "5.1"])
def test_accept_connection_overridden_in_old_releases(generation: str) -> None:
    old_program(
        """
import tornado.httpserver, tornado.ioloop, tornado.testing, tornado.web, tornado.websocket
from tornado import gen
from tornado.websocket import WebSocketProtocol13

class Plain(WebSocketProtocol13):
    def _accept_connection(self):
        self.handler.set_header("Grip-Hold", "stream")
        super(Plain, self)._accept_connection()

class Yields(WebSocketProtocol13):
    @gen.coroutine
    def _accept_connection(self):
        self.handler.set_header("Grip-Hold", "stream")
        yield super(Yields, self)._accept_connection()

kinds = [Plain] if tornado.version_info < (5,) else [Plain, Yields]

class Page(tornado.websocket.WebSocketHandler):
    def open(self):
        self.write_message("open")
    def get_websocket_protocol(self):
        return kinds[0](self, compression_options=None)
    def on_message(self, message):
        self.write_message(message)

@gen.coroutine
def main():
    listener, port = tornado.testing.bind_unused_port()
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Page)]))
    server.add_socket(listener)
    while kinds:
        client = yield tornado.websocket.websocket_connect("ws://127.0.0.1:%d/" % port)
        assert client.headers["Grip-Hold"] == "stream"
        message = yield client.read_message()
        assert message == "open", message
        client.write_message("x")
        message = yield client.read_message()
        assert message == "x", message
        client.close()
        kinds.pop(0)
    server.stop()

tornado.ioloop.IOLoop.current().run_sync(main)
""",
        generation,
    )


def test_last_ping_and_pong() -> None:
    old_program("""
import tornado.httpserver, tornado.ioloop, tornado.testing, tornado.web, tornado.websocket
from tornado import gen

loop = tornado.ioloop.IOLoop.current()

class Page(tornado.websocket.WebSocketHandler):
    def open(self):
        connection = self.ws_connection
        self.seen = (connection.last_ping, connection.last_pong)
        assert self.seen[0] == self.seen[1] and abs(loop.time() - self.seen[0]) < 60, self.seen
    def on_pong(self, data):
        connection = self.ws_connection
        assert connection.last_ping > self.seen[0] and connection.last_pong > self.seen[1]
        assert connection.last_pong >= connection.last_ping
        self.write_message("ponged")

@gen.coroutine
def main():
    listener, port = tornado.testing.bind_unused_port()
    app = tornado.web.Application([("/", Page)], websocket_ping_interval=0.05)
    server = tornado.httpserver.HTTPServer(app)
    server.add_socket(listener)
    client = yield tornado.websocket.websocket_connect("ws://127.0.0.1:%d/" % port)
    message = yield client.read_message()
    assert message == "ponged", message
    client.close()
    server.stop()

loop.run_sync(main)
""")


@in_loop
async def test_handle_message_overridden() -> None:
    """Every message and frame comes as bytes, whatever it is."""
    seen: list[tuple[int, bytes]] = []

    class Logged(WebSocketProtocol13):
        def _handle_message(self, opcode: int, data: bytes) -> Any:
            seen.append((opcode, data))
            return super()._handle_message(opcode, data)

    class Own(Echo):
        def get_websocket_protocol(self) -> Any:
            return Logged(self, False, tornado.websocket._WebSocketParams())

        def on_ping(self, data: bytes) -> None:
            pinged.set()

        def on_close(self) -> None:
            closed.set()

    pinged, closed = asyncio.Event(), asyncio.Event()
    async with Site([("/", Own)]) as site:
        client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
        client.write_message("caf\xe9")
        assert await client.read_message() == "caf\xe9"
        client.write_message(b"\x00\xff", binary=True)
        assert await client.read_message() == b"\x00\xff"
        client.ping(b"p")
        await pinged.wait()
        client.close(4000, "bye")
        await closed.wait()
    assert seen == [
        (1, b"caf\xc3\xa9"),
        (2, b"\x00\xff"),
        (9, b"p"),
        (8, b"\x0f\xa0bye"),
    ]


@in_loop
async def test_handle_message_patched() -> None:
    """A tracer wraps the method of the class itself."""
    seen: list[int] = []
    original = WebSocketProtocol13._handle_message

    def traced(self: Any, opcode: int, data: bytes) -> Any:
        seen.append(opcode)
        return original(self, opcode, data)

    with patch.object(WebSocketProtocol13, "_handle_message", traced):
        async with Site([("/", Echo)]) as site:
            client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
            client.write_message("x")
            assert await client.read_message() == "x"
            client.close()
    assert seen[:2] == [1, 1]  # server and client


@pytest.mark.parametrize("length", [1, 1000, 100_000])
@in_loop
async def test_websocket_mask_patched(length: int) -> None:
    """Another function masks what is sent, and unmasks what comes."""
    masked: list[int] = []

    def mask(key: bytes, data: bytes) -> bytes:
        masked.append(len(data))
        assert isinstance(key, bytes) and isinstance(data, bytes)
        return bytes(byte ^ key[index % 4] for index, byte in enumerate(data))

    original = tornado.websocket._websocket_mask
    with patch("tornado.websocket._websocket_mask", mask):
        assert tornado.websocket._websocket_mask is mask
        async with Site([("/", Echo)]) as site:
            client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
            client.write_message("x" * length)
            assert await client.read_message() == "x" * length
            client.close()
    assert masked[0] == length and sum(masked) >= 2 * length
    assert tornado.websocket._websocket_mask is original


@in_loop
async def test_websocket_mask_of_util_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[int] = []

    def mask(key: bytes, data: bytes) -> bytes:
        masked.append(len(data))
        return bytes(byte ^ key[index % 4] for index, byte in enumerate(data))

    monkeypatch.setattr("tornado.util._websocket_mask", mask)
    async with Site([("/", Echo)]) as site:
        client = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
        client.write_message("x" * 7)
        assert await client.read_message() == "x" * 7
        client.close()
    assert masked[:2] == [7, 7]


@in_loop
async def test_websocket_client_tcp_client() -> None:
    """Through a proxy: a subclass dials in its own way."""
    dialled: list[Any] = []

    class Proxied(tornado.websocket.WebSocketClientConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            connect = self.tcp_client.connect

            async def through(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
                dialled.append(host)
                return await connect("127.0.0.1", port, *args, **kwargs)

            self.tcp_client.connect = through

    async with Site([("/", Echo)]) as site:
        request: Any = tornado.httpclient._RequestProxy(
            HTTPRequest(f"ws://far.example:{site.port}/"), HTTPRequest._DEFAULTS
        )
        client = await Proxied(request).connect_future
        client.write_message("x")
        assert await client.read_message() == "x"
        client.close()
    assert dialled == ["far.example"]


# --- the simple client -----------------------------------------------------------------------
@in_loop
async def test_queue_of_the_simple_client() -> None:
    seen: list[Any] = []

    class Own(SimpleAsyncHTTPClient):
        def fetch_impl(self, request: Any, callback: Any) -> None:
            super().fetch_impl(request, callback)
            seen.append((len(self.active), len(self.queue), len(self.waiting), self.max_clients))
            self._process_queue()

    async with Site([("/", Page)]) as site:
        client = Own(force_instance=True, max_clients=1)
        url = f"http://127.0.0.1:{site.port}/"
        answers = await asyncio.gather(client.fetch(url), client.fetch(url))
        assert [each.body for each in answers] == [b"page", b"page"]
        assert seen == [(1, 0, 0, 1), (1, 1, 1, 1)]
        assert not client.active and not client.queue and not client.waiting
        client.close()


@in_loop
async def test_connections_of_the_simple_client() -> None:
    """A subclass stops at the headers."""
    heads: list[str] = []

    class HeadOnly(tornado.simple_httpclient._HTTPConnection):
        async def headers_received(self, start_line: Any, headers: Any) -> None:
            heads.append(headers["Content-Type"])
            result = super().headers_received(start_line, headers)
            if result is not None:
                await result

    class Own(SimpleAsyncHTTPClient):
        def _connection_class(self) -> type:
            return HeadOnly

        def _handle_request(self, request: Any, release: Any, final: Any) -> None:
            heads.append(request.url[-1:])
            super()._handle_request(request, release, final)

    async with Site([("/", Page)]) as site:
        client = Own(force_instance=True)
        response = await client.fetch(f"http://127.0.0.1:{site.port}/")
        assert response.body == b"page"
        client.close()
    assert heads == ["/", "text/html; charset=UTF-8"]


@in_loop
async def test_simple_client_tcp_client_patched() -> None:
    dialled: list[str] = []
    async with Site([("/", Page)]) as site:
        client: Any = SimpleAsyncHTTPClient(force_instance=True)
        connect = client.tcp_client.connect

        async def through(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
            dialled.append(host)
            return await connect("127.0.0.1", port, *args, **kwargs)

        client.tcp_client.connect = through
        response = await client.fetch(f"http://far.example:{site.port}/")
        assert response.body == b"page" and dialled == ["far.example"]
        client.close()
    assert isinstance(client.tcp_client, TCPClient)


def test_request_proxy() -> None:
    proxy = tornado.httpclient._RequestProxy(
        HTTPRequest("http://h/", user_agent="me"), dict(HTTPRequest._DEFAULTS, connect_timeout=3)
    )
    assert (proxy.url, proxy.user_agent) == ("http://h/", "me")
    assert proxy.connect_timeout == 3 and proxy.max_redirects == 5


@in_loop
async def test_implementation_arguments() -> None:
    saved: Any = AsyncHTTPClient._save_configuration()
    try:
        AsyncHTTPClient.configure(None, max_clients=7)
        assert AsyncHTTPClient._Configurable__impl_kwargs == {"max_clients": 7}  # type: ignore[attr-defined]
    finally:
        AsyncHTTPClient._restore_configuration(saved)


# --- the curl client -------------------------------------------------------------------------
try:
    import pycurl
    from tornado.curl_httpclient import CurlAsyncHTTPClient
except ImportError:
    CurlAsyncHTTPClient = object  # type: ignore[assignment, misc]

with_curl = pytest.mark.skipif(CurlAsyncHTTPClient is object, reason="pycurl is not installed")


class Told(tornado.web.RequestHandler):
    def get(self) -> None:
        headers = self.request.headers
        self.write(f"{headers.get('Referer')} {headers.get('Cookie')}")


@with_curl
@in_loop
async def test_free_handles_of_curl() -> None:
    async with Site([("/", Page)]) as site:
        client: Any = CurlAsyncHTTPClient(force_instance=True, max_clients=2)
        assert (len(client._free_list), len(client._curls)) == (2, 2)
        fetching = client.fetch(f"http://127.0.0.1:{site.port}/")
        assert len(client._free_list) == 1
        assert (await fetching).body == b"page"
        assert len(client._free_list) == 2
        client.close()


@with_curl
@in_loop
async def test_curl_create_and_setup_overridden() -> None:
    class Own(CurlAsyncHTTPClient):
        def _curl_create(self) -> Any:
            handle = super()._curl_create()
            handle.setopt(pycurl.REFERER, "http://made/")
            return handle

        def _curl_setup_request(self, curl: Any, request: Any, buffer: Any, headers: Any) -> None:
            super()._curl_setup_request(curl, request, buffer, headers)
            assert isinstance(headers, httputil.HTTPHeaders)
            assert curl.info["buffer"] is buffer and curl.info["request"] is request
            if request.url.endswith("?cookie"):
                curl.setopt(pycurl.COOKIE, "a=b")

    async with Site([("/", Told)]) as site:
        client: Any = Own(force_instance=True, max_clients=1)
        url = f"http://127.0.0.1:{site.port}/"
        assert (await client.fetch(url + "?cookie")).body == b"http://made/ a=b"
        client.close()


@with_curl
@in_loop
async def test_options_of_curl_create_last() -> None:
    """Longer than one request: upstream gave that up when it came to reset handles."""

    class Own(CurlAsyncHTTPClient):
        def _curl_create(self) -> Any:
            handle = super()._curl_create()
            handle.setopt(pycurl.REFERER, "http://made/")
            return handle

    async with Site([("/", Told)]) as site:
        client: Any = Own(force_instance=True, max_clients=1)
        url = f"http://127.0.0.1:{site.port}/"
        for _ in range(2):
            assert (await client.fetch(url)).body == b"http://made/ None"
        client.close()


@with_curl
@in_loop
async def test_curl_error_in_setup_overridden() -> None:
    class Own(CurlAsyncHTTPClient):
        def _curl_setup_request(self, curl: Any, request: Any, buffer: Any, headers: Any) -> None:
            raise ValueError("no")

    client: Any = Own(force_instance=True, max_clients=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await client.fetch("http://127.0.0.1/")
    assert len(client._free_list) == 1
    client.close()


def test_arguments_where_tornado_4_had_them() -> None:
    """Before today's second or third argument, which is given by its name."""
    old_program(
        """
import datetime
import tornado.gen, tornado.httpclient, tornado.httpserver, tornado.ioloop
import tornado.netutil, tornado.web, tornado.websocket
from tornado.testing import bind_unused_port

class Echo(tornado.websocket.WebSocketHandler):
    def open(self):
        self.write_message("hello")

class Missing(tornado.web.RequestHandler):
    def get(self):
        self.set_status(404, "Gone")

async def main():
    loop = tornado.ioloop.IOLoop.current()
    handlers = [("/ws", Echo), ("/", Missing)]
    app = tornado.web.Application(handlers, log_function=lambda handler: None)
    server = tornado.httpserver.HTTPServer(app)
    listener, port = bind_unused_port()
    server.add_socket(listener)
    seen = []
    client = tornado.httpclient.AsyncHTTPClient()
    await client.fetch(f"http://127.0.0.1:{port}/", seen.append, raise_error=False)
    url = f"ws://127.0.0.1:{port}/ws"
    connect = tornado.websocket.websocket_connect
    connection = await connect(url, loop, callback=seen.append, connect_timeout=5)
    assert await connection.read_message() == "hello"
    connection.close()
    second = datetime.timedelta(seconds=1)
    future = tornado.gen.sleep(0)
    await tornado.gen.with_timeout(second, future, loop, quiet_exceptions=(ValueError,))
    await tornado.netutil.Resolver().resolve("127.0.0.1", port, 0, seen.append)
    await tornado.gen.sleep(0.01)
    response, connected, addresses = seen
    assert (response.code, response.reason) == (404, "Gone")
    assert connected.result() is connection
    assert addresses == [(2, ("127.0.0.1", port))]
    server.stop()
    await server.close_all_connections()


tornado.ioloop.IOLoop.current().run_sync(main)
"""
    )
