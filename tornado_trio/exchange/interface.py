"""`Exchange`: one request being read and one response being written.

The seam between those that produce requests (our server, the in-memory test network,
compat's HTTPServer; an ASGI host would be another) and those that answer them
(`web.Application`, a bare async function). Knows neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from .._util.current import current_request
from ..wire.events import RequestStartLine, ResponseStartLine
from .causes import Cause

if TYPE_CHECKING:
    import trio

    from ..wire.headers import HTTPHeaders
    from .policy import DisconnectPolicy

__all__ = [
    "App",
    "BodyIterator",
    "ErrorResponder",
    "Exchange",
    "Later",
    "Route",
    "current_exchange",
]

#: Answers a request that was ended by something else than its application: called with the
#: cause, the status to answer with (0: do not), and the exception behind it, if there is one.
ErrorResponder: TypeAlias = Callable[[Cause, int, BaseException | None], object]


#: `later(seconds, callback)` has it called then, and returns what takes that back.
Later: TypeAlias = Callable[[float, Callable[[], object]], Callable[[], object]]


class Route(Protocol):
    """What led to the answer of a request."""

    @property
    def pattern(self) -> str | None:
        """The same for all requests of its kind: "/orders/{id:int}"."""

    @property
    def handler(self) -> str | None:
        """The full name of the class that answers, if one does."""


class Exchange(ABC):
    """One request/response pair.

    Attributes:
      start_line, headers: of the request.
      protocol: "http" or "https"; remote_ip: of the client (behind trusted proxies).
      context: the connection's own object, if any (compat keeps Tornado's there).
      on_disconnect: what becomes of the handler if the client goes away.
      gone: why the client counts as gone, or None; a host that cannot tell leaves it None.
      finished: `finish` was called (or the response was given up).
      status: of the response, 0 until its head was sent.
      sent: body bytes written so far.
      cause: why the request ended, once it did by something else than its answer.
      trailers: of the request, once its body has been read.
      route: for logs; set by the application: text, the handler's class, or a `Route`.
      logged: the application has written the request's access line; set by it.
      timers: the host's, for what outlives the request; None where it has none.

    Backpressure: `write_headers`, `write` and `finish` act at once (they send what the
    transport takes and buffer the rest, bounded) and return an awaitable that is ready
    when the transport has caught up. Not awaiting it is allowed. Awaiting it raises
    `StreamClosedError` if the client is gone; the calls themselves never do.
    """

    # Implementations have slots; the annotations name what they must provide.
    __slots__ = ("__weakref__", "logged", "route")

    start_line: RequestStartLine
    headers: HTTPHeaders
    protocol: str
    remote_ip: str
    context: Any
    on_disconnect: DisconnectPolicy
    gone: Exception | None = None
    finished: bool
    status: int
    sent: int
    cause: Cause | None = None
    logged: bool
    trailers: HTTPHeaders | None
    route: str | type | Route | None
    timers: Later | None = None

    # --- request -------------------------------------------------------------
    @abstractmethod
    async def read_chunk(self) -> bytes:
        """The next piece of the request body as it arrives; b"" at its end."""

    def body(self) -> AsyncIterator[bytes]:
        """The request body in chunks, as they arrive; reading is the back pressure."""
        return BodyIterator(self)

    @abstractmethod
    async def read_body(self) -> bytes:
        """The whole request body, bounded by `max_body_size` (LimitError 413)."""

    @abstractmethod
    def read_body_nowait(self) -> bytes | None:
        """The whole request body if all of it has arrived already, else None."""

    @abstractmethod
    def set_max_body_size(self, size: int) -> None:
        """Another bound for this request's body; before reading it."""

    @abstractmethod
    def set_body_timeout(self, seconds: float | None) -> None:
        """Another deadline for this request's body, from now."""

    # --- response ------------------------------------------------------------
    @abstractmethod
    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        """Send the response head, with the first body bytes if given. `headers` becomes
        the exchange's: what framing needs is added to it."""

    @abstractmethod
    def write(self, chunk: bytes) -> Awaitable[None]:
        """Send body bytes."""

    @abstractmethod
    def finish(self, trailers: HTTPHeaders | None = None) -> Awaitable[None]:
        """The response is complete. A body shorter than its Content-Length is an error."""

    @abstractmethod
    def send_informational(self, code: int, reason: str, headers: HTTPHeaders) -> Awaitable[None]:
        """Send an informational head (103 Early Hints, ...); nothing to HTTP/1.0 clients."""

    # --- structure -----------------------------------------------------------
    @property
    @abstractmethod
    def nursery(self) -> trio.Nursery:
        """Children end with the request; a child's error is the request's error."""

    @property
    @abstractmethod
    def cancel_scope(self) -> trio.CancelScope:
        """The handler's. Cancelling it drops the request and its connection."""

    @abstractmethod
    def set_timeout(self, seconds: float | None) -> None:
        """The handler's deadline, from now (passed: 503); None: no deadline."""

    def set_error_responder(self, responder: ErrorResponder) -> bool:
        """Have the application answer if the request ends by something else than it.

        Called once, when all of the request's tasks are over, if its response was not begun. It
        may write one, unless the status is 0 (the client has gone, or was answered already),
        and must not wait. Returns False where the host will not call it.
        """
        return False

    def hold(self, until: float) -> bool:
        """The request is not cancelled before `until`, in trio's time: see `critical`.

        False where it may be: of another task than the request's own, or by this host.
        """
        return False

    def release(self) -> None:  # noqa: B027 - hosts that do not hold need not have it
        """The end of `hold`: a cancellation that arrived meanwhile takes effect now."""

    async def wait_finished(self) -> None:
        """Until the response is complete or the client gone."""
        raise NotImplementedError

    # --- the connection ------------------------------------------------------
    @abstractmethod
    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """`callback` runs once if the client goes away before the exchange is done."""

    def set_drain_callback(  # noqa: B027 - a host that does not drain need not have it
        self, callback: Callable[[], object] | None
    ) -> None:
        """`callback` runs once when the server begins to drain: for exchanges that last, as
        detached ones do. A host that does not drain never calls it."""

    def set_wait_callback(self, callback: Callable[[], object] | None) -> bool:
        """`callback` runs whenever the handler is about to wait, in the task that asks for it; None
        ends that. It must not wait.

        False where the host does not see that, or this is not the handler's own task.
        """
        return False

    @abstractmethod
    def detach(self) -> Any:
        """Take over the connection's `Stream` (after an upgrade or CONNECT answer).

        The caller closes it; what the client sent ahead is read from it first.
        """

    def continue_with(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """After `detach`: run `then()` in the connection's task when the handler returned.

        For long-lived protocols: it runs without the stack of the request and its handler.
        """
        raise NotImplementedError

    def abort(self) -> None:
        """Break the response off, so that the client sees it is incomplete.

        For callers that have logged why; the server then does not.
        """
        self.cancel_scope.cancel()

    @property
    def request_id(self) -> str:
        """Unique across processes; "" where the host gives none."""
        return ""

    @property
    def route_pattern(self) -> str | None:
        """The route as text: its pattern, or what it is called."""
        route = self.route
        if route is None or isinstance(route, str):
            return route
        return self.handler_name if isinstance(route, type) else route.pattern

    @property
    def handler_name(self) -> str | None:
        """The full name of the class that answers, if one does."""
        route = self.route
        if route is None or isinstance(route, str):
            return None
        if isinstance(route, type):
            return f"{route.__module__}.{route.__qualname__}"
        return route.handler

    def note_error(self, error: BaseException) -> None:
        """`error` is what is being answered: for records. Hosts that make none do nothing."""
        return

    def describe(self) -> str:
        """Which request it is, for logs and notes of exceptions."""
        method, path, _ = self.start_line
        route, handler = self.route_pattern, self.handler_name
        text = f"{method} {path} ({self.remote_ip})"
        if route is not None:
            text += f", route {route}"
        if handler is not None and handler != route:
            text += f" ({handler})"
        return f"request {self.request_id}: {text}" if self.request_id else text

    def peer_certificate(self, binary_form: bool = False) -> Any:
        """The client's TLS certificate as `ssl.SSLSocket.getpeercert` gives it, or None."""
        return None

    async def sendfile(self, file: Any, offset: int, count: int) -> None:
        """Send `count` body bytes of `file`. Transports that can let the kernel do it."""
        raise NotImplementedError

    def more_follows(self) -> None:  # noqa: B027 - a hint
        """Body bytes follow the head that is sent next at once: they may share a packet."""


class BodyIterator:
    """`async for chunk in exchange.body()`. Stopping early is allowed."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> BodyIterator:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._exchange.read_chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk


#: What answers exchanges: an async function, or an object with `async def __call__`.
#: A plain function that returns None has answered, or arranged to.
App: TypeAlias = Callable[[Exchange], Coroutine[Any, Any, Any] | None]

#: The exchange being answered; children of its handler inherit it.
current_exchange: ContextVar[Exchange] = current_request
