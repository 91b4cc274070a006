"""tornado.gen and tornado.concurrent: what upstream's suite does not ask."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import concurrent.futures
import contextvars
import datetime
import logging

import pytest
import trio
import trio.lowlevel
from tornado import gen
from tornado.concurrent import (
    Future,
    chain_future,
    dummy_executor,
    future_set_exc_info,
    is_future,
    run_on_executor,
)
from tornado.ioloop import IOLoop



@pytest.fixture
def io_loop():
    loop = IOLoop(make_current=True)
    yield loop
    loop.close(all_fds=True)


def run(io_loop, function):
    return io_loop.run_sync(function, timeout=10)


class TestWhatMayBeYielded:
    def test_everything_at_once(self, io_loop):
        @gen.coroutine
        def child(n):
            yield gen.moment
            return n

        async def native(n):
            await trio.lowlevel.checkpoint()
            return n

        @gen.coroutine
        def main():
            values = yield [
                child(1), native(2), dummy_executor.submit(lambda: 3), asyncio.sleep(0, 4), None,
            ]
            assert values == [1, 2, 3, 4, None]
            values = yield {"a": child(1), "b": native(2)}
            assert values == {"a": 1, "b": 2}
            nested = yield [[child(1), child(2)], {"x": native(3)}]
            assert nested == [[1, 2], {"x": 3}]
            yield None
            with pytest.raises(gen.BadYieldError):
                yield "a string"
            return "done"

        assert run(io_loop, main) == "done"

    def test_teaching_it_a_type(self, io_loop):
        class Deferred:
            value = 5

        @gen.convert_yielded.register(Deferred)
        def convert(deferred):
            return gen.maybe_future(deferred.value)

        @gen.coroutine
        def main():
            return (yield Deferred())

        assert run(io_loop, main) == 5

    def test_a_thread_pool(self, io_loop):
        @gen.coroutine
        def main():
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                return (yield [pool.submit(pow, 2, n) for n in range(4)])

        assert run(io_loop, main) == [1, 2, 4, 8]


class TestCancelling:
    def test_the_future_of_a_generator_coroutine(self, io_loop):
        trace = []

        @gen.coroutine
        def victim():
            try:
                yield gen.sleep(60)
            except asyncio.CancelledError:
                trace.append("cancelled")
                raise

        async def main():
            future = victim()
            await asyncio.sleep(0)
            assert future.cancel()
            with pytest.raises(asyncio.CancelledError):
                await future
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        run(io_loop, main)
        assert trace == ["cancelled"]

    def test_reaches_the_native_coroutine_inside(self, io_loop):
        trace = []

        async def innermost():
            try:
                await trio.sleep(60)
            finally:
                trace.append("unwound")

        @gen.coroutine
        def middle():
            yield innermost()

        async def main():
            with trio.move_on_after(0.01):
                await middle()
            await asyncio.sleep(0.01)

        run(io_loop, main)
        assert trace == ["unwound"]

    def test_before_it_begins(self, io_loop):
        async def never():
            pytest.fail("began")

        async def main():
            future = gen.convert_yielded(never())
            future.cancel()
            with pytest.raises(asyncio.CancelledError):
                await future

        run(io_loop, main)

    def test_sleep_forgets_its_timer(self, io_loop):
        async def main():
            future = gen.sleep(3600)
            future.cancel()
            await asyncio.sleep(0)
            timers = getattr(asyncio.get_running_loop(), "_scheduled", [])
            assert all(t.cancelled() for t in timers if t.when() > io_loop.asyncio_loop.time() + 60)

        run(io_loop, main)


class TestSeveral:
    def test_only_the_first_error_is_raised(self, io_loop, caplog):
        async def fails(n):
            raise LookupError(n)

        async def main():
            with pytest.raises(LookupError, match="1"):
                await gen.multi([fails(1), fails(2)])
            with pytest.raises(LookupError):
                await gen.multi([fails(3), fails(4)], quiet_exceptions=LookupError)

        with caplog.at_level(logging.ERROR):
            run(io_loop, main)
        assert caplog.text.count("Multiple exceptions in yield list") == 1

    def test_none_at_all(self, io_loop):
        async def main():
            return await gen.multi([]), await gen.multi({})

        assert run(io_loop, main) == ([], {})

    def test_with_timeout(self, io_loop, caplog):
        async def late():
            await trio.sleep(0.01)
            raise LookupError("late")

        async def main():
            with pytest.raises(gen.TimeoutError):
                await gen.with_timeout(datetime.timedelta(milliseconds=1), late())
            assert await gen.with_timeout(io_loop.time() + 5, gen.maybe_future(3)) == 3
            await trio.sleep(0.02)

        with caplog.at_level(logging.ERROR):
            run(io_loop, main)
        assert caplog.text.count("LookupError: late") == 1

    def test_wait_iterator_names_what_finished(self, io_loop):
        async def main():
            iterator = gen.WaitIterator(slow=gen.sleep(0.01), quick=gen.sleep(0))
            order = [iterator.current_index async for _ in iterator]
            assert iterator.done() and iterator.current_index is None
            return order

        assert run(io_loop, main) == ["quick", "slow"]
        with pytest.raises(ValueError, match="args or kwargs"):
            gen.WaitIterator(1, a=2)


class TestFuture:
    def test_what_is_one(self):
        loop = asyncio.new_event_loop()
        assert isinstance(loop.create_future(), Future)
        assert is_future(concurrent.futures.Future())
        assert not isinstance(concurrent.futures.Future(), Future)
        assert not is_future(object())

        class Mine(Future):
            pass

        assert isinstance(Mine(loop=loop), Future)
        assert not isinstance(Future(loop=loop), Mine)
        loop.close()

    def test_chained(self, io_loop):
        async def main():
            a, b = Future(), Future()
            chain_future(a, b)
            a.set_exception(LookupError("mine"))
            with pytest.raises(LookupError):
                await b
            c, d = concurrent.futures.Future(), Future()
            chain_future(c, d)
            c.set_result(3)
            assert await d == 3
            e, f = Future(), Future()
            chain_future(e, f)
            e.cancel()
            with pytest.raises(asyncio.CancelledError):
                await f

        run(io_loop, main)

    def test_exc_info_of_tornado_4(self, io_loop):
        async def main():
            future = Future()
            assert future.set_exc_info((LookupError, LookupError("mine"), None)) is None
            kind, error, _ = future.exc_info()
            assert kind is LookupError and error.args == ("mine",)
            with pytest.raises(Exception, match="no exception"):
                future_set_exc_info(Future(), (None, None, None))

        run(io_loop, main)

    def test_run_on_executor(self, io_loop):
        class Worker:
            executor = dummy_executor
            other = dummy_executor

            @run_on_executor
            def add(self, a, b):
                return a + b

            @run_on_executor(executor="other")
            def fail(self):
                raise LookupError("mine")

        async def main():
            called = []
            assert await Worker().add(1, b=2, callback=called.append) == 3
            await asyncio.sleep(0)
            assert called == [3]
            with pytest.raises(LookupError):
                await Worker().fail()

        run(io_loop, main)


def test_context_variables_follow_each_coroutine(io_loop):
    variable = contextvars.ContextVar("variable", default=None)

    @gen.coroutine
    def generator(n):
        variable.set(n)
        for _ in range(3):
            yield gen.moment
            assert variable.get() == n
        yield native(n)
        assert variable.get() == n

    async def native(n):
        assert variable.get() == n
        variable.set(("inner", n))
        await trio.lowlevel.checkpoint()
        assert variable.get() == ("inner", n)

    async def main():
        await gen.multi([generator(n) for n in range(5)])
        return variable.get()

    assert run(io_loop, main) is None
