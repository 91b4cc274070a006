"""One contextvars context per request and per connection of a websocket, as programs see it."""

from __future__ import annotations

import compat  # isort: skip

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from tornado import gen, httputil, locks, routing, web, websocket
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.platform.trio import drive, run_task
from tornado.queues import Queue

from .test_httpserver import both, in_loop, serving

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


# --- what a handler may wait for ---------------------------------------------------------------


async def nothing() -> None:
    pass


async def a_turn() -> None:
    await asyncio.sleep(0)


async def asyncio_sleep() -> None:
    await asyncio.sleep(0.001)


async def tornado_sleep() -> None:
    await gen.sleep(0.001)


async def tornado_moment() -> None:
    await gen.moment


async def tornado_event() -> None:
    event = locks.Event()
    IOLoop.current().call_later(0.001, event.set)
    await event.wait()


async def a_task() -> None:
    await asyncio.create_task(asyncio.sleep(0.001))


async def a_future_set_by_others() -> None:
    future = asyncio.get_running_loop().create_future()
    threaded = asyncio.get_running_loop().run_in_executor(None, int)
    threaded.add_done_callback(lambda done: future.set_result(None))
    await future


async def gathered() -> None:
    await asyncio.gather(asyncio.sleep(0.001), gen.sleep(0.001))


async def wait_for() -> None:
    await asyncio.wait_for(asyncio.sleep(0.001), 1)


async def a_failure() -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.sleep(1), 0.001)


async def multi() -> None:
    await gen.multi([gen.sleep(0.001), asyncio_sleep()])


@gen.coroutine
def generator() -> Any:
    yield gen.sleep(0.001)


async def trio_sleep() -> None:
    await trio.sleep(0.001)


async def trio_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asyncio.sleep, 0.001)


async def trio_then_asyncio() -> None:
    await trio.lowlevel.checkpoint()
    await asyncio.sleep(0)


WAITS: list[Callable[[], Awaitable[Any]]] = [
    nothing,
    a_turn,
    asyncio_sleep,
    tornado_sleep,
    tornado_moment,
    tornado_event,
    a_task,
    a_future_set_by_others,
    gathered,
    wait_for,
    a_failure,
    multi,
    generator,
    trio_sleep,
    trio_nursery,
    trio_then_asyncio,
]
every_wait = pytest.mark.parametrize("wait", WAITS, ids=[wait.__name__ for wait in WAITS])


class Base(web.RequestHandler):
    """Answers with what each hook saw, and sets the variable anew in each."""

    def initialize(self, wait: Any, seen: Any = None) -> None:
        self.wait = wait
        self.seen = [user.get()] if seen is None else seen
        user.set("initialize")

    def hook(self, name: str) -> None:
        self.seen.append(user.get())
        user.set(name)

    def on_finish(self) -> None:
        self.application.settings["finished"].append(user.get())


class Native(Base):
    async def prepare(self) -> None:
        self.hook("prepare")
        await self.wait()
        self.hook("prepare's end")

    async def get(self) -> None:
        self.hook("get")
        await self.wait()
        self.hook("get's end")
        self.write(" < ".join(self.seen))


class Plain(Base):
    def prepare(self) -> None:
        self.hook("prepare")

    def get(self) -> None:
        self.hook("get's end")
        self.write(" < ".join(self.seen))


class Flushed(Native):
    async def get(self) -> None:
        self.hook("get")
        self.set_header("Content-Length", "4")
        for half in ("ha", "lf"):
            self.write(half)
            await self.flush()
            self.hook("get's end")


@web.stream_request_body
class Streamed(Native):
    async def data_received(self, chunk: bytes) -> None:
        self.hook("data")
        await self.wait()
        self.hook("data's end")

    async def post(self) -> None:
        await self.get()


NATIVE = "nobody < initialize < prepare < prepare's end < get"
PLAIN = "nobody < initialize < prepare"
STREAMED = "nobody < initialize < prepare < prepare's end < data < data's end < get"


def application(handler: type[web.RequestHandler], wait: Any) -> web.Application:
    finished: list[str] = []

    def log(handler: web.RequestHandler) -> None:
        finished.append(user.get())

    return web.Application(
        [("/", handler, {"wait": wait})], log_function=log, finished=finished
    )


