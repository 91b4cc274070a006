"""Clients that owe a request's body and send nothing of it.

Knows which to notify. One sleeping task for all connections of a server that wait, none when none
does: moving a deadline twice would add 4 µs to each wait, an entry here 0.5.
"""

from __future__ import annotations

from math import inf
from typing import Protocol

import trio

from ..exchange import Cause

__all__ = ["BodyReadTimeouts"]


class Waiting(Protocol):
    def cancel(self, cause: Cause) -> None: ...


class BodyReadTimeouts:
    """Owned by a server. `seconds` is how long a client may be silent; None: no limit."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = inf if seconds is None else seconds
        # In the order of their deadlines, for each is as far away as any other was.
        self._due: dict[Waiting, float] = {}
        self._sweeping = False
        self._nursery: trio.Nursery | None = None

    def __repr__(self) -> str:
        return f"<BodyReadTimeouts of {len(self._due)} connections>"

    def start_in(self, nursery: trio.Nursery | None) -> None:
        """Where to sleep; without one nothing is timed."""
        self._nursery = nursery

    def expect(self, connection: Waiting) -> None:
        """More of the body is being waited for; tell `arrived` when that is over."""
        if self._nursery is None or self.seconds == inf:
            return
        self._due[connection] = trio.current_time() + self.seconds
        if not self._sweeping:
            self._sweeping = True
            self._nursery.start_soon(self._sweep, name="stalled bodies")

    def arrived(self, connection: Waiting) -> None:
        """Something arrived, or the connection waits no longer."""
        self._due.pop(connection, None)

    async def _sweep(self) -> None:
        try:
            while self._due:
                connection, due = next(iter(self._due.items()))
                if due > trio.current_time():
                    await trio.sleep_until(due)
                else:
                    self.arrived(connection)
                    connection.cancel(Cause.BODY_STALLED)
        finally:
            self._sweeping = False
