"""`tornado.gen`: coroutines written as generators, and tools for several Futures at once.

The coroutines are in `_impl/loop/coroutines.py`, what they may yield in `_impl/loop/yielded.py`;
a native coroutine (or anything else awaitable) that is yielded becomes a trio task.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tornado._impl.assigned import assignable, attribute
from tornado._impl.generation import before
from tornado._impl.legacy.arguments import once_at
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.loop import coroutines as _coroutines
from tornado._impl.loop.coroutines import Return, Runner, coroutine, is_coroutine_function
from tornado._impl.loop.yielded import (
    BadYieldError,
    KeyReuseError,
    LeakedCallbackError,
    Multi,
    ReturnValueIgnoredError,
    UnknownKeyError,
    _when_done,
    convert_yielded,
    moment,
    multi,
    multi_future,
)
from tornado._impl.loop.yielded import _null_future as _null_future
from tornado._impl.loop.yielded import _NullFuture as _NullFuture
from tornado._impl.names import handing_on, listing
from tornado.concurrent import (
    Future,
    chain_future,
    future_set_result_unless_cancelled,
    is_future,
)
from tornado.ioloop import IOLoop
from tornado.log import app_log
from tornado.util import TimeoutError

from tornado_trio._util.late import later

if TYPE_CHECKING:
    import datetime
else:
    datetime = later("datetime", globals())

__all__ = [
    "BadYieldError",
    "Future",
    "IOLoop",
    "KeyReuseError",
    "LeakedCallbackError",
    "Multi",
    "Return",
    "ReturnValueIgnoredError",
    "Runner",
    "TimeoutError",
    "UnknownKeyError",
    "WaitIterator",
    "convert_yielded",
    "coroutine",
    "is_coroutine_function",
    "maybe_future",
    "moment",
    "multi",
    "multi_future",
    "sleep",
    "with_timeout",
]


def maybe_future(x: Any) -> Any:
    """`x` if it is a Future, else a Future that holds it."""
    if is_future(x):
        return x
    future = Future()
    future.set_result(x)
    return future


class WaitIterator:
    """Yields the results of Futures in the order in which they finish.

    `current_index` is the position (or keyword) of the Future whose result came last,
    `current_future` that Future.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError("You must provide args or kwargs, not both")
        named: Iterable[tuple[Any, Any]] = kwargs.items() if kwargs else enumerate(args)
        # A Future may be given more than once: each place gets its result.
        self._unfinished: dict[Any, list[Any]] = {}
        for key, future in named:
            self._unfinished.setdefault(convert_yielded(future), []).append(key)
        self._finished: deque[Any] = deque()
        self._running_future: Future | None = None
        self.current_index: Any = None
        self.current_future: Any = None
        for future, keys in list(self._unfinished.items()):
            for _ in keys:
                _when_done(future, self._done_callback)

    def done(self) -> bool:
        """Whether all results were handed out."""
        if self._finished or self._unfinished:
            return False
        self.current_index = self.current_future = None
        return True

    def next(self) -> Future:
        """A Future of the next result."""
        running = self._running_future = Future()
        if self._finished:
            self._return_result(self._finished.popleft())
        return running

    def _done_callback(self, done: Any) -> None:
        if self._running_future is not None and not self._running_future.done():
            self._return_result(done)
        else:
            self._finished.append(done)

    def _return_result(self, done: Any) -> None:
        running = self._running_future
        if running is None:
            raise Exception("no future is running")
        self.current_future = done
        keys = self._unfinished[done]
        self.current_index = keys.pop(0)
        if not keys:
            del self._unfinished[done]
        chain_future(done, running)

    def __aiter__(self) -> WaitIterator:
        return self

    def __anext__(self) -> Future:
        if self.done():
            raise StopAsyncIteration()
        return self.next()


@once_at(2, "io_loop", lambda it: isinstance(it, IOLoop))
def with_timeout(
    timeout: float | datetime.timedelta,
    future: Any,
    quiet_exceptions: Any = (),
    io_loop: Any = None,
    *,
    message: str | Callable[[], str] | None = None,
) -> Future:
    """`future`'s outcome, or `TimeoutError` after `timeout` (a deadline or a timedelta).

    `message` (or what it returns when called) is the error's text. The operation itself continues;
    an exception it ends with later is logged, except those in `quiet_exceptions`. (In Tornado 4
    `io_loop` was the third argument.)
    """
    if quiet_exceptions is None or isinstance(quiet_exceptions, IOLoop):
        quiet_exceptions, io_loop = io_loop or (), quiet_exceptions
    converted = convert_yielded(future)
    result = Future()
    chain_future(converted, result)
    loop = IOLoop.current() if io_loop is None else checked_loop(io_loop)
    assert loop is not None

    def log_late_error(future: Any) -> None:
        try:
            future.result()
        except asyncio.CancelledError:
            pass  # dropping a result that is not awaited is no error
        except Exception as exc:
            if not isinstance(exc, quiet_exceptions):
                app_log.error("Exception in Future %r after timeout", future, exc_info=True)

    def expire() -> None:
        if not result.done():
            text = message() if callable(message) else message
            result.set_exception(TimeoutError(text or "Timeout"))
        # Only now: before, the error is the caller's business.
        _when_done(converted, log_late_error)

    handle = loop.add_timeout(timeout, expire)

    def disarm(_: Any) -> None:
        loop.remove_timeout(handle)

    _when_done(converted, disarm)
    return result


def sleep(duration: float) -> Future:
    """A Future that is done in `duration` seconds."""
    future = Future()
    loop = IOLoop.current()
    assert loop is not None
    handle = loop.call_later(duration, future_set_result_unless_cancelled, future, None)
    if duration > 0:
        future.add_done_callback(functools.partial(_forget_timeout, loop, handle))
    return future


def _forget_timeout(loop: IOLoop, handle: object, future: Future) -> None:
    if future.cancelled():
        loop.remove_timeout(handle)


# --- what Tornado 5 and 6 removed ------------------------------------------------------------
if before(5):
    from tornado._impl.legacy import gen as _  # noqa: F401 - its runner serves from the start

# Profilers replace the class.
assignable(__name__, "Runner", *attribute(_coroutines, "Runner"))

__getattr__ = handing_on("tornado.gen")
__dir__ = listing("tornado.gen")
