"""No more connections than allowed: the others wait in the kernel's queue.

Knows listeners. A limited listener says that nothing has arrived while there is no room.
"""

from __future__ import annotations

from typing import Any

import trio

from ..net.listeners import Listener
from ..net.stream import Stream

__all__ = ["ConnectionLimiter", "LimitedListener"]


class ConnectionLimiter:
    """Counts connections, of all listeners of a server together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0
        self._lot = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<ConnectionLimiter {self.open} of {self.limit}>"

    @property
    def full(self) -> bool:
        return self.open >= self.limit

    def enter(self) -> None:
        """One more is open."""
        self.open += 1

    def leave(self) -> None:
        """A connection is over."""
        self.open -= 1
        self._lot.unpark_all()

    async def wait(self) -> None:
        """Until a connection is over."""
        await self._lot.park()


class LimitedListener:
    """A listener as `accept_loop` wants it; the limiter is entered by accepting."""

    def __init__(self, listener: Listener, limiter: ConnectionLimiter) -> None:
        self._listener = listener
        self._limiter = limiter

    def __repr__(self) -> str:
        return f"<{self._limiter!r} before {self._listener!r}>"

    @property
    def closed(self) -> bool:
        return self._listener.closed

    @closed.setter
    def closed(self, value: bool) -> None:
        raise AttributeError("close() does it")

    @property
    def address(self) -> Any:
        return self._listener.address

    def accept_nowait(self) -> Stream | None:
        if self._limiter.full:
            return None
        stream = self._listener.accept_nowait()
        if stream is not None:
            self._limiter.enter()
        return stream

    async def wait_acceptable(self) -> None:
        if self._limiter.full:
            await self._limiter.wait()
        else:
            await self._listener.wait_acceptable()

    def close(self) -> None:
        self._listener.close()
