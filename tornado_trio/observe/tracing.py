"""OpenTelemetry spans: one for each request served, one for each request of the HTTP client.

Knows the API of OpenTelemetry (extra `otel`), W3C trace context by way of its propagators, and
its semantic conventions for HTTP (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
Without an SDK that the program has set up, spans are no-ops: what this costs is not worth it then.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ..client.tracing import set_tracer
from ..exchange import App, Exchange
from ..wire.headers import HTTPHeaders

__all__ = ["ClientSpan", "trace_client", "traced"]

_METHODS = frozenset("GET HEAD POST PUT DELETE PATCH OPTIONS CONNECT TRACE QUERY".split())


def _tracer() -> trace.Tracer:
    return trace.get_tracer("tornado_trio")


def traced(app: App) -> Callable[[Exchange], Coroutine[Any, Any, None]]:
    """`app` with a span around each request.

    The span's parent is what `traceparent` says; it is the current one in the handler and its
    children. A websocket's is that of its handshake, which ends when the handler hands over to the
    conversation. A client that leaves is no error; a status from 500 on is.
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
        try:
            answer = app(exchange)
            if answer is None:
                await exchange.wait_finished()
            else:
                await answer
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
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


class ClientSpan:
    """The span of one request of a client; `traceparent` is added to what is sent.

    Args:
      method, url: of the request; of the URL neither user nor query is told.
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
        """The head of the response has come."""
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
    """Have all HTTP clients of this process make spans from now on."""
    set_tracer(ClientSpan)
