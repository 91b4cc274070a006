"""No more connections than allowed: the others wait in the kernel's queue.

Knows listeners. A listener behind a gate says that nothing has arrived while it is shut.
"""

from __future__ import annotations

from typing import Any

import trio

from ..net.listeners import Listener
from ..net.stream import Stream

__all__ = ["Gate", "GatedListener"]


class Gate:
    """Counts connections, of all listeners of a server together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0
        self._lot = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<Gate {self.open} of {self.limit}>"

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


class GatedListener:
    """A listener as `accept_loop` wants it; the gate is entered by accepting."""

    def __init__(self, listener: Listener, gate: Gate) -> None:
        self._listener = listener
        self._gate = gate

    def __repr__(self) -> str:
        return f"<{self._gate!r} before {self._listener!r}>"

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
        if self._gate.full:
            return None
        stream = self._listener.accept_nowait()
        if stream is not None:
            self._gate.enter()
        return stream

    async def wait_acceptable(self) -> None:
        if self._gate.full:
            await self._gate.wait()
        else:
            await self._listener.wait_acceptable()

    def close(self) -> None:
        self._listener.close()
