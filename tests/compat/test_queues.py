"""Queues: what upstream's own suite does not look at."""

import compat  # noqa: F401  isort: skip

import datetime
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from tornado import gen
from tornado.ioloop import IOLoop
from tornado.queues import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull
from tornado.util import TimeoutError


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    loop = IOLoop(make_current=False)
    try:
        return loop.run_sync(main, timeout=5)
    finally:
        loop.close()


def test_a_cancelled_getter_loses_no_item() -> None:
    async def main() -> None:
        queue: Queue[int] = Queue()
        first, second = queue.get(), queue.get()
        first.cancel()
        queue.put_nowait(1)
        assert await second == 1
        assert not queue._getters

    run(main)


def test_a_cancelled_putter_puts_nothing() -> None:
    async def main() -> None:
        queue: Queue[int] = Queue(1)
        queue.put_nowait(1)
        second, third = queue.put(2), queue.put(3)
        second.cancel()
        assert [queue.get_nowait(), queue.get_nowait()] == [1, 3]
        await third
        with pytest.raises(QueueEmpty):
            queue.get_nowait()

    run(main)


def test_a_getter_that_trio_cancels_loses_no_item() -> None:
    async def main() -> None:
        queue: Queue[int] = Queue()
        with trio.move_on_after(0.01) as scope:
            await queue.get()
        assert scope.cancelled_caught
        queue.put_nowait(1)
        assert queue.qsize() == 1

    run(main)


def test_a_timeout_is_a_deadline_or_an_interval() -> None:
    async def main() -> None:
        queue: Queue[int] = Queue()
        for timeout in (0, IOLoop.current().time() + 0.01, datetime.timedelta(milliseconds=10)):
            with pytest.raises(TimeoutError):
                await queue.get(timeout=timeout)
        queue = Queue(1)
        queue.put_nowait(1)
        with pytest.raises(TimeoutError):
            await queue.put(2, timeout=0)
        with pytest.raises(TimeoutError):
            await queue.join(timeout=0)
        assert queue.get_nowait() == 1

    run(main)


def test_timed_out_waiters_do_not_pile_up() -> None:
    async def main() -> None:
        queue: Queue[int] = Queue()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await queue.get(timeout=0)
        assert len(queue._getters) <= 1

    run(main)


def test_full_and_empty() -> None:
    queue: Queue[int] = Queue(1)
    queue.put_nowait(1)
    with pytest.raises(QueueFull):
        queue.put_nowait(2)
    assert queue.full() and not queue.empty()
    assert "maxsize=1 queue=deque([1]) tasks=1" in repr(queue)


def test_orders() -> None:
    lifo, priority = LifoQueue[int](), PriorityQueue[int]()
    for queue in (lifo, priority):
        for item in (2, 3, 1):
            queue.put_nowait(item)
    assert [lifo.get_nowait() for _ in range(3)] == [1, 3, 2]
    assert [priority.get_nowait() for _ in range(3)] == [1, 2, 3]


def test_subclasses_may_keep_the_items_their_way() -> None:
    class Unique(Queue[int]):
        def _init(self) -> None:
            self._queue = set()

        def _put(self, item: int) -> None:
            self._queue.add(item)

        def _get(self) -> int:
            item: int = self._queue.pop()
            return item

    queue = Unique()
    queue.put_nowait(1)
    queue.put_nowait(1)
    assert queue.qsize() == 1
    assert queue.get_nowait() == 1


def test_join_waits_for_the_work() -> None:
    async def main() -> list[int]:
        queue: Queue[int] = Queue(2)
        done: list[int] = []

        async def work() -> None:
            async for item in queue:
                await gen.sleep(0)
                done.append(item)
                queue.task_done()

        IOLoop.current().spawn_callback(work)
        for item in range(5):
            await queue.put(item)
        await queue.join()
        with pytest.raises(ValueError, match="too many times"):
            queue.task_done()
        return done

    assert run(main) == [0, 1, 2, 3, 4]
