"""`tornado.ioloop`: the event loop as an object, over the one trio run of its thread.

Knows Futures and the interface of a loop; how a loop is hosted (as guest of asyncio, or in
a plain trio run) is in `tornado.platform.asyncio` and `tornado.platform.trio`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import math
import os
import random
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, overload

from tornado._impl.generation import before
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.loop.current import current_loop, loops
from tornado._impl.loop.tasks import TaskFuture, shown_as
from tornado._impl.loop.yielded import BadYieldError, convert_yielded, plain_coroutine
from tornado._impl.names import handing_on
from tornado.concurrent import Future as Future
from tornado.concurrent import chain_future, future_set_exc_info, is_future
from tornado.log import app_log
from tornado.util import Configurable as Configurable
from tornado.util import TimeoutError as TimeoutError
from tornado.util import import_object as import_object

from tornado_trio._util.interrupts import interrupt_in
from tornado_trio._util.late import in_trio_run, later

if TYPE_CHECKING:
    import datetime
    import numbers
else:
    datetime = later("datetime", globals())
    numbers = later("numbers", globals())

__all__ = ["IOLoop", "PeriodicCallback", "TimeoutError"]

# Futures whose callbacks the loop calls on a turn of its own.
_SCHEDULED: Any = () if before(5) else asyncio.Future


class IOLoop(Configurable):
    """The event loop of a thread."""

    # Event masks of add_handler; the numbers are those of epoll.
    NONE = 0
    READ = 0x001
    WRITE = 0x004
    ERROR = 0x018

    _ioloop_for_asyncio = loops  # shared on purpose
    #: The process's loop, while there is one: programs look for it, and delete it.
    _instance: ClassVar[IOLoop]
    _executor: concurrent.futures.Executor | None = None
    _stream_server: Any = None  # of the loop's HTTP1ServerConnections that have no HTTPServer

    # --- which loop ----------------------------------------------------------------
    @classmethod
    def configure(cls, impl: Any, **kwargs: Any) -> None:
        if isinstance(impl, str):
            impl = import_object(impl)
        if isinstance(impl, type) and impl is not cls and not issubclass(impl, cls):
            raise ValueError(f"Invalid subclass of {cls}")
        super().configure(impl, **kwargs)

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return IOLoop

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return import_object("tornado.platform.asyncio.AsyncIOLoop")  # type: ignore[no-any-return]

    @overload
    @staticmethod
    def current() -> IOLoop: ...

    @overload
    @staticmethod
    def current(instance: bool = True) -> IOLoop | None: ...

    @staticmethod
    def current(instance: bool = True) -> IOLoop | None:
        """The loop of the calling thread.

        Made if there is none, unless `instance` is false. In a running asyncio loop it is
        that loop's; in a plain `trio.run` it is the trio run's (`tornado.platform.trio`).
        """
        return current_loop(instance)

    def make_current(self) -> None:
        """Make this the loop of the calling thread."""
        self._make_current()

    def _make_current(self) -> None:
        raise NotImplementedError("this kind of loop cannot be made current")

    @staticmethod
    def clear_current() -> None:
        """Forget the loop of the calling thread."""
        IOLoop._clear_current()

    @staticmethod
    def _clear_current() -> None:
        old = IOLoop.current(instance=False)
        if old is not None:
            old._clear_current_hook()

    def _clear_current_hook(self) -> None:
        """For subclasses: this loop ceases to be the thread's."""

    def _serves(self, server: Any) -> None:
        """For loops that show what they watch: `server.watched()` tells more of it."""

    def _serves_no_more(self, server: Any) -> None:
        """It has ended."""

    @staticmethod
    def instance() -> IOLoop:
        """The loop installed as the process's, else `current()` (Tornado 4's singleton)."""
        loop = getattr(IOLoop, "_instance", None)
        if loop is None or getattr(loop, "closing", False):
            loop = current_loop()
            if before(5):
                # One for all threads: the first to ask shows the others where to call back.
                IOLoop._instance = loop
        return loop

    @staticmethod
    def initialized() -> bool:
        """Whether `instance()` would find a loop that exists already.

        Until Tornado 5: whether the process's loop has been made.
        """
        if hasattr(IOLoop, "_instance") or before(5):
            return hasattr(IOLoop, "_instance")
        return IOLoop.current(instance=False) is not None

    def install(self) -> None:
        """Make this the loop `instance()` returns, and the thread's current one."""
        IOLoop._instance = self
        self._make_current()

    def running(self) -> bool:
        """Whether the loop is running (Tornado 2)."""
        host = getattr(self, "asyncio_loop", None)
        return True if host is None else bool(host.is_running())

    @staticmethod
    def clear_instance() -> None:
        """Undo `install()`, and forget the loop of the calling thread."""
        if hasattr(IOLoop, "_instance"):
            del IOLoop._instance
        IOLoop._clear_current()

    def initialize(self, make_current: bool = True) -> None:
        if make_current:
            self._make_current()

    # --- running -------------------------------------------------------------------
    def close(self, all_fds: bool = False) -> None:
        """End the loop's tasks, wait for them, and free what it holds.

        With `all_fds`, the descriptors of its handlers are closed too.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Run until `stop()`."""
        raise NotImplementedError

    def stop(self) -> None:
        """Let `start()` return, after the callbacks of this turn; before it, at once."""
        raise NotImplementedError

    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        """Start the loop, run `func` (plain or a coroutine function), stop it.

        Returns what the coroutine returns. Raises `TimeoutError` after `timeout` seconds,
        with the coroutine cancelled.
        """
        outcome: Future | None = None
        timed_out = False

        def run() -> None:
            nonlocal outcome
            try:
                result = func()
                if result is not None:
                    result = convert_yielded(result)
            except Exception:
                outcome = Future()
                future_set_exc_info(outcome, sys.exc_info())
            else:
                if is_future(result):
                    outcome = result
                else:
                    outcome = Future()
                    outcome.set_result(result)
            self.add_future(outcome, lambda _: self.stop())

        def expire() -> None:
            nonlocal timed_out
            timed_out = True
            if outcome is None or not outcome.cancel():
                self.stop()

        self.add_callback(run)
        handle = None
        if timeout is not None:
            handle = self.add_timeout(self.time() + timeout, expire)
        self.start()
        if handle is not None:
            self.remove_timeout(handle)
        if outcome is None or not outcome.done() or outcome.cancelled():
            if timed_out:
                raise TimeoutError(f"Operation timed out after {timeout} seconds")
            raise RuntimeError("Event loop stopped before Future completed.")
        return outcome.result()

    def time(self) -> float:
        """The clock of `add_timeout`: seconds since the epoch, as `time.time()`."""
        return time.time()

    # --- descriptors ---------------------------------------------------------------
    def add_handler(self, fd: Any, handler: Callable[[Any, int], None], events: int) -> None:
        """Call `handler(fd, events)` whenever `fd` (an int or has `fileno()`) is ready."""
        raise NotImplementedError

    def update_handler(self, fd: Any, events: int) -> None:
        """Change the events listened for."""
        raise NotImplementedError

    def remove_handler(self, fd: Any) -> None:
        """Stop listening."""
        raise NotImplementedError

    def split_fd(self, fd: Any) -> tuple[int, Any]:
        """`(number, object)` of a descriptor given as either."""
        return (fd, fd) if isinstance(fd, int) else (fd.fileno(), fd)

    def close_fd(self, fd: Any) -> None:
        """Close a descriptor given as a number or an object; closed ones are no error."""
        try:
            if isinstance(fd, int):
                os.close(fd)
            else:
                fd.close()
        except OSError:
            pass  # documented: closing twice does no harm

    # --- time ----------------------------------------------------------------------
    def add_timeout(
        self,
        deadline: float | datetime.timedelta,
        callback: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> object:
        """Call back at `deadline` (as `time()`, or a timedelta from now); a handle for it."""
        # The usual types by name: the ABC takes 0.3 us to ask.
        if type(deadline) is float or isinstance(deadline, numbers.Real):
            return self.call_at(float(deadline), callback, *args, **kwargs)
        if isinstance(deadline, datetime.timedelta):
            return self.call_at(self.time() + deadline.total_seconds(), callback, *args, **kwargs)
        raise TypeError(f"Unsupported deadline {deadline!r}")

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        """Call back in `delay` seconds; a handle for `remove_timeout`."""
        return self.call_at(self.time() + delay, callback, *args, **kwargs)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        """Call back at `when` on the loop's clock; a handle for `remove_timeout`."""
        raise NotImplementedError

    def remove_timeout(self, timeout: Any) -> None:
        """Cancel a pending timeout. One that has already run is no error."""
        raise NotImplementedError

    # --- callbacks -----------------------------------------------------------------
    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call back on the loop's next turn. Safe from any thread, and after `close()`."""
        raise NotImplementedError

    def add_callback_from_signal(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """`add_callback`, from a signal handler."""
        raise NotImplementedError

    def spawn_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call back on the next iteration; errors are logged, there is no result."""
        self.add_callback(callback, *args, **kwargs)

    def add_future(self, future: Any, callback: Callable[[Any], Any]) -> None:
        """Call `callback(future)` on the loop when the future is done."""
        if isinstance(future, _SCHEDULED):
            future.add_done_callback(functools.partial(self._run_callback, callback))
        else:
            assert is_future(future), f"{future!r} is not a Future"
            # Its callbacks run in whichever thread finishes it, or at once.
            future.add_done_callback(lambda f: self.add_callback(callback, f))

    def run_in_executor(
        self, executor: concurrent.futures.Executor | None, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run `func` in a thread pool; a Future of its result."""
        if executor is None:
            executor = self._executor
            if executor is None:
                executor = self._executor = concurrent.futures.ThreadPoolExecutor(
                    max_workers=(os.cpu_count() or 1) * 5
                )
        result = Future()
        pending = executor.submit(func, *args)
        self.add_future(pending, lambda done: chain_future(done, result))
        return result

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        """The pool that `run_in_executor(None, ...)` uses."""
        self._executor = executor

    def _run_callback(self, callback: Callable[..., Any], *args: Any) -> None:
        """Run a callback; a coroutine or Future that it returns continues by itself.

        Errors of either are logged: there is no caller to report them to.
        """
        try:
            result = callback(*args)
            if result is not None:
                self._watch_result(result)
        except asyncio.CancelledError:
            pass  # as Tornado: the callback gave up, which is no error
        except Exception:
            self.handle_callback_exception(callback)

    def _watch_result(self, result: Any) -> None:
        if plain_coroutine(result):
            self._run_discarded(result)
            return
        try:
            result = convert_yielded(result)
        except BadYieldError:
            return  # not awaitable: the value is not used
        self.add_future(result, self._discard_future_result)

    def _discard_future_result(self, future: Any) -> None:
        if isinstance(future, (asyncio.Task, TaskFuture)) and not future.cancelled():
            error = future.exception()
            if error is not None and interrupt_in(error) is not None:
                return  # it has left the loop, and must not leave the next run as well
        future.result()

    def _run_discarded(self, coro: Any) -> None:
        """Drive a coroutine whose result is not used."""
        self.add_future(self._make_task(coro), self._discard_future_result)

    def handle_callback_exception(self, callback: Any) -> None:
        """Called in the `except` block of a callback that failed; override to do more than log."""
        if isinstance(callback, functools.partial):
            callback = callback.func
        app_log.error("Exception in callback %r", callback, exc_info=True)

    # --- blocking (until Tornado 5) --------------------------------------------------
    def set_blocking_log_threshold(self, seconds: float | None) -> None:
        """Log a stack trace whenever the loop is blocked for longer; None: no more."""
        self.set_blocking_signal_threshold(seconds, self.log_stack)

    def set_blocking_signal_threshold(
        self, seconds: float | None, action: Callable[[int, Any], Any] | None
    ) -> None:
        """Have `action(signal, frame)` called whenever the loop is blocked for longer.

        It is a handler of SIGALRM: the main thread's loop only, and one at a time. Without
        an action the signal ends the process. None for `seconds` turns it off.
        """
        from tornado._impl.legacy.blocking import watch_blocking

        watch_blocking(self, seconds, action)

    def log_stack(self, signal: int, frame: Any) -> None:
        """An action for `set_blocking_signal_threshold`."""
        from tornado._impl.legacy.blocking import log_stack

        log_stack(self, frame)

    # --- trio ------------------------------------------------------------------------
    def _start_soon(self, async_fn: Callable[..., Any], *args: Any, name: object = None) -> None:
        """Start a trio task owned by the loop. See `tornado.platform.trio.start_soon`."""
        raise NotImplementedError

    def _in_run(self, function: Callable[[], object]) -> None:
        """Call `function()`, which acts on trio tasks of the loop, from any thread."""
        raise NotImplementedError

    def _before_end(self, async_fn: Callable[..., Any], seconds: float) -> None:
        """Have `async_fn()` run before the loop's trio tasks are cancelled, so long at most."""
        raise NotImplementedError

    def _run_task(self, coro: Any, context: contextvars.Context | None = None) -> Future:
        """Drive a coroutine in a trio task. See `tornado.platform.trio.run_task`."""
        raise NotImplementedError

    @property
    def _makes_tasks(self) -> bool:
        """Whether the program has its loop make tasks in a way of its own: see `own_tasks`."""
        return False

    def _make_task(self, coro: Any, context: contextvars.Context | None = None) -> Future:
        """As `_run_task`, for what is a task in Tornado, too."""
        return self._run_task(coro, context)

    def _raise_out(self, error: BaseException) -> None:
        """Have the runner of the loop raise an interrupt, between two callbacks."""
        raise NotImplementedError

    def _driver_parts(self) -> tuple[Any, Any]:
        """What a driver needs: the loop of its Futures, and the host of the trio run."""
        raise NotImplementedError


class PeriodicCallback:
    """Calls `callback` every `callback_time` milliseconds (or a timedelta), without drift.

    A call that takes longer than the period (or a coroutine that does) skips the periods
    it covers: calls never overlap. `jitter` (0 to 1) spreads each period randomly by that
    share of it. Tornado 4's third argument, `io_loop`, is understood too.
    """

    def __init__(
        self,
        callback: Callable[[], Any],
        callback_time: datetime.timedelta | float,
        jitter: Any = 0,
        io_loop: IOLoop | None = None,
    ) -> None:
        if isinstance(jitter, IOLoop) or jitter is None:
            jitter, io_loop = 0, jitter
        if isinstance(callback_time, datetime.timedelta):
            callback_time = callback_time / datetime.timedelta(milliseconds=1)
        elif not callback_time > 0:
            raise ValueError("Periodic callback must have a positive callback_time")
        self.callback = callback
        self.callback_time = callback_time
        self.jitter = jitter
        self.io_loop = None if io_loop is None else checked_loop(io_loop)
        self._own_loop = io_loop is not None
        self._running = False
        self._timeout: object = None
        self._next_timeout = 0.0

    def start(self) -> None:
        """Begin; the first call is one period from now."""
        if self._running:
            return
        if not self._own_loop:
            self.io_loop = IOLoop.current()
        assert self.io_loop is not None
        self._running = True
        self._next_timeout = self.io_loop.time()
        self._schedule_next()

    def stop(self) -> None:
        """No more calls; one in progress is not interrupted."""
        self._running = False
        if self._timeout is not None:
            assert self.io_loop is not None
            self.io_loop.remove_timeout(self._timeout)
            self._timeout = None

    def is_running(self) -> bool:
        """Was `start` called, and not `stop` after it?"""
        return self._running

    def _run(self) -> None:
        if not self._running:
            return
        assert self.io_loop is not None
        if self.io_loop._makes_tasks:
            self.io_loop._run_discarded(shown_as(self._run_in_task(), "PeriodicCallback._run"))
            return
        try:
            result = self.callback()
            if result is not None and _is_awaitable(result):
                self.io_loop.add_future(convert_yielded(result), self._finished)
                return
        except Exception:
            app_log.error("Exception in callback %r", self.callback, exc_info=True)
        self._schedule_next()

    async def _run_in_task(self) -> None:
        try:
            result = self.callback()
            if result is not None and _is_awaitable(result):
                await result
        except Exception:
            app_log.error("Exception in callback %r", self.callback, exc_info=True)
        self._schedule_next()

    def _finished(self, future: Any) -> None:
        try:
            future.result()
        except asyncio.CancelledError:
            pass  # as in `IOLoop._run_callback`; so it ends with its loop, for one
        except Exception:
            app_log.error("Exception in callback %r", self.callback, exc_info=True)
        self._schedule_next()

    def _schedule_next(self) -> None:
        if self._running:
            assert self.io_loop is not None
            self._update_next(self.io_loop.time())
            self._timeout = self.io_loop.add_timeout(self._next_timeout, self._run)

    def _update_next(self, current_time: float) -> None:
        period = self.callback_time / 1000.0
        if self.jitter:
            period *= 1 + self.jitter * (random.random() - 0.5)
        behind = current_time - self._next_timeout
        if behind >= 0:
            # The next multiple of the period that lies ahead, counted from the last one.
            self._next_timeout += (math.floor(behind / period) + 1) * period
        else:
            # The clock went back, or rounding woke us early: just one period on.
            self._next_timeout += period


def _is_awaitable(value: Any) -> bool:
    return hasattr(value, "__await__") or is_future(value)


def _current_or_singleton(instance: bool = True) -> IOLoop | None:
    """`IOLoop.current` before Tornado 5: the thread's loop, else the process's."""
    loop = current_loop(instance=False)
    if loop is not None or not instance:
        return loop
    if asyncio._get_running_loop() is not None or in_trio_run():
        return current_loop()  # of the code that runs here
    return IOLoop.instance()


if before(5):
    IOLoop.current = staticmethod(_current_or_singleton)  # type: ignore[assignment]


__getattr__ = handing_on("tornado.ioloop")
