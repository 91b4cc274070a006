"""`Workers`: parked trio tasks that drive spawned coroutines.

Knows the driver; knows nothing of loops except how to start a task in a scope.

Spawning a coroutine hands it to a parked trio task and steps it there and then (a borrowed
step, see `driver`). One that never waits for trio itself costs no turn of trio's scheduler:
1.5 µs where a new trio task costs 10. Coroutines begin in the order they were spawned.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import trio

from .driver import NEXT_TURN, Driver
from .host import Coro, FutureLoop, Host
from .host_loop import call_again_of
from .trio_internals import (
    RaiseCancel,
    Sent,
    Task,
    Trap,
    WaitTaskRescheduled,
    cancel_status,
    deliver_cancel,
    stay_parked,
)

MAX_IDLE = 64  # parked tasks kept for the next coroutine (3 KB each)
MAX_STARTS = 64  # new trio tasks started at once

OnDone = Callable[[Any, BaseException | None], None]
Job = tuple[Coro, contextvars.Context, OnDone, Callable[[Driver], None] | None]


class Workers:
    """The trio tasks that drive one loop's spawned coroutines."""

    def __init__(self, loop: FutureLoop) -> None:
        self.loop = loop
        self.guest: Host | None = None
        self.call_again = call_again_of(loop)
        self._listed = isinstance(loop, asyncio.AbstractEventLoop)
        self._nursery: trio.Nursery | None = None
        self._idle: list[Seat] = []
        self._backlog: deque[Job] = deque()
        self._starting = 0

    def open(self, nursery: trio.Nursery, guest: Host) -> None:
        """Begin what was spawned up to now; new tasks are started in `nursery`."""
        self._nursery, self.guest = nursery, guest
        if self._backlog:
            self._start(1)

    def close(self) -> None:
        """The nursery has ended: what never began is closed and reported cancelled."""
        self._nursery = self.guest = None
        while self._backlog:
            coro, _, on_done, _ = self._backlog.popleft()
            coro.close()
            try:
                on_done(None, asyncio.CancelledError("the loop was closed"))
            except RuntimeError:
                if not self.loop.is_closed():
                    raise  # else: its callback would have run on that loop

    def spawn(
        self,
        coro: Coro,
        context: contextvars.Context,
        on_done: OnDone,
        on_start: Callable[[Driver], None] | None = None,
    ) -> None:
        """Begin `coro` in a trio task, once there is a nursery.

        Called by the loop (not from inside a trio task). `on_done(value, error)` is called
        once when it ends, `on_start(driver)` when it begins.
        """
        if self._idle and not self._backlog:
            seat = self._idle.pop()
            seat.take((coro, context, on_done, on_start))
            return
        self._backlog.append((coro, context, on_done, on_start))
        if self._nursery is not None:
            if not self._starting:
                self._start(1)
            assert self.guest is not None
            self.guest.turn_until(lambda: not self._backlog)

    @property
    def waiting(self) -> int:
        """How many coroutines have not begun."""
        return len(self._backlog)

    def _start(self, count: int) -> None:
        assert self._nursery is not None and self.guest is not None
        self._starting += count
        self.guest.expect_wake()
        for _ in range(count):
            self._nursery.start_soon(self._work, name="spawned coroutines")

    async def _work(self) -> None:
        seat = Seat(self)
        try:
            await seat.work()
        finally:
            seat.gone()

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

    def unlist(self) -> None:
        """Register no further coroutines with `asyncio.all_tasks()`."""
        self._listed = False

    def list(self, driver: Driver) -> None:
        """Register a coroutine that waits with `asyncio.all_tasks()`, like its own tasks.

        Those that never wait need not be registered. It keeps weak references, and leaves out
        finished ones.
        """
        if self._listed and driver.identity is driver:
            asyncio._register_task(driver)  # type: ignore[arg-type]

    def park(self, seat: Seat) -> bool:
        if len(self._idle) >= MAX_IDLE:
            return False
        self._idle.append(seat)
        return True

    def unpark(self, seat: Seat) -> None:
        if seat in self._idle:
            self._idle.remove(seat)

    def driver(self, seat: Seat, job: Job) -> WorkerDriver:
        coro, context, on_done, on_start = job
        seat.task.context = context  # from trio's next slice on
        assert self.guest is not None
        driver = WorkerDriver(coro, seat.task, self.loop, self.guest, seat.trap)
        driver._on_done = on_done
        driver._seat = seat
        seat.driver = driver
        if on_start is not None:
            on_start(driver)
        return driver


