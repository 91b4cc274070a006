"""`Http1Exchange`: one request on one of our server's connections.

Knows its connection and the wire. Must not know who answers (web, compat, a function).
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import IO, TYPE_CHECKING, Any

import trio

from ..errors import HTTPOutputError, PeerError, StreamClosedError
from ..exchange import READY, Exchange, Failed, Pending, RequestStartLine, ResponseStartLine
from ..wire.events import EndOfMessage, RequestHead, Signal
from ..wire.headers import HTTPHeaders
from ..wire.writing import http_date
from .files import send_file
from .inflate import Inflater

if TYPE_CHECKING:
    from ..exchange import DisconnectPolicy
    from ..net.stream import Stream
    from .connection import ServerConnection

__all__ = ["Http1Exchange"]

# A copy of 64 KiB costs 5 µs, a second send 10.
_JOIN = 64 * 1024
_ids = itertools.count(1)


class Http1Exchange(Exchange):
    """See `Exchange`. Made per request by `ServerConnection`; costs 1 µs.

    Attributes beyond the interface:
      status: of the response, 0 until its head was sent.
      sent: body bytes written so far.
    """

    __slots__ = (
        "_body_started",
        "_body_timeout",
        "_close_callback",
        "_connection",
        "_done",
        "_inflater",
        "_more",
        "_request_id",
        "_turn",
        "context",
        "deadline",
        "finished",
        "gone",
        "head",
        "headers",
        "on_disconnect",
        "protocol",
        "remote_ip",
        "sent",
        "start_line",
        "status",
        "trailers",
    )

    start_line: RequestStartLine
    on_disconnect: DisconnectPolicy

    def __init__(self, connection: ServerConnection, head: RequestHead) -> None:
        self._connection = connection
        self.head = head
        self.start_line = head.start_line
        self.headers = head.headers
        self.context = connection.context
        self.protocol = connection.protocol
        self.remote_ip = connection.remote_ip
        self.on_disconnect = connection.options.on_disconnect
        self.deadline: float | None = None
        self.finished = False
        self.status = 0
        self.sent = 0
        self.trailers = None
        self.gone: Exception | None = None
        self._body_started = False
        self._body_timeout: float | None = connection.options.timeouts.body
        self._close_callback: Callable[[], Any] | None = None
        self._done: trio.Event | None = None
        self._inflater: Inflater | None = None
        self._request_id = 0
        self._more = False
        self._turn = False
        self.route = None

    def __repr__(self) -> str:
        method, path, _ = self.start_line
        return f"<Http1Exchange {method} {path} {self.status or 'unanswered'}>"

    @property
    def request_id(self) -> str:
        """Of this process; given when first asked for, so that most requests need none."""
        if not self._request_id:
            self._request_id = next(_ids)
        return f"{self._request_id:06x}"

    def describe(self) -> str:
        """For logs and notes of exceptions: which request it was."""
        method, path, _ = self.start_line
        route = self.route
        if isinstance(route, type):
            route = f"{route.__module__}.{route.__qualname__}"
        where = "" if route is None else f", route {route}"
        return f"request {self.request_id}: {method} {path} ({self.remote_ip}){where}"

    # --- request -------------------------------------------------------------
    async def read_chunk(self) -> bytes:
        if self._inflater is not None:
            return await self._inflater.read_chunk(self._read_chunk)
        return await self._read_chunk()

    async def _read_chunk(self) -> bytes:
        """As it came on the wire.

        Raises: `PeerError`, `LimitError` (413): answer them and the connection closes;
        `StreamClosedError`: the client left; `DeadlineError`: the body took too long.
        """
        connection = self._connection
        wire = connection.wire
        while True:
            try:
                event = wire.next_event()
            except PeerError as exc:
                if wire.eof:
                    error = StreamClosedError("the client left while sending the body")
                    connection.lost(error)
                    raise error from exc
                raise
            if event is Signal.NEED_DATA:
                self._begin_body()
                data = await connection.receive_body()
                if data:
                    return data
            elif type(event) is bytes:
                if self.head.chunked:
                    await connection.breathe()
                return event
            else:
                if type(event) is EndOfMessage:
                    self.trailers = event.trailers
                    connection.body_over()
                return b""

    async def read_body(self) -> bytes:
        chunk = await self.read_chunk()
        if not chunk:
            return b""
        chunks = [chunk]
        while chunk := await self.read_chunk():
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def read_body_nowait(self) -> bytes | None:
        head = self.head
        if not head.chunked and not head.content_length:
            self._connection.wire.skip_body()
            return b""
        if self._inflater is not None:
            return None
        wire = self._connection.wire
        if head.chunked or self._body_started or wire.buffered < (head.content_length or 0):
            return None
        chunks = []
        while type(event := wire.next_event()) is bytes:
            chunks.append(event)
        self._connection.body_over()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def set_max_body_size(self, size: int) -> None:
        self._connection.wire.max_body_size = size

    def set_body_timeout(self, seconds: float | None) -> None:
        self._body_timeout = seconds
        if self._body_started:
            self._connection.set_body_deadline(seconds)

    def decompress(self) -> None:
        """Have a gzip body inflated (called by the connection when asked to)."""
        coding = self.headers["Content-Encoding"]
        if coding.lower() in ("gzip", "x-gzip"):
            self._inflater = Inflater(self._connection.wire, coding)
            self.headers["X-Consumed-Content-Encoding"] = coding
            del self.headers["Content-Encoding"]

    def _begin_body(self) -> None:
        if self._body_started:
            return
        self._body_started = True
        connection = self._connection
        if self.head.expect_continue and not connection.wire.responded:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._body_timeout is not None:
            connection.set_body_deadline(self._body_timeout)

    # --- response ------------------------------------------------------------
    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        connection = self._connection
        wire = connection.wire
        if self.finished:
            raise HTTPOutputError("Response already finished")
        if connection.server.draining or (wire.body_unread and connection.must_close_unread(self)):
            wire.close_after = True
        code = start_line.code
        if "Date" not in headers._fields and code >= 200:
            headers._fields["Date"] = http_date()
        data = wire.response_head(code, start_line.reason, headers)
        if code >= 200:
            self.status = code
        if chunk:
            try:
                body = wire.body(chunk)
            except HTTPOutputError:
                wire.retract_head()  # nothing has left yet: an error page may follow
                self.status = 0
                raise
            self.sent += len(chunk)
            if len(body) > _JOIN:
                self._send(data)
                return self._send(body)
            data += body
        if self._more:
            self._more = False
            return self._send(data, more=True)
        return self._send(data)

    def more_follows(self) -> None:
        self._more = True

    def write(self, chunk: bytes) -> Awaitable[None]:
        if self.finished or not self._connection.wire.responded:
            raise HTTPOutputError("No response under way: write_headers comes first")
        data = self._connection.wire.body(chunk)
        self.sent += len(chunk)
        if not data:
            return READY
        if self._turn:
            # Not the first of this turn: the kernel may join it with what follows, and the
            # client wakes for 8 packets, not 64 (of 4 KiB): 170 us in the kernel against 355.
            return self._send(data, more=True)
        self._turn = self._connection.begin_turn(self)
        return self._send(data)

    def turn_over(self) -> None:
        """Who writes gives way: nothing is to be kept back any longer."""
        self._turn = False
        self._connection.stream.push()

    def finish(self, trailers: HTTPHeaders | None = None) -> Awaitable[None]:
        if self.finished:
            return READY
        connection = self._connection
        if not connection.wire.responded:
            raise HTTPOutputError("No response under way: write_headers comes first")
        data = connection.wire.end(trailers)
        self.finished = True
        self._close_callback = None
        if data:
            pending: Awaitable[None] | None = self._send(data)
        else:
            connection.stream.push()
            pending = READY if not connection.stream.unsent else None
        if self._done is not None:
            self._done.set()
        connection.response_finished()
        return pending or Pending(connection)

    def inform(self, code: int, reason: str, headers: HTTPHeaders) -> Awaitable[None]:
        if not 100 <= code < 200:
            raise HTTPOutputError(f"{code} is not an informational status")
        wire = self._connection.wire
        if wire.responded:
            raise HTTPOutputError("Informational responses come before the response")
        data = wire.response_head(code, reason, headers)
        return self._send(data) if data else READY

    async def sendfile(self, file: IO[bytes] | int, offset: int, count: int) -> None:
        """Body bytes of a file, by the kernel on plain sockets. Only with Content-Length."""
        connection = self._connection
        connection.wire.account(count)
        self.sent += count
        await send_file(connection, file, offset, count)

    def _send(
        self, data: bytes | bytearray | memoryview, *, more: bool = False
    ) -> Awaitable[None]:
        if self.gone is not None:
            return Failed(self.gone)
        connection = self._connection
        stream = connection.stream
        try:
            if stream.write_more(data) if more else stream.write(data):
                return READY
        except StreamClosedError as exc:
            connection.lost(exc)
            return Failed(exc)
        return Pending(connection)

    async def wait_finished(self) -> None:
        """Until the response is complete or the client gone."""
        if self.finished or self.gone is not None:
            return
        if self._done is None:
            self._done = trio.Event()
        await self._done.wait()

    # --- structure -----------------------------------------------------------
    @property
    def nursery(self) -> trio.Nursery:
        return self._connection.nursery

    @property
    def cancel_scope(self) -> trio.CancelScope:
        return self._connection.nursery.cancel_scope

    def set_timeout(self, seconds: float | None) -> None:
        self.deadline = None if seconds is None else trio.current_time() + seconds
        self._connection.apply_deadline()

    # --- the connection ------------------------------------------------------
    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        self._close_callback = callback

    def peer_certificate(self, binary_form: bool = False) -> Any:
        return self._connection.stream.peer_certificate(binary_form)

    def detach(self) -> Stream:
        self.finished = True
        self._close_callback = None
        if self._done is not None:
            self._done.set()
        self._connection.stream.push()
        return self._connection.detach()

    def set_drain_callback(self, callback: Callable[[], object] | None) -> None:
        self._connection.drain_callback = callback
        if callback is not None and self._connection.server.draining:
            callback()

    def hand_over(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """After `detach`: run `then()` in the connection's task when the handler returned."""
        self._connection.hand_over(then)

    def abort(self) -> None:
        self._connection.answer_fault(self, 500, "The response could not be written.")

    def client_gone(self, error: Exception) -> None:
        """Called by the connection, once."""
        self.gone = error
        callback, self._close_callback = self._close_callback, None
        if self._done is not None:
            self._done.set()
        if callback is not None:
            callback()
