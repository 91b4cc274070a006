"""Queues: what upstream's own suite does not look at."""

import compat  # isort: skip

import datetime
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from tornado import gen
from tornado.ioloop import IOLoop
from tornado.queues import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull
from tornado.util import TimeoutError

from tests.python import python

ROOT = os.path.dirname(compat.path())


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


def test_callbacks_that_run_at_once() -> None:
    """Before Tornado 5 a Future called back at once: the state has to hold by then."""
    code = (
        "import compat\n"
        "from tornado import locks, queues\n"
        "event, seen = locks.Event(), []\n"
        "for waiter in [event.wait() for _ in range(5)]:\n"
        "    waiter.add_done_callback(lambda _: seen.append(event.is_set()))\n"
        "event.set()\n"
        "assert seen == [True] * 5, seen\n"
        "queue, got = queues.Queue(1), []\n"
        "queue.put_nowait(1)\n"
        "queue.put(2).add_done_callback(lambda _: got.append(queue.get_nowait()))\n"
        "assert queue.get_nowait() == 1\n"
        "assert got == [2], got\n"
        "getter = queue.get()\n"
        "getter.add_done_callback(lambda _: queue.put_nowait(4))\n"
        "queue.put_nowait(3)\n"
        "assert (getter.result(), queue.get_nowait()) == (3, 4)\n"
        "from tornado.concurrent import Future\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor() as pool:\n"
        "    pool.submit(Future).result().set_result(None)  # in a thread without a loop\n"
    )
    ended = python("-W", "ignore", "-c", code, TORNADO_TRIO_GENERATION="4.5")
    assert ended.returncode == 0, ended.stderr
