"""`HTTPServer`, connections and websockets as objects that programs look at and change."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from tornado import httputil, web, websocket
from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.tcpclient import TCPClient
from tornado.testing import bind_unused_port

from .test_httpserver import ask, both, in_loop, serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


# --- ssl_options, late ------------------------------------------------------------------------


class Protocol(web.RequestHandler):
    def get(self) -> None:
        self.write(self.request.protocol)


class Authority:
    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.client = ssl.create_default_context()
        self.ca.configure_trust(self.client)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("localhost").configure_cert(context)
        return context

    def files(self, folder: Path) -> dict[str, str]:
        certificate = self.ca.issue_cert("localhost")
        paths = {"certfile": folder / "cert.pem", "keyfile": folder / "key.pem"}
        certificate.cert_chain_pems[0].write_to_path(paths["certfile"])
        certificate.private_key_pem.write_to_path(paths["keyfile"])
        return {name: str(path) for name, path in paths.items()}


async def served_over(port: int, context: ssl.SSLContext | None) -> tuple[bytes, Any]:
    """What the handler said of its protocol, and the server's certificate."""
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    try:
        certificate = writer.get_extra_info("peercert")
        writer.write(LAST)
        return (await reader.read()).rpartition(b"\r\n")[2], certificate
    finally:
        writer.close()


@both
@in_loop
async def test_ssl_options_set_after_listen(kind: type[HTTPServer]) -> None:
    authority = Authority()
    sock, port = bind_unused_port()
    server = kind(web.Application([("/", Protocol)]))
    server.add_socket(sock)
    try:
        assert (await served_over(port, None))[0] == b"http"
        server.ssl_options = authority.context()
        assert (await served_over(port, authority.client))[0] == b"https"
        server.ssl_options = None
        assert (await served_over(port, None))[0] == b"http"
    finally:
        server.stop()
        await server.close_all_connections()


@in_loop
async def test_a_renewed_certificate_is_used(tmp_path: Path, caplog: Any) -> None:
    authority = Authority()
    options = authority.files(tmp_path)
    sock, port = bind_unused_port()
    server = HTTPServer(web.Application([("/", Protocol)]), ssl_options=options)
    server.add_socket(sock)

    async def serial() -> str:
        said, certificate = await served_over(port, authority.client)
        assert said == b"https"
        number: str = certificate["serialNumber"]
        return number

    try:
        first = await serial()
        assert await serial() == first
        authority.files(tmp_path)  # the same names
        second = await serial()
        assert second != first
        Path(options["certfile"]).write_text("half of a renewal")  # noqa: ASYNC240
        assert await serial() == second
        assert "cannot be loaded" in caplog.text
    finally:
        server.stop()
        await server.close_all_connections()


@in_loop
async def test_strange_ssl_options_are_looked_at_when_needed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sock, port = bind_unused_port()
    server = HTTPServer(web.Application([("/", Protocol)]), ssl_options=object())
    server.add_socket(sock)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        assert any(record.exc_info for record in caplog.records)
        server.ssl_options = None  # type: ignore[assignment]
        assert (await served_over(port, None))[0] == b"http"
    finally:
        server.stop()
        await server.close_all_connections()


# --- connections ------------------------------------------------------------------------------


@both
@in_loop
async def test_one_server_connection_for_all_requests(kind: type[HTTPServer]) -> None:
    seen: list[Any] = []

    class Look(web.RequestHandler):
        def get(self) -> None:
            connection = self.request.server_connection
            assert isinstance(connection, HTTP1ServerConnection)
            assert connection.stream is self.request.connection.stream
            assert connection.context.remote_ip == "127.0.0.1"
            assert connection.params is server.conn_params
            seen.append(connection)

    async with serving(web.Application([("/", Look)]), kind) as (server, connect):
        first, second = await connect(), await connect()
        for stream in (first, first, second):
            assert (await ask(stream, GET))[0] == "HTTP/1.1 200 OK"
        assert seen[0] is seen[1] is not seen[2]
        await seen[2].close()
        assert await second.read_until_close() == b""
        assert (await ask(first, GET))[0] == "HTTP/1.1 200 OK"


