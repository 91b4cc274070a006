"""`TaskScope`: the trio tasks of one loop, kept until there is a nursery to start them in.

Knows workers, and who hosts the run once it is there.
"""

from __future__ import annotations

import contextvars
from functools import partial
from typing import Any

import trio

from .host import FutureLoop, Host, Start
from .host_loop import calls_ahead
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
        """Start what waits; `nursery` is the scope's from now on."""
        self.nursery = nursery
        waiting, self._waiting = self._waiting, []
        for context, async_fn, name in waiting:
            context.run(partial(nursery.start_soon, async_fn, name=name))
        self.workers.open(nursery, host)

    def ended(self) -> None:
        """The nursery has ended: what never began is closed, and reported cancelled."""
        self.nursery = None
        self.workers.close()

    def cancel(self) -> None:
        """Cancel the tasks; this does not wait for them."""
        if self.nursery is not None:
            self.nursery.cancel_scope.cancel()

    def forget_spawned(self) -> None:
        """The loop will not run again: close the coroutines whose turn to begin never comes."""
        for job in calls_ahead(self.future_loop, self.spawn):
            self.workers.spawn(*job)
        self.workers.close()
