"""The IOLoop of a plain `trio.run`: no asyncio loop is made or run.

Knows trio, and of asyncio only the Future and Handle classes. `TrioIOLoop` runs callbacks
in order in one trio task; descriptors are watched by a task each; Futures get a stand-in
for the asyncio loop they expect (`_FutureLoop`).
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from tornado._impl.loop.current import current_loop, loop_of_run
from tornado._impl.loop.tasks import TaskFuture
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.log import app_log

from tornado_trio.interop.current import current_task
from tornado_trio.interop.sigint import SigintHandler
from tornado_trio.interop.trio_internals import thread_marks
from tornado_trio.interop.workers import Workers


class _FutureLoop:
    """What Futures and timers ask of an asyncio loop, in a plain trio run."""

    def __init__(self) -> None:
        self.ready: deque[asyncio.Handle] = deque()
        self.timers: list[asyncio.TimerHandle] = []
        self._sleeper: Any = None  # the dispatching task, while it waits
        self._scope: trio.CancelScope | None = None
        self._token = trio.lowlevel.current_trio_token()
        self._closed = False

    async def dispatch(self) -> None:
        """Run callbacks as they come, in order, until cancelled."""
        task = trio.lowlevel.current_task()
        ready, timers = self.ready, self.timers

        def abort(_: Any) -> trio.lowlevel.Abort:
            self._sleeper = None
            return trio.lowlevel.Abort.SUCCEEDED

        while True:
            now = self.time()
            while timers and (timers[0].cancelled() or timers[0].when() <= now):
                timer = heapq.heappop(timers)
                if not timer.cancelled():
                    ready.append(timer)
            # Only those that are due now: what they add waits for the next turn.
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
            if ready:
                await trio.lowlevel.checkpoint()
                continue
            deadline = timers[0].when() if timers else float("inf")
            with trio.CancelScope(deadline=deadline) as self._scope:
                self._sleeper = task
                await trio.lowlevel.wait_task_rescheduled(abort)

    def _wake(self) -> None:
        sleeper, self._sleeper = self._sleeper, None
        if sleeper is not None:
            trio.lowlevel.reschedule(sleeper)

    # --- asyncio's names ---------------------------------------------------------
    def time(self) -> float:
        return trio.current_time()

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)  # type: ignore[arg-type]
        self.ready.append(handle)
        if self._sleeper is not None:
            self._wake()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)  # type: ignore[arg-type]
        self.ready.append(handle)
        self._token.run_sync_soon(self._wake, idempotent=True)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)  # type: ignore[arg-type]
        heapq.heappush(self.timers, handle)
        if self._sleeper is not None and self._scope is not None and when < self._scope.deadline:
            self._scope.deadline = when
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> Future:
        return Future(loop=self)  # type: ignore[arg-type]

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return self._closed

    def is_running(self) -> bool:
        return not self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        app_log.error(
            context.get("message", "Unhandled exception"), exc_info=context.get("exception")
        )

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave the heap when their time comes."""


class _PlainHost:
    """What a driver asks of a guest's host, where trio hosts itself."""

    dispatcher: Any = None  # the trio task that runs the futures' callbacks

    def __init__(self) -> None:
        self.marks = thread_marks()

    def expect_wake(self) -> None:
        pass  # trio's own loop sees for itself what is runnable

    def turn_until(self, condition: Callable[[], bool]) -> None:
        pass  # nor can it be turned from inside

    def reschedule(self, task: Any, value: Any = None) -> None:
        if value is None:
            trio.lowlevel.reschedule(task)
        else:
            trio.lowlevel.reschedule(task, value)


class TrioIOLoop(IOLoop):
    """The IOLoop of a plain trio run, from `open_loop()` or the first `IOLoop.current()`.

    It runs as long as its owner does, so `start`, `run_sync` and `close` do not apply.
    """

    def initialize(self) -> None:  # type: ignore[override]
        self.loop = _FutureLoop()
        self.guest = _PlainHost()
        self.nursery: trio.Nursery | None = None
        self.workers = Workers(self.loop)
        self._handlers: dict[int, tuple[Any, Callable[..., None], list[trio.CancelScope]]] = {}
        self._waiting: list[tuple[contextvars.Context, Any, tuple[Any, ...], object]] = []
        _make_futures_dual()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the loop's tasks until cancelled."""
        sigint = SigintHandler.installed(lambda: True)
        try:
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                nursery.start_soon(self._dispatch, name="IOLoop callbacks")
                waiting, self._waiting = self._waiting, []
                for context, async_fn, args, name in waiting:
                    context.run(partial(nursery.start_soon, async_fn, *args, name=name))
                self.workers.open(nursery, self.guest)
                task_status.started()
        finally:
            if sigint is not None:
                sigint.uninstall()
            self.nursery = None
            self.loop._closed = True
            self.workers.close()
            # Coroutines whose turn to begin was still to come are closed, too.
            for handle in tuple(self.loop.ready):
                if handle._callback == self.workers.spawn:  # type: ignore[attr-defined]
                    handle._run()
            self.workers.close()

    async def _dispatch(self) -> None:
        self.guest.dispatcher = trio.lowlevel.current_task()
        await self.loop.dispatch()

    # --- running -----------------------------------------------------------------
    def start(self) -> None:
        raise RuntimeError(
            "the IOLoop of a trio run is running already; it ends with its open_loop() block "
            "or with trio.run"
        )

    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        raise RuntimeError("inside trio.run, await the coroutine instead of calling run_sync")

    def stop(self) -> None:
        if self.nursery is not None:
            self.nursery.cancel_scope.cancel()

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
        if self.nursery is None:
            self._waiting.append((contextvars.copy_context(), async_fn, args, name))
        else:
            self.nursery.start_soon(async_fn, *args, name=name)

    def _run_task(self, coro: Any, context: contextvars.Context | None = None) -> Future:
        future: TaskFuture = TaskFuture(loop=self.loop)  # type: ignore[arg-type]
        context = contextvars.copy_context() if context is None else context
        self.loop.call_soon(self.workers.spawn, coro, context, future._ended, future._begun)
        return future

    def _raise_out(self, error: BaseException) -> None:
        self.loop.call_soon(_raise, error)

    def _driver_parts(self) -> tuple[Any, Any]:
        return self.loop, self.guest


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
            await nursery.start(loop.run)
            try:
                yield loop
            finally:
                nursery.cancel_scope.cancel()
    finally:
        loop_of_run.reset(token)


def make_loop_of_run() -> TrioIOLoop:
    """The loop of a plain trio run where none was opened: a system task, as long as the run."""
    loop: TrioIOLoop = TrioIOLoop()
    loop_of_run.set(loop)
    trio.lowlevel.spawn_system_task(loop.run, name="IOLoop")
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

