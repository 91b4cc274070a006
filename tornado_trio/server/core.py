"""`Server`: the connections of one application, and how they end.

Knows connections and the watch. Must not know listeners (`serve`) or HTTP details.

The drain is this table; every phase has its deadline, whatever clients and handlers do:

    state       new connections   idle connections         requests under way
    accepting   served            kept                     served
    draining    none              closed after `drain_     served; responses say
                                  idle`, if nothing came   "Connection: close"
      until nothing is left, at most `grace` seconds
    cancelling  none              -                        cancelled, answered 503
      until nothing is left, at most `cancel_grace` seconds
    closed      none              -                        their streams are closed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import trio

from ..exchange import App
from ..log import gen_log
from ..net.stream import Stream
from .connection import ServerConnection
from .exchange import Http1Exchange
from .gate import Gate
from .options import ServerOptions
from .stalls import StallWatch
from .watch import DisconnectWatch

__all__ = ["DrainReport", "Server"]



@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """How a drain went."""

    #: Requests that were not answered within `grace`, and so were cancelled.
    cancelled: int = 0
    #: Connections whose handler did not end then either: closed under its feet.
    abandoned: int = 0
    #: How long it took.
    seconds: float = 0.0


class Server:
    """Serves `app` on the streams given to `handle`. Starts nothing by itself.

    Attributes:
      state: "accepting", "draining", "cancelling" or "closed".
      exchange_type: made for each request; for hosts that give exchanges more names.
      gate: counts connections, where their number is limited; set by who accepts them.
      nursery: owner of helper tasks of connections (watchers); set by who owns both.
    """

    exchange_type: type[Http1Exchange] = Http1Exchange

    def __init__(self, app: App, options: ServerOptions | None = None) -> None:
        self.app = app
        self.options = options or ServerOptions()
        self.connections: set[ServerConnection] = set()
        self.watch = DisconnectWatch()
        self.gate: Gate | None = None
        self.stalls = StallWatch(self.options.timeouts.stall)
        self.nursery: trio.Nursery | None = None
        self.state = "accepting"
        self.draining = False
        self._empty: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<Server {self.state}, {len(self.connections)} connections>"

    def statistics(self) -> dict[str, Any]:
        """Counts for inspection pages: `state`, `connections`, and these by `phases`."""
        phases: dict[str, int] = {}
        for connection in self.connections:
            phases[connection.phase] = phases.get(connection.phase, 0) + 1
        return {"state": self.state, "connections": len(self.connections), "phases": phases}

    async def handle(self, stream: Stream, context: Any = None) -> None:
        """Serve one connection to its end; closes the stream.

        Cancellation: the request under way is cancelled, the stream closed at once.
        """
        await self.adopt(ServerConnection(stream, self, context))

    async def adopt(self, connection: ServerConnection) -> None:
        """`handle`, for a connection that was made already."""
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            if not self.connections and self._empty is not None:
                self._empty.set()

    # --- the end -------------------------------------------------------------------
    def begin_drain(self) -> None:
        """Answer what is under way, take nothing new. Idempotent."""
        if self.draining:
            return
        self.draining = True
        self.state = "draining"
        due = trio.current_time() + self.options.timeouts.drain_idle
        for connection in list(self.connections):
            if connection.phase == "idle":
                connection.nursery.cancel_scope.deadline = due
            elif connection.drain_callback is not None:
                connection.drain_callback()

    async def drain(self, grace: float, cancel_grace: float = 5.0) -> DrainReport:
        """See the module's table. Returns within `grace + cancel_grace` seconds.

        Cancellation: goes on to the next phase at once is not attempted; shield it.
        """
        began = trio.current_time()
        self.begin_drain()
        await self._wait_empty(grace)
        cancelled = abandoned = 0
        if self.connections:
            self.state = "cancelling"
            for connection in list(self.connections):
                cancelled += connection.exchange is not None
                connection.cut = "The server is shutting down."
                connection.nursery.cancel_scope.cancel()
            await self._wait_empty(cancel_grace)
        for connection in list(self.connections):
            abandoned += 1
            connection.stream.close()
        self.state = "closed"
        report = DrainReport(
            cancelled=cancelled, abandoned=abandoned, seconds=trio.current_time() - began
        )
        if cancelled or abandoned:
            gen_log.warning("drain: %d requests cancelled, %d abandoned", cancelled, abandoned)
        return report

    async def _wait_empty(self, seconds: float) -> None:
        if self.connections:
            self._empty = trio.Event()
            with trio.move_on_after(seconds):
                await self._empty.wait()
