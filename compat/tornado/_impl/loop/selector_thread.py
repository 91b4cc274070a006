"""`SelectorThread` and related functions: add_reader for asyncio loops that lack it.

Knows asyncio and threads. Windows' proactor loop cannot watch a socket for readiness; a thread that
waits in `select` does so for it. Importable everywhere, needed only there.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import errno
import select
import socket
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

_selector_loops: set[SelectorThread] = set()


def _atexit_callback() -> None:
    """At exit, for loops that were not closed: end the threads, free their sockets."""
    for loop in list(_selector_loops):
        loop.close()
    _selector_loops.clear()


atexit.register(_atexit_callback)


class SelectorThread:
    """`add_reader` and `add_writer` for `real_loop`, by a thread that selects.

    Call them from the loop's thread. The thread starts when the loop runs, and ends with
    `close()`, with the loop's `shutdown_asyncgens()`, or at interpreter exit.
    """

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._main_thread_ctx = contextvars.copy_context()
        self._real_loop = real_loop
        self._readers: dict[Any, Callable[..., None]] = {}
        self._writers: dict[Any, Callable[..., None]] = {}
        self._condition = threading.Condition()
        self._wanted: tuple[list[Any], list[Any]] | None = None
        self._closing = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._manager = self._manage_thread()
        self._waker_r, self._waker_w = socket.socketpair()
        self._waker_r.setblocking(False)
        self._waker_w.setblocking(False)
        _selector_loops.add(self)
        self.add_reader(self._waker_r, self._drain_waker)
        real_loop.call_soon(self._begin)

    async def _manage_thread(self) -> AsyncGenerator[None, None]:
        # Begun on the loop, this generator is closed by its shutdown_asyncgens().
        self._thread = threading.Thread(
            name="Tornado selector", daemon=True, target=self._run_select
        )
        self._thread.start()
        self._start_select()
        try:
            yield
        finally:
            self.close()

    def _begin(self) -> None:
        if not self._closed:
            self._real_loop.create_task(self._manager.__anext__())

    def close(self) -> None:
        """End the thread and wait for it."""
        if self._closed:
            return
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._wake_selector()
        if self._thread is not None:
            self._thread.join()
        _selector_loops.discard(self)
        self._readers.clear()
        self._writers.clear()
        self._waker_r.close()
        self._waker_w.close()
        self._closed = True

    def _wake_selector(self) -> None:
        if not self._closed:
            try:
                self._waker_w.send(b"a")
            except BlockingIOError:
                pass  # it is full of wake-up calls already

    def _drain_waker(self) -> None:
        try:
            self._waker_r.recv(1024)
        except BlockingIOError:
            pass  # it has already been read

    def _start_select(self) -> None:
        with self._condition:
            self._wanted = (list(self._readers), list(self._writers))
            self._condition.notify()

    def _run_select(self) -> None:
        """The thread: one select for each `_start_select`, until closing."""
        while True:
            with self._condition:
                while self._wanted is None and not self._closing:
                    self._condition.wait()
                if self._closing:
                    return
                assert self._wanted is not None
                reading, writing = self._wanted
                self._wanted = None
            try:
                # Errors of a connect show up among the exceptional ones on Windows.
                ready = select.select(reading, writing, writing)
            except (OSError, ValueError) as exc:
                # A descriptor was closed behind our back: select what is left of them.
                if isinstance(exc, OSError) and exc.errno not in (errno.EBADF, errno.EINVAL):
                    code = getattr(exc, "winerror", None)
                    if code != getattr(errno, "WSAENOTSOCK", -1):
                        raise
                ready = ([], [], [])
            try:
                self._real_loop.call_soon_threadsafe(
                    self._handle_select,
                    ready[0],
                    ready[1] + ready[2],
                    context=self._main_thread_ctx,
                )
            except RuntimeError:
                return  # the loop is closed: nothing to notify
            except AttributeError:
                return  # a proactor loop that is being closed says so this way

    def _handle_select(self, reading: list[Any], writing: list[Any]) -> None:
        for fd in reading:
            if fd in self._readers:
                self._readers[fd]()
        for fd in dict.fromkeys(writing):
            if fd in self._writers:
                self._writers[fd]()
        if not self._closed:
            self._start_select()

    def add_reader(self, fd: Any, callback: Callable[..., None], *args: Any) -> None:
        self._readers[fd] = lambda: callback(*args)
        self._wake_selector()

    def add_writer(self, fd: Any, callback: Callable[..., None], *args: Any) -> None:
        self._writers[fd] = lambda: callback(*args)
        self._wake_selector()

    def remove_reader(self, fd: Any) -> bool:
        found = self._readers.pop(fd, None) is not None
        if found:
            self._wake_selector()
        return found

    def remove_writer(self, fd: Any) -> bool:
        found = self._writers.pop(fd, None) is not None
        if found:
            self._wake_selector()
        return found


class AddThreadSelectorEventLoop(asyncio.AbstractEventLoop):
    """`real_loop`, with `add_reader` and `add_writer` by a `SelectorThread`."""

    MY_ATTRIBUTES = {  # upstream's name for it
        "_real_loop",
        "_selector",
        "add_reader",
        "add_writer",
        "close",
        "remove_reader",
        "remove_writer",
    }

    def __getattribute__(self, name: str) -> Any:
        if name in AddThreadSelectorEventLoop.MY_ATTRIBUTES or name.startswith("__"):
            return super().__getattribute__(name)
        return getattr(self._real_loop, name)

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._real_loop, self._selector = real_loop, SelectorThread(real_loop)

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        self._selector.add_reader(fd, callback, *args)

    def add_writer(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        self._selector.add_writer(fd, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        return self._selector.remove_reader(fd)

    def remove_writer(self, fd: Any) -> bool:
        return self._selector.remove_writer(fd)

    def close(self) -> None:
        for part in (self._selector, self._real_loop):
            part.close()
