"""`TaskScope`: the trio tasks of one loop, kept until there is a nursery to start them in.

Knows workers, and the host of the run once there is one.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from functools import partial
from typing import Any

import trio

from .all_tasks import Unbegun, show_tasks_of
from .host import FutureLoop, Host, Start
from .host_loop import handles_ahead
from .workers import Workers

__all__ = ["TaskScope"]


class TaskScope:
    """The trio tasks of one loop.

    Attributes: `nursery`, None before the scope began and after it ended; `workers`, the trio
    tasks that drive the loop's spawned coroutines.
    """

    def __init__(self, loop: FutureLoop) -> None:
        self.future_loop = loop
        self.nursery: trio.Nursery | None = None
        self.workers = Workers(loop)
        self._waiting: list[tuple[contextvars.Context, Start, object]] = []
        self._farewells: list[tuple[Start, float]] = []
        show_tasks_of(self)

    def start_soon(self, async_fn: Start, *args: Any, name: object = None) -> None:
        """Start a trio task in the scope's nursery, now or as soon as there is one."""
        if self.nursery is not None:
            self.nursery.start_soon(async_fn, *args, name=name)
        else:
            context = contextvars.copy_context()
            self._waiting.append((context, partial(async_fn, *args), name or async_fn))

    def spawn(self, *job: Any) -> None:
        """Begin a coroutine in a trio task: see `Workers.spawn`."""
        self.workers.spawn(*job)

    def begin(self, nursery: trio.Nursery, host: Host) -> None:
        """Start what is waiting; `nursery` is the scope's from now on."""
        self.nursery = nursery
        waiting, self._waiting = self._waiting, []
        for context, async_fn, name in waiting:
            context.run(partial(nursery.start_soon, async_fn, name=name))
        self.workers.open(nursery, host)

    def before_end(self, async_fn: Start, seconds: float) -> None:
        """Run `async_fn()` before the tasks are cancelled, within a time limit.

        From now on spawned coroutines are left out of `asyncio.all_tasks()`, so that `asyncio.run`
        does not cancel them before the loop ends: `async_fn` may need them.
        """
        self._farewells.append((async_fn, seconds))
        self.workers.unlist()

    @property
    def patience(self) -> float:
        """Seconds that `say_farewell` may take; 0: there is nothing to run."""
        return max((seconds for _, seconds in self._farewells), default=0.0)

    async def say_farewell(self) -> None:
        """Run the functions given to `before_end`, concurrently, within their time.

        Cancellation: they are cancelled.
        """
        farewells, self._farewells = self._farewells, []
        async with trio.open_nursery() as nursery:
            for async_fn, seconds in farewells:
                nursery.start_soon(_bounded, async_fn, seconds)

    def ended(self) -> None:
        """The nursery has ended: what never began is closed, and reported cancelled."""
        self.nursery = None
        self.workers.close()

    def cancel(self) -> None:
        """Cancel the tasks; this does not wait for them."""
        if self.nursery is not None:
            self.nursery.cancel_scope.cancel()

    def unbegun(self) -> Iterator[Unbegun]:
        """What was spawned by `call_soon` and has not begun."""
        for handle in handles_ahead(self.future_loop, self.spawn):
            coro, context, on_done, *on_start = handle._args
            known = getattr(on_done, "__self__", None)
            if type(known) is not Unbegun:
                known = Unbegun(self.future_loop, coro, on_done, *on_start)
                handle._args = (coro, context, known.ended, known.begun)
            yield known

    def forget_spawned(self) -> None:
        """The loop will not run again: close the coroutines that will never begin."""
        for handle in handles_ahead(self.future_loop, self.spawn):
            self.workers.spawn(*handle._args)
        self.workers.close()


async def _bounded(async_fn: Start, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await async_fn()
