"""The interfaces interop works between: what turns the trio run, and the loops whose Futures are
awaited.

`Host` has two implementations: `Guest`, a trio run that asyncio loops turn, and `PlainHost`, one
that trio turns itself. A `FutureLoop` is an asyncio loop, or the stand-in of a plain run.

Knows trio's tasks and asyncio's handles by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol

import trio

from .trio_internals import Marks

__all__ = ["Coro", "Host", "FutureLoop", "Start"]

Coro = Coroutine[Any, Any, Any]  # whatever two libraries send into it
Start = Callable[..., Coroutine[Any, Any, object]]  # an async function whose result is unused


class Host(Protocol):
    """What turns a trio run."""

    @property
    def dispatcher(self) -> trio.lowlevel.Task | None:
        """The trio task that runs the Futures' callbacks; None where they run outside of any."""

    @property
    def marks(self) -> Marks:
        """This thread's record of the running trio task: `trio_internals.thread_marks()`."""

    def expect_wake(self) -> None:
        """A task is about to become runnable: turn soon."""

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Turn now, if the run may be turned from inside a callback, until `condition()`."""

    def reschedule(self, task: trio.lowlevel.Task, value: object = None) -> None:
        """`trio.lowlevel.reschedule`, with an outcome of `value`."""


class FutureLoop(Protocol):
    """What Futures, their drivers and their timers need of a loop."""

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle: ...

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle: ...

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...

    def time(self) -> float: ...

    def is_closed(self) -> bool: ...

    def is_running(self) -> bool: ...

    def get_debug(self) -> bool: ...