class Seat:
    """A trio task of the scope, and its occupant: the driver of one coroutine, or none."""

    __slots__ = ("_base_status", "_retire", "driver", "task", "trap", "workers")

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.task: Task = trio.lowlevel.current_task()
        self.trap: Trap = WaitTaskRescheduled(self._abort)
        self.driver: WorkerDriver | None = None
        self._retire = False
        self._base_status = cancel_status(self.task)

    def _abort(self, raise_cancel: RaiseCancel) -> trio.lowlevel.Abort:
        driver = self.driver
        if driver is None:
            self.workers.unpark(self)  # the task is scheduled: the seat may not be taken
            return trio.lowlevel.Abort.SUCCEEDED
        return driver._abort(raise_cancel)

    @types.coroutine
    def work(self) -> Generator[Trap, Sent, None]:
        workers = self.workers
        workers.started()
        trap: Trap = None
        while True:
            driver = self.driver
            if driver is not None and driver.finished:
                driver.end()
                driver = None
            if driver is None:
                job = workers.next_job()
                if job is not None:
                    driver = workers.driver(self, job)
                    trap = job[1].run(driver.advance, *driver.first_step())
                    if trap is not None:
                        workers.list(driver)
                        workers.need_more()
                        yield from self._until_done(driver, trap)
                    continue
                if not self._clean() or not workers.park(self):
                    return
                result = yield self.trap
                workers.unpark(self)
                driver = self.driver
                if driver is None:
                    if self._retire:
                        return
                    result.unwrap()  # idle, and woken: the scope is cancelled
                    continue
                # The seat was taken while we were parked, and its driver needs trio now.
                trap = driver.resume(result)
                if trap is not None:
                    yield from self._until_done(driver, trap)

    def _until_done(self, driver: WorkerDriver, trap: Trap) -> Generator[Trap, Sent, None]:
        """Yield what `driver`'s coroutine yields to trio until it, or whichever driver sits here
        after it, has come to an end in a slice of trio's."""
        while trap is not None:
            try:
                result = yield trap
            except BaseException as exc:
                # trio throws only for a trap it does not know: the coroutine's mistake. Or
                # a signal handler raised, and no driver is in the middle of a step.
                sitting = self.driver
                if sitting is None or sitting.finished:
                    raise
                driver = sitting
                driver._inner = False
                trap = driver.advance(driver._coro.throw, exc)
                continue
            sitting = self.driver
            if sitting is None:
                # It ended in a borrowed step, and the seat was idle since.
                self.workers.unpark(self)
                if not self._retire:
                    result.unwrap()
                return
            driver = sitting
            trap = driver.resume(result)

    def take(self, job: Job) -> None:
        """Begin a coroutine; called by the loop while the task is parked as idle."""
        driver = self.workers.driver(self, job)
        job[1].run(driver._go_on, *driver.first_step())
        if not driver.finished:
            self.workers.list(driver)

    def vacate(self) -> None:
        """The coroutine finished in a borrowed step: no turn of trio's scheduler is needed.

        The task stays parked, idle from now on.
        """
        task = self.task
        cancelled = stay_parked(task, self._abort)
        guest = self.workers.guest
        assert guest is not None
        if not self._clean() or not self.workers.park(self):
            self._retire = True
            guest.reschedule(task)
        elif cancelled:
            guest.expect_wake()
            deliver_cancel(task)

    def _clean(self) -> bool:
        """Whether those who sat here closed all the cancel scopes that they opened."""
        return cancel_status(self.task) is self._base_status

    def gone(self) -> None:
        """The task is ending, cancelled or retired: cancel what was not finished."""
        self.workers.unpark(self)
        driver = self.driver
        if driver is not None:
            if not driver.finished:
                driver.error = asyncio.CancelledError("the loop was closed")
            driver.end()
        self.trap = None  # no cycle is left to the garbage collector


class WorkerDriver(Driver):
    """The driver of a spawned coroutine."""

    __slots__ = ("_on_done", "_seat")

    _on_done: OnDone
    _seat: Seat
    # The handle of its last `sleep(0)`, and the context it runs in: most have none.
    _turn: Any = None
    _turn_context: contextvars.Context | None = None

    def _wait_a_turn(self) -> Trap:
        self._waiting = NEXT_TURN
        call_again = self._seat.workers.call_again
        context = self.task.context
        if call_again is not None and context is self._turn_context:
            call_again(self._turn)
        else:
            self._turn = self._call_soon(self._next_turn, context=context)
            self._turn_context = context
        return self._park

    def _finish_borrowed(self) -> None:
        self.end()
        self._seat.vacate()

    def end(self) -> None:
        """Leave the seat and report the result."""
        self._seat.driver = None
        value, error = self.value, self.error
        self._coro = None  # type: ignore[assignment]
        if self._turn is not None:
            self._turn = None  # it leads back here, too
        if self._callbacks is None:
            self.error = None  # its traceback leads back here
        try:
            self._on_done(value, error)
        except RuntimeError:
            # A loop that was closed with tasks left, as plain asyncio programs do: what its
            # callbacks would do is lost, and must not cost the thread's other loops the run.
            if not self._loop.is_closed():
                raise
