"""`AsgiExchange`: one request of an ASGI server as an `Exchange`.

Knows ASGI's http messages and the seam; needs nothing of our own server. A request ends for a
`Cause`, with the outcome of the same table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn
from urllib.parse import quote

import trio

from .._util.threads import FILES
from ..errors import LimitError, StreamClosedError
from ..exchange import (
    CANCEL,
    CLIENT_LEFT,
    OUTCOMES,
    READY,
    Cause,
    DisconnectPolicy,
    ErrorResponder,
    Exchange,
    Failed,
    Finished,
    HTTPHeaders,
    RequestStartLine,
    ResponseStartLine,
    new_request_id,
)
from ..limits import Limits
from .files import read_at, whole_file
from .outbox import Outbox, message
from .read_ahead import ReadAhead
from .types import Receive, Scope, Send

__all__ = ["AsgiExchange"]

_PIECE = 64 * 1024


def request_head(scope: Scope) -> tuple[RequestStartLine, HTTPHeaders]:
    """The head that a scope describes, as HTTP/1.1 would spell it."""
    path: bytes = (
        scope.get("raw_path")
        or quote(scope.get("root_path", "") + scope["path"], safe="/:@!$&'()*+,;=~").encode()
    )
    query: bytes = scope.get("query_string") or b""
    target = (path + b"?" + query if query else path).decode("latin-1")
    headers = HTTPHeaders.from_raw(scope.get("headers") or ())
    if "Host" not in headers and scope.get("server"):
        host, port = scope["server"]
        headers["Host"] = host if port is None else f"{host}:{port}"
    version = scope.get("http_version", "1.1")
    # Handlers know the versions that have a Host field of their own.
    name = "HTTP/1.0" if version == "1.0" else "HTTP/1.1"
    return RequestStartLine(scope.get("method", "GET"), target, name), headers


class AsgiExchange(Exchange):
    """See `Exchange`. Made per request; `AsgiRequest` runs it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits) -> None:
        self.scope = scope
        self.start_line, self.headers = request_head(scope)
        self.protocol = "https" if scope.get("scheme") in ("https", "wss") else "http"
        client = scope.get("client")
        self.remote_ip = client[0] if client else ""
        self.context = None
        self.on_disconnect: DisconnectPolicy = CANCEL
        self.gone = None
        self.finished = False
        self.status = 0
        self.sent = 0
        self.cause = None
        self.error: BaseException | None = None
        self.trailers = None
        self.route = None
        self.logged = False
        self.outbox = Outbox(send, self.client_left)
        self.detached = False
        self.then: Callable[[], Any] | None = None  # of a websocket: `continue_with`
        self.responder: ErrorResponder | None = None
        self._extensions = scope.get("extensions") or {}
        self._ahead = ReadAhead(receive, self.client_left)
        self._max_body_size = limits.max_body_size
        self._received = 0
        self._complete = False  # by its file, as the server sends it
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._close_callback: Callable[[], Any] | None = None
        self._drain_callback: Callable[[], object] | None = None
        self._draining = False
        self._done = trio.Event()
        self._request_id = new_request_id()

    # --- request ----------------------------------------------------------------------------

    async def read_chunk(self) -> bytes:
        chunk = await self._ahead.read()
        self._received += len(chunk)
        if self._received > self._max_body_size:
            raise LimitError(f"the body is larger than max_body_size, {self._max_body_size}")
        return chunk

    async def read_body(self) -> bytes:
        chunks = [chunk async for chunk in self.body()]
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def read_body_nowait(self) -> bytes | None:
        return b"" if self._ahead.ended else None

    def set_max_body_size(self, size: int) -> None:
        self._max_body_size = size

    def set_body_timeout(self, seconds: float | None) -> None:
        """ASGI servers have their own timeouts for bodies; ours is the request's."""

    # --- response ---------------------------------------------------------------------------

    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        self.status = start_line.code
        fields = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in headers.get_all()
            if name.lower() not in _OF_THE_SERVER
        ]
        trailers = "http.response.trailers" in self._extensions and "Trailer" in headers
        start = message("http.response.start", status=self.status, headers=fields)
        if trailers:
            start["trailers"] = True
        result = self.outbox.put(start)
        return self.write(chunk) if chunk else result

    def write(self, chunk: bytes) -> Awaitable[None]:
        if self.gone is not None:
            return Failed(StreamClosedError("the client has gone"))
        if not chunk:
            return READY
        self.sent += len(chunk)
        body = message("http.response.body", body=bytes(chunk), more_body=True)
        return self.outbox.put(body, len(chunk))

    def finish(self, trailers: HTTPHeaders | None = None) -> Awaitable[None]:
        self.finished = True
        if self.cause is None:
            self.cause = Cause.COMPLETE
        self._close_callback = None
        self._done.set()
        if self.gone is not None or self._complete:
            return READY
        result = self.outbox.put(message("http.response.body", body=b"", more_body=False))
        if trailers is not None and "http.response.trailers" in self._extensions:
            fields = [(n.lower().encode(), v.encode()) for n, v in trailers.get_all()]
            last = message("http.response.trailers", headers=fields, more_trailers=False)
            result = self.outbox.put(last)
        return result

    def send_informational(self, code: int, reason: str, headers: HTTPHeaders) -> Awaitable[None]:
        if code != 103 or "http.response.early_hint" not in self._extensions:
            return READY  # a server that cannot need not: RFC 9110 15.2
        links = [value.encode("latin-1") for value in headers.get_list("Link")]
        return self.outbox.put(message("http.response.early_hint", links=links))

    async def sendfile(self, file: Any, offset: int, count: int) -> None:
        descriptor: int = file if isinstance(file, int) else file.fileno()
        if "http.response.pathsend" in self._extensions and not self.sent:
            path = whole_file(descriptor, offset, count)
            if path is not None:
                self.sent = count
                self._complete = True
                await self.outbox.put(message("http.response.pathsend", path=path))
                return
        if "http.response.zerocopysend" in self._extensions:
            self.sent += count
            await self.outbox.put(
                message(
                    "http.response.zerocopysend",
                    file=descriptor, offset=offset, count=count, more_body=True,
                )  # fmt: skip
            )
            return
        while count > 0:
            chunk = await FILES.run(read_at, descriptor, offset, min(count, _PIECE))
            if not chunk:
                raise EOFError("the file is shorter than it was")
            offset += len(chunk)
            count -= len(chunk)
            await self.write(chunk)

    # --- structure --------------------------------------------------------------------------

    def begin(self, nursery: trio.Nursery) -> None:
        """Run the request's tasks in `nursery`."""
        self._nursery = nursery
        nursery.start_soon(self._ahead.run, name="read ahead of the ASGI server")

    @property
    def nursery(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery

    @property
    def cancel_scope(self) -> trio.CancelScope:
        return self._scope

    def set_timeout(self, seconds: float | None) -> None:
        if seconds is None:
            self._scope.deadline = float("inf")
            return
        self._scope.deadline = trio.current_time() + seconds

    def set_error_responder(self, responder: ErrorResponder) -> bool:
        if self.finished or self.status:
            return False
        if self.responder is None:
            self.responder = responder
        return True

    async def wait_finished(self) -> None:
        await self._done.wait()

    def record(self, seconds: float) -> Finished:
        """Its record, `seconds` after its head arrived."""
        cause = self.cause or Cause.COMPLETE
        status = OUTCOMES[cause].recorded if cause in CLIENT_LEFT else self.status
        method, target, _ = self.start_line
        return Finished(
            id=self.request_id,
            method=method,
            target=target,
            route=self.route_pattern,
            handler=self.handler_name,
            status=status,
            cause=cause,
            seconds=seconds,
            bytes_in=self._received,
            bytes_out=self.sent,
            client=self.remote_ip,
            tls=self.protocol == "https",
        )

    def end(self, cause: Cause, error: BaseException | None = None) -> None:
        """End the request for `cause`, unless something else has ended it."""
        if self.cause is None:
            self.cause = cause
            self.error = error
        self._scope.cancel()

    # --- the connection ---------------------------------------------------------------------

    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        self._close_callback = callback

    def set_drain_callback(self, callback: Callable[[], object] | None) -> None:
        self._drain_callback = callback
        if self._draining:
            self.begin_drain()

    def begin_drain(self) -> None:
        """The server is shutting down: notify long-lived responses, once."""
        self._draining = True
        callback, self._drain_callback = self._drain_callback, None
        if callback is not None:
            callback()

    def detach(self) -> NoReturn:
        raise RuntimeError("an ASGI server keeps its connections: there is no stream to detach")

    @property
    def request_id(self) -> str:
        return self._request_id

    def client_left(self, error: Exception) -> None:
        """The client has disconnected: notify the handler, and apply its policy."""
        if self.gone is not None or self.finished:
            return
        self.gone = error
        self.outbox.fail(error)
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()
        policy = self.on_disconnect
        if policy.kind == "cancel":
            self.end(Cause.CLIENT_GONE)
        elif policy.kind == "grace":
            self.nursery.start_soon(partial(self._end_after, policy.seconds))
        self._done.set()

    @property
    def left(self) -> bool:
        """The client has: errors of this connection's come of that."""
        return self.gone is not None

    async def _end_after(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.end(Cause.CLIENT_GONE)


# Framing is the server's, and so is the connection; and it adds a Date of its own.
_OF_THE_SERVER = frozenset(("connection", "date", "keep-alive", "transfer-encoding", "upgrade"))
