"""A server in a background thread, in the forms that test suites and programs have it."""

from __future__ import annotations

import compat  # noqa: F401 - first: makes `tornado` ours  isort: skip

import asyncio
import collections
import concurrent.futures
import contextlib
import http.client
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado import httpserver, netutil, tcpserver, web
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

pytestmark = pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="a guest run stays in its thread then"
)


class Hello(web.RequestHandler):
    async def get(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0.001)
        self.write(threading.current_thread().name)


def application() -> web.Application:
    return web.Application([("/", Hello)])


def ask(port: int) -> str:
    """The name of the thread that answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        names = set()
        for _ in range(2):
            connection.request("GET", "/")
            names.add(connection.getresponse().read().decode())
        [name] = names
        return name
    finally:
        connection.close()


def started(target: Callable[[], object], **kwargs: Any) -> threading.Thread:
    thread = threading.Thread(target=target, name="the server's", **kwargs)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> None:
    thread.join(5)
    assert not thread.is_alive()


# Each serves on a port for as long as its block lasts.


@contextlib.contextmanager
def made_in_the_thread() -> Iterator[int]:
    ready: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        loop = IOLoop(make_current=True)
        sock, port = bind_unused_port()
        server = httpserver.HTTPServer(application())
        server.add_socket(sock)
        loop.add_callback(ready.set_result, (loop, port))
        loop.start()
        server.stop()
        loop.close(all_fds=True)

    thread = started(run)
    loop, port = ready.result(5)
    yield port
    loop.add_callback(loop.stop)
    ended(thread)


@contextlib.contextmanager
def made_beforehand() -> Iterator[int]:
    """Loop and server are the main thread's, which then only starts the other."""
    loop = IOLoop(make_current=True)
    sock, port = bind_unused_port()
    server = httpserver.HTTPServer(application())
    server.add_socket(sock)
    thread = started(loop.start)
    yield port
    server.stop()
    loop.add_callback(loop.stop)
    ended(thread)
    loop.close(all_fds=True)


@contextlib.contextmanager
def stopped_in_the_loop() -> Iterator[int]:
    loop = IOLoop(make_current=True)
    sock, port = bind_unused_port()
    server = httpserver.HTTPServer(application())
    server.add_socket(sock)

    def run() -> None:
        loop.make_current()
        loop.start()
        loop.close(all_fds=True)

    async def stop() -> None:
        server.stop()
        await server.close_all_connections()
        loop.stop()

    thread = started(run)
    yield port
    loop.add_callback(stop)
    ended(thread)


@contextlib.contextmanager
def bound_and_started_later() -> Iterator[int]:
    server = httpserver.HTTPServer(application())
    server.bind(0, "127.0.0.1")
    loop = IOLoop(make_current=False)

    def run() -> None:
        loop.make_current()
        server.start()
        loop.start()

    thread = started(run)
    yield server._pending_sockets[0].getsockname()[1] if server._pending_sockets else next(
        iter(server._sockets.values())
    ).getsockname()[1]
    loop.add_callback(server.stop)
    loop.add_callback(loop.stop)
    ended(thread)
    loop.close(all_fds=True)


@contextlib.contextmanager
def asyncio_run() -> Iterator[int]:
    ready: concurrent.futures.Future[Any] = concurrent.futures.Future()

    async def main() -> None:
        server = application().listen(0, "127.0.0.1")
        over = asyncio.Event()
        port = next(iter(server._sockets.values())).getsockname()[1]
        ready.set_result((asyncio.get_running_loop(), over, port))
        await over.wait()
        server.stop()

    thread = started(lambda: asyncio.run(main()))
    loop, over, port = ready.result(5)
    yield port
    loop.call_soon_threadsafe(over.set)
    ended(thread)