def routed(app: web.Application) -> Any:
    """The same application behind a router: it is told of requests as a delegate."""
    return routing.RuleRouter([routing.Rule(routing.AnyMatches(), app)])


def get(path: str = "/") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode()


async def answer(stream: IOStream) -> str:
    head = await stream.read_until(b"\r\n\r\n")
    headers = httputil.HTTPHeaders.parse(head.decode().partition("\r\n")[2])
    return (await stream.read_bytes(int(headers["Content-Length"]))).decode()


@pytest.mark.parametrize("wrap", [lambda app: app, routed], ids=["application", "router"])
@both
@every_wait
@in_loop
async def test_a_request_keeps_its_context_and_leaks_nothing(
    kind: type[HTTPServer], wait: Any, wrap: Any
) -> None:
    app = application(Native, wait)
    async with serving(wrap(app), kind) as (_, connect):
        stream = await connect()
        for _ in range(2):
            await stream.write(get())
            assert await answer(stream) == NATIVE
        await stream.write(get() * 3)
        for _ in range(3):
            assert await answer(stream) == NATIVE
    assert app.settings["finished"] == ["get's end"] * 10  # the log line and `on_finish`


@pytest.mark.parametrize("wrap", [lambda app: app, routed], ids=["application", "router"])
@both
@pytest.mark.parametrize(
    "handler, answers", [(Plain, PLAIN), (Flushed, "half")], ids=["plain", "flushed"]
)
@in_loop
async def test_handlers_of_other_kinds(
    kind: type[HTTPServer], wrap: Any, handler: Any, answers: str
) -> None:
    app = application(handler, asyncio_sleep)
    async with serving(wrap(app), kind) as (_, connect):
        stream = await connect()
        await stream.write(get() * 2)
        for _ in range(2):
            assert await answer(stream) == answers
    assert app.settings["finished"] == ["get's end"] * 4


@pytest.mark.parametrize("wrap", [lambda app: app, routed], ids=["application", "router"])
@both
@every_wait
@in_loop
async def test_streamed_bodies(kind: type[HTTPServer], wait: Any, wrap: Any) -> None:
    app = application(Streamed, wait)
    async with serving(wrap(app), kind) as (_, connect):
        stream = await connect()
        for _ in range(2):
            await stream.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
            await asyncio.sleep(0)
            await stream.write(b"x")
            assert await answer(stream) == STREAMED
    assert app.settings["finished"] == ["get's end"] * 4


@both
@every_wait
@in_loop
async def test_generator_coroutines_keep_theirs(kind: type[HTTPServer], wait: Any) -> None:
    """Tornado runs each in a copy: what it sets is its own, through all its yields."""

    class Generator(Base):
        @gen.coroutine
        def prepare(self) -> Any:
            self.hook("prepare")
            yield wait()
            self.hook("prepare's end")

        @gen.coroutine
        def get(self) -> Any:
            self.hook("get")
            yield wait()
            self.hook("get's end")
            self.write(" < ".join(self.seen))

    async with serving(application(Generator, wait), kind) as (_, connect):
        stream = await connect()
        for _ in range(2):
            await stream.write(get())
            assert await answer(stream) == "nobody < initialize < prepare < initialize < get"


@both
@in_loop
async def test_a_delegates_own_stream_is_not_the_client(
    kind: type[HTTPServer], caplog: pytest.LogCaptureFixture
) -> None:
    class Delegate(httputil.HTTPMessageDelegate):
        def headers_received(self, start_line: Any, headers: Any) -> None:
            raise StreamClosedError(OSError("of the program"))

    class Router(httputil.HTTPServerConnectionDelegate):
        def start_request(self, server_conn: object, request_conn: Any) -> Delegate:
            return Delegate()

    async with serving(Router(), kind) as (_, connect):
        stream = await connect()
        await stream.write(get())
        await stream.read_until_close()
    assert "of the program" in caplog.text


