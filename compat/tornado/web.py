"""`tornado.web`: Tornado's web framework, over the native one.

Everything that happens in a request is native (`tornado_trio.web`). What is added here is
Tornado's surroundings: output methods return Futures, applications are message delegates
and can listen, and `asyncio.CancelledError` of something awaited is an error like others.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import tornado
from tornado import httputil
from tornado._impl.generation import before
from tornado._impl.http.delegates import HandlerDelegate as _HandlerDelegate
from tornado._impl.http.delegates import drive_delegate
from tornado._impl.http.handler_names import ApplicationNames, HandlerNames, give_way
from tornado._impl.legacy.web import (
    asynchronous,
    call_when_flushed,
    error_html,
    guarded_callback,
)
from tornado._impl.loop.tasks import run_task
from tornado._impl.names import handing_on, listing, shown_in
from tornado.concurrent import Future, future_set_result_unless_cancelled
from tornado.iostream import StreamClosedError
from tornado.log import access_log as access_log  # programs patch them here, as in upstream's
from tornado.log import app_log as app_log
from tornado.log import gen_log as gen_log
from tornado.routing import ReversibleRouter, ReversibleRuleRouter, Rule, URLSpec

from tornado_trio import errors
from tornado_trio._util.late import class_later, later
from tornado_trio.escape import json_encode
from tornado_trio.exchange import CHECKPOINT, READY, Pending
from tornado_trio.web import application as _application
from tornado_trio.web import arguments as _arguments
from tornado_trio.web import handler as _handler
from tornado_trio.web import output as _output
from tornado_trio.web.errors import Finish, HTTPError, MissingArgumentError
from tornado_trio.web.ui import Linkify as _linkify
from tornado_trio.web.ui import ModuleNamespace as _UIModuleNamespace
from tornado_trio.web.ui import TemplateModule, UIModule
from tornado_trio.web.ui import XSRFFormHTML as _xsrf_form_html

if TYPE_CHECKING:
    import trio
    from tornado._impl.stock import (
        ErrorHandler,
        FallbackHandler,
        RedirectHandler,
        StaticFileHandler,
    )
    from tornado.httpserver import HTTPServer

    from tornado_trio.web import calls
    from tornado_trio.web.decorators import (
        addslash,
        authenticated,
        removeslash,
        stream_request_body,
    )
    from tornado_trio.web.rendering import is_absolute
    from tornado_trio.web.transforms import GZipContentEncoding, OutputTransform
    from tornado_trio.wire.signing import (
        DEFAULT_SIGNED_VALUE_MIN_VERSION,
        DEFAULT_SIGNED_VALUE_VERSION,
        MAX_SUPPORTED_SIGNED_VALUE_VERSION,
        MIN_SUPPORTED_SIGNED_VALUE_VERSION,
        create_signed_value,
        decode_signed_value,
        get_signature_key_version,
    )
    from tornado_trio.wire.signing import create_signature_v1 as _create_signature_v1
    from tornado_trio.wire.signing import create_signature_v2 as _create_signature_v2
else:
    calls = later("tornado_trio.web.calls", globals())
    trio = later("trio", globals())

__all__ = [
    "DEFAULT_SIGNED_VALUE_MIN_VERSION",
    "DEFAULT_SIGNED_VALUE_VERSION",
    "MAX_SUPPORTED_SIGNED_VALUE_VERSION",
    "MIN_SUPPORTED_SIGNED_VALUE_VERSION",
    "Application",
    "ErrorHandler",
    "FallbackHandler",
    "Finish",
    "GZipContentEncoding",
    "HTTPError",
    "MissingArgumentError",
    "OutputTransform",
    "RedirectHandler",
    "RequestHandler",
    "StaticFileHandler",
    "TemplateModule",
    "UIModule",
    "URLSpec",
    "_create_signature_v1",
    "_create_signature_v2",
    "_linkify",
    "_xsrf_form_html",
    "_UIModuleNamespace",
    "addslash",
    "asynchronous",
    "authenticated",
    "create_signed_value",
    "decode_signed_value",
    "get_signature_key_version",
    "is_absolute",
    "removeslash",
    "stream_request_body",
    "url",
]

url = URLSpec
_ARG_DEFAULT = _arguments.REQUIRED


def _has_stream_request_body(cls: type[RequestHandler]) -> bool:
    return cls._stream_request_body


class RequestHandler(HandlerNames, _handler.RequestHandler):
    """Base class of all handlers: see `tornado_trio.web.RequestHandler`.

    `flush`, `finish` and `render` return Futures. The methods of requests may be plain,
    `async def`, `@gen.coroutine`, or return any awaitable.
    """

    request: httputil.HTTPServerRequest
    application: Application
    _server_name = f"TornadoServer/{tornado.version}"
    _runs_on = "tornado"
    _answers_by_itself = False
    _write_result = None
    _log_disconnects = True
    _answered_exceptions = (Exception, asyncio.CancelledError)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        give_way(cls)

    def flush(
        self, include_footers: bool = False, callback: Callable[[], Any] | None = None
    ) -> Future:
        """Send what was written so far; the Future is done when it is on its way."""
        awaitable = _output.flush(self, include_footers)
        if awaitable is READY:
            future = _completed()
        else:
            future = _as_future(awaitable)
        if callback is not None:
            call_when_flushed(future, callback)
        return future

    async def _execute(
        self, transforms: Sequence[OutputTransform], *args: Any, **kwargs: Any
    ) -> None:
        # Tools that wrap it ask whether it is a coroutine function.
        await super()._execute(transforms, *args, **kwargs)

    def _encode_dict(self, value: dict[str, Any]) -> bytes:
        return json_encode(value).encode()  # whatever settings a program has

    def _too_late(self, method: str) -> bool:
        # As Tornado, which says nothing; but who debugs wants to know.
        if self.application.settings.get("debug"):
            super()._too_late(method)
        return False

    def _give_up(self) -> None:
        # A connection of another make need not know how.
        if hasattr(self.request.connection, "abort"):
            super()._give_up()

    if before(5):

        def set_status(self, status_code: int, reason: str | None = None) -> None:
            """Set the status; an unknown one needs a reason."""
            from tornado._impl.legacy.handlers import check_known_status

            check_known_status(status_code, reason)
            super().set_status(status_code, reason)

        def _length_is_wrong(self) -> None:
            self.request.connection.close()  # its tests want no answer at all

    if before(6):

        def _clear_representation_headers(self) -> None:
            self._clear_headers_for_304()

        def _clear_headers_for_304(self) -> None:
            """The name under which programs override it."""
            super()._clear_representation_headers()
            for name in ("Allow", "Last-Modified"):
                self.clear_header(name)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Override for error pages of your own; `get_error_html` of Tornado 2 works too."""
        if hasattr(self, "get_error_html"):
            self.finish(error_html(self.get_error_html, status_code, kwargs))
        else:
            super().write_error(status_code, **kwargs)

    def async_callback(self, callback: Any, *args: Any, **kwargs: Any) -> Any:
        """`callback` so that its errors are this request's; of Tornado 2 and 3."""
        return guarded_callback(self, callback, args, kwargs)

    def redirect(self, url: str, permanent: bool = False, status: int | None = None) -> None:
        """Send a redirect to a (possibly relative) URL."""
        super().redirect(url, permanent, status)

    def clear_cookie(
        self, name: str, path: str = "/", domain: str | None = None, **kwargs: Any
    ) -> None:
        """Tell the client to forget a cookie that was set with this path and domain."""
        super().clear_cookie(name, path=path, domain=domain, **kwargs)

    def clear_all_cookies(self, path: str = "/", domain: str | None = None, **kwargs: Any) -> None:
        """`clear_cookie` for each cookie of the request."""
        super().clear_all_cookies(path=path, domain=domain, **kwargs)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Send an error response instead of what was written."""
        super().send_error(status_code, **kwargs)

    def _handle_exception_guarded(self, exc: BaseException) -> None:
        if isinstance(exc, trio.Cancelled):
            raise exc  # no error, though a CancelledError too: the canceller answers
        if isinstance(exc, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # Not something the handler awaited: the handler itself was cancelled. The
                # client still gets an answer, and the cancellation propagates.
                if not self._finished:
                    self.send_error(500)
                raise exc
        super()._handle_exception_guarded(exc)

    @property
    def _takes_chunks(self) -> bool:
        # A class that implements neither data_received nor the method waits for the body to
        # fail on it, as Tornado's do.
        unimplemented = _handler.RequestHandler._unimplemented_method
        method = getattr(type(self), self.request.method.lower(), None)
        return super()._takes_chunks or method is unimplemented

    def _body_chunks(self) -> AsyncIterator[bytes]:
        pushed: AsyncIterator[bytes] | None = getattr(self.request, "_pushed_body", None)
        return super()._body_chunks() if pushed is None else pushed


def _as_future(awaitable: Awaitable[None]) -> Future[None]:
    """A Future of an output method's result; a failure that is not retrieved is not logged."""
    if hasattr(awaitable, "add_done_callback"):
        return cast("Future[None]", awaitable)
    if type(awaitable) is Pending:
        future: Future[None] = run_task(_tornados_error(awaitable))
        future.add_done_callback(_forgive)
        return future
    future = Future()
    if awaitable is CHECKPOINT:
        future.get_loop().call_soon(future_set_result_unless_cancelled, future, None)
        return future
    try:
        # Nothing to wait for: one step tells whether it failed.
        awaitable.__await__().send(None)
    except StopIteration:
        future.set_result(None)
    except errors.StreamClosedError as exc:
        future.set_exception(StreamClosedError(real_error=exc))
        future.exception()
    except Exception as exc:
        future.set_exception(exc)
        future.exception()
    return future


