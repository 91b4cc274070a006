"""Queues between coroutines of one IOLoop: FIFO, LIFO and by priority.

Knows Futures, `locks.Event` for `join`, and the IOLoop's timeouts for waits that have one.
Not for threads.

A `timeout` is a deadline on the scale of `IOLoop.time()` or a `datetime.timedelta` from
now; None waits forever, and a time in the past means the loop's next iteration.
"""

from __future__ import annotations

import collections
import heapq
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from tornado._impl.names import handing_on
from tornado.concurrent import Future
from tornado.locks import Event, _call_at
from tornado.util import TimeoutError

from tornado_trio._util.late import later

if TYPE_CHECKING:
    import datetime
else:
    datetime = later("datetime", globals())

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]

_T = TypeVar("_T")
_Deadline: TypeAlias = "float | datetime.timedelta | None"


class QueueEmpty(Exception):
    """`get_nowait` found no item."""


class QueueFull(Exception):
    """`put_nowait` found the queue at its maximum size."""


class _QueueIterator(Generic[_T]):
    def __init__(self, queue: Queue[_T]) -> None:
        self.queue = queue

    def __anext__(self) -> Awaitable[_T]:
        return self.queue.get()


def _checked_size(maxsize: int) -> int:
    if maxsize is None:
        raise TypeError("maxsize can't be None")
    if maxsize < 0:
        raise ValueError("maxsize can't be negative")
    return maxsize


class Queue(Generic[_T]):
    """A queue for producers and consumers, with backpressure when `maxsize` is positive.

    `async for item in queue` gets items forever. Subclasses may override `_init`, `_get`
    and `_put`, which keep the items (in `self._queue`).
    """

    # Its own type in subclasses; LifoQueue and PriorityQueue have plain lists.
    _queue: Any = None

    def __init__(self, maxsize: int = 0) -> None:
        """
        Args:
            maxsize: how many items there may be; `put` waits for room. 0: no limit.
        """
        self._maxsize = _checked_size(maxsize)
        self._init()
        # Those who wait: for an item, or with one.
        self._getters: collections.deque[Future[_T]] = collections.deque()
        self._putters: collections.deque[tuple[_T, Future[None]]] = collections.deque()
        self._finished = Event()
        self._finished.set()
        self._unfinished_tasks = 0

    @property
    def maxsize(self) -> int:
        """The maximum number of items; 0: no limit."""
        return self._maxsize

    def qsize(self) -> int:
        """The number of items."""
        return len(self._queue)

    def empty(self) -> bool:
        """Whether there is no item to get at once."""
        return not self._queue

    def full(self) -> bool:
        """Whether `put` would have to wait."""
        return 0 < self._maxsize <= self.qsize()

    def put(self, item: _T, timeout: _Deadline = None) -> Future[None]:
        """Put an item, waiting for room.

        Returns:
            A Future that is None once the item is in the queue; `TimeoutError` after `timeout`, and
            then it is not put.
        """
        future: Future[None] = Future()
        if self._try_put(item):
            future.set_result(None)
        else:
            self._putters.append((item, future))
            if timeout is not None:
                _call_at(future, timeout, lambda: future.set_exception(TimeoutError()))
        return future

    def put_nowait(self, item: _T) -> None:
        """Put an item.

        Raises:
            QueueFull: there is no room.
        """
        if not self._try_put(item):
            raise QueueFull

    def get(self, timeout: _Deadline = None) -> Future[_T]:
        """Get an item, waiting for one.

        Returns:
            A Future of the item; `TimeoutError` after `timeout`. An item is lost if the Future is
            dropped, so cancel it if it is no longer needed.
        """
        future: Future[_T] = Future()
        # Not by way of get_nowait: an exception on each wait costs more than the rest.
        if self._getters or self._putters:
            self._consume_expired()
        if self._putters:
            future.set_result(self._take())
        elif self._queue:
            future.set_result(self._get())
        else:
            self._getters.append(future)
            if timeout is not None:
                _call_at(future, timeout, lambda: future.set_exception(TimeoutError()))
        return future

    def get_nowait(self) -> _T:
        """Get an item.

        Raises:
            QueueEmpty: there is none.
        """
        self._consume_expired()
        if self._putters or self._queue:
            return self._take()
        raise QueueEmpty

    def task_done(self) -> None:
        """Mark the work for one item as finished; see `join`.

        Raises:
            ValueError: it was called more often than items were put.
        """
        if self._unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished_tasks -= 1
        if self._unfinished_tasks == 0:
            self._finished.set()

    def join(self, timeout: _Deadline = None) -> Future[None]:
        """A Future that is None once `task_done` was called for every item put."""
        return self._finished.wait(timeout)

    # The three that keep the items; subclasses replace them.
    def _init(self) -> None:
        self._queue = collections.deque()

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        first: _T = self._queue.popleft()
        return first

    def _try_put(self, item: _T) -> bool:
        if self._getters or self._putters:
            self._consume_expired()
            if self._getters:
                getter = self._getters.popleft()
                self._store(item)
                getter.set_result(self._get())
                return True
        if 0 < self._maxsize <= self.qsize():
            return False
        # _store, without the call: this is every put.
        if self._unfinished_tasks == 0:
            self._finished.clear()
        self._unfinished_tasks += 1
        self._put(item)
        return True

    def _store(self, item: _T) -> None:
        if self._unfinished_tasks == 0:
            self._finished.clear()
        self._unfinished_tasks += 1
        self._put(item)

    def _take(self) -> _T:
        """The next item, if there is one or a `put` is waiting."""
        if self._putters:
            item, putter = self._putters.popleft()
            self._store(item)
            # Ours first: what waits for the putter may run at once (generations before 5).
            found = self._get()
            putter.set_result(None)
            return found
        return self._get()

    def _consume_expired(self) -> None:
        """Forget waiters at the head that timed out or were cancelled."""
        while self._putters and self._putters[0][1].done():
            self._putters.popleft()
        while self._getters and self._getters[0].done():
            self._getters.popleft()

    def __aiter__(self) -> _QueueIterator[_T]:
        return _QueueIterator(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {hex(id(self))} {self._format()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._format()}>"

    def _format(self) -> str:
        waiting = {"getters": len(self._getters), "putters": len(self._putters)}
        shown = [f"maxsize={self._maxsize}", f"queue={self._queue!r}" if self._queue else ""]
        shown += [f"{who}[{number}]" if number else "" for who, number in waiting.items()]
        shown.append(f"tasks={self._unfinished_tasks}" if self._unfinished_tasks else "")
        return " ".join(filter(None, shown))


class PriorityQueue(Queue[_T]):
    """Gets the lowest item first; items are often tuples `(priority, data)`."""

    def _init(self) -> None:
        self._queue = []

    def _put(self, item: _T) -> None:
        heapq.heappush(self._queue, item)

    def _get(self) -> _T:
        item: _T = heapq.heappop(self._queue)
        return item


class LifoQueue(Queue[_T]):
    """Gets the item put last first."""

    def _init(self) -> None:
        self._queue = []

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        item: _T = self._queue.pop()
        return item


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.queues")
