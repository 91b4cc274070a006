"""`Server`: the connections of one application, and how they end.

Knows the `Connection` interface and the watch. Must not know listeners (`serve`) or HTTP
details.

The drain is this table; every phase has its deadline, whatever clients and handlers do:

    state       new connections   idle connections         requests under way
    accepting   served            kept                     served
    draining    none              closed after `drain_     served; responses say
                                  idle`, if nothing came   "Connection: close"
      until nothing is left, at most `grace` seconds; `interrupt` ends it
    cancelling  none              -                        cancelled, answered 503
      until nothing is left, at most `cancel_grace` seconds; `interrupt` ends it
    closed      none              -                        their streams are closed; what
                                                           still runs is named in the log
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from .._util.interrupts import interrupt_in
from .._util.records import dataclass
from .._util.troubles import Trouble
from ..exchange import App, Cause, Failure
from ..log import gen_log
from ..net.readiness import ReadinessHub
from ..net.stream import Stream
from ..net.timers import Timers
from ..wire.engines import engine_for
from .body_timeouts import BodyReadTimeouts
from .connection import Http1Connection
from .exchange import Http1Exchange
from .forwarded import client_of
from .limiter import ConnectionLimiter
from .options import ServerOptions
from .watch import DisconnectWatch

if TYPE_CHECKING:
    from .interfaces import Connection, Reception

__all__ = ["DrainReport", "Server"]

# What a service that was interrupted leaves its handlers, in seconds.
_INTERRUPTED_GRACE = 0.5


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
      draining: in one of the last three.
      exchange_type: class of the exchanges, one per request; for hosts that extend it.
      hub: what connections wait by while one turn of trio's loop serves several of them.
      limiter: counts connections, where their number is limited.
      reception: where connections are accepted, while `serve_connections` runs.
      nursery: owner of helper tasks of connections (watchers), while `run_in` has given one.
      timers: of what outlives a request (websockets), while there is a nursery.
    """

    exchange_type: ClassVar[type[Http1Exchange]] = Http1Exchange

    def __init__(self, app: App, options: ServerOptions | None = None) -> None:
        self.app = app
        self.options = options or ServerOptions()
        self.engine = engine_for(self.options.engine, self.options.dialect)
        self.connections: set[Connection] = set()
        self.watch = DisconnectWatch()
        self.hub = ReadinessHub(self.connections)
        self.body_timeouts = BodyReadTimeouts(self.options.timeouts.stall)
        self.timers = Timers()
        limit = self.options.limits.max_connections
        self.limiter = None if limit is None else ConnectionLimiter(limit)
        self.nursery: trio.Nursery | None = None
        self.reception: Reception | None = None
        self._on_exit: Callable[[KeyboardInterrupt | SystemExit], object] | None = None
        self.state = "accepting"
        self.draining = False
        self._draining_wait: trio.CancelScope | None = None  # for connections to end
        self._interrupted = False

    def __repr__(self) -> str:
        return f"<Server {self.state}, {len(self.connections)} connections>"

    def statistics(self) -> dict[str, Any]:
        """Counts for inspection pages: `state`, `connections`, and these by `phases`."""
        phases: dict[str, int] = {}
        for connection in self.connections:
            phases[connection.phase] = phases.get(connection.phase, 0) + 1
        return {"state": self.state, "connections": len(self.connections), "phases": phases}

    def run_in(
        self,
        nursery: trio.Nursery | None,
        on_exit: Callable[[KeyboardInterrupt | SystemExit], object] | None = None,
    ) -> None:
        """Start helper tasks in `nursery` from now on; None: there is no nursery any more.

        `on_exit` gets what a handler raised to end the process, or its KeyboardInterrupt; without
        it, that propagates through the connection's task.
        """
        self.nursery = nursery
        self._on_exit = on_exit
        self.body_timeouts.start_in(nursery)
        self.timers.start_in(nursery)
        if nursery is not None:
            nursery.start_soon(self.watch.run, name="disconnect watch")
            nursery.start_soon(self.hub.run, name="readiness hub")

    def receive_by(self, reception: Reception | None) -> None:
        """Set where connections are accepted from now on; None: nowhere."""
        self.reception = reception

    def handle(self, stream: Stream, context: Any = None) -> Coroutine[Any, Any, None]:
        """Serve one connection to its end; closes the stream. An async function.

        Cancellation: the request under way is cancelled, the stream closed at once.
        """
        return self.adopt(Http1Connection(stream, self, context))

    def client_of(self, stream: Stream) -> tuple[str, str]:
        """The peer's address, and "http" or "https", before proxy headers are considered."""
        return client_of(stream, self.options)

    def connection_refused(self, stream: Stream, error: Exception) -> None:
        """The TLS handshake or PROXY header of a connection failed. Logs it; for hosts to
        override."""
        gen_log.warning("connection of %s refused: %s", stream.remote_address, error)

    async def adopt(self, connection: Connection) -> None:
        """`handle`, for a connection that was made already."""
        self.connections.add(connection)
        try:
            await connection.run()
        except BaseException as exc:
            exit = interrupt_in(exc)
            if exit is None or self._on_exit is None:
                raise
            if isinstance(exit, SystemExit):
                gen_log.error("the server ends: %s", Failure.of(exit))
            self._on_exit(exit)  # the requests of others end in order
        finally:
            self.connections.discard(connection)
            if not self.connections and self._draining_wait is not None:
                self._draining_wait.cancel()

    # --- the end -------------------------------------------------------------------
    def use_options(self, options: ServerOptions) -> None:
        """Serve the connections that come from now on with other options."""
        self.options = options

    def begin_drain(self) -> None:
        """Answer the requests under way, accept no new ones. Idempotent."""
        if self.draining:
            return
        self.draining = True
        self.state = "draining"
        due = trio.current_time() + self.options.timeouts.drain_idle
        for connection in list(self.connections):
            connection.begin_drain(due)

    def interrupt(self) -> None:
        """Cut what is under way, at once; a drain does not wait any longer."""
        if not self._interrupted:
            self._interrupted = True
            self._cancel(Cause.INTERRUPTED)
            if self._draining_wait is not None:
                self._draining_wait.cancel()

    async def drain(self, grace: float, cancel_grace: float = 5.0) -> DrainReport:
        """See the module's table. Returns within `grace + cancel_grace` seconds.

        Cancellation: what was left stays as it is; see `cut`.
        """
        if self.state == "closed":
            return DrainReport(abandoned=sum(each.busy for each in self.connections))
        began = trio.current_time()
        self.begin_drain()
        cancelled = 0
        if not self._interrupted:
            await self._wait_empty(grace)
        if self.connections:
            self.state = "cancelling"
            cancelled = self._cancel(Cause.DRAIN)
            if not self._interrupted:
                await self._wait_empty(cancel_grace)
            if self._interrupted:
                await self._wait_empty(_INTERRUPTED_GRACE)
        abandoned = self._abandon()
        report = DrainReport(
            cancelled=cancelled, abandoned=abandoned, seconds=trio.current_time() - began
        )
        if cancelled or abandoned:
            gen_log.warning("drain: %d requests cancelled, %d abandoned", cancelled, abandoned)
        return report

    async def cut(self) -> None:
        """End what is under way within half a second, and drop what does not.

        Cancellation: as of `drain`.
        """
        self.interrupt()
        await self._wait_empty(_INTERRUPTED_GRACE)
        self._abandon()

    def _abandon(self) -> int:
        """Close what has not ended, and say what keeps it from ending; how many that were."""
        busy = 0
        for connection in list(self.connections):
            if connection.busy:
                busy += 1
                connection.in_context(
                    gen_log.warning,
                    f"drain: does not end: %s {Trouble.DOES_NOT_END}",
                    connection.describe(),
                )
            connection.close()
        self.state = "closed"
        return busy

    def _cancel(self, cause: Cause) -> int:
        """Cancel what is under way; how many requests that were."""
        if self._interrupted:
            cause = Cause.INTERRUPTED
        busy = 0
        for connection in list(self.connections):
            busy += connection.busy
            connection.cancel(cause)
        return busy

    async def _wait_empty(self, seconds: float) -> None:
        if self.connections:
            with trio.move_on_after(seconds) as self._draining_wait:
                await trio.sleep_forever()
            self._draining_wait = None