@both
@in_loop
async def test_delegates_of_the_program(kind: type[HTTPServer]) -> None:
    class Delegate(httputil.HTTPMessageDelegate):
        def __init__(self, connection: Any) -> None:
            self.connection = connection
            self.seen = [user.get()]
            user.set("start_request")

        async def headers_received(self, start_line: Any, headers: Any) -> None:  # type: ignore[override]
            self.seen.append(user.get())
            user.set("headers")
            await asyncio.sleep(0)
            self.seen.append(user.get())

        async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
            user.set("data")
            await asyncio.sleep(0)

        def finish(self) -> None:
            self.seen.append(user.get())
            body = " < ".join(self.seen).encode()
            headers = httputil.HTTPHeaders({"Content-Length": str(len(body))})
            line = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
            self.connection.write_headers(line, headers, body)
            self.connection.finish()

    class Router(httputil.HTTPServerConnectionDelegate):
        def start_request(self, server_conn: object, request_conn: Any) -> Delegate:
            return Delegate(request_conn)

    async with serving(Router(), kind) as (_, connect):
        stream = await connect()
        post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
        await stream.write(post * 3)
        for _ in range(3):
            assert await answer(stream) == "nobody < start_request < headers < data"


@pytest.mark.parametrize("wrap", [lambda app: app, routed], ids=["application", "router"])
@both
@in_loop
async def test_on_connection_close_sees_what_the_handler_set(
    kind: type[HTTPServer], wrap: Any
) -> None:
    told: list[str] = []
    closed = asyncio.Event()

    class Handler(web.RequestHandler):
        def on_connection_close(self) -> None:
            told.append(user.get())
            closed.set()

        async def get(self) -> None:
            user.set("alice")
            await asyncio.sleep(0)
            begun.set()
            await closed.wait()

    begun = asyncio.Event()
    async with serving(wrap(web.Application([("/", Handler)])), kind) as (_, connect):
        stream = await connect()
        await stream.write(get())
        await asyncio.wait_for(begun.wait(), 5)
        stream.close()
        await asyncio.wait_for(closed.wait(), 5)
    assert told == ["alice"]


@in_loop
async def test_an_error_is_logged_in_the_context_of_its_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    users = []

    class Handler(web.RequestHandler):
        async def get(self) -> None:
            user.set(self.get_argument("user"))
            await asyncio.sleep(0)
            raise ZeroDivisionError

        def log_exception(self, *args: Any) -> None:
            users.append(user.get())
            super().log_exception(*args)

    caplog.set_level(logging.CRITICAL)
    async with serving(web.Application([("/", Handler)])) as (_, connect):
        stream = await connect()
        for name in ("alice", "bob"):
            await stream.write(get(f"/?user={name}"))
            assert "500" in await answer(stream)
    assert users == ["alice", "bob"]


@pytest.mark.parametrize(
    "wait", [nothing, a_turn, tornado_sleep, tornado_event, generator, trio_sleep]
)
async def test_in_a_plain_trio_run(wait: Any) -> None:
    """Where a stand-in is what Futures call back on, and no asyncio loop runs."""
    app = application(Native, wait)
    async with compat.open_loop(), serving(app) as (server, _):
        port = next(iter(server._sockets.values())).getsockname()[1]
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            for requests in (1, 3):
                await stream.send_all(get() * requests)
                answers = b""
                while answers.count(NATIVE.encode()) < requests:
                    answers += await stream.receive_some()
    assert app.settings["finished"] == ["get's end"] * 8


# --- websockets ---------------------------------------------------------------------------------


class Socket(websocket.WebSocketHandler):
    def initialize(self, seen: list[str]) -> None:
        self.seen = seen

    def on_message(self, message: Any) -> Any:
        self.seen.append(user.get())
        user.set(message)
        self.write_message(message)

    closed: asyncio.Event

    def on_close(self) -> None:
        self.seen.append("closed: " + user.get())
        self.closed.set()


class PlainOpen(Socket):
    def open(self, *args: str) -> Any:
        user.set("open")


class Prepared(Socket):
    async def prepare(self) -> None:
        await asyncio.sleep(0)
        user.set("open")


class NativeOpen(Socket):
    async def open(self, *args: str) -> Any:
        user.set("open")


class WaitsFirst(Socket):
    async def open(self, *args: str) -> Any:
        await asyncio.sleep(0.001)
        user.set("open")


class WaitsLater(Socket):
    async def open(self, *args: str) -> Any:
        user.set("open")
        await asyncio.sleep(0.001)
        await trio.sleep(0.001)
        assert user.get() == "open"


OPENS = [PlainOpen, Prepared, NativeOpen, WaitsFirst, WaitsLater]


