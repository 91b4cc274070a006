"""Coroutines that await trio and asyncio alike."""

import asyncio
import contextvars
import os
import subprocess
import sys

import anyio
import pytest
import trio
import trio.lowlevel

from tornado_trio.interop.driver import Driver

from .hosting import run_hosted, spawn


def test_both_libraries_in_one_body():
    async def body(scope):
        await trio.lowlevel.checkpoint()
        await asyncio.sleep(0)
        await trio.sleep(0.001)
        await asyncio.sleep(0.001)
        return await asyncio.to_thread(lambda: 1), await trio.to_thread.run_sync(lambda: 2)

    assert run_hosted(body) == (1, 2)


def test_the_current_task_tells_who_asked_how_it_ended():
    async def body(scope):
        told = []

        async def child(fail):
            task = asyncio.current_task()
            with pytest.raises(asyncio.InvalidStateError):
                task.result()
            task.add_done_callback(told.append)
            task.add_done_callback(print)
            assert task.remove_done_callback(print) == 1
            await asyncio.sleep(0)
            if fail:
                raise ValueError("ended")
            return 5

        assert await spawn(scope, child(False)) == 5
        with pytest.raises(ValueError, match="ended"):
            await spawn(scope, child(True))
        await asyncio.sleep(0)
        good, bad = told
        good.add_done_callback(told.append)
        await asyncio.sleep(0)
        assert told[2] is good
        with pytest.raises(ValueError, match="ended"):
            bad.result()
        return good.result(), good.exception(), str(bad.exception())

    assert run_hosted(body) == (5, None, "ended")


def test_children_of_a_nursery_may_await_asyncio():
    async def body(scope):
        seen = []

        async def child(n):
            await asyncio.sleep(0.001 * n)
            seen.append(n)

        async with trio.open_nursery() as nursery:
            for n in (3, 1, 2):
                nursery.start_soon(child, n)
        return sorted(seen)

    assert run_hosted(body) == [1, 2, 3]


def test_current_task_is_a_task_of_the_running_loop():
    async def body(scope):
        task = asyncio.current_task()
        assert task.get_loop() is asyncio.get_running_loop()
        assert not task.done() and task.cancelling() == 0
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        await trio.lowlevel.checkpoint()
        assert asyncio.current_task() is task
        task.set_name("mine")
        assert task.get_name() == "mine"

    run_hosted(body)


class TestCancelledByTrio:
    def test_an_asyncio_wait_ends_at_the_deadline(self):
        async def body(scope):
            with trio.move_on_after(0.05) as cancel_scope:
                await asyncio.sleep(60)
            return cancel_scope.cancelled_caught

        assert run_hosted(body)

    def test_a_scope_cancelled_beforehand(self):
        async def body(scope):
            with trio.CancelScope() as cancel_scope:
                cancel_scope.cancel()
                await asyncio.sleep(60)
            await asyncio.sleep(0)
            return cancel_scope.cancelled_caught

        assert run_hosted(body)

    def test_cancelled_in_a_borrowed_step(self):
        async def body(scope):
            with trio.CancelScope() as cancel_scope:
                await asyncio.sleep(0)  # from here on, stepped by asyncio's callback
                cancel_scope.cancel()
                await trio.sleep(60)
            return cancel_scope.cancelled_caught

        assert run_hosted(body)

    def test_the_future_waited_for_is_cancelled(self):
        async def body(scope):
            future = asyncio.get_running_loop().create_future()
            with trio.move_on_after(0.05):
                await future
            return future.cancelled()

        assert run_hosted(body)

    def test_an_asyncio_task_may_take_its_time_to_unwind(self):
        async def body(scope):
            trace = []

            async def slow_to_die():
                try:
                    await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(0.01)
                    trace.append("unwound")

            with trio.move_on_after(0.05) as cancel_scope:
                await asyncio.create_task(slow_to_die())
            trace.append("after")
            return trace, cancel_scope.cancelled_caught

        assert run_hosted(body) == (["unwound", "after"], True)

    def test_a_task_that_ignores_it_gives_its_result(self):
        async def body(scope):
            async def stubborn():
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    return "anyway"

            with trio.move_on_after(0.05) as cancel_scope:
                result = await asyncio.create_task(stubborn())
                await asyncio.sleep(60)
            return result, cancel_scope.cancelled_caught

        assert run_hosted(body) == ("anyway", True)

    def test_gather_is_cancelled_with_all_its_children(self):
        async def body(scope):
            ended = []

            async def child(n):
                try:
                    await asyncio.sleep(60)
                finally:
                    ended.append(n)

            with trio.move_on_after(0.05):
                await asyncio.gather(child(1), child(2))
            return sorted(ended)

        assert run_hosted(body) == [1, 2]

    def test_shield_protects_what_it_holds(self):
        async def body(scope):
            inner = asyncio.get_running_loop().create_future()
            with trio.move_on_after(0.05):
                await asyncio.shield(inner)
            assert not inner.cancelled()
            inner.set_result(5)
            return await inner

        assert run_hosted(body) == 5


    def test_what_is_written_for_asyncio_sees_its_own_exception(self):
        async def body(scope):
            with trio.move_on_after(0.05) as cancel_scope:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError as error:
                    assert isinstance(error, trio.Cancelled)
                    raise
            return cancel_scope.cancelled_caught

        assert run_hosted(body)

    def test_a_task_group_and_wait_for_end_what_they_started(self):
        async def body(scope):
            ended = []

            async def child(name):
                try:
                    await asyncio.sleep(60)
                finally:
                    ended.append(name)

            with trio.move_on_after(0.05) as in_group:
                async with asyncio.TaskGroup() as group:
                    group.create_task(child("of the group"))
                    await asyncio.sleep(60)
            with trio.move_on_after(0.05) as in_wait:
                await asyncio.wait_for(child("waited for"), 60)
            while len(ended) < 2:  # noqa: ASYNC110 - where trio's insides are hidden
                await asyncio.sleep(0.001)
            return ended, in_group.cancelled_caught, in_wait.cancelled_caught

        assert run_hosted(body) == (["of the group", "waited for"], True, True)

    @pytest.mark.skipif(
        "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="which scope it was is hidden there"
    )
    def test_each_scope_cuts_one_wait_for_asyncio_and_all_for_trio(self):
        async def body(scope):
            ran = []
            with trio.CancelScope() as outer:
                with trio.CancelScope() as inner:
                    inner.cancel()
                    try:
                        await asyncio.sleep(60)
                    finally:
                        await asyncio.sleep(0.001)
                        ran.append("cleaned up")
                        try:
                            await trio.sleep(0.001)
                        finally:
                            ran.append("cut by trio")
                asyncio.get_running_loop().call_soon(outer.cancel)
                await asyncio.sleep(60)
            return ran, inner.cancelled_caught, outer.cancelled_caught

        assert run_hosted(body) == (["cleaned up", "cut by trio"], True, True)