@both
@in_loop
async def test_delegates_count_connections(kind: type[HTTPServer]) -> None:
    opened: list[Any] = []
    closed = asyncio.Queue[Any]()

    class Counting(kind):  # type: ignore[misc, valid-type]
        def start_request(self, server_conn: Any, request_conn: Any) -> Any:
            opened.append(server_conn)
            return super().start_request(server_conn, request_conn)

        def on_close(self, server_conn: Any) -> None:
            super().on_close(server_conn)
            closed.put_nowait(server_conn)

    def answer(request: httputil.HTTPServerRequest) -> None:
        assert request.connection is not None
        request.connection.write_headers(
            httputil.ResponseStartLine("HTTP/1.1", 200, "OK"),
            httputil.HTTPHeaders({"Content-Length": "0"}),
        )
        request.connection.finish()

    async with serving(answer, Counting) as (_, connect):
        stream = await connect()
        for _ in range(2):
            assert (await ask(stream, GET))[0] == "HTTP/1.1 200 OK"
        stream.close()
        assert await closed.get() is opened[0] is opened[1]


class Detaching(web.RequestHandler):
    async def get(self) -> None:
        connection = self.request.connection
        assert connection.stream is not None
        stream = self.detach()
        assert isinstance(stream, IOStream) and not stream.closed()
        assert connection.stream is None
        await stream.write(b"bye")
        stream.close()


class Socket(websocket.WebSocketHandler):
    def open(self) -> None:
        assert self.request.connection.stream is None
        self.write_message("open")


@both
@in_loop
async def test_a_detached_connection_has_no_stream(kind: type[HTTPServer]) -> None:
    app = web.Application([("/", Detaching), ("/ws", Socket)])
    async with serving(app, kind) as (server, connect):
        stream = await connect()
        await stream.write(GET)
        assert await stream.read_until_close() == b"bye"
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/ws")
        assert await client.read_message() == "open"
        client.close()


# --- websockets of clients ----------------------------------------------------------------------


async def with_websocket(test: Callable[[int], Awaitable[None]]) -> None:
    async with serving(web.Application([("/ws.*", Socket)])) as (server, _):
        await test(next(iter(server._sockets.values())).getsockname()[1])


@in_loop
async def test_what_a_client_connection_shows() -> None:
    async def look(port: int) -> None:
        url = f"ws://user@127.0.0.1:{port}/ws?a=b"
        client: Any = await websocket.websocket_connect(url)
        assert client.parsed.netloc == f"user@127.0.0.1:{port}"
        assert (client.parsed.scheme, client.parsed.query) == ("http", "a=b")
        assert client.parsed_hostname == "127.0.0.1"
        assert isinstance(client.connection, HTTP1Connection)
        assert client.connection.stream is None  # it is the protocol's now
        assert isinstance(client.tcp_client, TCPClient)
        client.close()

    await with_websocket(look)


@pytest.mark.parametrize("patched", ["instance", "class"])
@in_loop
async def test_a_patched_tcp_client_connects(
    patched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As programs do that reach a websocket through a tunnel of their own."""
    own = TCPClient.connect
    asked: list[tuple[str, int]] = []

    async def look(port: int) -> None:
        async def connect(host: str, port_: int, af: Any, ssl_options: Any, **more: Any) -> Any:
            asked.append((host, port_))
            return await own(TCPClient(), "127.0.0.1", port)

        class Tunnelled(websocket.WebSocketClientConnection):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.tcp_client.connect = connect

        if patched == "class":
            method = staticmethod(connect)
            monkeypatch.setattr(TCPClient, "connect", method)
        else:
            module = "tornado._impl.websocket.client.WebSocketClientConnection"
            monkeypatch.setattr(module, Tunnelled)
        client = await websocket.websocket_connect("ws://elsewhere.test:81/ws")
        assert await client.read_message() == "open"
        assert asked == [("elsewhere.test", 81)]
        client.close()

    await with_websocket(look)
