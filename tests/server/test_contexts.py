"""One contextvars context per request, from its first step to its log line."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from tornado_trio import web
from tornado_trio.client import Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import (
    Exchange,
    HTTPHeaders,
    ResponseStartLine,
    current_exchange,
)
from tornado_trio.net.memory import MemoryStream, memory_stream_pair
from tornado_trio.server import Server, ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.websocket import WebSocket

from .apps import reply
from .test_structure import GET, Serve, both

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


class ByUser(logging.Filter):
    """Marks each record with the user of the context it was logged in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []

    def filter(self, record: logging.LogRecord) -> bool:
        self.seen.append((user.get(), record.getMessage()))
        return False


async def nothing() -> None:
    pass


async def a_while() -> None:
    await trio.sleep(0.001)


async def beside() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.lowlevel.checkpoint)


async def a_thread() -> None:
    await trio.to_thread.run_sync(int)


WAITS: list[Callable[[], Awaitable[object]]] = [
    nothing,
    trio.lowlevel.checkpoint,
    a_while,
    beside,
    a_thread,
]


@both
@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("pipelined", [False, True])
async def test_what_a_handler_sets_is_its_own(
    serve: Serve, wait: Callable[[], Awaitable[object]], pipelined: bool
) -> None:
    """Also in the log line, and for requests of one connection that come in one piece."""
    logged = []

    async def app(exchange: Exchange) -> None:
        seen = [user.get()]
        name = exchange.start_line.path.strip("/")
        if name:
            user.set(name)
        for _ in range(2):
            await wait()
            seen.append(user.get())
        reply(exchange, " ".join(seen).encode())

    options = ServerOptions(access_log=lambda exchange: logged.append(user.get()))
    async with serve(app, options) as (_, connect):
        client = await connect()
        names = ["alice", "", "bob", ""]
        if pipelined:
            await client.send(b"".join(get(f"/{name}") for name in names))
        for name in names:
            if not pipelined:
                await client.send(get(f"/{name}"))
            seen = (await client.response()).body.decode().split()
            assert seen == ["nobody", name or "nobody", name or "nobody"]
    assert logged == ["alice", "nobody", "bob", "nobody"]


@pytest.mark.parametrize("wait", [nothing, trio.lowlevel.checkpoint])
async def test_the_hooks_of_a_handler_share_a_context(
    wait: Callable[[], Awaitable[object]],
) -> None:
    seen: list[str] = []

    @web.stream_request_body
    class Handler(web.RequestHandler):
        def initialize(self) -> None:
            seen.append(user.get())
            user.set("initialize")

        async def prepare(self) -> None:
            seen.append(user.get())
            await wait()
            user.set("prepare")

        async def data_received(self, chunk: bytes) -> None:
            seen.append(user.get())
            await wait()
            user.set("data_received")

        async def post(self) -> None:
            seen.append(user.get())
            user.set("post")
            await wait()

        def on_finish(self) -> None:
            seen.append(user.get())
            user.set("on_finish")

    def log(handler: web.RequestHandler) -> None:
        seen.append(user.get())

    app = web.Application([("/", Handler)], log_function=log)
    async with memory_server(app) as server:
        client = await server.connect()
        for _ in range(2):
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
            await client.send(b"x")
            assert (await client.response("POST")).code == 200
    # The log line is written when the response is complete, before `on_finish`.
    assert seen == ["nobody", "initialize", "prepare", "data_received", "post", "post"] * 2


@both
async def test_a_failure_is_logged_in_the_context_of_its_own_request(serve: Serve) -> None:
    """Not in that of the request before it, which was answered in the same breath."""
    filter = ByUser()

    async def app(exchange: Exchange) -> None:
        name = exchange.start_line.path.strip("/")
        user.set(name)
        if name == "silent":
            return
        if name == "fails":
            raise ZeroDivisionError
        await trio.sleep(0.001)
        reply(exchange, name.encode())

    logger = logging.getLogger("tornado.application")
    logger.addFilter(filter)
    try:
        for name in ("fails", "silent"):
            async with serve(app) as (_, connect):
                client = await connect()
                await client.send(get("/alice") + get("/" + name))
                assert (await client.response()).body == b"alice"
                assert (await client.response()).code == 500
            [(logged_for, _)] = filter.seen
            assert logged_for == name
            filter.seen.clear()
    finally:
        logger.removeFilter(filter)