class TestCancelledByAsyncio:
    def test_timeout_over_a_wait_of_trio(self):
        async def body(scope):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await trio.sleep(60)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(60)
            assert asyncio.current_task().cancelling() == 0

        run_hosted(body)

    def test_wait_for(self):
        async def body(scope):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(60), 0.01)
            return await asyncio.wait_for(asyncio.sleep(0, 7), 1)

        assert run_hosted(body) == 7

    @pytest.mark.parametrize("sleep", [trio.sleep, asyncio.sleep])
    def test_the_driver_is_cancelled_while_it_waits(self, sleep):
        async def body(scope):
            trace = []

            async def victim():
                try:
                    await sleep(60)
                except asyncio.CancelledError as exc:
                    trace.append(exc.args)
                    raise

            result = spawn(scope, victim())
            await asyncio.sleep(0.01)
            assert result.driver.cancel("enough")
            with pytest.raises(asyncio.CancelledError):
                await result
            assert not result.driver.cancel()
            return trace

        trace = run_hosted(body)
        assert len(trace) == 1

    def test_cancelled_while_running_throws_at_the_next_wait(self):
        async def body(scope):
            asyncio.current_task().cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(60)
            asyncio.current_task().cancel()
            with pytest.raises(asyncio.CancelledError):
                await trio.sleep(60)

        run_hosted(body)

    def test_task_group_ends_its_children_with_the_body(self):
        async def body(scope):
            ended = []
            begun = asyncio.Event()

            async def child():
                begun.set()
                try:
                    await asyncio.sleep(60)
                finally:
                    ended.append(True)

            with pytest.raises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as group:
                    group.create_task(child())
                    await begun.wait()
                    await trio.lowlevel.checkpoint()
                    raise ValueError("body")
            assert isinstance(caught.value.exceptions[0], ValueError)
            return ended

        assert run_hosted(body) == [True]


class TestListed:
    """What `asyncio.all_tasks()` knows of, as programs use it on their way out."""

    def test_those_that_wait_are_known_cancelled_and_waited_for(self):
        async def body(scope):
            trace = []

            async def background():
                try:
                    await asyncio.sleep(60)
                finally:
                    await trio.lowlevel.checkpoint()
                    trace.append("unwound")

            async def ready():
                return 1

            futures = [spawn(scope, each()) for each in (background, ready, background)]
            await futures[1]
            others = asyncio.all_tasks() - {asyncio.current_task()}
            others = {task for task in others if isinstance(task, Driver)}
            assert [task.get_coro().__name__ for task in others] == ["background"] * 2
            for task in others:
                task.cancel()
            results = await asyncio.gather(*others, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError] * 2
            assert trace == ["unwound"] * 2
            assert not {task for task in asyncio.all_tasks() if task in others}
            return [future.cancelled() for future in futures]

        assert run_hosted(body) == [True, False, True]

    @pytest.mark.parametrize("fails", [False, True])
    def test_they_may_be_awaited(self, fails):
        async def body(scope):
            begun, told = asyncio.Event(), asyncio.Event()

            async def background():
                begun.set()
                await told.wait()
                if fails:
                    raise ValueError("on purpose")
                return 3

            future = spawn(scope, background())
            await begun.wait()
            await asyncio.sleep(0)  # it waits
            told.set()
            (task,) = {
                task
                for task in asyncio.all_tasks() - {asyncio.current_task()}
                if isinstance(task, Driver)
            }
            if not fails:
                assert await task == await task == 3  # the second time it has ended
                return
            with pytest.raises(ValueError, match="on purpose"):
                await asyncio.wait_for(asyncio.shield(task), 10)
            assert future.exception() is task.exception()

        run_hosted(body)


