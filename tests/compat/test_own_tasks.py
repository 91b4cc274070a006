"""Tasks as programs see them: what a loop's task factory is shown, and what `current_task` is."""

from __future__ import annotations

import compat  # noqa: F401 - first: makes `tornado` ours  isort: skip

import asyncio
import datetime
import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
from tornado import gen, web, websocket
from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback

from ..python import python
from .test_contexts import answer, get
from .test_httpserver import both, in_loop, serving

made: list[str] = []


def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
    """Notes what it is given, and hands on what the present task carries: as agents do."""
    name = getattr(coro, "__qualname__", "aclose")  # of an async generator, by asyncio itself
    made.append(name.rpartition(".<locals>.")[2])
    task: Any = asyncio.Task(coro, loop=loop, **kwargs)
    task.trace = [*getattr(asyncio.current_task(loop), "trace", []), made[-1]]
    return task


def by_factory(loop: Any) -> Iterator[None]:
    loop.set_task_factory(factory)
    yield
    loop.set_task_factory(None)


def by_instance(loop: Any) -> Iterator[None]:
    loop.create_task = lambda coro, **kwargs: factory(loop, coro)
    yield
    del loop.create_task


def by_class(loop: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "create_task", lambda *args, **kw: factory(*args))
        yield


def by_its_own_method(loop: Any) -> Iterator[None]:
    """A class of the program's that overrides it."""
    kind = type(loop)
    method = {"create_task": lambda self, coro, **kwargs: factory(self, coro)}
    loop.__class__ = type("Own", (kind,), method)
    yield
    loop.__class__ = kind


