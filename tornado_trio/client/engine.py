"""One request and its response over a pooled connection: acquire, send, read, release.

Knows the pool, dialling and connections. Must not know redirects, cookies, decoding or
authentication: those are `client`'s (and compat's own). It has no task of its own; the
owner lends `spawn`, for bodies that are sent while the response is awaited.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import trio

from ..errors import HTTPOutputError, StreamClosedError
from ..limits import RESPONSES, Dialect, Limits
from ..wire.engines import engine_for
from ..wire.events import ResponseHead
from ..wire.headers import HTTPHeaders
from .connection import Connection
from .deadlines import Deadlines
from .dial import open_route
from .errors import ClientClosed, ConnectionLost, InvalidRequest, QueueFull, RequestTimeout
from .hop import Hop
from .options import ClientLimits
from .pool import Pool, Ticket
from .routes import Route
from .upload import BodyWriter, Producer, Upload

#: Methods that may be sent again when a reused connection turns out to be dead.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
#: Seconds to wait for "100 Continue" before the body is sent all the same (RFC 9110 10.1.1
#: forbids to wait for ever; curl waits as long).
CONTINUE_WAIT = 1.0


@final
class Job:
    """One request as the engine sends it.

    `target` is the request target, `headers` are complete, framing included. `body` is
    sent whole, `producer` piece by piece; at most one of them is set. Without `resend` it
    is sent once, even if the connection breaks before the response.
    """

    __slots__ = (
        "body", "continue_wait", "headers", "method", "producer", "resend", "route", "target",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        target: str,
        headers: HTTPHeaders,
        route: Route,
        body: bytes | None = None,
        producer: Producer | None = None,
        continue_wait: float | None = CONTINUE_WAIT,
        resend: bool = True,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.route = route
        self.body = body
        self.producer = producer
        self.continue_wait = continue_wait
        self.resend = resend

    @property
    def repeatable(self) -> bool:
        """It may be sent again without harm."""
        return self.resend and self.producer is None and self.method in IDEMPOTENT

    @property
    def asks_first(self) -> bool:
        """The body waits for "100 Continue"."""
        return (self.producer is not None or bool(self.body)) and self.headers.get(
            "Expect", ""
        ).lower() == "100-continue"


@final
class Engine:
    """A pool and how to use it.

    `spawn(async_fn, *args)` starts a task that lives until it ends or we cancel it; a
    nursery's `start_soon` will do. `wire` names the implementation of HTTP/1.1. `on_idle()`
    is called when the pool has something that may expire.
    """

    def __init__(
        self,
        limits: ClientLimits,
        spawn: Callable[..., Any],
        *,
        dialect: Dialect = RESPONSES,
        wire: str | None = None,
        on_idle: Callable[[], None] | None = None,
    ) -> None:
        self.limits = limits
        self.pool: Pool[Connection] = Pool(limits)
        self.closed = False
        self._spawn = spawn
        self._wires = engine_for(wire, dialect)
        self._on_idle = on_idle
        self._in_use: set[Connection] = set()
        body = limits.max_body_size
        self._wire_limits = Limits(
            max_head_size=limits.max_head_size,
            max_fields=limits.max_fields,
            max_body_size=1 << 62 if body is None else body,
        )

    def __repr__(self) -> str:
        return f"<Engine {self.pool!r}>"

    # --- one exchange ---------------------------------------------------------
    async def start(self, job: Job, deadlines: Deadlines) -> Hop:
        """Send `job` and wait for the response's head.

        The caller reads the hop to its end, or closes it.

        Raises: every `ClientError` but those of the body; what the producer raises.
        Cancellation: the connection is closed; nothing is left running.
        """
        while True:
            connection, reused = await self._acquire(job, deadlines)
            try:
                return await self._exchange(connection, job, deadlines)
            except ConnectionLost as error:
                self.discard(connection)
                if self.closed:
                    raise ClientClosed("the client was closed") from error
                if not reused or not job.repeatable or connection.heard:
                    raise
                # The server closed the idle connection just as we used it. Each round
                # uses up one idle connection, so this ends.
            except BaseException:
                self.discard(connection)
                raise

    async def _exchange(self, connection: Connection, job: Job, deadlines: Deadlines) -> Hop:
        upload: Upload | None = None
        try:
            if job.producer is None and "Expect" not in job.headers:  # nearly always
                if not _send_head(connection, job, job.body or b""):
                    upload = self._start_upload(connection, None)
                head = await self._next_head(connection, upload, deadlines)
            else:
                upload, first = await self._send_slowly(connection, job, deadlines)
                head = first or await self._next_head(connection, upload, deadlines)
            while head.start_line.code < 200 and head.start_line.code != 101:
                # What follows an informational head is often here already.
                head = connection.head_nowait() or await self._next_head(
                    connection, upload, deadlines
                )
            return Hop(self, connection, head, deadlines, upload)
        except BaseException as error:
            if upload is not None:
                upload.cancel()
                if upload.error is not None:
                    raise upload.error from None
            if isinstance(error, StreamClosedError) and not isinstance(error, ConnectionLost):
                raise ConnectionLost(f"Connection lost: {error}", "send") from error
            raise

    async def _send_slowly(
        self, connection: Connection, job: Job, deadlines: Deadlines
    ) -> tuple[Upload | None, ResponseHead | None]:
        """Send head and body apart; returns the response if it came before the body."""
        _send_head(connection, job, None)
        producer = job.producer
        if producer is None:
            body = job.body or b""

            async def producer(write: BodyWriter) -> None:
                await write(body)

        if job.asks_first:
            head = await self._ask_first(connection, job, deadlines)
            if head is not None:
                return None, head
        return self._start_upload(connection, producer), None

    async def _ask_first(
        self, connection: Connection, job: Job, deadlines: Deadlines
    ) -> ResponseHead | None:
        """Wait for "100 Continue"; returns the response if the server gives it at once."""
        await connection.stream.drain()
        deadlines.phase = "first_byte"
        wait = job.continue_wait
        if wait is None:
            wait = deadlines.timeouts.first_byte
        at = deadlines.after(wait)
        try:
            head = await connection.read_head(deadlines, at)
            while head.informational and head.start_line.code not in (100, 101):
                head = connection.head_nowait() or await connection.read_head(deadlines, at)
        except RequestTimeout as error:
            if error.limit == "total" or job.continue_wait is None:
                raise
            return None
        return None if head.start_line.code == 100 else head

    def _start_upload(self, connection: Connection, producer: Producer | None) -> Upload:
        upload = Upload(connection, producer)
        self._spawn(upload.run)
        return upload

    async def _next_head(
        self, connection: Connection, upload: Upload | None, deadlines: Deadlines
    ) -> ResponseHead:
        timeouts = deadlines.timeouts
        if upload is None:
            deadlines.phase = "first_byte"
            return await connection.read_head(deadlines, deadlines.after(timeouts.first_byte))
        wait = timeouts.first_byte
        while True:
            if upload.done:
                deadlines.phase, limit = "first_byte", "first_byte"
                at = math.inf if wait is None else upload.done_at + wait
            else:
                # The answer's deadline begins when the request is sent: look again then.
                deadlines.phase, limit = "send", "idle"
                at = min(upload.stalled_at(timeouts.idle), deadlines.after(wait))
            try:
                return await connection.read_head(deadlines, at, limit)
            except RequestTimeout as error:
                if error.limit in ("total", "first_byte"):
                    raise
                if not upload.done and trio.current_time() >= upload.stalled_at(timeouts.idle):
                    raise

    # --- connections ----------------------------------------------------------
    async def _acquire(self, job: Job, deadlines: Deadlines) -> tuple[Connection, bool]:
        """A connection for `job`, and whether it was used before."""
        if self.closed:
            raise ClientClosed("the client is closed")
        pool = self.pool
        route = job.route
        ticket, closing = pool.request(route, trio.current_time(), careful=not job.repeatable)
        for connection in closing:
            connection.close()
        try:
            if not ticket.permit and ticket.connection is None:
                await self._queue(ticket, deadlines)
            if ticket.connection is not None:
                self._in_use.add(ticket.connection)
                return ticket.connection, True
            stream = await open_route(route, deadlines)
        except BaseException:
            self._close_all(pool.withdraw(ticket, trio.current_time()))
            raise
        connection = Connection(stream, self._wire_limits, self._wires, route)
        self._in_use.add(connection)
        if self.closed:
            self.discard(connection)
            raise ClientClosed("the client was closed")
        return connection, False

    async def _queue(self, ticket: Ticket[Connection], deadlines: Deadlines) -> None:
        if self.pool.waiting > self.limits.max_queued:
            raise QueueFull(f"{self.limits.max_queued} requests wait already")
        woken = trio.Event()
        ticket.wake = woken.set
        deadlines.phase = "queue"
        await deadlines.wait("queue", deadlines.after(deadlines.timeouts.queue), woken.wait)
        if self.closed:
            raise ClientClosed("the client was closed")

    def give_back(self, connection: Connection) -> None:
        """An exchange is over; keep the connection if it can be reused."""
        if self.closed or not connection.recycle():
            self.discard(connection)
            return
        self._in_use.discard(connection)
        self._close_all(self.pool.give_back(connection.route, connection, trio.current_time()))
        if self._on_idle is not None:
            self._on_idle()

    def discard(self, connection: Connection) -> None:
        """Close a connection in use."""
        connection.close()
        self.detached(connection)

    def detached(self, connection: Connection) -> None:
        """A connection in use has left the pool for good."""
        if connection in self._in_use:
            self._in_use.remove(connection)
            self._close_all(self.pool.gone(connection.route, trio.current_time()))

    def expire(self) -> float:
        """Close what has been idle too long; returns when to call next (or infinity)."""
        self._close_all(self.pool.expire(trio.current_time()))
        return self.pool.next_expiry

    def close(self) -> None:
        """Close everything at once. Exchanges under way fail with `ClientClosed` or
        `ConnectionLost`. Idempotent."""
        self.closed = True
        self._close_all(self.pool.clear())
        for ticket in self.pool.tickets():
            if ticket.wake is not None:
                ticket.wake()
        for connection in list(self._in_use):
            connection.close()

    def _close_all(self, closing: list[Connection]) -> None:
        for connection in closing:
            connection.close()


def _send_head(connection: Connection, job: Job, body: bytes | None) -> bool:
    try:
        return connection.send_head(job.method, job.target, job.headers, body)
    except HTTPOutputError as error:
        raise InvalidRequest(str(error)) from error