@contextlib.contextmanager
def asyncio_run_forever() -> Iterator[int]:
    """The form of programs that know Tornado 5: the loop is asyncio's, and run as such."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    async def begin() -> Any:
        return application().listen(0, "127.0.0.1")

    thread = started(run, daemon=True)
    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(5)
    yield next(iter(server._sockets.values())).getsockname()[1]
    server.stop()
    loop.call_soon_threadsafe(loop.stop)
    ended(thread)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@contextlib.contextmanager
def set_up_before_it_moves() -> Iterator[int]:
    """Something of the program's has run on the loop before, in the main thread."""
    loop = IOLoop(make_current=True)

    async def set_up() -> Any:
        server = httpserver.HTTPServer(application())
        server.listen(0, "127.0.0.1")
        await asyncio.sleep(0.01)
        return server

    server = loop.run_sync(set_up)
    thread = started(loop.start)
    yield next(iter(server._sockets.values())).getsockname()[1]
    loop.add_callback(loop.stop)
    ended(thread)
    server.stop()
    loop.close(all_fds=True)


@contextlib.contextmanager
def with_a_loop_of_the_main_threads_own() -> Iterator[int]:
    """The main thread's loop has servers, too, and ran before and runs meanwhile."""
    loop = IOLoop(make_current=True)

    async def work() -> None:
        sock, port = bind_unused_port()
        server = httpserver.HTTPServer(application())
        server.add_socket(sock)
        asked = await asyncio.get_running_loop().run_in_executor(None, ask, port)
        assert asked == threading.current_thread().name
        server.stop()

    loop.run_sync(work)
    with made_in_the_thread() as port:
        loop.run_sync(work)
        yield port
        loop.run_sync(work)
    loop.close(all_fds=True)


FORMS: list[Any] = [
    made_in_the_thread,
    made_beforehand,
    stopped_in_the_loop,
    bound_and_started_later,
    asyncio_run,
    asyncio_run_forever,
    set_up_before_it_moves,
    with_a_loop_of_the_main_threads_own,
]


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_fixture(form: Any, caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        with form() as port:
            assert ask(port) == "the server's"
            assert ask(port) == "the server's"
        with pytest.raises(ConnectionError):
            ask(port)
    asyncio.set_event_loop(None)
    workers = ("asyncio_", "ThreadPoolExecutor")  # of `run_in_executor`, idle
    left = [t for t in threading.enumerate() if t not in before]
    assert [t for t in left if not t.name.startswith(workers)] == []
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


@pytest.mark.parametrize("form", FORMS)
def test_several_at_a_time(form: Any) -> None:
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(made_in_the_thread()) for _ in range(3)]
        ports.append(stack.enter_context(form()))
        for port in ports * 2:
            assert ask(port) == "the server's"
    asyncio.set_event_loop(None)


# --- one loop, several threads -----------------------------------------------------------------


@pytest.mark.parametrize("run", ["start", "run_forever"])
@pytest.mark.parametrize("main_has_tasks", [False, True])
def test_a_loop_goes_from_thread_to_thread_with_a_server_more_each_time(
    run: str, main_has_tasks: bool
) -> None:
    """Each is begun from the main thread, while the loop stands still or runs."""
    mine = None
    if main_has_tasks:
        mine = IOLoop(make_current=True)
        mine.run_sync(lambda: asyncio.sleep(0.001))
    loop = IOLoop(make_current=False)
    begin = loop.start if run == "start" else loop.asyncio_loop.run_forever  # type: ignore[attr-defined]
    servers = []

    def serve() -> int:
        before = IOLoop.current(instance=False)
        loop.make_current()
        server = httpserver.HTTPServer(application())
        sock, port = bind_unused_port()
        server.add_socket(sock)
        servers.append((server, port))
        if before is not None:
            before.make_current()
        return port

    for _ in range(3):
        asyncio.set_event_loop(None)
        serve()
        thread = started(begin)
        for _, port in servers:
            assert ask(port) == "the server's"
        server, port = servers[0]
        more, another = bind_unused_port()
        server.add_socket(more)  # to one that is being served, while the loop runs
        assert ask(another) == "the server's"
        loop.add_callback(loop.stop)
        ended(thread)
    # Stopped from here: the ports are free at once.
    for server, port in servers:
        server.stop()
        with socket.create_server(("127.0.0.1", port)):
            pass
    loop.close(all_fds=True)
    if mine is not None:
        mine.run_sync(lambda: asyncio.sleep(0.001))
        mine.close(all_fds=True)