@pytest.fixture(params=[by_factory, by_instance, by_class, by_its_own_method])
def seen(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Has the running loop make its tasks by `factory`; called, what it has been given since."""
    begun: list[Any] = []

    def taken() -> list[str]:
        if not begun:
            begun.append(request.param(asyncio.get_running_loop()))
            next(begun[0])
            made.clear()
        taken, made[:] = made[:], []
        return taken

    request.addfinalizer(lambda: [next(way, None) for way in begun])
    return taken


def trace() -> list[str]:
    task: Any = asyncio.current_task()
    assert isinstance(task, asyncio.Task)
    assert task in asyncio.all_tasks()
    found: list[str] = task.trace
    return found


async def cb() -> str:
    await asyncio.sleep(0)
    await trio.sleep(0.001)
    await gen.sleep(0.001)
    return ">".join(trace()[-2:])


# --- where Tornado makes tasks -------------------------------------------------------------------


@in_loop
async def test_coroutines_of_the_loop(seen: Any) -> None:
    """Upstream's number, in its order, and what it says of a coroutine's parent."""
    seen()
    loop = IOLoop.current()
    done: asyncio.Future[Any] = asyncio.Future()

    async def callback() -> None:
        done.set_result(await cb())

    loop.add_callback(callback)
    assert await done == "callback"
    assert seen() == ["callback"]
    done = asyncio.Future()
    loop.spawn_callback(callback)
    assert await done == "callback"
    assert seen() == ["callback"]

    @gen.coroutine
    def old() -> Any:
        found = yield cb()
        again = yield [cb(), cb()]
        return [found, *again]

    assert await old() == ["cb"] * 3
    assert seen() == ["cb"] * 3
    assert await gen.multi({"a": cb(), "b": cb()}) == {"a": "cb", "b": "cb"}
    assert seen() == ["cb"] * 2
    assert await gen.convert_yielded(cb()) == "cb"
    assert await gen.with_timeout(datetime.timedelta(seconds=5), cb()) == "cb"
    assert seen() == ["cb"] * 2

    async def parent() -> str:
        found: str = await gen.convert_yielded(cb())
        assert trace() == ["parent"]
        return found

    assert await gen.convert_yielded(parent()) == "parent>cb"
    assert seen() == ["parent", "cb"]


@in_loop
async def test_tasks_begin_in_the_order_in_which_they_were_made(seen: Any) -> None:
    seen()
    begun = []

    async def numbered(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(0)
        begun.append(number)

    tasks = [gen.convert_yielded(numbered(number)) for number in range(5)]
    assert not begun
    await gen.multi(tasks)
    assert begun == [*range(5), *range(5)]


@in_loop
async def test_periodic_callbacks(seen: Any) -> None:
    seen()
    calls: list[Any] = []
    over = asyncio.Event()

    async def tick() -> None:
        calls.append(await cb())
        if len(calls) == 2:
            over.set()

    periodic = PeriodicCallback(tick, 1)
    periodic.start()
    await over.wait()
    periodic.stop()
    assert seen()[:2] == ["PeriodicCallback._run"] * 2
    assert calls == ["PeriodicCallback._run"] * 2


def test_run_sync() -> None:
    loop = IOLoop(make_current=True)
    loop.asyncio_loop.set_task_factory(factory)  # type: ignore[attr-defined]
    made.clear()
    assert loop.run_sync(cb) == "cb"
    assert made == ["cb"]
    loop.close()


# --- requests ----------------------------------------------------------------------------


class Native(web.RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0)
        await trio.sleep(0.001)
        self.write(">".join(trace()) + " " + await gen.convert_yielded(cb()))


class Generator(web.RequestHandler):
    @gen.coroutine
    def get(self) -> Any:
        here = trace()  # after a wait a generator runs in a callback, which is no task's
        found = yield cb()
        self.write(">".join(here) + " " + found)


class Plain(web.RequestHandler):
    def get(self) -> None:
        self.write(">".join(trace()) + " RequestHandler._execute>cb")


@both
@pytest.mark.parametrize("handler", [Native, Generator, Plain])
@in_loop
async def test_requests(seen: Any, kind: type[HTTPServer], handler: Any) -> None:
    seen()
    async with serving(web.Application([("/", handler)]), kind) as (_, connect):
        stream = await connect()
        loop = "HTTP1ServerConnection._server_request_loop"
        for number in range(3):
            await stream.write(get())
            found = await answer(stream)
            own = ["RequestHandler._execute", "cb"][: 1 if handler is Plain else 2]
            assert seen() == [*([loop] if not number else []), *own]
            if kind is HTTPServer:
                assert found == f"{loop}>RequestHandler._execute RequestHandler._execute>cb"
            else:
                assert found.endswith("RequestHandler._execute RequestHandler._execute>cb")


class OwnConnections(HTTPServer):
    def handle_stream(self, stream: Any, address: Any) -> None:
        HTTP1ServerConnection(stream, self.conn_params, None).start_serving(self)


@in_loop
async def test_connections_that_a_program_makes(seen: Any) -> None:
    seen()
    async with serving(web.Application([("/", Native)]), OwnConnections) as (_, connect):
        stream = await connect()
        loop = "HTTP1ServerConnection._server_request_loop"
        for number in range(2):
            await stream.write(get())
            assert (await answer(stream)).startswith(f"{loop}>RequestHandler._execute ")
            assert seen() == [*([loop] if not number else []), "RequestHandler._execute", "cb"]


@in_loop
async def test_a_streamed_body(seen: Any) -> None:
    @web.stream_request_body
    class Streamed(web.RequestHandler):
        async def prepare(self) -> None:
            self.received = b""
            await asyncio.sleep(0.001)

        async def data_received(self, chunk: bytes) -> None:
            await asyncio.sleep(0.001)
            self.received += chunk

        def post(self) -> None:
            self.write(self.received)

    seen()
    async with serving(web.Application([("/", Streamed)])) as (_, connect):
        stream = await connect()
        for _ in range(2):
            await stream.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo")
            await asyncio.sleep(0.01)
            await stream.write(b"dy")
            assert await answer(stream) == "body"
    assert seen()[1:] == ["RequestHandler._execute"] * 2


@in_loop
async def test_a_websocket(seen: Any) -> None:
    class Echo(websocket.WebSocketHandler):
        async def open(self) -> None:
            await asyncio.sleep(0)
            self.opened = trace()[-1]

        async def on_message(self, message: Any) -> None:
            await asyncio.sleep(0)
            await self.write_message(f"{self.opened} {trace()[-1]}")

    seen()
    async with serving(web.Application([("/", Echo)])) as (server, _):
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/")
        for _ in range(2):
            await client.write_message("x")
            assert await client.read_message() == "RequestHandler._execute Echo.on_message"
        assert [name for name in seen() if "HTTPConnection" not in name] == [
            "HTTP1ServerConnection._server_request_loop",
            "RequestHandler._execute",
            "Echo.on_message",
            "Echo.on_message",
        ]
        client.close()


@in_loop
async def test_a_connections_task_lasts_as_long_as_the_connection(seen: Any) -> None:
    seen()
    name = "HTTP1ServerConnection._server_request_loop"

    def connections() -> list[Any]:
        return [t for t in asyncio.all_tasks() if t.get_coro().__qualname__ == name]  # type: ignore[union-attr]

    async with serving(web.Application([("/", Plain)])) as (_, connect):
        first, second = await connect(), await connect()
        for stream in (first, second):
            await stream.write(get())
            await answer(stream)
        assert len(connections()) == 2
        first.close()
        while len(connections()) == 2:  # noqa: ASYNC110 - the server's doing
            await asyncio.sleep(0.001)
        [task] = connections()
        task.cancel()  # ends the connection
        assert await second.read_until_close() == b""
    assert task.cancelled()


# --- such a task is a task -----------------------------------------------------------------


@in_loop
async def test_results_and_errors(seen: Any) -> None:
    seen()

    async def fails() -> None:
        await trio.sleep(0.001)
        raise LookupError("mine")

    task = gen.convert_yielded(fails())
    assert type(task) is asyncio.Task
    with pytest.raises(LookupError, match="mine"):
        await task
    assert isinstance(task.exception(), LookupError)


@pytest.mark.parametrize("wait", [lambda: asyncio.sleep(5), lambda: trio.sleep(5)])  # noqa: ASYNC105
@pytest.mark.parametrize("begun", [False, True])
@in_loop
async def test_cancelling(seen: Any, wait: Any, begun: bool) -> None:
    seen()
    events: list[Any] = []

    async def waits() -> None:
        events.append("began")
        try:
            await wait()
        except asyncio.CancelledError as error:
            events.append(error.args)
            raise
        finally:
            events.append(asyncio.current_task().cancelling())  # type: ignore[union-attr]

    task = gen.convert_yielded(waits())
    if begun:
        await asyncio.sleep(0.001)
    task.cancel("why")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert events == (["began", ("why",), 1] if begun else [])


@in_loop
async def test_timeouts_and_groups_of_asyncio(seen: Any) -> None:
    seen()

    async def work() -> list[str]:
        found = []
        for wait in (asyncio.sleep, trio.sleep):
            try:
                async with asyncio.timeout(0.005):
                    await wait(5)
            except TimeoutError:
                found.append("timeout")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(5))
                group.create_task(asyncio.wait_for(asyncio.sleep(5), 0.005))
        except* TimeoutError:
            found.append("group")
        with trio.move_on_after(0.005):
            await asyncio.sleep(5)
        found.append("scope")
        task: Any = asyncio.current_task()
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            task.uncancel()
            found.append("cancelled")
        return found

    expected = ["timeout", "timeout", "group", "scope", "cancelled"]
    assert await gen.convert_yielded(work()) == expected


@in_loop
async def test_nothing_waits_for_the_collector(seen: Any) -> None:
    seen()

    class Thing:
        pass

    async def work(thing: Thing) -> None:
        await asyncio.sleep(0)
        await trio.lowlevel.checkpoint()

    gc.collect()
    gc.disable()
    try:
        for way in (gen.convert_yielded, lambda coro: coro):
            thing = Thing()
            reference = weakref.ref(thing)
            await way(work(thing))  # type: ignore[no-untyped-call]
            del thing
            await asyncio.sleep(0.001)
            assert reference() is None
    finally:
        gc.enable()


def as_coroutine(exits: Any) -> Any:
    """A callback that is a coroutine function."""
    return exits


def as_task(exits: Any) -> Any:
    """A callback that returns a task: what loops do themselves once contexts were taught."""
    return lambda: asyncio.ensure_future(exits())


def as_yielded(exits: Any) -> Any:
    return lambda: gen.convert_yielded(exits())


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("callback", [as_coroutine, as_task, as_yielded])
def test_what_leaves_the_loop_leaves_it_once(callback: Any, own: bool) -> None:
    async def exits() -> None:
        await (asyncio.sleep(0.001) if callback is as_task else trio.sleep(0.001))  # noqa: ASYNC105
        raise SystemExit(3)

    async def main() -> None:
        if own:
            asyncio.get_running_loop().set_task_factory(factory)
        IOLoop.current().spawn_callback(callback(exits))
        await asyncio.sleep(5)

    with pytest.raises(SystemExit, match="3"):
        asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has none before")
@in_loop
async def test_an_eager_factory() -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]

    async def child(number: int) -> int:
        await asyncio.sleep(0)
        await trio.sleep(0.001)
        return number

    async def parent() -> list[int]:
        return list(await gen.multi([child(1), child(2)]))

    assert await gen.convert_yielded(parent()) == [1, 2]
    IOLoop.current().add_callback(parent)
    await asyncio.sleep(0.01)


def test_asyncio_run_with_a_factory_and_handlers_waiting() -> None:
    """No traceback at the end, and the handlers unwind."""
    program = """
import asyncio, compat, logging, socket, threading
import tornado.httpserver, tornado.netutil, tornado.web
logging.getLogger("tornado.access").disabled = True
class Waits(tornado.web.RequestHandler):
    async def get(self):
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            print("unwound")
async def main():
    global begun
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 60  # a busy machine is none of ours
    FACTORY
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Waits)]))
    [sock] = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    client = socket.create_connection(sock.getsockname())
    client.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    await begun.wait()
    return client
