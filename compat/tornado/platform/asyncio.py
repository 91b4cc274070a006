"""`tornado.platform.asyncio`: the IOLoop of an asyncio loop, with trio as its guest.

Knows asyncio's event loop and `tornado_trio.interop`. The asyncio loop is the stock one
(or uvloop's, or any other): callbacks, timers and descriptor handlers are its own; what is
a task of trio's runs in the loop's `LoopScope`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado._impl.generation import before
from tornado._impl.loop.current import loops
from tornado._impl.loop.tasks import TaskFuture, makes_tasks
from tornado._impl.loop.yielded import convert_yielded
from tornado._impl.names import handing_on
from tornado.concurrent import Future, is_future
from tornado.ioloop import IOLoop

from tornado_trio._util.interrupts import interrupt_in
from tornado_trio.interop.host_loop import (
    hide_turns,
    poll_sparingly,
    skip_debug_checks,
    tell_of_runs,
    woken_by_signals,
)
from tornado_trio.interop.scope import LoopScope

#: What `LoopNames` has.
_LOOPS_OF_4 = {"_callbacks", "_closing", "_handlers", "_running", "_thread_ident", "_timeouts"}

if before(5):
    from tornado._impl.legacy.loop_names import CurrentLoop, LoopNames

    class _Loop(LoopNames, IOLoop):
        """See `LoopNames`."""

    IOLoop._current = CurrentLoop()  # type: ignore[attr-defined]
else:

    class _Loop(IOLoop):  # type: ignore[no-redef]
        """An IOLoop that says where attributes of Tornado 4's loops are to be had."""

        if not TYPE_CHECKING:  # for what it is only

            def __getattr__(self, name: str) -> Any:
                text = f"{type(self).__name__!r} object has no attribute {name!r}"
                if name in _LOOPS_OF_4:
                    text += ": Tornado 4's loops had it; run the program with --generation 4.5"
                raise AttributeError(text, name=name, obj=self)


