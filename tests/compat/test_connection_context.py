"""`request.connection.context`, `HTTPServer._connections`, and servers that make their own
`HTTP1ServerConnection` of them."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import gzip
import socket
from typing import Any

import pytest
from tornado import http1connection, httpserver, httputil, iostream, web, websocket
from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer, _HTTPRequestContext

from .test_httpserver import ask, both, in_loop, serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
BEHIND = b"X-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Proto: https\r\n"


class Look(web.RequestHandler):
    seen: list[Any]

    def get(self) -> None:
        context = self.request.connection.context
        assert type(context) is _HTTPRequestContext
        self.seen.append(context)
        self.finish(f"{self.request.remote_ip} {self.request.protocol} {context}")


@pytest.fixture
def seen() -> list[Any]:
    Look.seen = []
    return Look.seen


async def said(stream: Any, fields: bytes = b"") -> str:
    return (await ask(stream, GET + fields + b"\r\n"))[-1].decode()


class OwnContexts(HTTPServer):
    """As programs write it that look at each connection themselves."""

    def handle_stream(self, stream: Any, address: Any) -> None:
        context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        connection = HTTP1ServerConnection(stream, self.conn_params, context)
        self._connections.add(connection)
        connection.start_serving(self)


kinds = pytest.mark.parametrize("kind", [HTTPServer, OwnContexts])


@kinds
def test_what_it_says(kind: type[HTTPServer], seen: list[Any]) -> None:
    @in_loop
    async def main() -> None:
        async with serving(web.Application([("/", Look)]), kind) as (_, connect):
            stream, other = await connect(), await connect()
            for each in (stream, stream, other):
                body = await said(each, BEHIND)
                assert body == "127.0.0.1 http 127.0.0.1"
            assert seen[0] is seen[1] is not seen[2]
            context = seen[0]
            assert context.address == stream.socket.getsockname()
            assert context.address_family == socket.AF_INET
            assert (context.remote_ip, context.protocol) == ("127.0.0.1", "http")
            assert (context._orig_remote_ip, context._orig_protocol) == ("127.0.0.1", "http")
            assert context.trusted_downstream == set()

    main()


@kinds
def test_proxies_are_believed_for_one_request(kind: type[HTTPServer], seen: list[Any]) -> None:
    @in_loop
    async def main() -> None:
        app = web.Application([("/", Look)])
        options = {"xheaders": True, "trusted_downstream": ["10.2.2.2"]}
        async with serving(app, kind, **options) as (_, connect):
            stream = await connect()
            through = BEHIND.replace(b"10.1.1.1", b"10.1.1.1, 10.2.2.2")
            assert await said(stream, through) == "10.1.1.1 https 10.1.1.1"
            assert seen[0]._orig_remote_ip == "127.0.0.1"
            assert seen[0].trusted_downstream == {"10.2.2.2"}
            assert await said(stream) == "127.0.0.1 http 127.0.0.1"

    main()


@kinds
def test_a_way_of_the_programs(
    kind: type[HTTPServer], seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`_apply_xheaders`, replaced: what a CDN sends in a field of its own."""

    def apply(self: Any, headers: httputil.HTTPHeaders) -> None:
        self.remote_ip = headers.get("CF-Connecting-IP", self.remote_ip)

    monkeypatch.setattr(_HTTPRequestContext, "_apply_xheaders", apply)

    @in_loop
    async def main() -> None:
        app = web.Application([("/", Look)])
        async with serving(app, kind, xheaders=True) as (_, connect):
            stream = await connect()
            field = b"CF-Connecting-IP: 10.9.9.9\r\n"
            body = await said(stream, BEHIND + field)
            assert body == "10.9.9.9 http 10.9.9.9"
            assert (await said(stream)).startswith("127.0.0.1 ")

    main()