def test_asyncio_primitives():
    async def body(scope):
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        lock, event = asyncio.Lock(), asyncio.Event()
        seen = []

        async def consumer():
            async with lock:
                seen.append(await queue.get())
            event.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(consumer)
            await queue.put(3)
            await event.wait()
        async with lock:
            return sorted(seen)

    assert run_hosted(body) == [3]


def test_asyncio_streams():
    async def body(scope):
        async def echo(reader, writer):
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return line

    assert run_hosted(body) == b"hello\n"


def test_trio_channels_and_async_generators():
    async def body(scope):
        send, receive = trio.open_memory_channel(0)

        async def produce():
            async with send:
                for n in range(3):
                    await asyncio.sleep(0)
                    await send.send(n)

        async def doubled():
            async for n in receive:
                await asyncio.sleep(0)
                yield 2 * n

        async with trio.open_nursery() as nursery:
            nursery.start_soon(produce)
            return [n async for n in doubled()]

    assert run_hosted(body) == [0, 2, 4]


def test_anyio():
    async def body(scope):
        async def child(n, into):
            await anyio.sleep(0.001)
            into.append(n)

        into = []
        async with anyio.create_task_group() as group:
            group.start_soon(child, 1, into)
            group.start_soon(child, 2, into)
        with anyio.move_on_after(0.05) as cancel_scope:
            await anyio.sleep(60)
        assert cancel_scope.cancelled_caught
        return sorted(into), await anyio.to_thread.run_sync(lambda: 3)

    assert run_hosted(body) == ([1, 2], 3)


def test_driven_within_driven():
    from tornado_trio.interop import drive

    async def body(scope):
        async def inner():
            await asyncio.sleep(0)
            await trio.lowlevel.checkpoint()
            return 5

        return await drive(inner(), scope.loop, scope.guest)

    assert run_hosted(body) == 5


class TestMistakes:
    def test_a_future_of_another_loop(self):
        async def body(scope):
            other = asyncio.new_event_loop()
            try:
                with pytest.raises(RuntimeError, match="another loop"):
                    await other.create_future()
            finally:
                other.close()
            await asyncio.sleep(0)

        run_hosted(body)

    def test_a_yield_of_nonsense(self):
        import types

        @types.coroutine
        def nonsense():
            yield "nonsense"

        async def body(scope):
            await asyncio.sleep(0)
            with pytest.raises(TypeError, match="nonsense"):
                await nonsense()
            await trio.lowlevel.checkpoint()
            with pytest.raises(TypeError, match="nonsense"):
                await nonsense()

        run_hosted(body)

    def test_scopes_left_open_retire_the_worker(self):
        async def body(scope):
            async def messy():
                trio.CancelScope().__enter__()

            await spawn(scope, messy())
            with trio.move_on_after(0.05) as cancel_scope:
                await spawn(scope, asyncio.sleep(60))
            return cancel_scope.cancelled_caught

        assert run_hosted(body)


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ,
    reason="trio's scheduler, which resumes them then, promises no order",
)
def test_coroutines_begin_and_go_on_in_order():
    async def body(scope):
        trace = []

        async def step(n):
            trace.append(("begin", n))
            await asyncio.sleep(0)
            trace.append(("end", n))

        await asyncio.gather(*[spawn(scope, step(n)) for n in range(200)])
        return trace

    trace = run_hosted(body)
    assert [n for what, n in trace if what == "begin"] == list(range(200))
    assert [n for what, n in trace if what == "end"] == list(range(200))


def test_each_coroutine_has_its_own_context():
    variable = contextvars.ContextVar("variable", default=0)

    async def body(scope):
        async def child(n):
            variable.set(n)
            await asyncio.sleep(0)
            assert variable.get() == n
            await trio.lowlevel.checkpoint()
            assert variable.get() == n

        variable.set(99)
        await asyncio.gather(*[spawn(scope, child(n)) for n in range(5)])
        return variable.get()

    assert run_hosted(body) == 99


def test_errors_carry_no_foreign_context():
    async def body(scope):
        async def fails():
            await asyncio.sleep(0)
            raise LookupError("first")

        try:
            await spawn(scope, fails())
        except LookupError as exc:
            assert exc.__context__ is None
        try:
            raise ValueError("second")
        except ValueError as exc:
            return exc.__context__

    assert run_hosted(body) is None


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="this is the run that it starts"
)
def test_all_of_this_holds_without_private_names_of_trio():
    environment = dict(os.environ, TORNADO_TRIO_PUBLIC_ONLY="1")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__],
        env=environment, capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