@both
async def test_a_malformed_request_is_logged_in_the_context_of_none(serve: Serve) -> None:
    filter = ByUser()

    async def app(exchange: Exchange) -> None:
        user.set("alice")
        await trio.sleep(0.001)
        reply(exchange)

    logger = logging.getLogger("tornado.general")
    level = logger.level
    logger.addFilter(filter)
    logger.setLevel(logging.INFO)
    try:
        async with serve(app) as (_, connect):
            client = await connect()
            await client.send(GET + b"what?\r\n\r\n")
            assert (await client.response()).code == 200
            assert (await client.response()).code == 400
    finally:
        logger.setLevel(level)
        logger.removeFilter(filter)
    assert [logged_for for logged_for, _ in filter.seen] == ["nobody"]


@both
@pytest.mark.parametrize("waits", [False, True])
async def test_what_comes_after_a_lingering_handler_does_not_see_its_context(
    serve: Serve, waits: bool, autojump_clock: MockClock
) -> None:
    async def app(exchange: Exchange) -> None:
        before = user.get()
        user.set("alice")
        if waits:
            await trio.sleep(0.001)
        reply(exchange, before.encode())
        await trio.sleep(60)

    async with serve(app) as (_, connect):
        client = await connect()
        for _ in range(3):
            assert (await client.request(GET)).body == b"nobody"
        await client.send(GET * 3)
        for _ in range(3):
            assert (await client.response()).body == b"nobody"


@both
@pytest.mark.parametrize("how", ["leaves", "reset", "write"])
async def test_the_close_callback_runs_in_the_context_of_its_request(
    serve: Serve, how: str
) -> None:
    """Whether the watch notices it, or the handler's own write does."""
    told = []
    closed = trio.Event()

    async def app(exchange: Exchange) -> None:
        exchange.set_close_callback(lambda: (told.append(user.get()), closed.set()))
        user.set("alice")
        await trio.sleep(0.001)
        if how == "write":
            await trio.sleep(0.01)
            stream = exchange._connection.stream  # type: ignore[attr-defined]
            stream.close()
            try:
                reply(exchange, b"gone")
            except StreamClosedError:
                pass
        await closed.wait()

    async with serve(app, ServerOptions(tolerate_half_close=False)) as (_, connect):
        client = await connect()
        await client.send(GET)
        if how == "leaves":
            await client.stream.send_eof()
        elif how == "reset":
            client.stream.close()
        with trio.fail_after(5):
            await closed.wait()
    assert told == ["alice"]


async def test_children_inherit_and_keep_theirs() -> None:
    seen = []

    async def child(name: str) -> None:
        seen.append(user.get())
        user.set(name)
        await trio.lowlevel.checkpoint()
        seen.append(user.get())

    async def app(exchange: Exchange) -> None:
        user.set("alice")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, "child")
        reply(exchange, user.get().encode())

    async with memory_server(app) as server:
        assert (await server.get()).body == b"alice"
    assert seen == ["alice", "child"]


async def test_websockets_keep_the_context_of_their_handshake() -> None:
    seen = []

    class Echo(web.WebSocketHandler):
        async def prepare(self) -> None:
            await trio.lowlevel.checkpoint()
            user.set(self.get_argument("user"))

        async def open(self, ws: WebSocket) -> None:
            seen.append(user.get())
            async for message in ws:
                await ws.send(message)
                seen.append(user.get())

    server = Server(web.Application([("/", Echo)]))
    async with trio.open_nursery() as nursery:

        async def dial(host: str, port: int) -> MemoryStream:
            client, stream = memory_stream_pair()
            nursery.start_soon(server.handle, stream)
            return client

        for name in ("alice", "bob"):
            url = f"ws://a.test/?user={name}"
            async with open_websocket(url, network=Network(dial=dial)) as ws:
                for _ in range(2):
                    await ws.send("hello")
                    assert await ws.receive() == "hello"
    assert seen == ["alice"] * 3 + ["bob"] * 3
    assert user.get() == "nobody"


async def test_a_request_keeps_its_context_where_asyncio_hosts(asyncio_host: None) -> None:
    """What waited for asyncio goes on in the request's context, as what waited for trio."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[object] = []

    async def app(exchange: Exchange) -> None:
        token = variable.set("of the request")
        for wait in (asyncio.sleep, trio.sleep, asyncio.sleep):
            await wait(0.001)
            seen.append(variable.get(None))
        await asyncio.create_task(asyncio.sleep(0))
        variable.reset(token)  # refused in another context
        seen.append(current_exchange.get() is exchange)
        headers = HTTPHeaders({"Content-Length": "0"})
        await exchange.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers)
        await exchange.finish()

    async with memory_server(app) as server:
        assert (await server.get("/")).code == 200
    assert seen == ["of the request"] * 3 + [True]
