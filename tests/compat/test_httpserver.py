"""`tornado.httpserver`: what upstream's own suite does not ask."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest import mock

import pytest
from tornado import gen, httputil, web
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.routing import AnyMatches, Rule, RuleRouter
from tornado.testing import AsyncHTTPTestCase, bind_unused_port

from tornado_trio.net import SocketStream


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in an IOLoop of its own."""

    def run(*args: Any, **kwargs: Any) -> None:
        loop = IOLoop(make_current=False)

        async def main() -> None:
            await test(*args, **kwargs)

        try:
            loop.run_sync(main, timeout=10)
        finally:
            loop.close(all_fds=True)

    run.__name__ = test.__name__
    run.__signature__ = __import__("inspect").signature(test)  # type: ignore[attr-defined]
    return run


class Hello(web.RequestHandler):
    async def get(self) -> None:
        if delay := self.get_argument("delay", ""):
            await asyncio.sleep(float(delay))
        self.write({"ip": self.request.remote_ip, "protocol": self.request.protocol})

    def post(self) -> None:
        self.write(self.request.body)


@contextlib.asynccontextmanager
async def serving(
    app: Any, kind: type[HTTPServer] = HTTPServer, **options: Any
) -> AsyncIterator[Any]:
    """A server, and a function that connects to it."""
    sock, port = bind_unused_port()
    server = kind(app, **options)
    server.add_socket(sock)
    streams = []

    async def connect() -> IOStream:
        stream = IOStream(socket.socket())
        await stream.connect(("127.0.0.1", port))
        streams.append(stream)
        return stream

    try:
        yield server, connect
    finally:
        server.stop()
        for stream in streams:
            stream.close()
        await server.close_all_connections()


async def ask(stream: IOStream, data: bytes) -> tuple[str, httputil.HTTPHeaders, bytes]:
    await stream.write(data)
    head = (await stream.read_until(b"\r\n\r\n")).decode("latin-1")
    first, _, rest = head.partition("\r\n")
    headers = httputil.HTTPHeaders.parse(rest)
    body = await stream.read_bytes(int(headers.get("Content-Length", 0)))
    return first, headers, body


class OverStreams(HTTPServer):
    """Sees its connections as IOStreams, as some programs want."""

    seen = 0

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        type(self).seen += 1
        super().handle_stream(stream, address)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
both = pytest.mark.parametrize("kind", [HTTPServer, OverStreams])


