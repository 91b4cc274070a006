"""Futures in a plain trio run: no asyncio loop is made or run.

`StandInLoop` is the loop of Futures and timers, whose callbacks one trio task runs in order;
`PlainHost` is the run's host for drivers; `PlainScope` has the tasks of such a loop.

Knows trio, and of asyncio only the Future and Handle classes.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

import trio

from ..log import app_log
from .sigint import SigintHandler
from .tasks import TaskScope
from .trio_internals import thread_marks

__all__ = ["PlainHost", "PlainScope", "StandInLoop"]


class StandInLoop:
    """The part of an asyncio loop that Futures and timers need, in a plain trio run."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._sleeper: trio.lowlevel.Task | None = None  # the dispatching task, while it waits
        self._scope: trio.CancelScope | None = None
        self._token = trio.lowlevel.current_trio_token()
        self._closed = False

    async def dispatch(self) -> None:
        """Run callbacks as they come, in order, until cancelled."""
        task = trio.lowlevel.current_task()
        ready, timers = self._ready, self._timers

        def abort(_: object) -> trio.lowlevel.Abort:
            self._sleeper = None
            return trio.lowlevel.Abort.SUCCEEDED

        while True:
            now = self.time()
            while timers and (timers[0].cancelled() or timers[0].when() <= now):
                timer = heapq.heappop(timers)
                if not timer.cancelled():
                    ready.append(timer)
            # Only those that are due now: what they add waits for the next iteration.
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
            if ready:
                await trio.lowlevel.checkpoint()
                continue
            deadline = timers[0].when() if timers else float("inf")
            with trio.CancelScope(deadline=deadline) as self._scope:
                self._sleeper = task
                await trio.lowlevel.wait_task_rescheduled(abort)

    def _wake(self) -> None:
        sleeper, self._sleeper = self._sleeper, None
        if sleeper is not None:
            trio.lowlevel.reschedule(sleeper)

    def close(self) -> None:
        self._closed = True

    # --- asyncio's names ---------------------------------------------------------
    def time(self) -> float:
        return trio.current_time()

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)  # type: ignore[arg-type]
        self._ready.append(handle)
        if self._sleeper is not None:
            self._wake()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)  # type: ignore[arg-type]
        self._ready.append(handle)
        self._token.run_sync_soon(self._wake, idempotent=True)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)  # type: ignore[arg-type]
        heapq.heappush(self._timers, handle)
        if self._sleeper is not None and self._scope is not None and when < self._scope.deadline:
            self._scope.deadline = when
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return self._closed

    def is_running(self) -> bool:
        return not self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        app_log.error(
            context.get("message", "Unhandled exception"), exc_info=context.get("exception")
        )

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave the heap when their time comes."""


class PlainHost:
    """The host for drivers where trio turns its run itself."""

    def __init__(self) -> None:
        self.dispatcher: trio.lowlevel.Task | None = None  # runs the Futures' callbacks
        self.marks = thread_marks()

    def expect_wake(self) -> None:
        pass  # trio's own loop sees for itself what is runnable

    def turn_until(self, condition: Callable[[], bool]) -> None:
        pass  # nor can it be turned from inside

    def reschedule(self, task: trio.lowlevel.Task, value: Any = None) -> None:
        if value is None:
            trio.lowlevel.reschedule(task)
        else:
            trio.lowlevel.reschedule(task, value)


class PlainScope(TaskScope):
    """The trio tasks of the stand-in loop of a plain trio run."""

    def __init__(self, loop: StandInLoop) -> None:
        super().__init__(loop)
        self.loop = loop
        self.host = PlainHost()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the loop's tasks until cancelled."""
        sigint = SigintHandler.installed(lambda: True)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._dispatch, name="IOLoop callbacks")
                self.begin(nursery, self.host)
                task_status.started()
        finally:
            if sigint is not None:
                sigint.uninstall()
            self.loop.close()
            self.ended()
            self.forget_spawned()

    async def _dispatch(self) -> None:
        self.host.dispatcher = trio.lowlevel.current_task()
        await self.loop.dispatch()