@pytest.mark.parametrize("kind", [httpserver.HTTPServer, tcpserver.TCPServer])
def test_stop_from_another_thread_frees_the_port(kind: Any) -> None:
    loop = IOLoop(make_current=True)
    thread = started(loop.start)
    for _ in range(20):
        sock, port = bind_unused_port()
        server = kind(application()) if kind is httpserver.HTTPServer else kind()
        done = concurrent.futures.Future[None]()
        loop.add_callback(lambda s=server, k=sock, d=done: d.set_result(s.add_socket(k)))
        done.result(5)
        if kind is httpserver.HTTPServer:
            assert ask(port) == "the server's"
        server.stop()
        with socket.create_server(("127.0.0.1", port)):
            pass
    loop.add_callback(loop.stop)
    ended(thread)
    loop.close(all_fds=True)


def test_a_busy_loop_does_not_hold_up_for_long_who_stops_its_server() -> None:
    loop = IOLoop(make_current=True)
    server = httpserver.HTTPServer(application())
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    thread = started(loop.start)
    ask(port)
    busy, over = threading.Event(), threading.Event()

    def block() -> None:
        busy.set()
        over.wait(20)

    loop.add_callback(block)
    assert busy.wait(5)
    server.stop()
    assert not over.is_set()
    over.set()
    loop.add_callback(loop.stop)
    ended(thread)
    with pytest.raises(ConnectionError):
        ask(port)
    loop.close(all_fds=True)


# --- many loops ---------------------------------------------------------------------------------


async def one_request(app: Any) -> bytes:
    server = httpserver.HTTPServer(app)
    sock, port = bind_unused_port()
    server.add_socket(sock)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    status = (await reader.read()).split(b" ", 2)[1]
    writer.close()
    server.stop()
    return status


def test_many_loops_left_open_in_one_thread() -> None:
    """The kernel bounds how many descriptors may watch one another: only one loop watches."""
    app, loops, seen = application(), [], collections.Counter[bytes]()
    for _ in range(130):
        loop = asyncio.new_event_loop()
        loops.append(loop)
        seen[loop.run_until_complete(one_request(app))] += 1
    assert seen == {b"200": 130}
    # Any of them may go on, and be closed in any order.
    for loop in (loops[0], loops[77], loops[-1]):
        assert loop.run_until_complete(one_request(app)) == b"200"
    for loop in loops[::2] + loops[1::2]:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_tasks_of_a_loop_that_stood_still_go_on_when_it_runs_again() -> None:
    """Whoever runs it, and whatever ran in between."""
    loops = [asyncio.new_event_loop() for _ in range(3)]
    servers: list[Any] = []

    async def serve() -> int:
        server = httpserver.HTTPServer(application())
        sock, port = bind_unused_port()
        server.add_socket(sock)
        servers.append(server)
        return port

    async def request(port: int) -> str:
        return await asyncio.get_running_loop().run_in_executor(None, ask, port)

    ports = [loop.run_until_complete(serve()) for loop in loops]
    for _ in range(3):
        for loop, port in zip(loops, ports, strict=True):
            assert loop.run_until_complete(request(port)) == threading.current_thread().name
    for loop, server in zip(loops, servers, strict=True):
        server.stop()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_no_thread_outlives_asyncio_run(tmp_path: Path) -> None:
    """Names are looked up, and large files read, in threads."""
    (tmp_path / "large").write_bytes(b"x" * 3_000_000)

    async def main() -> None:
        handlers = [("/(.*)", web.StaticFileHandler, {"path": tmp_path})]
        server = httpserver.HTTPServer(web.Application(handlers))  # type: ignore[arg-type]
        sock, port = bind_unused_port()
        server.add_socket(sock)
        response = await AsyncHTTPClient().fetch(f"http://localhost:{port}/large")
        assert len(response.body) == 3_000_000
        busy = {thread.name for thread in set(threading.enumerate()) - before}
        assert busy and all(name.startswith("tornado_trio") for name in busy)
        server.stop()

    before = set(threading.enumerate())
    asyncio.run(main())
    assert set(threading.enumerate()) == before
