"""`tornado.routing`: Tornado's routing classes over the native ones.

Rules, matchers and the search are native (`tornado_trio.web`). Here routers become
`HTTPServerConnectionDelegate`s, and targets may be such delegates or plain callables.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from tornado import httputil
from tornado._impl.http.delegates import call_with_form
from tornado._impl.names import handing_on
from tornado.log import app_log

from tornado_trio.web import rules
from tornado_trio.web.matchers import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    Matcher,
    PathMatches,
)
from tornado_trio.web.matchers import unquote_or_none as _unquote_or_none  # noqa: F401
from tornado_trio.web.rules import Rule, URLSpec

__all__ = [
    "AnyMatches",
    "DefaultHostMatches",
    "HostMatches",
    "Matcher",
    "PathMatches",
    "ReversibleRouter",
    "ReversibleRuleRouter",
    "Router",
    "Rule",
    "RuleRouter",
    "URLSpec",
]

_RuleList = list[Rule | list[Any] | tuple[Any, ...]]


class Router(rules.Router, httputil.HTTPServerConnectionDelegate):
    """Abstract router: maps a request to the delegate that answers it."""

    def find_handler(  # type: ignore[override]  # requests are Tornado's here
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate | None:
        """The `HTTPMessageDelegate` for a request, or None. Must be implemented."""
        raise NotImplementedError()

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        return _RoutingDelegate(self, server_conn, request_conn)


class ReversibleRouter(rules.ReversibleRouter, Router):
    """Abstract router whose named routes can be turned back into URLs."""


class _RoutingDelegate(httputil.HTTPMessageDelegate):
    """Finds the delegate of a request once its head is there, then passes all on to it."""

    def __init__(
        self, router: Router, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> None:
        self.router = router
        self.server_conn = server_conn
        self.request_conn = request_conn
        self.delegate: httputil.HTTPMessageDelegate | None = None

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        request = httputil.HTTPServerRequest(
            connection=self.request_conn,
            server_connection=self.server_conn,
            start_line=cast("httputil.RequestStartLine", start_line),
            headers=headers,
        )
        found = self.router.find_handler(request)
        if found is None:
            app_log.debug("No route for %s %s", request.method, request.path)
            found = _DefaultMessageDelegate(self.request_conn)
        # From here on the other's methods are ours: nothing is left to decide.
        self.delegate = found
        self.data_received = found.data_received  # type: ignore[method-assign]
        self.finish = found.finish  # type: ignore[method-assign]
        self.on_connection_close = found.on_connection_close  # type: ignore[method-assign]
        return found.headers_received(start_line, headers)


class _DefaultMessageDelegate(httputil.HTTPMessageDelegate):
    """404 for what no router knows."""

    def __init__(self, connection: httputil.HTTPConnection) -> None:
        self.connection = connection

    def finish(self) -> None:
        self.connection.write_headers(
            httputil.ResponseStartLine("HTTP/1.1", 404, "Not Found"),
            httputil.HTTPHeaders({"Content-Length": "0"}),
        )
        self.connection.finish()


class _CallsFunction(httputil.HTTPMessageDelegate):
    """Calls a function with the request once its body is there."""

    def __init__(
        self,
        request_callback: Callable[[httputil.HTTPServerRequest], Any],
        request: httputil.HTTPServerRequest,
    ) -> None:
        self.request_callback = request_callback
        self.request = request
        self._chunks: list[bytes] = []

    def headers_received(self, start_line: Any, headers: Any) -> None:
        return None

    def data_received(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def finish(self) -> None:
        self.request.body = b"".join(self._chunks)
        call_with_form(self.request, self.request_callback)

    def on_connection_close(self) -> None:
        self._chunks = []


class RuleRouter(rules.RuleRouter, Router):
    """Router over an ordered list of rules.

    A target may be another router, an `HTTPServerConnectionDelegate`, or a function that
    takes the request.
    """

    def get_target_delegate(  # type: ignore[override]  # requests are Tornado's here
        self, target: Any, request: httputil.HTTPServerRequest, **target_params: Any
    ) -> httputil.HTTPMessageDelegate | None:
        """The delegate for a rule's target; extend it for other kinds of targets."""
        if isinstance(target, rules.Router):
            found: httputil.HTTPMessageDelegate | None
            found = target.find_handler(request, **target_params)
            return found
        if isinstance(target, httputil.HTTPServerConnectionDelegate):
            assert request.connection is not None
            return target.start_request(request.server_connection, request.connection)
        if callable(target):
            assert request.connection is not None
            callback = functools.partial(target, **target_params) if target_params else target
            return _CallsFunction(callback, request)
        return None


class ReversibleRuleRouter(rules.ReversibleRuleRouter, ReversibleRouter, RuleRouter):
    """Rule router whose named rules, nested ones included, can be reversed."""


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.routing")
