"""`tornado.gen`: coroutines written as generators, and tools for several Futures at once.

Knows Futures and the IOLoop. A generator-based coroutine runs in the callbacks of the
Futures it yields, in their order; what it yields that is a native coroutine (or anything
else awaitable) becomes a trio task (`tornado.platform.trio.run_task`).
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from inspect import isawaitable
from typing import Any

from tornado._impl.generation import before
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado.concurrent import (
    Future,
    chain_future,
    future_set_exc_info,
    future_set_result_unless_cancelled,
    is_future,
)
from tornado.ioloop import IOLoop
from tornado.log import app_log
from tornado.platform.trio import run_task
from tornado.util import TimeoutError as TimeoutError


class KeyReuseError(Exception):
    """A key of the callback protocol was used twice."""


class UnknownKeyError(Exception):
    """A key of the callback protocol was waited for that nobody registered."""


class LeakedCallbackError(Exception):
    """A generator ended with callbacks that it never waited for."""


class BadYieldError(Exception):
    """A coroutine yielded what cannot be waited for."""


class ReturnValueIgnoredError(Exception):
    """A value was returned where nobody could receive it."""


class Return(Exception):
    """`raise gen.Return(value)` ends a coroutine with a value; so does `return value`."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value
        # Some coroutine functions are driven by asyncio, which looks for StopIteration's.
        self.args = (value,)


class _NullFuture:
    """Stands for a Future that needs no waiting: nothing to schedule, nothing to hold."""

    def result(self) -> None:
        return None

    def done(self) -> bool:
        return True

    def __await__(self) -> Generator[None, None, None]:
        yield  # one turn of the loop


#: Yielded, it lets the loop run for one turn.
moment: Any = _NullFuture()
_null_future: Any = _NullFuture()