class SetByDelegate(httputil.HTTPMessageDelegate):
    """A program's own adapter between server and application."""

    def __init__(self, delegate: httputil.HTTPMessageDelegate, connection: Any) -> None:
        self.delegate, self.connection = delegate, connection

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        self.connection.context._apply_xheaders(headers)
        return self.delegate.headers_received(start_line, headers)

    def finish(self) -> None:
        self.delegate.finish()
        self.connection.context._unapply_xheaders()


@kinds
@pytest.mark.parametrize("xheaders", [False, True])
def test_what_a_delegate_says_of_the_client_holds(
    kind: type[HTTPServer], xheaders: bool, seen: list[Any]
) -> None:
    class Own(kind):  # type: ignore[misc, valid-type]
        def start_request(self, server_conn: object, request_conn: Any) -> Any:
            return SetByDelegate(super().start_request(server_conn, request_conn), request_conn)

    @in_loop
    async def main() -> None:
        async with serving(web.Application([("/", Look)]), Own, xheaders=xheaders) as (_, connect):
            stream = await connect()
            assert (await said(stream, BEHIND)).startswith("10.1.1.1 https ")
            assert (await said(stream)).startswith("127.0.0.1 http ")

    main()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="a pair of sockets has addresses here")
def test_addresses_that_are_none() -> None:
    left, right = socket.socketpair()
    try:

        class Stream:
            socket: Any = left

        for address, text in (("", ""), (b"/run/x", "/run/x")):
            context = _HTTPRequestContext(Stream(), address, None)
            assert (context.remote_ip, context.protocol) == ("0.0.0.0", "http")
            assert str(context) == text
        Stream.socket = None
        context = _HTTPRequestContext(Stream(), None, "https")
        assert (context.address_family, context.protocol) == (None, "https")
    finally:
        left.close()
        right.close()


# --- the connections of a server ----------------------------------------------------------------


class Waiting(web.RequestHandler):
    go: asyncio.Event

    async def get(self) -> None:
        await self.go.wait()
        self.finish("done")


class Chat(websocket.WebSocketHandler):
    def open(self) -> None:
        self.write_message("open")


@both
@in_loop
async def test_the_connections_of_a_server(kind: type[HTTPServer]) -> None:
    """Waiting until they are gone, as programs do that stop without losing a request."""
    Waiting.go = asyncio.Event()
    app = web.Application([("/", Waiting), ("/ws", Chat)])
    async with serving(app, kind) as (server, connect):
        assert len(server._connections) == 0 and not server._connections
        stream, idle = await connect(), await connect()
        await stream.write(GET + b"Connection: close\r\n\r\n")
        while len(server._connections) < 2:  # noqa: ASYNC110 - it is what programs do
            await asyncio.sleep(0.001)
        first, second = server._connections
        assert isinstance(first, HTTP1ServerConnection) and first in server._connections
        assert first is not second
        assert {each.stream.socket.getpeername() for each in (first, second)} == {
            each.socket.getsockname() for each in (stream, idle)
        }
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/ws")
        assert await client.read_message() == "open"
        assert len(server._connections) == 2  # one that was detached is not HTTP's any more
        client.close()
        idle.close()
        Waiting.go.set()
        assert (await stream.read_until_close()).endswith(b"done")
        while server._connections:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@in_loop
async def test_connections_that_a_program_adds_are_closed() -> None:
    Waiting.go = asyncio.Event()
    async with serving(web.Application([("/", Waiting)]), OwnContexts) as (server, connect):
        stream = await connect()
        await stream.write(GET + b"\r\n")
        while not server._connections:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert len(server._connections) == 1
        await server.close_all_connections()
        assert await stream.read_until_close() == b""
        Waiting.go.set()
        while server._connections:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@in_loop
async def test_connections_that_a_program_makes_are_drained() -> None:
    Waiting.go = asyncio.Event()
    async with serving(web.Application([("/", Waiting)]), OwnContexts) as (server, connect):
        stream = await connect()
        await stream.write(GET + b"\r\n")
        while not server._connections:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        draining = asyncio.ensure_future(server.drain(5))
        await asyncio.sleep(0.01)
        Waiting.go.set()
        answer = await stream.read_until_close()
        assert answer.endswith(b"done") and b"\r\nConnection: close\r\n" in answer
        assert (await draining).cancelled == 0


