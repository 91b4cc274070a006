"""`HostReadable`: wait for a socket with the host loop's own selector.

For driven tasks of a guest run (`driver.py`). `trio.lowlevel.wait_readable` in a guest costs a
turn of trio's run loop, a poll of trio's epoll and re-arming it: 20 us of a message that costs
25 in all. Here the host's selector wakes the waiting coroutine itself, and the descriptor
stays registered from one wait to the next, so that a wait costs no system call of its own.

Knows asyncio's readers and the future protocol of the driver. Nothing of streams: call `close`
before the descriptor is closed, or the selector would keep a dead entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context

import trio

__all__ = ["HostReadable"]


class HostReadable:
    """Awaitable repeatedly, by one driven task at a time. Spurious wake-ups are possible.

    Cancellation: nothing is consumed, nothing is lost.

    Raises:
        trio.ClosedResourceError: `close` was called meanwhile.
        trio.BusyResourceError: another task is waiting.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_callback",
        "_cancelled",
        "_closed",
        "_context",
        "_fd",
        "_loop",
        "_registered",
        "doubt",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._asyncio_future_blocking = False
        self._callback: Callable[[HostReadable], object] | None = None
        self._context: Context | None = None
        self._cancelled = False
        self._closed = False
        self._registered = False
        self.doubt = False  # the selector checks the socket itself: this is not used

    def __await__(self) -> Generator[HostReadable, object, None]:
        if self._closed:
            raise trio.ClosedResourceError
        if self._callback is not None:
            raise trio.BusyResourceError("another task is waiting for this descriptor")
        self._cancelled = False
        if not self._registered:
            self._loop.add_reader(self._fd, self._ready)
            self._registered = True
        self._asyncio_future_blocking = True
        yield self

    def close(self) -> None:
        """The descriptor is about to be closed. Idempotent."""
        self._closed = True
        self._unregister()
        if self._callback is not None:
            # Later: the closing code must not run inside another task's step.
            self._loop.call_soon(self._fire)

    def _unregister(self) -> None:
        if self._registered:
            self._registered = False
            if not self._loop.is_closed():
                self._loop.remove_reader(self._fd)

    def _ready(self) -> None:
        if self._callback is None:
            # Readable, and the reader is busy: the selector would report it in every turn.
            self._unregister()
        else:
            self._fire()

    def _fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            context, self._context = self._context, None
            assert context is not None
            context.run(callback, self)

    # --- as a future, towards the driver ---------------------------------------------

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(
        self, callback: Callable[[HostReadable], object], *, context: Context
    ) -> None:
        self._callback = callback
        self._context = context

    def remove_done_callback(self, callback: Callable[[HostReadable], object]) -> int:
        self._callback = self._context = None
        return 1

    def cancel(self, msg: object = None) -> bool:
        if self._callback is None or self._cancelled:
            return False
        self._cancelled = True
        self._loop.call_soon(self._fire)
        return True

    def cancelled(self) -> bool:
        return self._cancelled

    def done(self) -> bool:
        return self._cancelled or self._callback is None

    def result(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError
        if self._closed:
            raise trio.ClosedResourceError
