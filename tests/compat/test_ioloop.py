"""tornado.ioloop: what upstream's suite does not ask, and the failure paths."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import datetime
import gc
import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio
import trio.lowlevel
from tornado import gen
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.platform.asyncio import AsyncIOLoop, AsyncIOMainLoop
from tornado.platform.trio import run_task, start_soon



@pytest.fixture
def io_loop():
    loop = IOLoop(make_current=True)
    yield loop
    if not loop.asyncio_loop.is_closed():
        loop.close(all_fds=True)


def run_for(loop, seconds):
    loop.call_later(seconds, loop.stop)
    loop.start()


def run_until(loop, condition):
    """Run the loop until `condition()` holds; 10 seconds on a machine that is busy."""

    async def wait():
        with trio.fail_after(10):
            while not condition():  # noqa: ASYNC110 - any condition
                await trio.sleep(0.001)

    loop.run_sync(wait)


class TestCurrent:
    def test_a_thread_without_a_loop(self):
        seen = []

        def thread():
            seen.append(IOLoop.current(instance=False))
            loop = IOLoop.current()
            seen.append(loop.run_sync(lambda: gen.maybe_future(5)))
            loop.close()

        worker = threading.Thread(target=thread)
        worker.start()
        worker.join(10)
        assert seen == [None, 5]

    def test_made_current_and_cleared(self, io_loop):
        assert IOLoop.current() is io_loop
        other = IOLoop(make_current=False)
        assert IOLoop.current() is io_loop
        other.make_current()
        assert IOLoop.current() is other
        IOLoop.clear_current()
        other.close()

    def test_in_asyncio_run_it_is_the_running_loop(self):
        async def main():
            current = IOLoop.current()
            assert isinstance(current, AsyncIOMainLoop)
            assert current.asyncio_loop is asyncio.get_running_loop()
            assert IOLoop.current() is current

        asyncio.run(main())
        asyncio.run(main())

    def test_the_singleton_of_tornado_4(self, io_loop):
        assert IOLoop.instance() is io_loop and IOLoop.initialized()
        other = AsyncIOLoop(make_current=False)
        other.install()
        assert IOLoop.instance() is IOLoop.current() is other
        IOLoop.clear_instance()
        io_loop.make_current()
        assert IOLoop.instance() is io_loop
        other.close()

    def test_two_ioloops_for_one_asyncio_loop_are_refused(self, io_loop):
        with pytest.raises(RuntimeError, match="already associated"):
            AsyncIOLoop(asyncio_loop=io_loop.asyncio_loop, make_current=False)


class TestRunning:
    def test_start_stop_start_keeps_background_tasks(self, io_loop):
        ticks = []

        async def ticker():
            while True:
                ticks.append(1)
                await trio.sleep(0.002)

        io_loop.spawn_callback(ticker)
        for n in range(1, 4):
            run_until(io_loop, lambda n=n: len(ticks) > 2 * n)

    def test_stop_before_start_ends_the_next_run(self, io_loop):
        ran = []
        io_loop.add_callback(ran.append, 1)
        io_loop.stop()
        io_loop.start()
        assert ran == [1]

    def test_close_cancels_what_is_pending_and_waits_for_it(self, io_loop):
        trace = []

        async def pending(sleep):
            try:
                await sleep(60)
            finally:
                trace.append(sleep.__module__.split(".")[0])

        io_loop.spawn_callback(pending, trio.sleep)
        io_loop.spawn_callback(pending, asyncio.sleep)
        start_soon(pending, trio.sleep)
        run_for(io_loop, 0.01)
        io_loop.close()
        assert sorted(trace) == ["asyncio", "trio", "trio"]

    def test_close_with_work_that_never_began(self):
        loop = IOLoop(make_current=False)
        never = trio.sleep(1)  # noqa: ASYNC105 - run by the loop
        future = loop._run_task(never)
        loop.close()
        assert future.cancelled()
        with pytest.raises(RuntimeError, match="cannot reuse"):
            never.send(None)

    def test_add_callback_after_close_is_dropped(self, io_loop):
        io_loop.close()
        io_loop.add_callback(lambda: pytest.fail("called"))

    def test_close_all_fds(self, io_loop):
        a, b = socket.socketpair()
        read, write = os.pipe()
        io_loop.add_handler(a, lambda fd, events: None, IOLoop.READ)
        io_loop.add_handler(read, lambda fd, events: None, IOLoop.READ)
        io_loop.close(all_fds=True)
        assert a.fileno() == -1
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(read)
        b.close()
        os.close(write)

    def test_close_at_interpreter_exit_is_quiet(self):
        import subprocess
        import sys

        program = (
            "import compat, trio\n"
            "from tornado.ioloop import IOLoop\n"
            "IOLoop.current().spawn_callback(trio.sleep_forever)\n"
            "IOLoop.current().run_sync(lambda: trio.sleep(0.01))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
        )
        assert (done.returncode, done.stderr) == (0, "")


class TestRunSync:
    def test_kinds_of_functions(self, io_loop):
        async def native():
            await trio.lowlevel.checkpoint()
            return 1

        @gen.coroutine
        def generator():
            yield gen.sleep(0)
            raise gen.Return(2)

        assert io_loop.run_sync(native) == 1
        assert io_loop.run_sync(generator) == 2
        assert io_loop.run_sync(lambda: None) is None

    def test_error(self, io_loop):
        async def fails():
            raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            io_loop.run_sync(fails)

    def test_timeout_cancels(self, io_loop):
        trace = []

        async def slow():
            try:
                await trio.sleep(60)
            except asyncio.CancelledError:
                trace.append("cancelled")
                raise

        with pytest.raises(TimeoutError, match="0.1 seconds"):
            io_loop.run_sync(slow, timeout=0.1)
        assert trace == ["cancelled"]


class TestCallbacks:
    def test_in_order_with_arguments(self, io_loop):
        seen = []
        io_loop.add_callback(seen.append, 1)
        io_loop.spawn_callback(lambda *a, **k: seen.append((a, k)), 2, three=3)
        run_for(io_loop, 0)
        assert seen == [1, ((2,), {"three": 3})]

    def test_from_another_thread_wakes_the_loop(self, io_loop):
        thread = threading.Timer(0.01, io_loop.add_callback, [io_loop.stop])
        thread.start()
        io_loop.start()
        thread.join()

    @pytest.mark.parametrize("kind", ["plain", "generator", "native"])
    def test_errors_are_logged_and_do_no_harm(self, io_loop, caplog, kind):
        def plain():
            raise LookupError("mine")

        @gen.coroutine
        def generator():
            yield gen.moment
            raise LookupError("mine")

        async def native():
            await trio.lowlevel.checkpoint()
            raise LookupError("mine")

        io_loop.add_callback(locals()[kind])
        with caplog.at_level(logging.ERROR):
            run_until(io_loop, lambda: caplog.records)
        assert [r.name for r in caplog.records] == ["tornado.application"]
        assert "LookupError: mine" in caplog.text

    def test_an_unretrieved_exception_is_logged_once(self, io_loop, caplog):
        async def fails():
            raise LookupError("mine")

        async def main():
            run_task(fails())
            await asyncio.sleep(0.01)

        with caplog.at_level(logging.ERROR):
            io_loop.run_sync(main)
            import gc

            gc.collect()
        assert caplog.text.count("never retrieved") == 1


class TestTimeouts:
    def test_kinds_of_deadlines(self, io_loop):
        seen = []
        # In order, however long this takes.
        io_loop.add_timeout(datetime.timedelta(milliseconds=1), seen.append, 1)
        io_loop.add_timeout(io_loop.time() + 0.002, seen.append, 2)
        io_loop.call_later(0.003, seen.append, 3)
        io_loop.call_at(io_loop.time() + 0.004, seen.append, 4)
        run_until(io_loop, lambda: len(seen) == 4)
        assert seen == [1, 2, 3, 4]
        with pytest.raises(TypeError, match="Unsupported deadline"):
            io_loop.add_timeout("soon", seen.append)

    def test_removed(self, io_loop):
        handle = io_loop.call_later(0.001, lambda: pytest.fail("called"))
        io_loop.remove_timeout(handle)
        io_loop.remove_timeout(handle)
        run_for(io_loop, 0.01)


class TestHandlers:
    def test_level_triggered_and_updated(self, io_loop):
        a, b = socket.socketpair()
        a.setblocking(False)
        seen = []

        def handler(fd, events):
            assert fd is a
            seen.append(events)
            if len(seen) == 2:
                io_loop.update_handler(a, IOLoop.WRITE)
            elif len(seen) == 3:
                io_loop.remove_handler(a)
                io_loop.stop()

        io_loop.add_handler(a, handler, IOLoop.READ)
        with pytest.raises(ValueError, match="added twice"):
            io_loop.add_handler(a.fileno(), handler, IOLoop.READ)
        b.send(b"x")
        io_loop.start()
        assert seen == [IOLoop.READ, IOLoop.READ, IOLoop.WRITE]
        a.close()
        b.close()


class TestExecutors:
    def test_run_in_executor(self, io_loop):
        async def main():
            with ThreadPoolExecutor(1) as pool:
                assert await IOLoop.current().run_in_executor(pool, lambda a: a + 1, 2) == 3
            io_loop.set_default_executor(ThreadPoolExecutor(1, "mine"))
            name = await io_loop.run_in_executor(None, lambda: threading.current_thread().name)
            assert name.startswith("mine")

        io_loop.run_sync(main)


class TestClosedWithWorkPending:
    @pytest.mark.skipif(
        "TORNADO_TRIO_PUBLIC_ONLY" in os.environ,
        reason="which scope was cancelled is hidden there: waits for asyncio are cut every time",
    )
    def test_cleanup_as_asyncio_programs_write_it(self):
        ended = []

        async def worker():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0.001)
                await gen.sleep(0.001)
                ended.append("cleaned up")
                raise

        async def main():
            IOLoop.current().spawn_callback(worker)
            await asyncio.sleep(0.01)

        asyncio.run(main())
        loop = IOLoop(make_current=False)
        loop.spawn_callback(worker)
        run_for(loop, 0.01)
        loop.close()
        assert ended == ["cleaned up"] * 2

    def test_a_coroutine_whose_turn_never_comes_is_closed(self, io_loop, recwarn):
        async def never():
            raise AssertionError

        futures = [run_task(never(), io_loop) for _ in range(2)]
        futures[1].cancel()
        io_loop.close()
        assert all(future.cancelled() for future in futures)
        gc.collect()
        assert not recwarn.list

    def test_the_exit_that_ended_the_loop_does_not_end_its_closing(self, io_loop):
        ended = []

        async def exits():
            await asyncio.sleep(0.001)
            raise SystemExit(3)

        @gen.coroutine
        def yields():
            yield exits()

        async def pending():
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(True)

        io_loop.spawn_callback(pending)
        io_loop.spawn_callback(yields)
        with pytest.raises(SystemExit):
            io_loop.start()
        io_loop.close()
        assert ended
        assert io_loop.asyncio_loop.is_closed()

    @pytest.mark.skipif(
        "TORNADO_TRIO_PUBLIC_ONLY" in os.environ,
        reason="which scope was cancelled is hidden there: waits for asyncio are cut every time",
    )
    def test_an_exit_while_closing_leaves_when_all_has_ended(self, io_loop):
        begun, ended = [], []

        def has_begun():
            begun.append(True)
            if len(begun) == 2:
                io_loop.add_callback(io_loop.stop)

        async def exits():
            has_begun()
            try:
                await asyncio.sleep(60)
            finally:
                raise SystemExit(3)

        async def pending():
            has_begun()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.001)
                ended.append(True)

        io_loop.spawn_callback(exits)
        io_loop.spawn_callback(pending)
        io_loop.start()
        with pytest.raises(SystemExit):
            io_loop.close()
        assert ended
        assert io_loop.asyncio_loop.is_closed()


class TestPeriodicCallback:
    def test_a_call_that_ends_with_its_loop_is_no_error(self, io_loop, caplog):
        PeriodicCallback(lambda: asyncio.sleep(60), 1).start()
        run_for(io_loop, 0.02)
        io_loop.close()
        assert caplog.records == []

    def test_coroutines_never_overlap(self, io_loop):
        running, most, calls = 0, 0, 0

        async def slow():
            nonlocal running, most, calls
            running += 1
            calls += 1
            most = max(most, running)
            await trio.sleep(0.005)
            running -= 1

        periodic = PeriodicCallback(slow, datetime.timedelta(milliseconds=1))
        periodic.start()
        periodic.start()  # has no effect
        assert periodic.is_running()
        run_until(io_loop, lambda: calls > 2)
        periodic.stop()
        assert most == 1
        assert not periodic.is_running()

    def test_errors_do_not_end_it(self, io_loop, caplog):
        calls = []

        def fails():
            calls.append(1)
            raise LookupError("mine")

        PeriodicCallback(fails, 1).start()
        run_until(io_loop, lambda: len(calls) > 1)
        assert "LookupError" in caplog.text

    def test_the_argument_of_tornado_4(self, io_loop):
        calls = []
        for periodic in (
            PeriodicCallback(lambda: calls.append(1), 1, io_loop),
            PeriodicCallback(lambda: calls.append(2), 1, io_loop=io_loop),
        ):
            periodic.start()
        run_until(io_loop, lambda: {1, 2} <= set(calls))

    def test_a_period_must_be_positive(self):
        with pytest.raises(ValueError, match="positive"):
            PeriodicCallback(print, 0)


@pytest.mark.keeps_open("libuv has a pipe for the process")
def test_uvloop():
    uvloop = pytest.importorskip("uvloop")
    loop = AsyncIOLoop(asyncio_loop=uvloop.new_event_loop(), make_current=True)

    async def main():
        await trio.sleep(0.001)
        await asyncio.sleep(0.001)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asyncio.sleep, 0.001)
        return await gen.multi([trio.lowlevel.checkpoint(), asyncio.sleep(0, 7)])  # noqa: ASYNC105 - run by the loop

    assert loop.run_sync(main) == [None, 7]
    loop.close()


def test_the_clock_is_the_wall_clock(io_loop):
    assert abs(io_loop.time() - time.time()) < 60


def test_a_loop_closed_with_a_coroutine_waited_for_takes_no_other_down(caplog):
    """As by asyncio: what waits for a coroutine of a closed loop waits for ever."""

    async def forever():
        await asyncio.Event().wait()

    async def left_behind():
        future = run_task(forever())
        future.add_done_callback(print)  # asyncio would have to call it on the closed loop
        await asyncio.sleep(0.01)
        return future

    async def working():
        future = run_task(forever())
        await asyncio.sleep(0.05)  # the closed loop's coroutine is cancelled meanwhile
        assert not future.done()
        return await run_task(answer())

    async def answer():
        await trio.lowlevel.checkpoint()
        return 42

    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(left_behind())
    loop.close()  # no shutdown_asyncgens: nobody told us
    assert asyncio.run(working()) == 42
    assert kept.cancelled()
    assert not caplog.records


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="a guest run stays in its thread then"
)
def test_a_loop_that_ran_elsewhere_is_closed_by_a_thread_with_tasks_of_its_own(io_loop):
    async def background():
        try:
            await trio.sleep_forever()
        finally:
            ended.append(True)

    def run_other():
        other.make_current()
        start_soon(background, io_loop=other)
        run_for(other, 0.05)

    ended = []
    start_soon(trio.sleep_forever, io_loop=io_loop)
    run_for(io_loop, 0.01)
    other = IOLoop(make_current=False)
    thread = threading.Thread(target=run_other)
    thread.start()
    thread.join()
    other.close(all_fds=True)
    assert ended == [True]
    assert other.asyncio_loop.is_closed()
    run_for(io_loop, 0.01)  # goes on
