"""`Http1Exchange`: one request on one of our server's connections.

Knows the channel it is on and the wire. Must not know who answers (web, compat, a function).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from operator import attrgetter
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

import trio

from ..errors import HTTPOutputError, StreamClosedError
from ..exchange import (
    OUTCOMES,
    READY,
    Cause,
    DisconnectPolicy,
    ErrorResponder,
    Exchange,
    ExchangeHook,
    Failed,
    Failure,
    Finished,
    Pending,
    ResponseStartLine,
    log_access,
    new_request_id,
)
from ..exchange.record import usable_request_id
from ..log import app_log
from ..net.stream import Stream
from ..net.timers import Timers
from ..wire.dates import http_date
from ..wire.events import RequestHead
from ..wire.gathered import LARGE, Gathered
from ..wire.headers import HTTPHeaders
from .body import RequestBody, can_skip, take_buffered

if TYPE_CHECKING:
    from .interfaces import Channel

__all__ = ["Http1Exchange"]

# A copy of 64 KiB costs 5 µs, a second send 10.
_JOIN = 64 * 1024


class _Extras:
    """What few requests need. Made when the first of it is set."""

    __slots__ = (
        "before_wait",
        "cause",
        "close_callback",
        "done",
        "failure",
        "gone",
        "more",
        "recorded",
        "request_id",
        "responder",
    )

    def __init__(self) -> None:
        self.before_wait: Callable[[], object] | None = None
        self.cause: Cause | None = None
        self.close_callback: Callable[[], Any] | None = None
        self.more = False
        self.done: trio.Event | None = None
        self.failure: Failure | None = None
        self.gone: Exception | None = None
        self.recorded = False
        self.request_id = ""
        self.responder: ErrorResponder | None = None

    def set_done(self) -> None:
        """Nothing more will be written: wake those that wait for it."""
        self.close_callback = None
        if self.done is not None:
            self.done.set()


class Http1Exchange(Exchange):
    """See `Exchange`. Made per request by its connection; costs 1 µs.

    Attributes beyond the interface:
      head: of the request.
      began: when it had come, by `time.perf_counter`.
      corked: something is to be done when the handler waits: see `uncork`.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_extras",
        "began",
        "corked",
        "finished",
        "head",
        "headers",
        "on_disconnect",
        "protocol",
        "remote_ip",
        "sent",
        "start_line",
        "status",
    )

    on_disconnect: DisconnectPolicy

    def __init__(self, connection: Channel, head: RequestHead) -> None:
        self._connection = connection
        self.head = head
        self.start_line = head.start_line
        self.headers = head.headers
        self.remote_ip, self.protocol = connection.client
        self.on_disconnect = connection.server.options.on_disconnect
        self.began = perf_counter()
        self.finished = False
        self.status = 0
        self.sent = 0
        self.logged = False
        self.corked = False
        self._body: RequestBody | None = None
        self._extras: _Extras | None = None
        self.route = None

    def __repr__(self) -> str:
        method, path, _ = self.start_line
        return f"<Http1Exchange {method} {path} {self.status or 'unanswered'}>"

    # Without a Python function between.
    context: Any = property(attrgetter("_connection.context"))

    def set_origin(self, remote_ip: str, protocol: str) -> None:
        """Who the client is behind a proxy."""
        self.remote_ip = remote_ip
        self.protocol = protocol

    # --- which one it is ---------------------------------------------------------
    @property
    def request_id(self) -> str:
        """Given when first asked for, so that most requests need none."""
        extras = self._extended()
        if not extras.request_id:
            field = self._connection.options.request_id_header
            given = None if field is None else self.headers.get(field)
            extras.request_id = given if usable_request_id(given) else new_request_id()  # type: ignore[assignment]
        return extras.request_id

    @property
    def task_name(self) -> str:
        """For the task of a handler that waits: "GET /orders/7 #0001f3"."""
        method, path, _ = self.start_line
        return f"{method} {path} #{self.request_id.rpartition('-')[2]}"

    # --- request -----------------------------------------------------------------
    def _open_body(self) -> RequestBody:
        body = self._body
        if body is None:
            body = self._body = RequestBody(self._connection, self.head)
        return body

    async def read_chunk(self) -> bytes:
        return await self._open_body().read_chunk()

    async def read_body(self) -> bytes:
        chunk = await self.read_chunk()
        if not chunk:
            return b""
        length = self.head.content_length or 0
        if length >= LARGE:
            body = Gathered(length)
            while chunk:
                body.append(chunk)
                chunk = await self.read_chunk()
            return body.take()
        chunks = [chunk]
        while chunk := await self.read_chunk():
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def read_body_nowait(self) -> bytes | None:
        head = self.head
        connection = self._connection
        if not head.chunked and not head.content_length:
            return b""
        if self._body is not None:
            return None
        body = take_buffered(connection.wire, head)
        if body is not None:
            connection.on_body_over()
        return body

    @property
    def waits_for_body(self) -> bool:
        return self._body is not None and self._body.waits

    async def skip_body(self) -> None:
        """Read what is left of the body, and drop it."""
        await self._open_body().skip()

    def inflate(self) -> None:
        """Have a gzip body inflated while it is read."""
        body = RequestBody(self._connection, self.head)
        body.inflate()
        if body.inflates:
            self._body = body

    def set_max_body_size(self, size: int) -> None:
        self._connection.wire.set_max_body_size(size)

    def set_body_timeout(self, seconds: float | None) -> None:
        self._open_body().set_timeout(seconds)

    @property
    def trailers(self) -> HTTPHeaders | None:  # type: ignore[override]
        return None if self._body is None else self._body.trailers

    # --- response ----------------------------------------------------------------
    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        connection = self._connection
        wire = connection.wire
        if self.finished:
            raise HTTPOutputError("Response already finished")
        head = self.head
        if connection.server.draining or (
            (head.content_length or head.chunked) and wire.body_unread and not can_skip(wire, head)
        ):
            wire.end_after_response()
        _, code, reason = start_line
        if "Date" not in headers._fields and code >= 200:
            headers._fields["Date"] = http_date()
        data = wire.response_head(code, reason, headers)
        if (code >= 200 or code == 101) and (self._extras is None or self._extras.gone is None):
            self.status = code
        if chunk:
            try:
                body = wire.body(chunk)
            except HTTPOutputError:
                wire.retract_head()  # nothing has left yet: an error page may follow
                self.status = 0
                raise
            self.sent += len(chunk)
        if connection.stream.corked and not wire.all_written:
            connection.stream.uncork()
        if chunk:
            if len(body) > _JOIN:
                self._send(data)
                return self._send(body)
            data += body
        extras = self._extras
        if extras is not None and extras.more:
            extras.more = False
            return self._send(data, more=True)
        return self._send(data)

    def more_follows(self) -> None:
        extras = self._extended()
        extras.more = True

    def write(self, chunk: bytes) -> Awaitable[None]:
        if self.finished or not self._connection.wire.responded:
            raise HTTPOutputError("No response under way: write_headers comes first")
        data = self._connection.wire.body(chunk)
        self.sent += len(chunk)
        if not data:
            return READY
        if self.corked:
            # Not the first of this step: the kernel may join it with what follows, and the
            # client wakes for 8 packets, not 64 (of 4 KiB): 170 us in the kernel against 355.
            return self._send(data, more=True)
        self.corked = self._connection.cork(self.uncork)
        self._connection.stream.uncork()
        return self._send(data)

    def uncork(self) -> None:
        """The handler is about to wait: nothing is to be kept back any longer."""
        extras = self._extras
        if extras is not None and extras.before_wait is not None:
            extras.before_wait()
        else:
            self.corked = False
        self._connection.stream.push()

    def finish(self, trailers: HTTPHeaders | None = None) -> Awaitable[None]:
        if self.finished:
            return READY
        connection = self._connection
        if not connection.wire.responded:
            raise HTTPOutputError("No response under way: write_headers comes first")
        data = connection.wire.end(trailers)
        self.finished = True
        if data:
            pending: Awaitable[None] | None = self._send(data)
        else:
            stream = connection.stream
            # Only such answers keep back something of their own: a call less for the others.
            if (self.corked or self._extras is not None) and not stream.corked:
                stream.push()
            pending = READY if not stream.unsent else None
        if self._extras is not None:
            self._extras.set_done()
        if connection.handler.waiting:
            connection.response_finished()
        return pending or Pending(connection)

    def send_informational(self, code: int, reason: str, headers: HTTPHeaders) -> Awaitable[None]:
        if not 100 <= code < 200:
            raise HTTPOutputError(f"{code} is not an informational status")
        wire = self._connection.wire
        if wire.responded:
            raise HTTPOutputError("Informational responses come before the response")
        data = wire.response_head(code, reason, headers)
        self._connection.stream.uncork()
        return self._send(data) if data else READY

    async def sendfile(self, file: IO[bytes] | int, offset: int, count: int) -> None:
        """Body bytes of a file, by the kernel on plain sockets. Only with Content-Length."""
        connection = self._connection
        connection.wire.count_sent(count)
        self.sent += count
        await connection.send_file(file, offset, count)

    def _send(self, data: bytes | bytearray | memoryview, *, more: bool = False) -> Awaitable[None]:
        connection = self._connection
        if self._extras is not None and self._extras.gone is not None:
            return Failed(self._extras.gone)
        stream = connection.stream
        try:
            if stream.write_more(data) if more else stream.write(data):
                return READY
        except StreamClosedError as exc:
            connection.on_disconnect(Cause.CLIENT_GONE, exc)
            return Failed(self.gone or exc)
        return Pending(connection)

    async def wait_finished(self) -> None:
        """Until the response is complete or the client gone."""
        extras = self._extended()
        if self.finished or extras.gone is not None:
            return
        if extras.done is None:
            extras.done = trio.Event()
        await extras.done.wait()

    # --- structure -----------------------------------------------------------------
    @property
    def nursery(self) -> trio.Nursery:
        return self._connection.lend_nursery()

    @property
    def cancel_scope(self) -> trio.CancelScope:
        return self._connection.lend_nursery().cancel_scope

    def set_timeout(self, seconds: float | None) -> None:
        due = None if seconds is None else trio.current_time() + seconds
        self._connection.deadlines.set(Cause.REQUEST_DEADLINE, due)

    def hold(self, until: float) -> bool:
        return self._connection.hold(until)

    def release(self) -> None:
        self._connection.release()

    # --- the connection --------------------------------------------------------------
    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        if callback is not None or self._extras is not None:
            extras = self._extended()
            extras.close_callback = callback

    def set_drain_callback(self, callback: Callable[[], object] | None) -> None:
        self._connection.set_drain_callback(callback)

    def set_wait_callback(self, callback: Callable[[], object] | None) -> bool:
        if callback is not None and not self._connection.sees_waits:
            return False
        extras = self._extended()
        extras.before_wait = callback
        self.corked = callback is not None
        return True

    @property
    def timers(self) -> Timers | None:  # type: ignore[override]
        server = self._connection.server
        return None if server.nursery is None else server.timers

    def peer_certificate(self, binary_form: bool = False) -> Any:
        return self._connection.stream.peer_certificate(binary_form)

    def detach(self) -> Stream:
        self.give_up(Cause.UPGRADED)
        self._connection.stream.push()
        return self._connection.detach()

    def continue_with(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._connection.continue_with(then)

    def abort(self) -> None:
        self._connection.conclude(Cause.ABORTED)

    # --- its end ---------------------------------------------------------------------
    @property
    def cause(self) -> Cause | None:  # type: ignore[override]
        return None if self._extras is None else self._extras.cause

    def end(self, cause: Cause) -> bool:
        """Say why the request ends. False: another cause was first, and counts."""
        extras = self._extended()
        if extras.cause is not None:
            return False
        extras.cause = cause
        return True

    def give_up(self, cause: Cause) -> None:
        """Nothing will be written any more, because of `cause` unless another was first."""
        self.end(cause)
        self.finished = True
        if self._extras is not None:
            self._extras.set_done()

    @property
    def gone(self) -> Exception | None:  # type: ignore[override]
        extras = self._extras
        return None if extras is None else extras.gone

    def lose(self, error: Exception) -> None:
        """The client is gone: tell those that asked, once."""
        extras = self._extended()
        if extras.gone is None:
            extras.gone = error
            callback = extras.close_callback
            extras.set_done()
            if callback is not None and not self.finished:
                callback()

    def set_error_responder(self, responder: ErrorResponder) -> bool:
        extras = self._extended()
        if self.finished or self._connection.wire.responded or extras.responder is not None:
            return False
        extras.responder = responder
        return True

    @property
    def has_responder(self) -> bool:
        return self._extras is not None and self._extras.responder is not None

    def take_responder(self) -> ErrorResponder | None:
        """The application's way to answer an error; only once, or it would be a cycle."""
        extras = self._extras
        if extras is None:
            return None
        responder, extras.responder = extras.responder, None
        return responder

    def answered_by_server(self, status: int) -> None:
        """A plain page was sent in the application's place, or nothing could be."""
        self.status = status

    def log(self) -> None:
        """The request is over: its line in the access log, unless the application wrote one."""
        if not self.logged:
            self.logged = True
            method, target, _ = self.start_line
            summary = f"{method} {target} ({self.remote_ip})"
            log_access(self._final_status(), summary, perf_counter() - self.began)

    def record(self, hook: Callable[[Finished], object]) -> None:
        """Pass the record to the hook. An exception of the hook is logged and has no other
        effect."""
        try:
            hook(self.make_record())
        except Exception:
            app_log.exception("Uncaught exception in the access log hook, at %s", self.describe())

    def show_to(self, hook: ExchangeHook, last: bool) -> bool:
        """As `take_record` and `record`, in one call: each request of a service with metrics
        makes it."""
        if (self._extras is not None or not last) and not self.take_record(last):
            return False
        try:
            hook.see(self)
        except Exception:
            app_log.exception("Uncaught exception in the access log hook, at %s", self.describe())
        return True

    def take_record(self, last: bool) -> bool:
        """Whether its record is still to be made; `last`: there will be no later call."""
        extras = self._extras
        if extras is not None and extras.recorded:
            return False
        if not last:
            extras = self._extended()
            extras.recorded = True
        return True

    def _final_status(self) -> int:
        outcome = OUTCOMES[self.cause or Cause.COMPLETE]
        return self.status or outcome.recorded or outcome.status

    @property
    def received(self) -> int:
        """Bytes of the request's body that were read."""
        if self._body is not None:
            return self._body.received
        length = self.head.content_length
        return 0 if not length or self._connection.wire.body_unread else length

    def make_record(self) -> Finished:
        """What is left of it, once it is over."""
        method, target, _ = self.start_line
        return Finished(
            id=self.request_id,
            method=method,
            target=target,
            route=self.route_pattern,
            handler=self.handler_name,
            status=self._final_status(),
            cause=self.cause or Cause.COMPLETE,
            seconds=perf_counter() - self.began,
            bytes_in=self.received,
            bytes_out=self.sent,
            client=self.remote_ip,
            tls=self.protocol == "https",
            failure=None if self._extras is None else self._extras.failure,
        )

    def note_error(self, error: BaseException) -> None:
        """As text, at once: an exception holds its frames, and these the exchange."""
        if self._connection.options.access_log is not None:
            extras = self._extended()
            extras.failure = Failure.of(error)

    def _extended(self) -> _Extras:
        extras = self._extras
        if extras is None:
            extras = self._extras = _Extras()
        return extras
