"""Locks: cancellation, and what waiting leaves behind."""

import compat  # noqa: F401  isort: skip

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from tornado import gen
from tornado.ioloop import IOLoop
from tornado.locks import BoundedSemaphore, Condition, Event, Lock, Semaphore
from tornado.util import TimeoutError


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    loop = IOLoop(make_current=False)
    try:
        return loop.run_sync(main, timeout=5)
    finally:
        loop.close()


def test_a_cancelled_waiter_is_passed_over() -> None:
    async def main() -> None:
        lock = Lock()
        await lock.acquire()
        first, second = lock.acquire(), lock.acquire()
        first.cancel()
        lock.release()
        assert second.done()

    run(main)


def test_trio_cancelling_a_waiter_keeps_the_lock_usable() -> None:
    async def main() -> None:
        lock = Lock()
        async with lock:
            with trio.move_on_after(0.01) as scope:
                async with lock:
                    raise AssertionError("it was free")
            assert scope.cancelled_caught
        async with lock:
            pass

    run(main)


def test_a_lock_granted_to_a_cancelled_task_is_given_back() -> None:
    async def main() -> None:
        lock = Lock()
        await lock.acquire()
        scope = trio.CancelScope()

        async def contend() -> None:
            with scope:
                async with lock:
                    await gen.sleep(0)

        IOLoop.current().spawn_callback(contend)
        await gen.sleep(0.01)
        # Granted and cancelled before it could run.
        lock.release()
        scope.cancel()
        await gen.sleep(0.01)
        async with lock:
            pass

    run(main)


def test_semaphore_timeouts_do_not_pile_up() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        for _ in range(250):
            with pytest.raises(TimeoutError):
                await semaphore.acquire(timeout=0)
        assert len(semaphore._waiters) <= 101

    run(main)


def test_overridden_acquire_is_used() -> None:
    class Counting(Semaphore):
        count = 0

        def acquire(self, timeout: Any = None) -> Any:
            self.count += 1
            return super().acquire(timeout)

    async def main() -> int:
        semaphore = Counting()
        async with semaphore:
            pass
        return semaphore.count

    assert run(main) == 1


def test_releasing_too_often() -> None:
    with pytest.raises(ValueError, match="too many times"):
        BoundedSemaphore().release()
    with pytest.raises(RuntimeError, match="unlocked lock"):
        Lock().release()
    with pytest.raises(RuntimeError, match="async with"), Lock():  # type: ignore[attr-defined]
        pass


def test_event_forgets_its_waiters() -> None:
    async def main() -> None:
        event = Event()
        with pytest.raises(TimeoutError):
            await event.wait(timeout=0)
        event.wait().cancel()
        waiter = event.wait()
        event.set()
        await waiter
        await gen.sleep(0)
        assert not event._waiters
        assert event.wait().done()
        event.clear()
        assert not event.wait().done()

    run(main)


def test_condition_tells_timeout_from_notice() -> None:
    async def main() -> None:
        condition = Condition()
        assert await condition.wait(timeout=0) is False
        waiters = [condition.wait() for _ in range(3)]
        waiters[0].cancel()
        condition.notify()
        assert [waiter.done() for waiter in waiters] == [True, True, False]
        condition.notify_all()
        assert await waiters[2] is True

    run(main)
