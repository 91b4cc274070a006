"""Trio tasks that belong to an IOLoop: started, and driven so that they may await Futures.

Knows the three methods that every loop of ours has for it, and the driver. Everything but
`drive` may be called from any code in the loop's thread, before `start()` too.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeVar

from tornado._impl.loop.current import current_loop
from tornado.concurrent import Future
from tornado.log import app_log

from tornado_trio._util.contexts import InContext
from tornado_trio._util.interrupts import interrupt_in
from tornado_trio._util.late import later
from tornado_trio.interop.coroutines import as_coroutine, undriven

if TYPE_CHECKING:
    import trio
    from tornado.ioloop import IOLoop

    from tornado_trio.interop import driver as _driving
    from tornado_trio.interop.driver import Driver
else:
    trio = later("trio", globals())
    _driving = later("tornado_trio.interop.driver", globals())

__all__ = [
    "TaskFuture",
    "drive",
    "is_cancelled",
    "make_task",
    "makes_tasks",
    "run_task",
    "shown_as",
    "start_soon",
]

T = TypeVar("T")


class TaskFuture(Future):
    """The result of a coroutine in a trio task. Cancelling it cancels the coroutine."""

    _driver: Driver | None = None
    _cancel_message: Any = None
    _cancel_asked = False

    def cancel(self, msg: Any = None) -> bool:
        """Throw `asyncio.CancelledError` into the coroutine; as `asyncio.Task.cancel`."""
        if self.done():
            return False
        if self._driver is not None:
            return self._driver.cancel(msg)
        self._cancel_asked = True  # it has not begun
        self._cancel_message = msg
        return True

    def _begun(self, driver: Driver) -> None:
        self._driver = driver
        if self._cancel_asked:
            driver.cancel(self._cancel_message)

    def _ended(self, value: Any, error: BaseException | None) -> None:
        self._driver = None
        if self.done():
            if error is not None and not isinstance(error, asyncio.CancelledError):
                app_log.error("Exception after Future was done", exc_info=error)
        elif error is None:
            self.set_result(value)
        elif is_cancelled(error):
            super().cancel()
        else:
            self.set_exception(error)
        if error is not None and interrupt_in(error) is not None:
            if not self.cancelled():
                self.exception()  # the loop raises it: it need not be retrieved here
            loop = current_loop(instance=False)
            if loop is not None:
                loop._raise_out(error)


def is_cancelled(error: BaseException) -> bool:
    """Whether a coroutine ended by being cancelled, be it from inside a trio nursery."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancelled(inner) for inner in error.exceptions)
    return isinstance(error, (asyncio.CancelledError, trio.Cancelled))


# --- whose tasks they are -----------------------------------------------------------------------
_stock: Any = asyncio.BaseEventLoop.create_task
if not (
    type(_stock) is FunctionType
    and _stock.__code__.co_filename == asyncio.BaseEventLoop.run_forever.__code__.co_filename
):
    _stock = None  # wrapped before we came


def makes_tasks(loop: Any) -> bool:
    """Whether the loop makes its tasks in a way of the program's: see `own_tasks`."""
    create = loop.create_task
    if type(create) is MethodType and create.__func__ is _stock:
        return loop._task_factory is not None
    # A method in C is a loop's own (uvloop's).
    return isinstance(create, (MethodType, FunctionType)) or loop.get_task_factory() is not None


def shown_as(coro: Any, name: str) -> Any:
    """Give a coroutine the name that a program sees in Tornado's place of it."""
    coro.__name__, coro.__qualname__ = name.rpartition(".")[2], name
    return coro


def start_soon(
    async_fn: Callable[..., Awaitable[object]],
    *args: Any,
    io_loop: IOLoop | None = None,
    name: object = None,
) -> None:
    """Start `async_fn(*args)` as a trio task in the loop's nursery, now or when it runs.

    It may await asyncio and Tornado too. An exception that escapes it is logged; it ends
    nothing else. It is cancelled, and waited for, when the loop is closed.
    """
    loop = io_loop if io_loop is not None else current_loop()
    loop._start_soon(_background, loop, async_fn, args, name=name or async_fn)


@undriven
async def _background(loop: IOLoop, async_fn: Callable[..., Awaitable[object]], args: Any) -> None:
    asyncio_loop, guest = loop._driver_parts()
    try:
        await _driving.run_driver(as_coroutine(async_fn(*args)), asyncio_loop, guest)
    except asyncio.CancelledError:
        pass  # it was cancelled by its own means, which is no error
    except BaseException as exc:
        interrupt = interrupt_in(exc)
        if interrupt is not None:
            loop._raise_out(interrupt)
        elif isinstance(exc, Exception):
            app_log.error("Exception in background task %r", async_fn, exc_info=True)
        else:
            raise


def run_task(
    coroutine: Awaitable[Any],
    io_loop: IOLoop | None = None,
    context: contextvars.Context | None = None,
) -> Future:
    """Drive a coroutine (or anything awaitable) in a trio task; a Future of its result.

    It begins on the loop's next turn, in the order of these calls, in `context`: by default
    a copy of the caller's.
    """
    loop = io_loop if io_loop is not None else current_loop()
    return loop._run_task(as_coroutine(coroutine), context)


def make_task(coroutine: Awaitable[Any], context: contextvars.Context | None = None) -> Future:
    """As `run_task`, for what is a task in Tornado, too: made by the loop if the program has it so
    (see `own_tasks`)."""
    return current_loop()._make_task(as_coroutine(coroutine), context)


async def drive(awaitable: Awaitable[T], context: contextvars.Context | None = None) -> T:
    """Await anything, of trio, asyncio or Tornado, inside a trio task.

    `context` is the contextvars context to run it in (the task's own by default).
    Cancellation: see `tornado_trio.interop.driver.drive`.
    """
    loop = current_loop()
    asyncio_loop, guest = loop._driver_parts()
    if context is not None:
        awaitable = InContext(awaitable, context)
    return await _driving.run_driver(as_coroutine(awaitable), asyncio_loop, guest)
