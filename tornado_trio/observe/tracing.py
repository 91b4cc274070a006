"""OpenTelemetry spans: for each request served, each HTTP client request, each WebSocket.

Knows the API of OpenTelemetry (extra `otel`), W3C trace context by way of its propagators, and
its semantic conventions for HTTP (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
Unless the program has set up an SDK, spans are no-ops, and not worth their cost.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ..client.tracing import set_tracer
from ..exchange import App, Exchange
from ..websocket.tracing import TracedSession, set_session_tracer
from ..wire.headers import HTTPHeaders

__all__ = ["ClientSpan", "trace_client", "trace_websockets", "traced"]

_METHODS = frozenset("GET HEAD POST PUT DELETE PATCH OPTIONS CONNECT TRACE QUERY".split())


def _tracer() -> trace.Tracer:
    return trace.get_tracer("tornado_trio")


def traced(app: App) -> Callable[[Exchange], Coroutine[Any, Any, None]]:
    """`app` with a span around each request.

    The span's parent is the one in `traceparent`; it is the current span in the handler and its
    children. A WebSocket's is that of its handshake; the session has its own (see
    `trace_websockets`). A disconnect of the client is not an error; a status of 500 or above is.
    """

    async def spanned(exchange: Exchange) -> None:
        method, target, version = exchange.start_line
        known = method if method in _METHODS else "_OTHER"
        path, _, _ = target.partition("?")
        attributes: dict[str, Any] = {
            "http.request.method": known,
            "url.path": path,
            "url.scheme": exchange.protocol,
            "client.address": exchange.remote_ip,
            "network.protocol.version": version.removeprefix("HTTP/"),
        }
        if known != method:
            attributes["http.request.method_original"] = method
        if (host := exchange.headers.get("Host")) is not None:
            attributes["server.address"] = host
        if (agent := exchange.headers.get("User-Agent")) is not None:
            attributes["user_agent.original"] = agent
        carrier = {name.lower(): value for name, value in exchange.headers.get_all()}
        span = _tracer().start_span(
            known, propagate.extract(carrier), SpanKind.SERVER, attributes=attributes
        )
        # Of this request's own context, which ends with it: nothing needs to be detached.
        context.attach(trace.set_span_in_context(span))
        _handshake.set((span, exchange, known))
        try:
            answer = app(exchange)
            if answer is None:
                await exchange.wait_finished()
            else:
                await answer
        except Exception as error:
            if span.is_recording():
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            if span.is_recording():  # else it was a handshake, and has ended
                _describe(span, exchange, known)
                span.end()

    return spanned


def _describe(span: Span, exchange: Exchange, method: str) -> None:
    route = exchange.route_pattern
    if route is not None:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    if exchange.request_id:
        span.set_attribute("tornado.request.id", exchange.request_id)
    status = exchange.status
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
    if exchange.cause is not None:
        span.set_attribute("tornado.request.cause", exchange.cause.value)


#: The span of the request that is served, which ends early if it becomes a websocket.
_handshake: ContextVar[tuple[Span, Exchange, str] | None] = ContextVar("handshake", default=None)

#: Codes by which a peer, or we, say that something went wrong (RFC 6455 7.4.1).
_ERROR_CODES = frozenset((1002, 1003, 1007, 1008, 1009, 1010, 1011))


def _session_began(
    ws: TracedSession, handshake: Context | None
) -> Callable[[BaseException | None], None]:
    """A span from here on, within that of the handshake (of a server's, which ends now).

    `handshake` is where the span of another's instrumentation is current, which has ended.
    """
    name, attributes = "websocket", {"network.protocol.name": "websocket"}
    if ws.subprotocol is not None:
        attributes["websocket.subprotocol"] = ws.subprotocol
    # A client's websocket, opened by a handler, does not concern the request being served.
    found = None if ws.client else _handshake.get()
    if found is not None:
        _handshake.set(None)
        span, exchange, method = found
        _describe(span, exchange, method)
        span.end()
        if exchange.route_pattern is not None:
            name = f"websocket {exchange.route_pattern}"
            attributes["http.route"] = exchange.route_pattern
    parent = None if handshake is None else handshake.run(context.get_current)
    session = _tracer().start_span(name, parent, SpanKind.INTERNAL, attributes=attributes)
    if not ws.client:
        context.attach(trace.set_span_in_context(session))  # of the request's own context

    def ended(error: BaseException | None) -> None:
        counts = ws.statistics()
        session.set_attribute("websocket.messages.received", counts.received)
        session.set_attribute("websocket.messages.sent", counts.sent)
        session.set_attribute("websocket.messages.dropped", counts.dropped)
        code = ws.close_code
        if code is not None:
            session.set_attribute("websocket.close.code", code)
        if isinstance(error, Exception):
            session.set_attribute("error.type", type(error).__qualname__)
        elif code in _ERROR_CODES:
            session.set_attribute("error.type", str(code))
        if isinstance(error, Exception) or code in _ERROR_CODES:
            session.set_status(Status(StatusCode.ERROR))
        session.end()

    return ended


def trace_websockets() -> None:
    """Make a span for each WebSocket of this process from now on, of servers and clients, those
    of Tornado's own API too: from the end of the handshake to the end of the connection, with
    counts of messages and the close code."""
    set_session_tracer(_session_began)


class ClientSpan:
    """The span of one request of a client; `traceparent` is added to what is sent.

    Args:
      method, url: of the request; user and query of the URL are left out.
      headers: the fields that are sent.
    """

    def __init__(self, method: str, url: str, headers: HTTPHeaders) -> None:
        parts = urlsplit(url)
        attributes: dict[str, Any] = {
            "http.request.method": method if method in _METHODS else "_OTHER",
            "url.full": parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl(),
            "server.address": parts.hostname or "",
        }
        if parts.port is not None:
            attributes["server.port"] = parts.port
        self._span = _tracer().start_span(method, kind=SpanKind.CLIENT, attributes=attributes)
        propagate.inject(headers, trace.set_span_in_context(self._span))

    def answered(self, status: int) -> None:
        """The head of the response has arrived."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 400:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def failed(self, error: BaseException) -> None:
        """There is no response: an error, or a cancellation."""
        self._span.set_attribute("error.type", type(error).__qualname__)
        self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._span.end()


def trace_client() -> None:
    """Make a span for each request of this process's HTTP clients from now on."""
    set_tracer(ClientSpan)