# --- coroutines ----------------------------------------------------------------------
def coroutine(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a generator function to be a coroutine: calling it returns a Future.

    The generator yields what it waits for: a Future, a native coroutine, or a list or dict
    of such. Exceptions go into the Future. A plain function may be decorated too.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        future: Any = Future()
        if kwargs and "callback" in kwargs:
            from tornado._impl.legacy import gen as legacy_gen

            legacy_gen.take_callback(func, kwargs, future)
        context = contextvars.copy_context()
        try:
            try:
                result = context.run(func, *args, **kwargs)
                if isinstance(result, types.GeneratorType):
                    # The first step is taken here, so that a coroutine that never waits
                    # is done when its Future is returned.
                    runner = Runner(context.run, result, future, context.run(next, result))
                    future.add_done_callback(runner._result_done)
                    return future
            except (Return, StopIteration) as exc:
                result = exc.value
            except asyncio.CancelledError:
                future.cancel()
                return future
            except Exception:
                future_set_exc_info(future, sys.exc_info())
                return future
            future.set_result(result)
            return future
        finally:
            # This frame is in the traceback of an exception that the future holds.
            future = None

    wrapper.__wrapped__ = func  # type: ignore[attr-defined]
    wrapper.__tornado_coroutine__ = True  # type: ignore[attr-defined]
    return wrapper


def is_coroutine_function(func: Any) -> bool:
    """Whether `func` was decorated with `coroutine`."""
    return getattr(func, "__tornado_coroutine__", False)


class Runner:
    """Runs a generator-based coroutine that has yielded once, and fills its Future."""

    def __init__(
        self,
        ctx_run: Callable[..., Any],
        gen: Generator[Any, Any, Any],
        result_future: Future,
        first_yielded: Any,
    ) -> None:
        self.ctx_run = ctx_run
        self.gen = gen
        self.result_future: Any = result_future
        self.future: Any = None
        self.running = False
        self.finished = False
        self.io_loop = IOLoop.current()
        ready = ctx_run(self.handle_yield, first_yielded)
        del gen, result_future, first_yielded  # this frame may end up in a traceback of theirs
        if ready:
            ctx_run(self.run)

    def run(self) -> None:
        """Step the generator as long as what it yields is done already."""
        if self.running or self.finished:
            return
        self.running = True
        try:
            while True:
                future = self.future
                if future is None:
                    raise Exception("No pending future")
                if not future.done():
                    return
                self.future = None
                error: BaseException | None = None
                try:
                    value = future.result()
                except (Exception, asyncio.CancelledError) as exc:
                    error = exc
                future = None
                try:
                    # Outside of any `except`, lest the generator's exceptions get a context.
                    if error is None:
                        yielded = self.gen.send(value)
                        del value
                    else:
                        try:
                            yielded = self.gen.throw(error)
                        finally:
                            error = None  # no cycle through its traceback
                except (StopIteration, Return) as exc:
                    self._succeed(exc.value)
                    return
                except asyncio.CancelledError:
                    self._finish().cancel()
                    return
                except Exception:
                    future_set_exc_info(self._finish(), sys.exc_info())
                    return
                if not self.handle_yield(yielded):
                    return
                yielded = None
        finally:
            self.running = False

    def _succeed(self, value: Any) -> None:
        future_set_result_unless_cancelled(self._finish(), value)

    def _finish(self) -> Any:
        self.finished = True
        self.future = _null_future
        result, self.result_future = self.result_future, None
        self.gen = None  # type: ignore[assignment]
        return result

    def handle_yield(self, yielded: Any) -> bool:
        """Wait for what was yielded; True if it is done already."""
        try:
            future = self.future = convert_yielded(yielded)
        except BadYieldError:
            legacy = sys.modules.get("tornado._impl.legacy.gen")
            if legacy is not None and type(self) is not legacy.LegacyRunner:
                # Begun before the program met its first yield point, which this may be.
                self.__class__ = legacy.LegacyRunner
                return self.handle_yield(yielded)
            failed = Future()
            future_set_exc_info(failed, sys.exc_info())
            self.future = failed
            return True
        if future is moment:
            assert self.io_loop is not None
            self.io_loop.add_callback(self.ctx_run, self.run)
            return False
        if future.done():
            return True
        if isinstance(future, asyncio.Future):
            future.add_done_callback(self._wake)
        else:
            assert self.io_loop is not None
            self.io_loop.add_future(future, self._wake)
        return False

    def _wake(self, future: Any) -> None:
        self.ctx_run(self.run)

    def _result_done(self, result: Any) -> None:
        """The coroutine's Future is done: if somebody else cancelled it, so is the coroutine.

        (Being this callback of the Future also keeps the runner alive while it waits.)
        """
        if self.finished or not result.cancelled():
            return
        waiting = self.future
        if waiting is not None and waiting is not moment and not waiting.done():
            waiting.cancel()  # its callback throws CancelledError into the generator

    def handle_exception(self, typ: Any, value: BaseException, tb: Any) -> bool:
        """Throw an exception into the generator at its next step (callback protocols)."""
        if self.running or self.finished:
            return False
        failed = Future()
        future_set_exc_info(failed, (typ, value, tb))
        self.future = failed
        self.ctx_run(self.run)
        return True


# --- what may be yielded -----------------------------------------------------------------
def _convert_other(yielded: Any) -> Any:
    """Everything but Futures: what `convert_yielded` dispatches on by type."""
    if isinstance(yielded, (list, dict)):
        return multi(yielded)
    if isawaitable(yielded):
        return run_task(yielded)
    raise BadYieldError(f"yielded unknown object {yielded!r}")


_by_type = functools.singledispatch(_convert_other)
_taught = _by_type.registry  # `object`, and what programs add


def convert_yielded(yielded: Any) -> Any:
    """What a coroutine may yield, as a Future.

    Futures of any kind, awaitables, lists and dicts of them, None (one turn of the loop).
    More types can be taught with `convert_yielded.register(type, function)`, as with
    `functools.singledispatch`. Raises `BadYieldError` for anything else.
    """
    if is_future(yielded):
        return yielded
    if yielded is None or yielded is moment:
        return moment
    if yielded is _null_future:
        return yielded
    if plain_coroutine(yielded):
        return run_task(yielded)  # as below, without the search by type (0.7 µs)
    return _by_type(yielded)


def plain_coroutine(yielded: Any) -> bool:
    """Whether it is an `async def`'s coroutine, and no program taught us to convert those."""
    return type(yielded) is types.CoroutineType and len(_taught) == 1


convert_yielded.register = _by_type.register  # type: ignore[attr-defined]
convert_yielded.dispatch = _by_type.dispatch  # type: ignore[attr-defined]
convert_yielded.registry = _by_type.registry  # type: ignore[attr-defined]


def maybe_future(x: Any) -> Any:
    """`x` if it is a Future, else a Future that holds it."""
    if is_future(x):
        return x
    future = Future()
    future.set_result(x)
    return future


# --- several at once -----------------------------------------------------------------------
QuietExceptions = type[Exception] | tuple[type[Exception], ...]


def multi(
    children: Sequence[Any] | Mapping[Any, Any], quiet_exceptions: QuietExceptions = ()
) -> Any:
    """Wait for a list or dict of awaitables in parallel; a Future of their results.

    The first exception (in their order) is raised. Others are logged, but for those of
    `quiet_exceptions`.
    """
    return multi_future(children, quiet_exceptions=quiet_exceptions)


Multi = multi


def multi_future(
    children: Sequence[Any] | Mapping[Any, Any], quiet_exceptions: QuietExceptions = ()
) -> Future:
    """`multi`, under its name of Tornado 4."""
    keys: list[Any] | None = None
    items: Iterable[Any]
    if isinstance(children, dict):
        keys, items = list(children), children.values()
    else:
        items = children
    futures = [convert_yielded(child) for child in items]
    for future in futures:
        if not (is_future(future) or isinstance(future, _NullFuture)):
            raise BadYieldError(f"not a future: {future!r}")
    pending = {future for future in futures if not isinstance(future, _NullFuture)}
    result = Future()

    def child_done(future: Any) -> None:
        pending.discard(future)
        if not pending:
            _collect(futures, keys, result, quiet_exceptions)

    if not pending:
        _collect(futures, keys, result, quiet_exceptions)
    for future in list(pending):
        _when_done(future, child_done)
    return result


def _when_done(future: Any, callback: Callable[[Any], None]) -> None:
    """Call back when `future` is done (now, if it is), in this thread whoever finishes it."""
    if future.done():
        callback(future)
    elif isinstance(future, asyncio.Future):
        future.add_done_callback(callback)
    else:
        loop = IOLoop.current()
        assert loop is not None
        loop.add_future(future, callback)


def _collect(
    futures: list[Any], keys: list[Any] | None, result: Future, quiet: QuietExceptions
) -> None:
    """Give `result` the values of `futures`, all done, or their first exception."""
    values = []
    for future in futures:
        try:
            values.append(future.result())
        except (Exception, asyncio.CancelledError) as exc:
            if not result.done():
                result.set_exception(exc)
            elif not isinstance(exc, (asyncio.CancelledError, quiet)):
                app_log.error("Multiple exceptions in yield list", exc_info=True)
    if not result.done():
        result.set_result(dict(zip(keys, values, strict=True)) if keys is not None else values)


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


def with_timeout(
    timeout: float | datetime.timedelta,
    future: Any,
    quiet_exceptions: Any = (),
    io_loop: Any = None,
    *,
    message: str | Callable[[], str] | None = None,
) -> Future:
    """`future`'s outcome, or `TimeoutError` after `timeout` (a deadline or a timedelta).

    `message` (or what it returns when called) is the error's text. The operation itself
    goes on; an exception it ends with later is logged, but for those
    of `quiet_exceptions`. (In Tornado 4 `io_loop` was the third argument.)
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
            pass  # giving up what nobody waits for is no error
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
_LEGACY_NAMES = frozenset({
    "Arguments", "Callback", "MultiYieldPoint", "Task", "Wait", "WaitAll", "YieldFuture",
    "YieldPoint", "engine",
})  # fmt: skip


if before(5):
    from tornado._impl.legacy import gen as legacy_gen  # noqa: F401 - its runner serves from the start


def __getattr__(name: str) -> Any:
    if name in _LEGACY_NAMES:
        from tornado._impl.legacy import gen as legacy_gen

        return getattr(legacy_gen, name)
    if name == "TracebackFuture":
        return Future
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LEGACY_NAMES, "TracebackFuture"})