async def talk(
    handler: type[Socket], kind: type[HTTPServer] = HTTPServer, wrap: Any = lambda app: app
) -> list[str]:
    """Two messages to a websocket; what its callbacks saw."""
    seen: list[str] = []
    handler.closed = asyncio.Event()
    app = wrap(web.Application([("/", handler, {"seen": seen})]))
    async with serving(app, kind) as (server, _):
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/")
        for message in ("first", "second"):
            await client.write_message(message)
            assert await client.read_message() == message
        client.close()
        await asyncio.wait_for(handler.closed.wait(), 5)
    return seen


@both
@pytest.mark.parametrize("handler", OPENS)
@every_wait
@in_loop
async def test_what_a_coroutine_on_message_sets_is_its_own(
    kind: type[HTTPServer], handler: Any, wait: Any
) -> None:
    class Handler(handler):  # type: ignore[misc]
        async def on_message(self, message: Any) -> None:
            self.seen.append(user.get())
            user.set(message)
            await wait()
            self.seen.append(user.get())
            await self.write_message(message)

    seen = await talk(Handler, kind)
    assert seen == ["open", "first", "open", "second", "closed: open"]


@pytest.mark.parametrize("wrap", [lambda app: app, routed], ids=["application", "router"])
@both
@pytest.mark.parametrize("handler", OPENS)
@in_loop
async def test_what_a_plain_on_message_sets_is_the_connections(
    kind: type[HTTPServer], handler: Any, wrap: Any
) -> None:
    """As in Tornado, where only coroutines are tasks of their own."""
    assert await talk(handler, kind, wrap) == ["open", "first", "closed: second"]


@in_loop
async def test_pings_and_pongs_have_theirs() -> None:
    class Handler(NativeOpen):
        async def on_ping(self, data: bytes) -> None:
            self.seen.append(user.get())
            user.set("ping")
            await asyncio.sleep(0)
            self.seen.append(user.get())
            self.write_message("pinged")

    seen: list[str] = []
    Handler.closed = asyncio.Event()
    app = web.Application([("/", Handler, {"seen": seen})])
    async with serving(app) as (server, _):
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/")
        for _ in range(2):
            client.ping()
            assert await client.read_message() == "pinged"
        client.close()
        await asyncio.wait_for(Handler.closed.wait(), 5)
    assert seen == ["open", "ping"] * 2 + ["closed: open"]


# --- coroutines of the loop -----------------------------------------------------------------------


@every_wait
@in_loop
async def test_callbacks_and_tasks_keep_theirs(wait: Any) -> None:
    seen: Queue[tuple[str, str]] = Queue()

    async def work() -> None:
        before = user.get()
        user.set("work")
        await wait()
        seen.put((before, user.get()))

    loop = IOLoop.current()
    user.set("caller")
    loop.add_callback(work)
    loop.spawn_callback(work)
    await run_task(work())
    for _ in range(3):
        assert await seen.get() == ("caller", "work")
    assert user.get() == "caller"


@every_wait
@in_loop
async def test_a_coroutine_driven_in_a_context_of_its_own(wait: Any) -> None:
    """And the caller goes on in the caller's, at once."""
    seen = []

    async def work() -> None:
        seen.append(user.get())
        user.set("work")
        await wait()
        seen.append(user.get())

    async def caller() -> str:
        user.set("caller")
        other = contextvars.copy_context()
        other.run(user.set, "other")
        await drive(work(), other)
        seen.append(other[user])
        return user.get()

    assert await run_task(caller()) == "caller"
    assert seen == ["other", "work", "work"]


@in_loop
async def test_a_client_that_left_is_told_to_the_reader_in_its_context() -> None:
    """Nothing of a request is seen by what ends its connection."""

    @web.stream_request_body
    class Handler(web.RequestHandler):
        async def prepare(self) -> None:
            user.set("alice")
            await asyncio.sleep(0)

        def data_received(self, chunk: bytes) -> None:
            pass

        async def post(self) -> None:
            pass

        def on_finish(self) -> None:
            ended.set_result(user.get())

    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with serving(web.Application([("/", Handler)])) as (_, connect):
        stream = await connect()
        await stream.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx")
        await asyncio.sleep(0.01)
        stream.close()
        assert await asyncio.wait_for(ended, 5) == "alice"
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(1)
