"""The methods that notes about Tornado list, each called once: IOLoop, gen, HTTP client.

RequestHandler's are in test_tour. What was taken out of Tornado 5 and 6 is here too: people
still have it in their notes, and in their programs.
"""

import compat  # noqa: I001 (first: it makes `tornado` ours)

import asyncio
import datetime
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tornado import gen
from tornado.concurrent import Future
from tornado.httpclient import AsyncHTTPClient, HTTPClient, HTTPRequest
from tornado.httputil import url_concat
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.testing import AsyncHTTPTestCase, ExpectLog, gen_test
from tornado.web import Application, RequestHandler

pytestmark = [
    pytest.mark.filterwarnings("ignore::compat.OldIdiomWarning"),
    pytest.mark.filterwarnings("ignore:add_callback_from_signal:DeprecationWarning"),
]


@pytest.fixture
def loop() -> Iterator[IOLoop]:
    loop = IOLoop()
    yield loop
    loop.close(all_fds=True)


# --- IOLoop --------------------------------------------------------------------------------


def test_current(loop: IOLoop) -> None:
    loop.make_current()
    assert IOLoop.current() is loop
    assert IOLoop.current(instance=False) is loop
    IOLoop.clear_current()
    assert IOLoop.current(instance=False) is None
    loop.make_current()


def test_the_global_instance() -> None:
    loop = IOLoop.instance()
    try:
        assert IOLoop.initialized()
        loop.install()
        assert IOLoop.instance() is loop
    finally:
        IOLoop.clear_instance()
        loop.close()


def test_start_and_stop(loop: IOLoop) -> None:
    order: list[Any] = []
    loop.add_callback(order.append, "callback")
    loop.spawn_callback(order.append, "spawned")
    loop.add_callback_from_signal(order.append, "from a signal")
    now = loop.time()
    loop.call_later(0.01, order.append, "later")
    loop.call_at(now + 0.02, order.append, "at")
    loop.add_timeout(now + 0.03, order.append, "number")
    loop.add_timeout(datetime.timedelta(seconds=0.04), order.append, "timedelta")
    gone = loop.call_later(0.01, order.append, "removed")
    loop.remove_timeout(gone)
    loop.call_later(0.05, loop.stop)
    loop.start()
    assert order == [
        "callback",
        "spawned",
        "from a signal",
        "later",
        "at",
        "number",
        "timedelta",
    ]


def test_run_sync(loop: IOLoop) -> None:
    async def answer() -> int:
        await gen.sleep(0.001)
        return 42

    assert loop.run_sync(answer) == 42
    with pytest.raises(gen.TimeoutError):
        loop.run_sync(lambda: gen.sleep(10), timeout=0.01)


def test_add_future(loop: IOLoop) -> None:
    future: Future[int] = Future()
    seen = []
    loop.add_future(future, lambda future: (seen.append(future.result()), loop.stop()))
    loop.add_callback(future.set_result, 1)
    loop.start()
    assert seen == [1]


def test_descriptors(loop: IOLoop) -> None:
    ours, theirs = socket.socketpair()
    seen = []

    def ready(sock: socket.socket, events: int) -> None:
        if events & loop.READ:
            seen.append(sock.recv(10))
            loop.update_handler(ours, loop.WRITE)
        elif events & loop.WRITE:
            seen.append(b"may write")
            loop.remove_handler(ours)
            loop.stop()

    with theirs:
        loop.add_handler(ours, ready, loop.READ)
        theirs.send(b"hello")
        loop.start()
        assert seen == [b"hello", b"may write"]
        assert loop.split_fd(ours) == (ours.fileno(), ours)
        assert loop.split_fd(7) == (7, 7)
        loop.close_fd(ours)
        assert ours.fileno() == -1


def test_periodic_callback(loop: IOLoop) -> None:
    seen: list[int] = []
    periodic = PeriodicCallback(lambda: seen.append(1), 5)
    assert not periodic.is_running()

    def end() -> None:
        assert periodic.is_running()
        periodic.stop()
        loop.stop()

    loop.make_current()
    loop.add_callback(periodic.start)
    loop.call_later(0.1, end)
    loop.start()
    assert not periodic.is_running()
    assert len(seen) >= 3


def test_errors_of_callbacks(loop: IOLoop, caplog: pytest.LogCaptureFixture) -> None:
    async def divide(a: int, b: int) -> float:
        return a / b

    loop.spawn_callback(divide, 1, 0)
    loop.call_later(0.02, loop.stop)
    loop.start()
    assert "ZeroDivisionError" in caplog.text