client = asyncio.run(main())
print([t.name for t in threading.enumerate()])
"""
    factory = "loop.set_task_factory(lambda loop, coro, **k: asyncio.Task(coro, loop=loop, **k))"
    for way in ("", factory):
        quiet = ("-X", "dev", "-W", "ignore::ResourceWarning")
        done = python(*quiet, "-c", program.replace("FACTORY", way))
        assert (done.returncode, done.stderr) == (0, ""), way
        assert done.stdout == "unwound\n['MainThread']\n", way


# --- without a factory: drivers pass for tasks ----------------------------------------------------


@both
@in_loop
async def test_the_current_task_of_a_handler(kind: type[HTTPServer]) -> None:
    class Handler(web.RequestHandler):
        def prepare(self) -> None:
            task: Any = asyncio.current_task()
            task.context = {"user": self.get_argument("user")}
            found.append(isinstance(task, asyncio.Task) and asyncio.isfuture(task))
            found.append(task in asyncio.all_tasks())  # though it has not waited

        async def get(self) -> None:
            for wait in (asyncio.sleep, trio.sleep):
                await wait(0.001)
                found.append(asyncio.current_task() in asyncio.all_tasks())
            task: Any = asyncio.current_task()
            self.write(task.context["user"])
            IOLoop.current().add_callback(callback)

    async def callback() -> None:
        task: Any = asyncio.current_task()
        task.context = "mine"
        found.append(task in asyncio.all_tasks() and isinstance(task, asyncio.Task))
        ended.set()

    found: list[bool] = []
    ended = asyncio.Event()
    async with serving(web.Application([("/", Handler)]), kind) as (_, connect):
        stream = await connect()
        for user in ("alice", "bob"):
            await stream.write(get(f"/?user={user}"))
            assert await answer(stream) == user
        await ended.wait()
    assert found == [True] * len(found) and len(found) >= 9


@pytest.mark.parametrize("how", ["add_callback", "spawn_callback", "call_later", "add_future"])
@pytest.mark.parametrize("makes_tasks", [False, True])
def test_a_callback_whose_loop_ends_in_the_same_turn_never_begins(
    how: str, makes_tasks: bool
) -> None:
    events: list[str] = []

    async def late() -> None:
        events.append("began")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            events.append("ended")

    async def main() -> None:
        loop = IOLoop.current()
        if makes_tasks:
            asyncio.get_running_loop().set_task_factory(factory)
        if how == "call_later":
            loop.call_later(0, late)
        elif how == "add_future":
            done: asyncio.Future[None] = asyncio.Future()
            done.set_result(None)
            loop.add_future(done, lambda _: late())
        else:
            getattr(loop, how)(late)

    asyncio.run(main())
    assert events == []
    if how == "call_later":
        return  # its call itself has not come
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    assert events == []
    tasks = asyncio.all_tasks(loop)
    [task] = tasks
    assert task.get_coro().__qualname__.endswith("late")  # type: ignore[union-attr]
    assert isinstance(task, asyncio.Task) and not task.done()
    assert asyncio.all_tasks(loop) == tasks
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert task.cancelled()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    assert events == []


@in_loop
async def test_a_task_that_has_not_begun_may_be_awaited() -> None:
    async def later() -> int:
        await trio.sleep(0.001)
        return 42

    async def fails() -> None:
        raise LookupError

    IOLoop.current().add_callback(later)
    await asyncio.sleep(0)
    [task] = [t for t in asyncio.all_tasks() if t.get_name().endswith("later")]
    assert await task == 42
    future = gen.convert_yielded(fails())
    [task] = [t for t in asyncio.all_tasks() if t.get_name().endswith("fails")]
    with pytest.raises(LookupError):
        await task
    with pytest.raises(LookupError):
        await future
