"""The IOLoop of a plain `trio.run`: no asyncio loop is made or run.

Its callbacks and tasks are `tornado_trio.interop.plain_host`'s; here are the interface of an
IOLoop, descriptors (watched by a task each), and Futures that find such a loop.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import trio
from tornado._impl.loop.current import current_loop
from tornado._impl.loop.of_run import loop_of_run
from tornado._impl.loop.tasks import TaskFuture
from tornado.concurrent import Future
from tornado.ioloop import IOLoop

from tornado_trio.interop.current import current_task
from tornado_trio.interop.plain_host import PlainScope, StandInLoop


class _FutureLoop(StandInLoop):
    """A stand-in whose Futures are Tornado's."""

    def create_future(self) -> asyncio.Future[Any]:
        return Future(loop=self)  # type: ignore[arg-type]


class TrioIOLoop(IOLoop):
    """The IOLoop of a plain trio run, from `open_loop()` or the first `IOLoop.current()`.

    It runs as long as its owner does, so `start`, `run_sync` and `close` do not apply.
    """

    def initialize(self) -> None:  # type: ignore[override]
        self.loop = _FutureLoop()
        self.scope = PlainScope(self.loop)
        self._handlers: dict[int, tuple[Any, Callable[..., None], list[trio.CancelScope]]] = {}
        _make_futures_dual()

    # --- running -----------------------------------------------------------------
    def start(self) -> None:
        raise RuntimeError(
            "the IOLoop of a trio run is running already; it ends with its open_loop() block "
            "or with trio.run"
        )

    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        raise RuntimeError("inside trio.run, await the coroutine instead of calling run_sync")

    def stop(self) -> None:
        self.scope.cancel()

    def close(self, all_fds: bool = False) -> None:
        for fd in list(self._handlers):
            fileobj = self._handlers[fd][0]
            self.remove_handler(fd)
            if all_fds:
                self.close_fd(fileobj)
        self.stop()

    def _make_current(self) -> None:
        pass  # the current loop of its trio run by being found there

    def time(self) -> float:
        return trio.current_time()

    # --- descriptors ---------------------------------------------------------------
    def add_handler(self, fd: Any, handler: Callable[[Any, int], None], events: int) -> None:
        fd, fileobj = self.split_fd(fd)
        if fd in self._handlers:
            raise ValueError(f"fd {fd} added twice")
        self._watch(fd, fileobj, handler, events)

    def update_handler(self, fd: Any, events: int) -> None:
        fd, _ = self.split_fd(fd)
        fileobj, handler, scopes = self._handlers[fd]
        _stop_watching(fd, scopes)
        self._watch(fd, fileobj, handler, events)

    def remove_handler(self, fd: Any) -> None:
        fd, _ = self.split_fd(fd)
        entry = self._handlers.pop(fd, None)
        if entry is not None:
            _stop_watching(fd, entry[2])

    def _watch(self, fd: int, fileobj: Any, handler: Callable[..., None], events: int) -> None:
        scopes: list[trio.CancelScope] = []
        self._handlers[fd] = (fileobj, handler, scopes)
        for event, wait in (
            (IOLoop.READ, trio.lowlevel.wait_readable),
            (IOLoop.WRITE, trio.lowlevel.wait_writable),
        ):
            if events & event:
                scope = trio.CancelScope()
                scopes.append(scope)

                async def watch(wait: Any = wait, event: int = event, scope: Any = scope) -> None:
                    with scope:
                        while not scope.cancel_called:
                            try:
                                await wait(fd)
                            except trio.ClosedResourceError:
                                return  # by _stop_watching
                            self._run_callback(handler, fileobj, event)

                self._start_soon(watch, name=f"handler of descriptor {fd}")

    # --- time and callbacks ----------------------------------------------------------
    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        if kwargs:
            return self.loop.call_at(when, self._run_callback, lambda: callback(*args, **kwargs))
        return self.loop.call_at(when, self._run_callback, callback, *args)

    def remove_timeout(self, timeout: Any) -> None:
        timeout.cancel()

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if kwargs:
            inner, args_, kwargs_ = callback, args, kwargs
            callback, args = (lambda: inner(*args_, **kwargs_)), ()
        if self.loop.is_closed():
            return
        if trio.lowlevel.in_trio_run():
            self.loop.call_soon(self._run_callback, callback, *args)
        else:
            try:
                self.loop.call_soon_threadsafe(self._run_callback, callback, *args)
            except trio.RunFinishedError:
                pass  # documented: what is added after close() is dropped

    def add_callback_from_signal(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        self.loop.call_soon_threadsafe(self._run_callback, lambda: callback(*args, **kwargs))

    # --- trio --------------------------------------------------------------------------
    def _start_soon(self, async_fn: Callable[..., Any], *args: Any, name: object = None) -> None:
        self.scope.start_soon(async_fn, *args, name=name)

    def _in_run(self, function: Callable[[], object]) -> None:
        if trio.lowlevel.in_trio_run():
            function()
        else:
            self.loop.call_soon_threadsafe(function)

    def _before_end(self, async_fn: Callable[..., Any], seconds: float) -> None:
        self.scope.before_end(async_fn, seconds)

    def _run_task(self, coro: Any, context: contextvars.Context | None = None) -> Future:
        future: TaskFuture = TaskFuture(loop=self.loop)  # type: ignore[arg-type]
        context = contextvars.copy_context() if context is None else context
        self.loop.call_soon(self.scope.spawn, coro, context, future._ended, future._begun)
        return future

    def _raise_out(self, error: BaseException) -> None:
        self.loop.call_soon(_raise, error)

    def _driver_parts(self) -> tuple[Any, Any]:
        return self.loop, self.scope.host


def _stop_watching(fd: int, scopes: list[trio.CancelScope]) -> None:
    """End the watching tasks of a descriptor; it may be closed, or watched anew, at once.

    Cancelling alone acts a turn later: the waits would then meet a closed descriptor, or
    the new waits.
    """
    for scope in scopes:
        scope.cancel()
    try:
        trio.lowlevel.notify_closing(fd)
    except RuntimeError:
        pass  # called from outside the trio run, whose tasks are gone or only cancelled


def _raise(error: BaseException) -> None:
    raise error


@asynccontextmanager
async def open_loop() -> AsyncIterator[TrioIOLoop]:
    """An IOLoop in a plain trio run, for the length of the block.

    Its callbacks, coroutines and servers are tasks of the block: they are cancelled, and
    waited for, at its end.
    """
    if loop_of_run.get() is not None:
        raise RuntimeError("this trio run has an IOLoop already")
    loop = TrioIOLoop()
    token = loop_of_run.set(loop)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(loop.scope.run)
            try:
                yield loop
            finally:
                if loop.scope.patience:
                    with trio.CancelScope(shield=True) as scope:
                        scope.deadline = trio.current_time() + loop.scope.patience
                        await loop.scope.say_farewell()
                nursery.cancel_scope.cancel()
    finally:
        loop_of_run.reset(token)


def make_loop_of_run() -> TrioIOLoop:
    """The loop of a plain trio run where none was opened: a system task, as long as the run."""
    loop: TrioIOLoop = TrioIOLoop()
    loop_of_run.set(loop)
    trio.lowlevel.spawn_system_task(loop.scope.run, name="IOLoop")
    return loop


# --- Futures without an asyncio loop -----------------------------------------------------
def _make_futures_dual() -> None:
    """Teach Future to find a trio run's loop and to be awaited in any trio task.

    Done when a process first has such a loop: elsewhere Future keeps asyncio's own
    constructor and `__await__` in C (0.1 and 0.06 µs against 0.5 and 0.25).
    """
    if Future.__dict__.get("__init__") is None:
        kind: Any = Future
        kind.__init__ = _dual_init
        kind.__await__ = kind.__iter__ = _dual_await


def _dual_init(self: Future, *, loop: Any = None) -> None:
    if loop is None and asyncio._get_running_loop() is None and trio.lowlevel.in_trio_task():
        current = current_loop()
        if isinstance(current, TrioIOLoop):  # and not of asyncio, where trio is its guest
            loop = current.loop
    asyncio.Future.__init__(self, loop=loop)


def _dual_await(self: Future) -> Generator[Any, Any, Any]:
    if not self.done():
        loop = self.get_loop()
        if isinstance(loop, _FutureLoop) and current_task(loop) is None:
            yield from _wait_in_plain_task(self).__await__()
        else:
            self._asyncio_future_blocking = True
            yield self
    return self.result()


async def _wait_in_plain_task(future: Future) -> None:
    task = trio.lowlevel.current_task()

    def wake(_: Any) -> None:
        trio.lowlevel.reschedule(task)

    def abort(_: Any) -> trio.lowlevel.Abort:
        future.remove_done_callback(wake)
        future.cancel()
        return trio.lowlevel.Abort.SUCCEEDED

    future.add_done_callback(wake)
    await trio.lowlevel.wait_task_rescheduled(abort)
