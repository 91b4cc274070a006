"""`Workers`: parked trio tasks that drive spawned coroutines.

Knows the driver; knows nothing of loops but how to start a task in a scope.

Spawning a coroutine hands it to a parked trio task and steps it there and then (a borrowed
step, see `driver`). One that never waits for trio itself costs no turn of trio's scheduler:
1.5 µs where a new trio task costs 10. Coroutines begin in the order they were spawned.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import trio

from .driver import Driver

MAX_IDLE = 64  # parked tasks kept for the next coroutine (3 KB each)
MAX_STARTS = 64  # new trio tasks started at once

OnDone = Callable[[Any, BaseException | None], None]
Job = tuple[Coroutine[Any, Any, Any], contextvars.Context, OnDone, Callable[[Driver], None] | None]


class Workers:
    """The trio tasks that drive one loop's spawned coroutines."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope
        self._idle: list[Worker] = []
        self._backlog: deque[Job] = deque()
        self._starting = 0

    def spawn(
        self,
        coro: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        on_done: OnDone,
        on_start: Callable[[Driver], None] | None = None,
    ) -> None:
        """Begin `coro` in a trio task of the scope.

        Called by the loop (not from inside a trio task). `on_done(value, error)` is called
        once when it ends, `on_start(driver)` when it begins.
        """
        if self._idle and not self._backlog:
            worker = self._idle.pop()
            worker.take(coro, context, on_done, on_start)
            return
        self._backlog.append((coro, context, on_done, on_start))
        if self._scope.nursery is None:
            self._scope.enter()
        elif not self._starting:
            self._start(1)
        self._scope.guest.turn_until(lambda: not self._backlog)

    def ready(self) -> None:
        """The scope's nursery is open."""
        if self._backlog:
            self._start(1)

    def _start(self, count: int) -> None:
        self._starting += count
        scope = self._scope
        scope.guest.expect_wake()
        for _ in range(count):
            scope.nursery.start_soon(self._work, name="spawned coroutines")

    async def _work(self) -> None:
        worker = Worker(self._scope.loop, self._scope.guest, self)
        try:
            await worker.work()
        finally:
            worker.gone()

    def drop(self) -> None:
        """The scope has ended: coroutines that never began are closed and reported cancelled."""
        while self._backlog:
            coro, _, on_done, _ = self._backlog.popleft()
            coro.close()
            on_done(None, asyncio.CancelledError("the loop was closed"))

    # --- called by the workers -------------------------------------------------
    def next_job(self) -> Job | None:
        return self._backlog.popleft() if self._backlog else None

    def started(self) -> None:
        self._starting -= 1

    def need_more(self) -> None:
        """A worker waits inside a coroutine while others have not begun."""
        missing = min(len(self._backlog), MAX_STARTS) - self._starting
        if missing > 0:
            self._start(missing)

    def park(self, worker: Worker) -> bool:
        if len(self._idle) >= MAX_IDLE:
            return False
        self._idle.append(worker)
        return True

    def unpark(self, worker: Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)


class Worker(Driver):
    """A driver whose trio task outlives its coroutine and takes the next."""

    __slots__ = ("_base_status", "_on_done", "_retire", "_workers")

    def __init__(self, loop: Any, guest: Any, workers: Workers) -> None:
        super().__init__(loop, guest)
        self._workers = workers
        self._on_done: OnDone | None = None
        self._retire = False
        self.task = trio.lowlevel.current_task()
        self._base_status = getattr(self.task, "_cancel_status", None)

    @types.coroutine
    def work(self) -> Generator[Any, Any, None]:
        self._workers.started()
        trap: Any = None
        while True:
            if trap is None:
                job = self._workers.next_job()
                if job is not None:
                    trap = self._first_step(job)
                    continue
                if not self._clean() or not self._workers.park(self):
                    return
                trap = self._park
            try:
                result = yield trap
            except BaseException as exc:
                # trio throws only for a trap it does not know: the coroutine's mistake.
                self._inner = False
                trap = self.advance(self._coro.throw, exc)
            else:
                if self._on_done is None:  # parked as idle, and no coroutine came
                    self._workers.unpark(self)
                    if self._retire:
                        return
                    result.unwrap()  # the scope is cancelled
                    trap = None
                    continue
                trap = self.resume(result)
            if trap is None:
                self._end()

    def _first_step(self, job: Job) -> Any:
        coro, context, self._on_done, on_start = job
        self._begin(coro)
        self.task.context = context  # from trio's next slice on; this one enters it itself
        if on_start is not None:
            on_start(self)
        trap = context.run(self.advance, coro.send, None)
        if trap is None:
            self._end()
        else:
            self._workers.need_more()
        return trap

    def take(
        self,
        coro: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        on_done: OnDone,
        on_start: Callable[[Driver], None] | None,
    ) -> None:
        """Begin `coro`, called by the loop while our task is parked as idle."""
        self._begin(coro)
        self._on_done = on_done
        self.task.context = context
        if on_start is not None:
            on_start(self)
        context.run(self._go_on, coro.send, None)

    def _finish_borrowed(self) -> None:
        # No turn of trio's scheduler: the task stays parked, idle from now on.
        self._end()
        task = self.task
        task._abort_func = self._abort
        if not self._clean() or not self._workers.park(self):
            self._retire = True
            self._guest.reschedule(task)
        elif task._cancel_status.effectively_cancelled:
            self._guest.expect_wake()
            task._attempt_delivery_of_any_pending_cancel()

    def _clean(self) -> bool:
        """Whether the coroutine closed all the cancel scopes that it opened."""
        return getattr(self.task, "_cancel_status", None) is self._base_status

    def _end(self) -> None:
        on_done, self._on_done = self._on_done, None
        if on_done is None:
            return
        value, error = self.value, self.error
        self._coro = self.value = self.error = None
        on_done(value, error)

    def gone(self) -> None:
        """The task is ending, cancelled or retired; what was not finished is told so."""
        self._workers.unpark(self)
        if self._on_done is not None:
            self.error = self.error or asyncio.CancelledError("the loop was closed")
            self._end()
