"""Tasks made by the program's asyncio loop, if it has a task factory, or a `create_task` that is
not asyncio's own. (Tracing agents wrap it, to pass a trace from task to task.)

Such a loop has to see each coroutine that Tornado makes a task of, in the same number and order.
The task is the program's; it waits for a driver that runs the coroutine, which may await trio and
asyncio alike, in the task's name: `asyncio.current_task()` is the program's task there.

Knows asyncio's tasks and how coroutines are spawned. Without either it costs one check of the loop
per spawned coroutine, and nothing per request.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

import trio
from tornado._impl.loop.tasks import TaskFuture, is_cancelled, shown_as

from tornado_trio.interop.current import enter_task, leave_task
from tornado_trio.interop.driver import Driver

__all__ = ["create_task"]


def create_task(
    loop: Any,
    spawn: Callable[..., object],
    coro: Coroutine[Any, Any, Any],
    context: contextvars.Context | None,
) -> Any:
    """A task that `loop` makes, whose coroutine is driven; `spawn` is `Workers.spawn`.

    `context`: the one to run it in; by default a copy of the task's.
    """
    job = _Job(spawn, coro, context)
    name = getattr(coro, "__qualname__", type(coro).__qualname__)
    task = loop.create_task(shown_as(job.run(loop), name))
    task.add_done_callback(job.over)
    return task


class _Outcome(TaskFuture):
    """What the program's task waits for. It raises what is to leave the loop, itself."""

    def _ended(self, value: Any, error: BaseException | None) -> None:
        self._driver = None
        if self.done():
            return
        if error is None:
            self.set_result(value)
        elif is_cancelled(error):
            asyncio.Future.cancel(self)
        else:
            self.set_exception(error)


class _Job:
    """A coroutine on its way from the program's task to a driver."""

    def __init__(
        self,
        spawn: Callable[..., object],
        coro: Coroutine[Any, Any, Any],
        context: contextvars.Context | None,
    ) -> None:
        self._spawn = spawn
        self._coro: Coroutine[Any, Any, Any] | None = coro
        self._context = context
        self._task: Any = None
        self._outcome: _Outcome | None = None

    async def run(self, loop: Any) -> Any:
        """What the program's task runs."""
        if trio.lowlevel.in_trio_task():
            await asyncio.sleep(0)  # made eagerly, in the midst of a step of another driver's
        coro, self._coro = self._coro, None
        task = self._task = asyncio.current_task()
        outcome = self._outcome = _Outcome(loop=loop)
        context = self._context or contextvars.copy_context()
        # The driver takes the task's place for each of its steps, this first one among them.
        leave_task(loop, task)
        try:
            self._spawn(coro, context, outcome._ended, self._begun)
        finally:
            enter_task(loop, task)
        return await outcome

    def _begun(self, driver: Driver) -> None:
        driver.identity = self._task
        assert self._outcome is not None
        self._outcome._begun(driver)

    def over(self, task: Any) -> None:
        """The task ended. One that was cancelled before it began has begun nothing."""
        if self._coro is not None:
            self._coro.close()