# --- answers that come too late -------------------------------------------------------------------


@both
@in_loop
async def test_answering_a_client_that_left(kind: type[HTTPServer]) -> None:
    """A function that keeps its requests, to answer them later: the error is the stream's."""
    kept: asyncio.Queue[Any] = asyncio.Queue()
    async with serving(kept.put_nowait, kind) as (_, connect):
        stream = await connect()
        await stream.write(GET + b"\r\n")
        connection = (await kept.get()).connection
        gone = asyncio.Event()
        connection.set_close_callback(gone.set)
        stream.close()
        await gone.wait()
        await asyncio.sleep(0.01)
        headers = httputil.HTTPHeaders({"Content-Length": "4"})
        for method, args in (
            ("write_headers", (httputil.ResponseStartLine("HTTP/1.1", 200, "OK"), headers)),
            ("write", (b"body",)),
        ):
            with pytest.raises(iostream.StreamClosedError):
                await getattr(connection, method)(*args)
        connection.finish()


# --- other names --------------------------------------------------------------------------------


def test_a_malformed_request_by_its_name_of_tornado_2() -> None:
    error: Any = httpserver._BadRequestException  # type: ignore[attr-defined]
    assert issubclass(error, Exception) and str(error("no")) == "no"

    def refuse(request: Any) -> None:
        raise error

    @in_loop
    async def main() -> None:
        async with serving(refuse) as (_, connect):
            stream = await connect()
            await stream.write(GET + b"\r\n")
            assert (await stream.read_until_close()).startswith(b"HTTP/1.1 400 ")

    main()


def test_a_body_inflated_on_its_way_to_a_delegate() -> None:
    got: list[Any] = []

    class Delegate(httputil.HTTPMessageDelegate):
        def headers_received(self, start_line: Any, headers: Any) -> None:
            got.append(dict(headers))

        def data_received(self, chunk: bytes) -> None:
            got.append(chunk)

        def finish(self) -> None:
            got.append("finish")

    gzipped: Any = http1connection._GzipMessageDelegate  # type: ignore[attr-defined]

    async def main(size: int | None) -> None:
        got.clear()
        delegate = gzipped(Delegate(), 4) if size is None else gzipped(Delegate(), 4, size)
        headers = httputil.HTTPHeaders({"Content-Encoding": "gzip"})
        delegate.headers_received(None, headers)
        await delegate.data_received(gzip.compress(b"wikipedia"))
        delegate.finish()

    asyncio.run(main(None))
    assert got == [{"X-Consumed-Content-Encoding": "gzip"}, b"wiki", b"pedi", b"a", "finish"]
    with pytest.raises(httputil.HTTPInputError):
        asyncio.run(main(5))
    assert b"wikip".startswith(b"".join(got[1:])) and "finish" not in got


def test_a_proxy_adapter_around_a_delegate() -> None:
    calls: list[str] = []

    class Context:
        def _apply_xheaders(self, headers: Any) -> None:
            calls.append("apply")

        def _unapply_xheaders(self) -> None:
            calls.append("unapply")

    class Connection(httputil.HTTPConnection):
        context = Context()

    class Delegate(httputil.HTTPMessageDelegate):
        def headers_received(self, start_line: Any, headers: Any) -> None:
            calls.append("headers")

        def finish(self) -> None:
            calls.append("finish")

        def on_connection_close(self) -> None:
            calls.append("close")

    adapter = httpserver._ProxyAdapter(Delegate(), Connection())
    line = httputil.RequestStartLine("GET", "/", "HTTP/1.1")
    adapter.headers_received(line, httputil.HTTPHeaders())
    adapter.data_received(b"")
    adapter.finish()
    adapter.on_connection_close()
    assert calls == ["apply", "headers", "finish", "unapply", "close", "unapply"]