@both
@in_loop
async def test_requests_over_sockets_and_over_streams(kind: type[HTTPServer]) -> None:
    async with serving(web.Application([("/", Hello)]), kind) as (_, connect):
        stream = await connect()
        for _ in range(3):
            first, headers, body = await ask(stream, GET + b"\r\n")
            assert (first, body) == ("HTTP/1.1 200 OK", b'{"ip": "127.0.0.1", "protocol": "http"}')
            assert "Connection" not in headers
        post = (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        assert (await ask(stream, post))[2] == b"abc"
        await stream.write(GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")
        assert (await stream.read_until_close()).count(b"HTTP/1.1 200 OK") == 2
    assert kind is HTTPServer or OverStreams.seen


@both
@in_loop
async def test_xheaders_hold_for_one_request(kind: type[HTTPServer]) -> None:
    app = web.Application([("/", Hello)])
    async with serving(app, kind, xheaders=True, trusted_downstream=["5.5.5.5"]) as (_, connect):
        stream = await connect()
        said = (
            b"X-Forwarded-For: 9.9.9.9, 4.4.4.4, 5.5.5.5\r\nX-Forwarded-Proto: http,https\r\n\r\n"
        )
        assert (await ask(stream, GET + said))[2] == b'{"ip": "4.4.4.4", "protocol": "https"}'
        assert (await ask(stream, GET + b"X-Real-Ip: <x>\r\nX-Scheme: ftp\r\n\r\n"))[2] == (
            b'{"ip": "127.0.0.1", "protocol": "http"}'
        )


@both
@in_loop
async def test_malformed_requests(kind: type[HTTPServer], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tornado.general")
    async with serving(web.Application([("/", Hello)]), kind) as (_, connect):
        for data in (b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", GET + b"X\r\n\r\n"):
            stream = await connect()
            await stream.write(data)
            assert await stream.read_until_close() == b"HTTP/1.1 400 Bad Request\r\n\r\n"
    assert len([r for r in caplog.records if "Malformed HTTP message" in r.message]) == 3


@in_loop
async def test_a_callback_that_answers_later() -> None:
    async def later(request: httputil.HTTPServerRequest) -> None:
        await gen.sleep(0.01)
        connection: Any = request.connection
        headers = httputil.HTTPHeaders({"Content-Length": str(len(request.body))})
        connection.write_headers(
            httputil.ResponseStartLine("HTTP/1.1", 200, "OK"), headers, request.body
        )
        connection.finish()

    async with serving(lambda request: IOLoop.current().add_callback(later, request)) as (
        _,
        connect,
    ):
        stream = await connect()
        data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        for _ in range(2):
            assert (await ask(stream, data))[2] == b"abc"


@in_loop
async def test_connection_attributes_and_detach() -> None:
    seen: dict[str, Any] = {}

    class Takes(web.RequestHandler):
        async def get(self) -> None:
            connection: Any = self.request.connection
            seen["address"] = connection.context.address
            seen["stream"] = connection.stream.closed(), connection.stream.socket.family
            seen["params"] = connection.params.chunk_size
            stream = self.detach()
            assert isinstance(stream, IOStream)
            data = await stream.read_bytes(3)
            await stream.write(b"raw:" + data)
            stream.close()

    async with serving(web.Application([("/", Takes)])) as (_, connect):
        stream = await connect()
        await stream.write(GET + b"\r\nabc")
        assert await stream.read_until_close() == b"raw:abc"
    assert seen["address"][0] == "127.0.0.1"
    assert seen["stream"] == (False, socket.AF_INET)
    assert seen["params"] == 65536


@in_loop
async def test_start_request_can_be_overridden() -> None:
    class Counting(HTTPServer):
        requests = 0

        def start_request(self, server_conn: Any, request_conn: Any) -> Any:
            Counting.requests += 1
            return super().start_request(server_conn, request_conn)

    async with serving(web.Application([("/", Hello)]), Counting) as (_, connect):
        stream = await connect()
        await ask(stream, GET + b"\r\n")
        await ask(stream, GET + b"\r\n")
    assert Counting.requests == 2


@web.stream_request_body
class Bounded(web.RequestHandler):
    """Sets the bound of its body, after a wait."""

    size = 0

    async def prepare(self) -> None:
        await asyncio.sleep(0.01)
        self.request.connection.set_max_body_size(int(self.get_argument("max")))
        if self.get_argument("early", ""):
            self.finish("early")

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def post(self) -> None:
        self.write(str(self.size))


@both
@in_loop
async def test_no_body_is_read_before_its_bound_is_set(kind: type[HTTPServer]) -> None:
    head = "POST /?max=%s HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n"
    async with serving(web.Application([("/", Bounded)]), kind, max_body_size=20) as (_, connect):
        for question, answer in (("100", b"50"), ("100&early=1", b"early")):
            stream = await connect()
            _, _, body = await ask(stream, (head % question).encode() + b"x" * 50)
            assert body == answer
        await stream.write((head % "10").encode() + b"x" * 50)
        assert await stream.read_until_close() == b"HTTP/1.1 400 Bad Request\r\n\r\n"


@both
@in_loop
async def test_drain_loses_nothing(kind: type[HTTPServer]) -> None:
    async with serving(web.Application([("/", Hello)]), kind) as (server, connect):
        idle, busy = await connect(), await connect()
        await ask(idle, GET + b"\r\n")
        answer = asyncio.ensure_future(ask(busy, b"GET /?delay=0.2 HTTP/1.1\r\nHost: a\r\n\r\n"))
        await asyncio.sleep(0.05)
        report = await server.drain(grace=5)
        assert (report.cancelled, report.abandoned) == (0, 0)
        first, headers, _ = await answer
        assert (first, headers["Connection"]) == ("HTTP/1.1 200 OK", "close")
        assert await idle.read_until_close() == b""


@in_loop
async def test_drain_answers_what_is_on_its_way_over_a_stream_and_cuts_what_lasts() -> None:
    async with serving(web.Application([("/", Hello)]), OverStreams) as (server, connect):
        arriving, lasting = await connect(), await connect()
        for stream in (arriving, lasting):
            await ask(stream, GET + b"\r\n")
        await lasting.write(b"GET /?delay=60 HTTP/1.1\r\nHost: a\r\n\r\n")
        await arriving.write(GET[:5])
        await asyncio.sleep(0.05)
        draining = asyncio.ensure_future(server.drain(grace=1))
        await asyncio.sleep(0)
        first, headers, _ = await ask(arriving, GET[5:] + b"\r\n")
        assert (first, headers["Connection"]) == ("HTTP/1.1 200 OK", "close")
        report = await draining
        assert (report.cancelled, report.abandoned) == (1, 0)
        assert (await lasting.read_until_close()).startswith(b"HTTP/1.1 503")


@in_loop
async def test_close_all_connections_tells_handlers() -> None:
    closed = asyncio.Event()
    started = asyncio.Event()

    class Waits(web.RequestHandler):
        async def get(self) -> None:
            started.set()
            await asyncio.sleep(0.2)

        def on_connection_close(self) -> None:
            closed.set()

    async with serving(web.Application([("/", Waits)])) as (server, connect):
        stream = await connect()
        await stream.write(GET + b"\r\n")
        await started.wait()
        await server.close_all_connections()
        assert closed.is_set()
        assert await stream.read_until_close() == b""
        await asyncio.sleep(0.3)


@in_loop
async def test_handler_errors_do_not_end_the_server(caplog: pytest.LogCaptureFixture) -> None:
    class Fails(web.RequestHandler):
        def get(self) -> None:
            raise asyncio.CancelledError

        def on_finish(self) -> None:
            raise KeyError("on_finish")

    async with serving(web.Application([("/", Fails), ("/ok", Hello)])) as (_, connect):
        for _ in range(2):
            stream = await connect()
            await stream.write(GET + b"\r\n")
            assert (await stream.read_until(b"\r\n")).startswith(b"HTTP/1.1 500")
        stream = await connect()
        assert (await ask(stream, b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == "HTTP/1.1 200 OK"


@in_loop
async def test_structure_as_settings(caplog: pytest.LogCaptureFixture) -> None:
    """Deadlines, policies and children work in handlers that await asyncio."""
    events: list[str] = []

    class Slow(web.RequestHandler):
        async def get(self, what: str) -> None:
            try:
                if what == "nursery":
                    self.nursery.start_soon(asyncio.sleep, 0.01)
                    self.nursery.start_soon(self.child)
                await asyncio.sleep(0.05 if what == "nursery" else 30)
                self.write("done")
            except BaseException as exc:
                events.append(f"{what}: {type(exc).__name__}")
                raise

        async def child(self) -> None:
            await asyncio.sleep(0.1)
            events.append("child done")

        def on_finish(self) -> None:
            events.append("on_finish")

    class Timed(Slow):
        request_timeout = 0.1

    handlers = [("/(timed)", Timed), ("/(gone)", Slow), ("/(nursery)", Slow)]
    async with serving(web.Application(handlers, on_disconnect="cancel")) as (_, connect):
        stream = await connect()
        first, headers, _ = await ask(stream, b"GET /timed HTTP/1.1\r\nHost: a\r\n\r\n")
        assert first.startswith("HTTP/1.1 503")
        assert headers["Connection"] == "close"
        stream = await connect()
        await stream.write(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        stream.close()
        await asyncio.sleep(0.05)
        stream = await connect()
        for _ in range(2):
            answer = await ask(stream, b"GET /nursery HTTP/1.1\r\nHost: a\r\n\r\n")
            assert answer[2] == b"done"
        await asyncio.sleep(0.2)
    assert events[0].startswith("timed: ")
    assert sum(event.startswith("gone: ") for event in events) == 1
    assert events.count("child done") == 2
    assert events.count("on_finish") == 4


@in_loop
async def test_a_child_cancelled_by_asyncio_fails_its_request_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Parent(web.RequestHandler):
        async def get(self) -> None:
            self.nursery.start_soon(self.child)
            await asyncio.sleep(30)

        async def child(self) -> None:
            raise asyncio.CancelledError

    app = web.Application([("/", Parent), ("/ok", Hello)])
    async with serving(app) as (_, connect):
        other = await connect()
        slow = asyncio.ensure_future(ask(other, b"GET /ok?delay=0.1 HTTP/1.1\r\nHost: a\r\n\r\n"))
        stream = await connect()
        await stream.write(GET + b"\r\n")
        # Tornado closes when a request fails outside its handler; it has no children, though.
        answer = await stream.read_until_close()
        assert answer.startswith(b"HTTP/1.1 500 ") and b"\r\nConnection: close\r\n" in answer
        assert (await slow)[0] == "HTTP/1.1 200 OK"
    assert "CancelledError" in caplog.text
    assert re.search(r"GET / \(127.0.0.1\), route .*\.Parent", caplog.text)


class TurnsHandler(web.RequestHandler):
    """Flushes, waits for a future, flushes again: the second wait begins in a callback."""

    async def get(self):
        self.write("head ")
        await self.flush()
        for number in range(2):
            for _ in range(3):
                self.write(f"{number} ")
                await self.flush()
            self.events.append("wait")
            await asyncio.sleep(0.001)
            self.events.append("go on")


class TurnsTest(AsyncHTTPTestCase):
    """What is flushed in one turn may share packets, and waits for no later turn."""

    def get_app(self):
        self.events = TurnsHandler.events = []
        return web.Application([("/", TurnsHandler)])

    def test_nothing_is_kept_back_while_the_handler_waits(self):
        push = SocketStream.push

        def recorded(stream):
            if stream._kept_back:
                self.events.append("push")
            push(stream)

        with mock.patch.object(SocketStream, "push", recorded):
            self.assertEqual(self.fetch("/").body, b"head 0 0 0 1 1 1 ")
        expected = ["wait", "push", "go on"] if hasattr(socket, "MSG_MORE") else ["wait", "go on"]
        self.assertEqual(self.events, expected * 2)


@pytest.mark.parametrize("router", [False, True])
@both
@in_loop
async def test_a_function_gets_a_large_form_parsed_in_steps(
    kind: type[HTTPServer], router: bool
) -> None:
    def respond(request: httputil.HTTPServerRequest) -> None:
        assert request.connection is not None
        body = request.body_arguments["b"][0]
        headers = httputil.HTTPHeaders({"Content-Length": str(len(body))})
        line = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
        request.connection.write_headers(line, headers, body)
        request.connection.finish()

    app = RuleRouter([Rule(AnyMatches(), respond)]) if router else respond
    async with serving(app, kind) as (_, connect):
        stream = await connect()
        for junk, status in ((b"", b"200 OK"), (b"&" * 1001, b"400 Bad Request")):
            body = b"a=" + b"%" * 600_000 + b"&b=ok" + junk
            stream.write(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" % len(body) + body
            )
            head = await stream.read_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + status)
            if not junk:
                assert await stream.read_bytes(2) == b"ok"