class BaseAsyncIOLoop(_Loop):
    """An IOLoop over an asyncio loop. `asyncio_loop` is that loop."""

    asyncio_loop: asyncio.AbstractEventLoop

    def initialize(self, asyncio_loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:  # type: ignore[override]
        self.asyncio_loop = asyncio_loop
        poll_sparingly(asyncio_loop)
        skip_debug_checks(asyncio_loop)
        # What watches descriptors: a thread does where asyncio itself cannot (Windows).
        self.selector_loop = asyncio_loop
        if isinstance(asyncio_loop, getattr(asyncio, "ProactorEventLoop", ())):
            from tornado._impl.loop.selector_thread import AddThreadSelectorEventLoop

            # Its methods that have no body here are those of the loop it is given.
            self.selector_loop = AddThreadSelectorEventLoop(asyncio_loop)  # type: ignore[abstract]
        self._by_fd: dict[int, tuple[Any, Callable[..., None]]] = {}
        self._serving: list[Any] = []
        self.readers: set[int] = set()
        self.writers: set[int] = set()
        self.closing = False
        # The thread that runs the loop; it may be another one each time.
        here = asyncio._get_running_loop() is asyncio_loop
        self._thread_identity = threading.get_ident() if here else 0
        self._scope = LoopScope(asyncio_loop)
        tell_of_runs(asyncio_loop, self._about_to_run)
        for loop in [loop for loop in loops if loop.is_closed()]:
            # Closed behind our back (asyncio.run does so): nothing to find by it any more.
            del loops[loop]
        existing = loops.setdefault(asyncio_loop, self)
        if existing is not self:
            raise RuntimeError(
                f"IOLoop {existing} already associated with asyncio loop {asyncio_loop}"
            )
        try:
            super().initialize(**kwargs)
        except BaseException:
            del loops[asyncio_loop]
            raise

    # --- running ---------------------------------------------------------------
    def start(self) -> None:
        self._about_to_run()
        sleep_on = woken_by_signals(self.asyncio_loop)
        try:
            self.asyncio_loop.run_forever()
        except KeyboardInterrupt as interrupt:
            hide_turns(interrupt)
            raise
        finally:
            sleep_on()
        self._scope.has_run()

    def _about_to_run(self) -> None:
        self._thread_identity = threading.get_ident()
        self._scope.about_to_run()

    def stop(self) -> None:
        self.asyncio_loop.stop()

    def close(self, all_fds: bool = False) -> None:
        self.closing = True
        self._serving.clear()
        for fd in list(self._by_fd):
            fileobj, _ = self._by_fd[fd]
            self.remove_handler(fd)
            if all_fds:
                self.close_fd(fileobj)
        loop = self.asyncio_loop
        try:
            if self._scope.active and not loop.is_closed() and not loop.is_running():
                self._close_scope()
        finally:
            if not loop.is_closed():
                self._scope.forget_spawned()
            # Removed before closing: the address of a closed loop may be used again.
            loops.pop(loop, None)
            if self.selector_loop is not loop:
                self.selector_loop.close()
            loop.close()

    def _close_scope(self) -> None:
        if self._scope.may_run_here:
            self._scope.close()
        else:  # this thread has tasks of its own: a loop that has run in another
            with concurrent.futures.ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(self._scope.close).result()

    # --- descriptors -----------------------------------------------------------
    @property
    def handlers(self) -> dict[int, tuple[Any, Callable[..., None]]]:  # type: ignore[override]
        """Descriptor -> its object and its handler; a copy.

        Those added here, and what servers of this loop listen on and are connected by, which
        is not watched by it. Programs wait for it to be empty, or count it.
        """
        found = dict(self._by_fd)
        for server in self._serving:
            found.update(server.watched())
        return found

    def _serves(self, server: Any) -> None:
        self._serving.append(server)

    def _serves_no_more(self, server: Any) -> None:
        if server in self._serving:
            self._serving.remove(server)

    def add_handler(self, fd: Any, handler: Callable[[Any, int], None], events: int) -> None:
        fd, fileobj = self.split_fd(fd)
        if fd in self._by_fd:
            raise ValueError(f"fd {fd} added twice")
        self._by_fd[fd] = (fileobj, handler)
        self._listen(fd, events)

    def update_handler(self, fd: Any, events: int) -> None:
        self._listen(self.split_fd(fd)[0], events)

    def remove_handler(self, fd: Any) -> None:
        fd, _ = self.split_fd(fd)
        if self._by_fd.pop(fd, None) is not None:
            self._listen(fd, 0)

    def _listen(self, fd: int, events: int) -> None:
        loop = self.selector_loop
        if events & IOLoop.READ:
            if fd not in self.readers:
                loop.add_reader(fd, self._handle_events, fd, IOLoop.READ)
                self.readers.add(fd)
        elif fd in self.readers:
            loop.remove_reader(fd)
            self.readers.discard(fd)
        if events & IOLoop.WRITE:
            if fd not in self.writers:
                loop.add_writer(fd, self._handle_events, fd, IOLoop.WRITE)
                self.writers.add(fd)
        elif fd in self.writers:
            loop.remove_writer(fd)
            self.writers.discard(fd)

    def _handle_events(self, fd: int, events: int) -> None:
        fileobj, handler = self._by_fd[fd]
        handler(fileobj, events)

    # --- time --------------------------------------------------------------------
    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        if kwargs:
            callback = functools.partial(callback, **kwargs)
        # Not through the wall clock, which may be set back meanwhile.
        return self.asyncio_loop.call_later(
            delay if delay > 0 else 0, self._run_callback, callback, *args
        )

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        if kwargs:
            callback = functools.partial(callback, **kwargs)
        delay = when - self.time()
        return self.asyncio_loop.call_later(
            delay if delay > 0 else 0, self._run_callback, callback, *args
        )

    def remove_timeout(self, timeout: Any) -> None:
        timeout.cancel()

    # --- callbacks ---------------------------------------------------------------
    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        loop = self.asyncio_loop
        if kwargs:
            callback = functools.partial(callback, **kwargs)
        # call_soon costs a third of its thread-safe twin, which also wakes the selector.
        if threading.get_ident() == self._thread_identity:
            schedule = loop.call_soon
        else:
            schedule = loop.call_soon_threadsafe
        try:
            schedule(self._run_callback, callback, *args)
        except RuntimeError:
            if not loop.is_closed():
                raise
            # Documented: what is added after close() is dropped.

    def add_callback_from_signal(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        warnings.warn("add_callback_from_signal is deprecated", DeprecationWarning, stacklevel=2)
        self.add_callback_threadsafe(callback, *args, **kwargs)

    def add_callback_threadsafe(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """`add_callback` that always wakes the selector: signal handlers need it."""
        try:
            self.asyncio_loop.call_soon_threadsafe(
                self._run_callback, functools.partial(callback, *args, **kwargs)
            )
        except RuntimeError:
            if not self.asyncio_loop.is_closed():
                raise

    def run_in_executor(
        self, executor: concurrent.futures.Executor | None, func: Callable[..., Any], *args: Any
    ) -> Any:
        return self.asyncio_loop.run_in_executor(executor, func, *args)

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        self.asyncio_loop.set_default_executor(executor)

    # --- trio ----------------------------------------------------------------------
    def _start_soon(self, async_fn: Callable[..., Any], *args: Any, name: object = None) -> None:
        self._scope.start_soon(async_fn, *args, name=name)

    def _in_run(self, function: Callable[[], object]) -> None:
        self._scope.call(function)

    def _before_end(self, async_fn: Callable[..., Any], seconds: float) -> None:
        self._scope.before_end(async_fn, seconds)

    def _run_task(self, coro: Any, context: contextvars.Context | None = None) -> Future:
        future = TaskFuture(loop=self.asyncio_loop)
        context = contextvars.copy_context() if context is None else context
        self.asyncio_loop.call_soon(self._scope.spawn, coro, context, future._ended, future._begun)
        return future

    @property
    def _makes_tasks(self) -> bool:
        return makes_tasks(self.asyncio_loop)

    def _make_task(self, coro: Any, context: contextvars.Context | None = None) -> Future:
        if makes_tasks(self.asyncio_loop):
            from tornado._impl.loop.own_tasks import create_task

            task: Future = create_task(self.asyncio_loop, self._scope.spawn, coro, context)
            return task
        return self._run_task(coro, context)

    def _run_discarded(self, coro: Any) -> None:
        if makes_tasks(self.asyncio_loop):
            self.add_future(self._make_task(coro), self._discard_future_result)
            return
        # A Future of the result would be made, watched and called back (1.5 us) for the few
        # that fail: it is made when one does.
        self.asyncio_loop.call_soon(
            self._scope.spawn, coro, contextvars.copy_context(), self._discard_outcome
        )

    def _discard_outcome(self, value: Any, error: BaseException | None) -> None:
        if error is None:
            return
        if interrupt_in(error) is not None:
            self._raise_out(error)
        else:
            future = TaskFuture(loop=self.asyncio_loop)
            self.add_future(future, self._discard_future_result)
            future._ended(None, error)

    def _raise_out(self, error: BaseException) -> None:
        guest = self._scope.guest
        assert guest is not None
        guest.raise_in_loop(error)

    def _driver_parts(self) -> tuple[Any, Any]:
        return self.asyncio_loop, self._scope.guest


class AsyncIOMainLoop(BaseAsyncIOLoop):
    """The IOLoop of the asyncio loop that is current when it is made.

    Made by `IOLoop.current()` as needed; closing the asyncio loop is up to its creator.
    """

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        loop = asyncio._get_running_loop()
        if loop is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                loop = asyncio.get_event_loop()
        super().initialize(loop, **kwargs)

    def _make_current(self) -> None:
        # It is the current loop by being asyncio's.
        pass


if before(5):
    from tornado._impl.legacy.loops import StopsEarly

    class _OwnLoop(StopsEarly, BaseAsyncIOLoop):
        """See `StopsEarly`."""
else:
    _OwnLoop = BaseAsyncIOLoop  # type: ignore[misc, assignment]


class AsyncIOLoop(_OwnLoop):
    """The IOLoop of an asyncio loop of its own, closed with it."""

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        self.is_current = False
        self.old_asyncio: asyncio.AbstractEventLoop | None = None
        made = None
        if before(6, 2):
            from tornado._impl.legacy.loops import becomes_current

            kwargs["make_current"] = becomes_current(kwargs.get("make_current"))
        if "asyncio_loop" not in kwargs:
            kwargs["asyncio_loop"] = made = asyncio.new_event_loop()
            if before(5):
                from tornado._impl.legacy.loops import log_as_tornado

                made.set_exception_handler(log_as_tornado)
        try:
            super().initialize(**kwargs)
        except BaseException:
            if made is not None:
                made.close()
            raise

    def close(self, all_fds: bool = False) -> None:
        if self.is_current:
            self._clear_current_hook()
        super().close(all_fds=all_fds)

    def _make_current(self) -> None:
        if not self.is_current:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                try:
                    self.old_asyncio = asyncio.get_event_loop()
                except RuntimeError:
                    self.old_asyncio = None
            self.is_current = True
        asyncio.set_event_loop(self.asyncio_loop)

    def _clear_current_hook(self) -> None:
        if self.is_current:
            asyncio.set_event_loop(self.old_asyncio)
            self.is_current = False


def to_tornado_future(asyncio_future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """The future itself: the two kinds are one."""
    return asyncio_future


def to_asyncio_future(tornado_future: Any) -> asyncio.Future[Any]:
    """Whatever may be yielded in a coroutine, as an asyncio future."""
    if is_future(tornado_future) and isinstance(tornado_future, asyncio.Future):
        return tornado_future
    converted: asyncio.Future[Any] = convert_yielded(tornado_future)
    return converted


_SELECTOR_NAMES = (
    "AddThreadSelectorEventLoop",
    "SelectorThread",
    "_atexit_callback",
    "_selector_loops",
)
_POLICY = "AnyThreadEventLoopPolicy"


def __getattr__(name: str) -> Any:
    if name in _SELECTOR_NAMES:  # no thread machinery where none is needed
        from tornado._impl.loop import selector_thread as _selector_thread

        return getattr(_selector_thread, name)
    if name == _POLICY:
        try:
            from tornado._impl.loop.any_thread import AnyThreadEventLoopPolicy

            return AnyThreadEventLoopPolicy
        except ImportError:
            pass  # a Python without policies
    return _elsewhere(name)


_elsewhere = handing_on("tornado.platform.asyncio")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SELECTOR_NAMES, _POLICY])
