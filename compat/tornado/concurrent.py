"""`tornado.concurrent`: Futures and helpers for them.

Knows asyncio's Future; which loop is current.
"""

from __future__ import annotations

import asyncio
import functools
import types
import typing
from collections.abc import Callable
from concurrent import futures
from typing import Any

from tornado._impl.generation import before, old_idiom
from tornado._impl.loop.current import current_loop
from tornado._impl.names import handing_on
from tornado.log import app_log

_T = typing.TypeVar("_T")

if typing.TYPE_CHECKING:
    from typing_extensions import TypeVar

    _R = TypeVar("_R", default=Any)  # a Future of whatever, where a program does not say what
else:
    _R = typing.TypeVar("_R")


class ReturnValueIgnoredError(Exception):
    """Kept for programs that name it; nothing raises it."""


class _FutureType(type(asyncio.Future)):  # type: ignore[misc]
    """Makes `isinstance(x, tornado.concurrent.Future)` true of asyncio's futures and tasks."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Future:
            return isinstance(instance, asyncio.Future)
        return type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls is Future:
            return issubclass(subclass, asyncio.Future)
        return type.__subclasscheck__(cls, subclass)


class Future(asyncio.Future[_R], metaclass=_FutureType):
    """The result of an operation that has not finished yet; an `asyncio.Future`.

    May be awaited in an asyncio task, in any coroutine that this package drives and in a
    plain trio task (see `tornado.platform.trio`).
    """

    def running(self) -> bool:
        """Not done yet (Tornado 4)."""
        return not self.done()

    def exc_info(self) -> tuple[Any, Any, Any] | None:
        """The exception as a `sys.exc_info()` triple, None if there is none (Tornado 4)."""
        error = self.exception()
        return None if error is None else (type(error), error, error.__traceback__)

    def set_exc_info(self, exc_info: tuple[Any, Any, Any]) -> None:
        """Set the exception from a `sys.exc_info()` triple (Tornado 4)."""
        future_set_exc_info(self, exc_info)


if before(5):
    from tornado._impl.legacy.future import call_back_at_once

    call_back_at_once(Future)

FUTURES = (futures.Future, asyncio.Future)


def is_future(x: Any) -> bool:
    """Whether `x` is a Future of this module, of asyncio, or of `concurrent.futures`."""
    return isinstance(x, FUTURES)


class DummyExecutor(futures.Executor):
    """An executor that runs what it is given at once, in the calling thread."""

    def submit(  # type: ignore[override]
        self, fn: Callable[..., _T], *args: Any, **kwargs: Any
    ) -> futures.Future[_T]:
        outcome: futures.Future[_T] = futures.Future()
        try:
            value = fn(*args, **kwargs)
        except Exception as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)
        return outcome

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """Nothing is ever pending."""


dummy_executor = DummyExecutor()


def run_on_executor(*args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Decorate a method to run on `self.executor`; calling it returns a Future.

    `@run_on_executor(executor="_pool")` names another attribute. A `callback` keyword in
    the call gets the result, as in Tornado 4.
    """

    def decorator(fn: Callable[..., Any]) -> Callable[..., Future]:
        attribute = kwargs.get("executor", "executor")

        @functools.wraps(fn)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Future:
            callback = kwargs.pop("callback", None)
            result = Future()
            chain_future(getattr(self, attribute).submit(fn, self, *args, **kwargs), result)
            if callback is not None:
                old_idiom("callback= argument of run_on_executor")
                current_loop().add_future(result, lambda future: callback(future.result()))
            return result

        return wrapper

    if args and kwargs:
        raise ValueError("cannot combine positional and keyword args")
    if len(args) == 1:
        return decorator(args[0])
    if args:
        raise ValueError(f"expected 1 argument, got {len(args)}")
    return decorator


def chain_future(a: Any, b: Any) -> None:
    """When `a` is done, give its outcome to `b`, unless `b` is done by then."""

    def copy(a: Any) -> None:
        if b.done():
            return
        if a.cancelled():
            b.cancel()
            return
        error = a.exception()
        if error is not None:
            b.set_exception(error)
        else:
            b.set_result(a.result())

    if isinstance(a, asyncio.Future):
        future_add_done_callback(a, copy)
    else:
        current_loop().add_future(a, copy)


def future_set_result_unless_cancelled(future: Any, value: Any) -> None:
    """`future.set_result(value)`, or nothing if it was cancelled."""
    if not future.cancelled():
        future.set_result(value)


def future_set_exception_unless_cancelled(future: Any, exc: BaseException) -> None:
    """`future.set_exception(exc)`; an exception for a cancelled future is logged."""
    if not future.cancelled():
        future.set_exception(exc)
    else:
        app_log.error("Exception after Future was cancelled", exc_info=exc)


def future_set_exc_info(
    future: Any,
    exc_info: tuple[type | None, BaseException | None, types.TracebackType | None],
) -> None:
    """Set the exception of a `sys.exc_info()` triple, unless the future was cancelled."""
    error = exc_info[1]
    if error is None:
        raise Exception("future_set_exc_info called with no exception")
    future_set_exception_unless_cancelled(future, error)


def future_add_done_callback(future: Any, callback: Callable[[Any], None]) -> None:
    """Call `callback(future)` when it is done: right now if it already is."""
    if future.done():
        callback(future)
    else:
        future.add_done_callback(callback)


__getattr__ = handing_on("tornado.concurrent")
