"""The task of a connection as its handlers have it: first step, waits, context, name.

Knows coroutines, contexts and trio's tasks. Must not know HTTP.

The first step of a handler runs at once, by hand, for most never wait. One that does is gone
on with by `Resumed`, which is awaited in the connection's task: so trio's tools see the
handler's frames through it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

import trio

from .._util.contexts import run_in
from .._util.stepping import Stepper
from ..exchange import App, current_exchange

__all__ = ["HandlerTask", "Resumed", "place_of"]

_NOT_THE_PROGRAMS = frozenset(("trio", "tornado_trio", "tornado", "outcome", "asyncio"))

Runner = Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]]


class Step(Protocol):
    """Notified that a step of a handler is over, if it asked for that."""

    @property
    def corked(self) -> bool: ...
    def uncork(self) -> None: ...


class HandlerTask:
    """The present task, which serves a connection.

    Attributes:
      task: trio's.
      clock: of the trio run.
      waiting: a handler has waited, and is not done yet.
    """

    __slots__ = ("_context", "_name", "clock", "task", "waiting")

    def __init__(self) -> None:
        self.task = trio.lowlevel.current_task()
        self.clock = trio.lowlevel.current_clock()
        self.waiting = False
        self._context = self.task.context
        self._name = self.task.name

    def __repr__(self) -> str:
        return f"<HandlerTask {self.task.name}>"

    def enter(self) -> contextvars.Context:
        """A context for a request. Before its first step, so that whatever the handler waits
        for then goes on in it."""
        context: contextvars.Context = self._context.copy()
        self.task.context = context
        return context

    def leave(self) -> None:
        """The request is over."""
        self.task.context = self._context

    def first_step(self, app: App, exchange: Any, run: Runner | None) -> Resumed:
        """Run `app(exchange)` until it first waits; to be called in the request's context.

        Returns the rest of it, to be awaited. Raises StopIteration when it is done, and whatever
        it raises.
        """
        current_exchange.set(exchange)
        coro = app(exchange)
        if coro is None:
            coro = exchange.wait_finished()
        elif run is not None:
            coro = run(coro)
        return Resumed(coro, coro.send(None), exchange)

    async def adopt(self, context: contextvars.Context, name: str) -> None:
        """Continue in `context` as `name`: what follows is outside of the request that began it."""
        self._context = self.task.context = context
        self._name = self.task.name = name
        await trio.lowlevel.cancel_shielded_checkpoint()  # from here on in that context

    def begin_wait(self, name: str) -> None:
        """The handler waits; its task is called `name` until `end_wait`."""
        self.waiting = True
        self.task.name = name

    def end_wait(self) -> None:
        self.waiting = False
        self.task.name = self._name

    def is_current(self) -> bool:
        """Whether it is this task that runs: others' waits are not seen here."""
        return trio.lowlevel.current_task() is self.task

    def place(self) -> str:
        """The line of the program that the task waits in: 'shop.py:12 in get'."""
        return place_of(self.task)

    def in_context(self, function: Callable[..., object], *args: object) -> None:
        """Call `function(*args)` in the context of the request under way, or in no request's.

        A slice of trio's that began in one request's context may see the next ones, too.
        """
        run_in(self.task.context, function, *args)

    def start_beside(self, nursery: trio.Nursery, *task: Any, name: str) -> None:
        """Start a task outside of any request and its context."""
        self._context.copy().run(partial(nursery.start_soon, *task, name=name))


def place_of(task: trio.lowlevel.Task) -> str:
    """The innermost line of a waiting task that is neither trio's nor ours."""
    last = None
    for frame, line in task.iter_await_frames():
        module = frame.f_globals.get("__name__", "").partition(".")[0]
        if module not in _NOT_THE_PROGRAMS:
            last = f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
    return f"waits in {last}" if last is not None else "runs"


class Resumed(Stepper):
    """Awaited, it continues a coroutine that has yielded `trap` to trio."""

    __slots__ = ("_send", "_step", "_trap")

    def __init__(self, coro: Coroutine[Any, Any, Any], trap: Any, step: Step) -> None:
        super().__init__(coro)
        self._send = coro.send
        self._trap = trap
        self._step = step

    def __await__(self) -> Resumed:
        return self

    def __iter__(self) -> Resumed:
        return self

    def __next__(self) -> Any:
        trap, self._trap = self._trap, None
        if trap is None:
            return self.send(None)
        step = self._step
        if step.corked:
            step.uncork()
        return trap

    def send(self, value: Any) -> Any:
        """One step; what it yields to trio. StopIteration: the handler is done."""
        trap = self._send(value)
        step = self._step
        if step.corked:
            step.uncork()
        return trap

    def throw(self, *error: Any) -> Any:
        """As `send`, with an exception in the place of a result. GeneratorExit too: the
        coroutine must unwind."""
        trap = self.stepped.throw(*error)
        step = self._step
        if step.corked:
            step.uncork()
        return trap

    def close(self) -> None:
        self.stepped.close()
