"""Coroutines written as generators: the decorator, and what runs them.

Knows Futures and the current loop; what may be yielded is in `yielded`. A generator-based
coroutine runs in the callbacks of the Futures it yields, in their order. `tornado.gen` re-exports
it.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import types
from collections.abc import Callable, Generator
from typing import Any

from tornado._impl.loop.current import current_loop
from tornado._impl.loop.yielded import BadYieldError, _null_future, convert_yielded, moment
from tornado.concurrent import Future, future_set_exc_info, future_set_result_unless_cancelled


class Return(Exception):
    """`raise gen.Return(value)` ends a coroutine with a value; so does `return value`."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value
        # Some coroutine functions are driven by asyncio, which looks for StopIteration's.
        self.args = (value,)


def coroutine(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a generator function to be a coroutine: calling it returns a Future.

    The generator yields what it waits for: a Future, a native coroutine, or a list or dict
    of such. Exceptions go into the Future. A plain function may be decorated too.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        future: Any = Future()
        if kwargs and "callback" in kwargs:
            from tornado._impl.legacy.callback_argument import take_callback

            take_callback(func, kwargs, future)
        context = contextvars.copy_context()
        try:
            try:
                result = context.run(func, *args, **kwargs)
                if isinstance(result, types.GeneratorType):
                    # The first step is taken here, so that a coroutine that never waits
                    # is done when its Future is returned.
                    runner = Runner(context.run, result, future, context.run(next, result))
                    future.add_done_callback(runner._result_done)
                else:
                    future.set_result(result)
            except (StopIteration, Return) as ended:
                future.set_result(ended.value)
            except asyncio.CancelledError:
                future.cancel()
            except Exception as error:
                future.set_exception(error)
            return future
        finally:
            # This frame is in the traceback of an exception that the future holds.
            future = None

    wrapper.__wrapped__ = func
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
        self.io_loop = current_loop()
        ready = ctx_run(self.handle_yield, first_yielded)
        del gen, result_future, first_yielded  # this frame may end up in a traceback of theirs
        if ready:
            ctx_run(self.run)

    def run(self) -> None:
        """Step the generator as long as what it yields is done already."""
        if self.finished or self.running:
            return
        self.running = True
        try:
            ready = self.future.done()
            while ready:
                awaited, self.future = self.future, None
                error: BaseException | None = None
                try:
                    value = awaited.result()
                except (Exception, asyncio.CancelledError) as exc:
                    error = exc
                awaited = None
                try:
                    # Outside of any `except`, so that the generator's exceptions get no context.
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
                ready = self.handle_yield(yielded)
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
            self.io_loop.add_callback(self.ctx_run, self.run)
            return False
        if future.done():
            return True
        if isinstance(future, asyncio.Future):
            future.add_done_callback(self._wake)
        else:
            self.io_loop.add_future(future, self._wake)
        return False

    def _wake(self, future: Any) -> None:
        self.ctx_run(self.run)

    def _result_done(self, result: Any) -> None:
        """The coroutine's Future is done: if it was cancelled elsewhere, so is the coroutine.

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


for _class in (Return, Runner):
    _class.__module__ = "tornado.gen"
