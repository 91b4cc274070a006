"""Tornado's API inside a plain `trio.run`: no asyncio loop is made."""

import compat  # noqa: I001 - first: makes `tornado` ours

import asyncio
import datetime
import socket
import threading

import pytest
import trio
import trio.testing
from tornado import gen, locks, queues
from tornado.concurrent import Future
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado._impl.loop.trio_loop import TrioIOLoop
from tornado.platform.trio import run_task, start_soon



@pytest.fixture
async def io_loop(autojump_clock):
    async with compat.open_loop() as loop:
        yield loop


async def test_it_is_the_current_loop(io_loop, autojump_clock):
    assert IOLoop.current() is io_loop
    assert isinstance(io_loop, TrioIOLoop)
    assert asyncio._get_running_loop() is None


async def test_futures_are_awaited_in_any_task(io_loop, autojump_clock):
    future = Future()
    io_loop.call_later(1, future.set_result, 3)
    assert await future == 3
    assert await future == 3
    failed = Future()
    io_loop.call_later(1, failed.set_exception, LookupError("mine"))
    with pytest.raises(LookupError):
        await failed

    async def waits(into):
        into.append(await gen.sleep(1))

    seen = []
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(waits, seen)
    assert seen == [None] * 3


async def test_cancelling_a_wait_cancels_the_future(io_loop, autojump_clock):
    future = Future()
    with trio.move_on_after(1) as scope:
        await future
    assert scope.cancelled_caught and future.cancelled()


async def test_coroutines_of_both_kinds(io_loop, autojump_clock):
    @gen.coroutine
    def generator(n):
        yield gen.sleep(n)
        yield trio.sleep(n)  # noqa: ASYNC105 - run by the loop
        return n

    async def native(n):
        await trio.sleep(n)
        return await generator(n)

    assert await gen.multi([generator(1), native(2), run_task(native(3))]) == [1, 2, 3]


async def test_callbacks_and_timeouts_in_order(io_loop, autojump_clock):
    seen = []
    io_loop.add_callback(seen.append, 1)
    io_loop.spawn_callback(seen.append, 2)
    io_loop.call_later(2, seen.append, 5)
    io_loop.add_timeout(datetime.timedelta(seconds=1), seen.append, 4)
    io_loop.remove_timeout(io_loop.call_later(1, seen.append, "removed"))
    io_loop.add_callback(lambda *, last: seen.append(last), last=3)
    await trio.sleep(3)
    assert seen == [1, 2, 3, 4, 5]


async def test_an_error_in_a_callback_is_logged(io_loop, caplog, autojump_clock):
    io_loop.add_callback(lambda: 1 / 0)
    await trio.sleep(1)
    assert "ZeroDivisionError" in caplog.text


async def test_queues_and_locks(io_loop, autojump_clock):
    queue = queues.Queue(maxsize=2)
    lock = locks.Lock()
    eaten = []

    async def consumer():
        async for item in queue:
            async with lock:
                await gen.sleep(0.1)
                eaten.append(item)
            queue.task_done()

    io_loop.spawn_callback(consumer)
    io_loop.spawn_callback(consumer)
    for n in range(6):
        await queue.put(n)
    await queue.join()
    assert sorted(eaten) == list(range(6))
    with pytest.raises(gen.TimeoutError):
        await queue.get(timeout=datetime.timedelta(seconds=1))


async def test_periodic_callback(io_loop, autojump_clock):
    calls = []
    periodic = PeriodicCallback(lambda: calls.append(io_loop.time()), 1000)
    periodic.start()
    await trio.sleep(3.5)
    periodic.stop()
    await trio.sleep(3)
    assert len(calls) == 3


async def test_handlers(io_loop, autojump_clock):
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        send, receive = trio.open_memory_channel(10)
        io_loop.add_handler(a, lambda fd, events: send.send_nowait(fd.recv(9)), IOLoop.READ)
        b.send(b"1")
        assert await receive.receive() == b"1"
        io_loop.update_handler(a, IOLoop.NONE)
        b.send(b"2")
        await trio.sleep(1)
        with pytest.raises(trio.WouldBlock):
            receive.receive_nowait()
        io_loop.update_handler(a, IOLoop.READ)
        assert await receive.receive() == b"2"
        with pytest.raises(ValueError, match="added twice"):
            io_loop.add_handler(a, print, IOLoop.READ)
        io_loop.remove_handler(a)


async def test_callbacks_from_other_threads():
    async with compat.open_loop() as loop:
        event = trio.Event()
        thread = threading.Thread(target=loop.add_callback, args=(event.set,))
        thread.start()
        await event.wait()
        thread.join()


async def test_the_block_ends_its_tasks(autojump_clock):
    trace = []

    async def background():
        try:
            await gen.sleep(3600)
        finally:
            trace.append("unwound")

    async with compat.open_loop() as loop:
        start_soon(background)
        loop.spawn_callback(background)
        await trio.testing.wait_all_tasks_blocked()
    assert trace == ["unwound", "unwound"]
    loop.add_callback(lambda: pytest.fail("called"))


async def test_a_loop_nobody_opened_lives_as_long_as_the_run():
    loop = IOLoop.current()
    assert IOLoop.current() is loop
    assert await gen.maybe_future(3) == 3
    await gen.sleep(0)
    with pytest.raises(RuntimeError, match="already"):
        async with compat.open_loop():
            pass


async def test_what_does_not_apply_says_so(io_loop, autojump_clock):
    with pytest.raises(RuntimeError, match="running already"):
        io_loop.start()
    with pytest.raises(RuntimeError, match="await the coroutine"):
        io_loop.run_sync(lambda: None)


async def test_an_interrupt_of_a_callback_ends_the_run(autojump_clock):
    def leave():
        raise SystemExit(3)

    with pytest.raises(BaseExceptionGroup) as caught:
        async with compat.open_loop() as loop:
            loop.add_callback(leave)
            await trio.sleep(5)
    assert caught.group_contains(SystemExit)
