"""`Timers`: many timeouts by one task, which sleeps until the first of them is due.

Knows trio's clock and nurseries. Must not know what is timed.

For what every idle connection has: a cancel scope with a deadline weighs 1.2 KB, a task that sleeps
2, and a timer here 0.2. Callbacks are not to wait, so none delays another.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any, Final

import trio

from .._util.fairness import Budget
from ..log import app_log

__all__ = ["Timer", "Timers"]

# A ping is 10 to 20 us.
_IN_A_ROW: Final = 32
# Timers taken back stay in the heap until they are so many, and half of it.
_TO_SWEEP: Final = 64


class Timer(list[Any]):
    """What `Timers` returns; called, it is taken back. Idempotent.

    A list (when it is due, a number, the callback, the `Timers`), for those compare fast.
    """

    __slots__ = ()

    def __call__(self) -> None:
        if self[2] is not None:
            self[2] = None
            self[3].taken_back()

    def __repr__(self) -> str:
        return f"<Timer {self[2] or 'is over'}>"


class Timers:
    """Called with seconds and a function without arguments, it has that called then.

    Owned by whoever owns what is timed. Its task runs in the owner's nursery while there are
    timers: it ends with the last one. Once it is cancelled nothing is called any more.

    An exception of a callback is logged and has no other effect.

    Args:
      nursery: as for `start_in`.
    """

    __slots__ = ("_context", "_heap", "_made", "_nursery", "_running", "_sleep", "_taken_back")

    def __init__(self, nursery: trio.Nursery | None = None) -> None:
        self._heap: list[Timer] = []
        self._made = 0
        self._taken_back = 0  # of those in the heap
        self._running = False
        self._sleep: trio.CancelScope | None = None
        self.start_in(nursery)

    def __repr__(self) -> str:
        return f"<Timers, {len(self._heap) - self._taken_back} set>"

    def start_in(self, nursery: trio.Nursery | None) -> None:
        """Where to run; without a nursery nothing is timed."""
        self._nursery = nursery
        # Not that of the first request that sets a timer, which it would keep.
        self._context = contextvars.copy_context()

    def __call__(self, seconds: float, callback: Callable[[], object]) -> Timer:
        due = trio.current_time() + seconds
        self._made += 1
        timer = Timer((due, self._made, callback, self))
        heappush(self._heap, timer)
        if not self._running:
            self._start()
        elif self._sleep is not None and due < self._sleep.deadline:
            self._sleep.deadline = due
        return timer

    def taken_back(self) -> None:
        """From a timer: it is not to be called any more."""
        heap = self._heap
        self._taken_back += 1
        if self._taken_back == len(heap):
            self._clear()
            if self._sleep is not None:
                self._sleep.cancel()
        elif self._taken_back >= _TO_SWEEP and self._taken_back * 2 > len(heap):
            heap[:] = [timer for timer in heap if timer[2] is not None]
            heapify(heap)
            self._taken_back = 0

    def _clear(self) -> None:
        self._heap.clear()
        self._taken_back = 0

    def _start(self) -> None:
        nursery = self._nursery
        if nursery is not None:
            self._running = True
            try:
                self._context.copy().run(partial(nursery.start_soon, self._run, name="timers"))
            except RuntimeError:  # its nursery has ended: nothing is timed any more
                self._running = False

    async def _run(self) -> None:
        heap = self._heap
        budget = Budget(_IN_A_ROW)
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            while len(heap) > self._taken_back:
                due = heap[0][0]
                if due > trio.current_time():
                    with trio.CancelScope(deadline=due) as self._sleep:
                        await trio.sleep_forever()
                    self._sleep = None
                    budget.renew()
                    continue
                timer = heappop(heap)
                callback, timer[2] = timer[2], None
                if callback is None:
                    self._taken_back -= 1
                    continue
                try:
                    callback()
                except Exception:
                    app_log.exception("Uncaught exception in a timer's %r", callback)
                del timer, callback  # they may be the last that hold a connection
                if budget.spent():
                    await trio.lowlevel.checkpoint()
        except BaseException:
            self._nursery = None  # it is at its end: nothing is timed any more
            raise
        finally:
            self._running = False
            self._sleep = None
            if len(heap) == self._taken_back:
                self._clear()