_running_loop = asyncio._get_running_loop
_last_completed: Future[None] | None = None


def _completed() -> Future:
    """A Future that is done. One serves all of a loop: making one costs 1.2 us."""
    global _last_completed
    loop = _running_loop()
    future = _last_completed
    if future is None or loop is None or future.get_loop() is not loop:
        future = Future()
        future.set_result(None)
        if loop is not None:
            _last_completed = future
    return future


async def _tornados_error(awaitable: Awaitable[None]) -> None:
    """Wait, and raise the error that Tornado's programs know if the client leaves."""
    try:
        await awaitable
    except StreamClosedError:
        raise
    except errors.StreamClosedError as exc:
        raise StreamClosedError(real_error=exc) from exc


def _forgive(future: Future) -> None:
    if not future.cancelled():
        future.exception()


class _ApplicationRouter(_application.ApplicationRouter, ReversibleRuleRouter):
    """The router of an application: handler classes are targets, lists nest."""

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        target = rule.target
        known = callable(target) or isinstance(target, httputil.HTTPServerConnectionDelegate)
        if not known and type(self).get_target_delegate is _ApplicationRouter.get_target_delegate:
            app_log.warning(
                "%r never answers: its target is neither a handler class nor a list of rules, a "
                "router or a function", rule
            )  # fmt: skip
        return rule

    def get_target_delegate(  # type: ignore[override]  # requests are Tornado's here
        self, target: Any, request: httputil.HTTPServerRequest, **target_params: Any
    ) -> httputil.HTTPMessageDelegate | None:
        if isinstance(target, type) and issubclass(target, _handler.RequestHandler):
            delegate: httputil.HTTPMessageDelegate
            delegate = self.application.get_handler_delegate(request, target, **target_params)
            return delegate
        return ReversibleRuleRouter.get_target_delegate(self, target, request, **target_params)


