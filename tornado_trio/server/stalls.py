"""Clients that owe a request's body and send nothing of it.

Knows connections. One sleeping task for all of a server's that wait, and none when nobody
does: a deadline moved twice on each wait would cost 4 µs of it, an entry here costs 0.5.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["StallWatch"]


class StallWatch:
    """Owned by a server. `seconds` is how long a client may be silent; None: for ever."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = inf if seconds is None else seconds
        # In the order of their deadlines, for each is as far away as any other was.
        self._due: dict[ServerConnection, float] = {}
        self._sweeping = False

    def __repr__(self) -> str:
        return f"<StallWatch of {len(self._due)} connections>"

    def expect(self, connection: ServerConnection) -> None:
        """More of the body is being waited for; tell `arrived` when that is over."""
        owner = connection.server.nursery
        if owner is None or self.seconds == inf:
            return
        self._due[connection] = trio.current_time() + self.seconds
        if not self._sweeping:
            self._sweeping = True
            owner.start_soon(self._sweep, name="stalled bodies")

    def arrived(self, connection: ServerConnection) -> None:
        """Something came, or nobody waits any more."""
        self._due.pop(connection, None)

    async def _sweep(self) -> None:
        try:
            while self._due:
                connection, due = next(iter(self._due.items()))
                if due > trio.current_time():
                    await trio.sleep_until(due)
                else:
                    self.arrived(connection)
                    # As if `Timeouts.body` had passed: see `endings`.
                    connection.body_deadline = due
                    connection.nursery.cancel_scope.cancel()
        finally:
            self._sweeping = False