def test_a_blocked_loop_is_told_of(loop: IOLoop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_blocking_log_threshold(0.02)
    try:
        loop.add_callback(time.sleep, 0.1)
        loop.add_callback(loop.stop)
        loop.start()
    finally:
        loop.set_blocking_signal_threshold(None, None)
    assert "blocked" in caplog.text.lower()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        loop.log_stack(signal.SIGALRM, None)
    assert caplog.text


def test_handle_callback_exception() -> None:
    seen = []

    class Loop(IOLoop.configured_class()):  # type: ignore[misc]
        def handle_callback_exception(self, callback: Any) -> None:
            seen.append(callback)

    loop = Loop(make_current=False)
    try:
        loop.add_callback(lambda: 1 / 0)
        loop.call_later(0.01, loop.stop)
        loop.start()
    finally:
        loop.close()
    assert len(seen) == 1


# --- gen -----------------------------------------------------------------------------------


class TestGen(AsyncHTTPTestCase):
    def get_app(self) -> Application:
        class Echo(RequestHandler):
            def get(self) -> None:
                self.write(self.get_argument("say", "nothing"))

        return Application([("/", Echo)])

    @gen_test
    def test_coroutine_and_return(self) -> Any:
        @gen.coroutine
        def double(x: int) -> Any:
            yield gen.moment
            raise gen.Return(2 * x)

        assert isinstance(double(1), Future)
        assert (yield [double(1), double(2)]) == [2, 4]
        assert (yield {"a": double(3)}) == {"a": 6}
        assert (yield gen.multi([double(1), double(2)])) == [2, 4]
        assert (yield gen.multi_future({"b": double(4)})) == {"b": 8}
        assert (yield gen.maybe_future(5)) == 5
        assert (yield gen.convert_yielded([double(1)])) == [2]
        with pytest.raises(gen.TimeoutError):
            yield gen.with_timeout(datetime.timedelta(seconds=0.01), gen.sleep(10))
        waiting = gen.WaitIterator(a=gen.sleep(0.02), b=double(1))
        first = yield waiting.next()
        assert (first, waiting.current_index) == (2, "b")

    @gen_test
    def test_loop_over_a_cursor(self) -> Any:
        """The pattern of database drivers: `while (yield cursor.fetch_next)`."""

        class Cursor:
            rows = ["a", "b"]

            @property
            def fetch_next(self) -> Future[bool]:
                future: Future[bool] = Future()
                IOLoop.current().add_callback(future.set_result, bool(self.rows))
                return future

            def next_object(self) -> str:
                return self.rows.pop(0)

        cursor, seen = Cursor(), []
        while (yield cursor.fetch_next):
            seen.append(cursor.next_object())
        assert seen == ["a", "b"]

    @gen_test
    def test_old_names(self) -> Any:
        def with_callback(x: int, callback: Any) -> None:
            self.io_loop.add_callback(callback, x + 1)

        assert (yield gen.Task(with_callback, 1)) == 2

        def with_arguments(callback: Any) -> None:
            self.io_loop.add_callback(callback, 1, key=2)

        result = yield gen.Task(with_arguments)
        assert isinstance(result, gen.Arguments)
        assert (result.args, result.kwargs) == ((1,), {"key": 2})

        @gen.engine
        def engine(callback: Any) -> Any:
            yield gen.sleep(0.001)
            callback("done")

        assert (yield gen.Task(engine)) == "done"

        @gen.coroutine
        def coroutine() -> Any:
            yield gen.moment
            return "called back"

        called: Future[str] = Future()
        coroutine(callback=called.set_result)
        assert (yield called) == "called back"

    @gen_test
    async def test_asyncio_beside_it(self) -> None:
        from tornado.platform.asyncio import to_asyncio_future, to_tornado_future

        assert await asyncio.wait_for(to_asyncio_future(gen.maybe_future(1)), 1) == 1
        assert await to_tornado_future(asyncio.ensure_future(asyncio.sleep(0, 2))) == 2

    # --- HTTP client -----------------------------------------------------------------------

    @gen_test
    async def test_client(self) -> None:
        client = AsyncHTTPClient()
        request = HTTPRequest(url_concat(self.get_url("/"), {"say": "a b"}), headers={"X": "y"})
        response = await client.fetch(request)
        assert (response.code, response.body, response.error) == (200, b"a b", None)
        response = await client.fetch(self.get_url("/nothing"), raise_error=False)
        assert response.code == 404 and response.error is not None
        called: Future[Any] = Future()
        client.fetch(self.get_url("/?say=called"), callback=called.set_result)
        assert (await called).body == b"called"
        client.close()

    @gen_test
    async def test_blocking_client(self) -> None:
        def fetch() -> bytes:
            client = HTTPClient()
            try:
                return client.fetch(self.get_url("/?say=blocking")).body
            finally:
                client.close()

        assert await self.io_loop.run_in_executor(None, fetch) == b"blocking"

    @gen_test
    async def test_future(self) -> None:
        mine: Future[bytes] = Future()
        fetched = AsyncHTTPClient().fetch(self.get_url("/?say=mine"))
        fetched.add_done_callback(lambda f: mine.set_result(f.result().body))
        assert not mine.done()
        assert await mine == b"mine"
        assert mine.done() and mine.result() == b"mine" and mine.exception() is None

    @gen_test
    async def test_lost_exceptions_are_logged(self) -> None:
        future: Future[None] = Future()
        with ExpectLog("asyncio", "Future exception was never retrieved"):
            future.set_exception(OSError("lost"))
            del future
            import gc

            gc.collect()
            await gen.sleep(0)


def test_this_is_the_whole_story() -> None:
    """Nothing above needed upstream's Tornado."""
    import tornado

    assert os.path.dirname(tornado.__file__) == os.path.join(compat.path(), "tornado")
