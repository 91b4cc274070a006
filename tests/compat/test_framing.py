"""Framing and answers through Tornado's API, over sockets and over streams.

The rules are the wire's and the handlers' (tests/wire, tests/web); this is the other door.
"""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import logging
from typing import Any

import pytest
from tornado import httputil, routing, web, websocket
from tornado.httpserver import HTTPServer

from .test_httpserver import ask, both, in_loop, serving


class Coding(web.RequestHandler):
    """Hands on another server's fields, as proxies do."""

    async def get(self) -> None:
        self.set_header("Transfer-Encoding", "gzip")
        self.write("hello")
        await self.flush()
        self.write("more")


@both
@in_loop
async def test_a_coding_of_the_program_does_not_replace_chunks(kind: type[HTTPServer]) -> None:
    async with serving(web.Application([("/", Coding)]), kind) as (_, connect):
        stream = await connect()
        await stream.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = (await stream.read_until_close()).partition(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        assert body == b"5\r\nhello\r\n4\r\nmore\r\n0\r\n\r\n"
        stream = await connect()
        await stream.write(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await stream.read_until_close()).partition(b"\r\n\r\n")
        assert (b"Transfer-Encoding" in head, body) == (False, b"hellomore")


class Unsendable(web.RequestHandler):
    def get(self, what: str) -> None:
        match what:
            case "cookie":
                self.set_cookie("m", "\u6d4b")
            case "path":
                self.set_cookie("m", "x", path="/\u6d4b")
            case "status":
                self.set_status(1000, "x")
            case "interim":
                self.set_status(102, "x")
            case "name":
                self._headers["X y"] = "1"
            case "default":
                self.application.settings["bad"] = True
                raise web.HTTPError(400)
            case length:
                self.set_header("Content-Length", length)
        self.write("hello")

    def set_default_headers(self) -> None:
        if self.application.settings.pop("bad", False):
            self._headers["X y"] = "1"


@both
@pytest.mark.parametrize(
    "what", ["cookie", "path", "status", "interim", "name", "default", "3", "9", "abc", "-5"]
)
@in_loop
async def test_a_head_that_cannot_be_sent_is_answered_500(
    kind: type[HTTPServer], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = web.Application([("/(.*)", Unsendable)])
    async with serving(app, kind) as (_, connect):
        for version in ("1.1", "1.0"):
            stream = await connect()
            request = f"GET /{what} HTTP/{version}\r\nHost: a\r\n\r\n".encode()
            first, _, _ = await ask(stream, request)
            assert first == "HTTP/1.1 500 Internal Server Error"
    assert any(record.levelno == logging.ERROR for record in caplog.records)


class Told(web.RequestHandler):
    def get(self, *args: str) -> None:
        request = self.request
        self.write({"uri": request.uri, "version": request.version, "args": args})
        self.write({"q": self.get_arguments("q")})


@both
@in_loop
async def test_raw_bytes_and_versions(kind: type[HTTPServer]) -> None:
    app: Any = web.Application([("/a/(.*)", Told)])
    async with serving(app, kind) as (_, connect):
        stream = await connect()
        for line, answer in (
            ("/a/café?q=é HTTP/1.1", b'"/a/caf%C3%A9?q=%C3%A9", "version": "HTTP/1.1"'),
            ("/a/b HTTP/1.2", b'"/a/b", "version": "HTTP/1.1", "args": ["b"]'),
        ):
            first, _, body = await ask(stream, f"GET {line}\r\nHost: a\r\n\r\n".encode())
            assert first == "HTTP/1.1 200 OK"
            assert answer in body
        await stream.write(b"GET /a/b#c HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await stream.read_until_close()).startswith(b"HTTP/1.1 400 ")


@both
@in_loop
async def test_options_of_the_server(kind: type[HTTPServer]) -> None:
    for pattern in ("/a/(.*)", "(.*)"):
        async with serving(web.Application([(pattern, Told)]), kind) as (_, connect):
            stream = await connect()
            first, headers, _ = await ask(stream, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
            assert first == "HTTP/1.1 204 No Content"
            assert "Content-Length" not in headers


class Redirecting(web.RequestHandler):
    def get(self) -> None:
        self.redirect("/café")


class Found(web.RequestHandler):
    def get(self) -> None:
        self.write("found")


@both
@in_loop
async def test_redirects_and_routes_beyond_ascii(kind: type[HTTPServer]) -> None:
    app = web.Application([("/", Redirecting), ("/café", Found)])
    async with serving(app, kind) as (_, connect):
        stream = await connect()
        _, headers, _ = await ask(stream, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert headers["Location"] == "/caf%C3%A9"
        for path in ("/caf%C3%A9", "/caf%c3%a9", "/café"):
            request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            assert (await ask(stream, request))[2] == b"found"


class Socket(websocket.WebSocketHandler):
    pass


@both
@in_loop
async def test_keys_of_websockets(kind: type[HTTPServer]) -> None:
    good = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    head = (
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
    )
    async with serving(web.Application([("/", Socket)]), kind) as (_, connect):
        bad = (b"", good + good, b"Sec-WebSocket-Key: abc\r\n", good.replace(b"dGhl", b"d#hl"))
        for fields in bad:
            first, _, _ = await ask(await connect(), head + fields + b"\r\n")
            assert first == "HTTP/1.1 400 Bad Request"
        first, _, _ = await ask(await connect(), head + good + b"\r\n")
        assert first == "HTTP/1.1 101 Switching Protocols"


class Where(web.RequestHandler):
    def get(self, tail: str) -> None:
        request = self.request
        self.write("|".join([request.uri, request.path, request.host, request.full_url(), tail]))


class ByHost(routing.Router):
    """A router of a program's own sees the same."""

    def find_handler(
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate | None:
        assert (request.host, request.path) == ("b:81", "/x/y")
        app = web.Application([("/x/(.*)", Where)])
        delegate: httputil.HTTPMessageDelegate = app.find_handler(request, **kwargs)
        return delegate


@both
@pytest.mark.parametrize("router", [web.Application([("/x/(.*)", Where)]), ByHost()])
@in_loop
async def test_whole_uris_of_proxies_clients(kind: type[HTTPServer], router: Any) -> None:
    async with serving(router, kind) as (_, connect):
        line = b"GET http://b:81/x/y?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"
        _, _, body = await ask(await connect(), line)
        assert body.decode() == "http://b:81/x/y?q=1|/x/y|b:81|http://b:81/x/y?q=1|y"


class Peer(web.RequestHandler):
    def get(self) -> None:
        self.write(str(self.request.remote_ip))


@both
@in_loop
async def test_what_proxies_say_is_an_address_or_nothing(kind: type[HTTPServer]) -> None:
    app = web.Application([("/", Peer)])
    async with serving(app, kind, xheaders=True) as (_, connect):
        stream = await connect()
        for field, told in (
            ("X-Real-Ip: ::1%<script>", "127.0.0.1"),
            ("X-Real-Ip: fe80::1%eth0", "fe80::1%eth0"),
            ("X-Forwarded-For: [2001:db8::1]:80", "2001:db8::1"),
            ("X-Forwarded-For: 4.4.4.4:80", "4.4.4.4"),
        ):
            request = f"GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n".encode()
            assert (await ask(stream, request))[2].decode() == told


@both
@in_loop
async def test_log_lines_are_not_forged(
    kind: type[HTTPServer], tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = web.Application([("/(.*)", web.StaticFileHandler, {"path": str(tmp_path)})])
    async with serving(app, kind) as (_, connect):
        request = b"GET /../%0a%1b[31m HTTP/1.1\r\nHost: a\r\n\r\n"
        assert (await ask(await connect(), request))[0] == "HTTP/1.1 403 Forbidden"
    lines = [record.getMessage() for record in caplog.records]
    assert any("\\n\\x1b[31m" in line for line in lines)
    assert all(line.isprintable() for line in lines)