def _error_answers(settings: dict[str, Any]) -> Any:
    """The setting `errors`, if it is what `tornado_trio.web.Application` means by it."""
    answers = settings.get("errors")
    if isinstance(answers, dict) and answers:
        if all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in answers):
            return answers
    return None


def _middleware(settings: dict[str, Any]) -> Sequence[calls.Middleware]:
    """The setting `middleware`, if it is native middleware: `async def f(call, next)`, each."""
    given = settings.get("middleware")
    if not isinstance(given, (list, tuple)) or not all(map(callable, given)):
        return ()
    try:
        names = [list(inspect.signature(each).parameters) for each in given]
    except (TypeError, ValueError):
        return ()
    return given if all(each == ["call", "next"] for each in names) else ()


class Application(ApplicationNames, _application.Application, ReversibleRouter):
    """A collection of handlers that make up a web application.

    See `tornado_trio.web.Application`. Instances can be given to `HTTPServer`, called with a
    request, and listen on their own.
    """

    _router_class = _ApplicationRouter
    _delegate_class = _HandlerDelegate
    _request_class = httputil.HTTPServerRequest
    _static_handler_class = class_later("tornado.web", "StaticFileHandler")
    _checks_settings = False
    _error_handler_class = class_later("tornado.web", "ErrorHandler")
    _native_refusal = (
        "a tornado.web.Application needs Tornado's loop: app.listen(port), or HTTPServer(app); "
        "natively, use tornado_trio.web.Application"
    )

    def __init__(
        self,
        handlers: Any = None,
        default_host: str | None = None,
        transforms: list[type[OutputTransform]] | None = None,
        **settings: Any,
    ) -> None:
        # To a program of Tornado's the name is any other setting.
        others = {
            name: value for name, value in settings.items() if name not in ("errors", "middleware")
        }
        super().__init__(
            handlers,
            default_host,
            transforms,
            errors=_error_answers(settings),
            middleware=_middleware(settings),
            **others,
        )
        for name in ("errors", "middleware"):
            if name in settings:
                self.settings[name] = settings[name]
        if self.settings.get("autoreload"):
            from tornado import autoreload

            autoreload.start()

    def listen(
        self,
        port: int,
        address: str | None = None,
        *,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = 128,
        flags: int | None = None,
        reuse_port: bool = False,
        **kwargs: Any,
    ) -> HTTPServer:
        """Start an `HTTPServer` for this application; `kwargs` are its options."""
        from tornado.httpserver import HTTPServer

        server = HTTPServer(self, **kwargs)
        server.listen(
            port,
            address=address,
            family=family,
            backlog=backlog,
            flags=flags,
            reuse_port=reuse_port,
        )
        return server

    def __call__(self, request: httputil.HTTPServerRequest) -> Any:  # type: ignore[override]
        """Answer a request whose body has been read already."""
        return self.find_handler(request).execute()

    def _native_app(self) -> Callable[[Any], Awaitable[None]] | None:
        """What a server may give exchanges to; None where delegates are overridden."""
        kind = type(self)
        if (
            kind.start_request is Application.start_request
            and kind.__call__ is Application.__call__
        ):
            return self.respond
        return None

    async def respond(self, exchange: Any) -> None:
        """Answer one exchange; used by compat's `HTTPServer`."""
        request = httputil.HTTPServerRequest.from_exchange(exchange)
        delegate = self.find_handler(request)
        if isinstance(delegate, _HandlerDelegate) or isinstance(delegate, calls.Surrounded):
            await delegate.respond(exchange)
            if not exchange.finished:
                # Finished elsewhere, later: a fallback, or _auto_finish = False.
                await exchange.wait_finished()
        else:
            await drive_delegate(delegate, exchange)


if before(4, 5):
    from tornado._impl.refused import refuse

    refuse("tornado.web", Application)
    refuse("tornado.web", RequestHandler)

shown_in("tornado.web", Finish, HTTPError, MissingArgumentError)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.web")
    __dir__ = listing("tornado.web")
