"""`Application`: a table of handlers with settings, and the entry point of a request.

Knows routing and handlers; is served by anything that produces an `Exchange`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from .._util.late import class_later
from .._util.mistakes import explain_asyncio, takes_one
from ..errors import PeerError, StreamClosedError
from ..exchange import log_access
from ..log import access_log, app_log
from . import policies, ui
from .failures import ErrorAnswers, answer_cause, check_answers
from .handler import RequestHandler
from .matchers import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    PathMatches,
    literal_prefix,
)
from .path_templates import check_parts
from .request import Request
from .rules import ReversibleRouter, ReversibleRuleRouter, Router, Rule, RuleLike
from .setting_names import check_settings

if TYPE_CHECKING:
    from ..exchange import Cause, Exchange, Lifespan
    from .calls import Middleware
    from .transforms import OutputTransform

__all__ = ["Application", "ApplicationRouter", "HandlerCall"]


class ApplicationRouter(ReversibleRuleRouter):
    """Routes to `RequestHandler` classes of an application; a list as target nests."""

    def __init__(self, application: Any, rules: Iterable[RuleLike] | None = None) -> None:
        self.application = application
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        if isinstance(rule.target, (list, tuple)):
            rule.target = type(self)(self.application, rule.target)
        elif type(self).get_target_delegate is ApplicationRouter.get_target_delegate:
            # A subclass may know other targets.
            mistake = _mistaken(rule.target)
            if mistake is not None:
                raise TypeError(f"the target of the rule {rule!r} {mistake}")
            check_parts(rule.matcher)
            if _never_matches(rule.matcher):
                app_log.warning("%r never matches: paths begin with '/'", rule)
        take_rule = getattr(rule.target, "_take_rule", None)
        if take_rule is not None:
            take_rule(rule, self.application.settings)
        if rule.middleware:
            from . import calls

            calls.put_around(self, rule, calls.check_middleware(rule.middleware, repr(rule)))
        return rule

    def get_target_delegate(self, target: Any, request: Request, **target_params: Any) -> Any:
        if isinstance(target, type) and issubclass(target, RequestHandler):
            if target_params:
                return self.application.get_handler_delegate(request, target, **target_params)
            return self.application.get_handler_delegate(request, target)
        return super().get_target_delegate(target, request, **target_params)


def _mistaken(target: Any) -> str | None:
    """Why an application cannot hand requests to `target`; None if it can."""
    if isinstance(target, Router):
        return None
    if isinstance(target, type):
        if not issubclass(target, RequestHandler):
            return "is a class, but no RequestHandler"
        if target._runs_on != "trio":
            return (
                "is a handler of tornado.web, the overlay, which needs Tornado's loop: put it into "
                "a tornado.web.Application, or make it a tornado_trio.web.RequestHandler"
            )
        return target._mistake()
    if isinstance(target, RequestHandler):
        return f"is a handler; name the class itself, {type(target).__name__}"
    if not callable(target):
        return (
            "is neither a RequestHandler class or its full name, nor a list of rules, a router "
            "or an async function over an exchange"
        )
    return None if takes_one(target) else "takes other arguments than one, the exchange"


def _never_matches(matcher: Any) -> bool:
    if not isinstance(matcher, PathMatches):
        return False
    text = literal_prefix(matcher.regex)[0]
    return text != "" and text[0] not in "/*"  # OPTIONS asks for "*"


class HandlerCall:
    """A request that was routed to a handler class: the responder of most routes."""

    __slots__ = (
        "application",
        "handler",
        "handler_class",
        "handler_kwargs",
        "path_args",
        "path_kwargs",
        "request",
    )

    def __init__(
        self,
        application: Any,
        request: Request,
        handler_class: type[RequestHandler],
        handler_kwargs: dict[str, Any] | None,
        path_args: list[Any] | None,
        path_kwargs: dict[str, Any] | None,
    ) -> None:
        self.application = application
        self.request = request
        self.handler_class = handler_class
        self.handler_kwargs = handler_kwargs or {}
        self.path_args = path_args or ()
        self.path_kwargs = path_kwargs or {}
        self.handler: RequestHandler | None = None

    @property
    def stream_request_body(self) -> bool:
        return self.handler_class._stream_request_body

    def respond(self, exchange: Exchange) -> Awaitable[None]:
        """Read the body unless the handler streams it, then run the handler.

        To be awaited at once. Not a coroutine where the body is there: it would cost each request
        1 k instructions, and each websocket 0.3 KB.
        """
        request = self.request
        exchange.route = request._rule or self.handler_class
        if policies.sizes:
            policies.allow_body(self.handler_class, exchange, request.method)
        if not self.handler_class._stream_request_body:
            body = exchange.read_body_nowait()
            if body is None:
                return self._respond_later(exchange)
            request.body = body
        return self._run(exchange)

    async def _respond_later(self, exchange: Exchange) -> None:
        body = await self._read_body(exchange)
        if body is not None:
            self.request.body = body
            await self._run(exchange)

    def _run(self, exchange: Exchange) -> Awaitable[None]:
        handler, transforms = self.start()
        policies.apply(handler, exchange)
        args, kwargs = self.path_args, self.path_kwargs
        if args or kwargs:
            return handler._execute(transforms, *args, **kwargs)
        return handler._execute(transforms)

    async def _read_body(self, exchange: Exchange) -> bytes | None:
        """None: it could not be read, and the handler, which is not made yet, has said so."""
        try:
            return await exchange.read_body()
        except PeerError as exc:
            self._make_for_error()._handle_exception_guarded(exc)
            return None
        except StreamClosedError:
            raise  # there is no client left to answer
        except BaseException:
            exchange.set_error_responder(self._answer)
            raise

    def _answer(self, cause: Cause, status: int, error: BaseException | None) -> None:
        """The request was ended before its handler began."""
        if status:
            answer_cause(self._make_for_error(), cause, status, error)

    def _make_for_error(self) -> RequestHandler:
        handler, transforms = self.start()
        handler._transforms = transforms
        return handler

    def start(self) -> tuple[RequestHandler, list[OutputTransform]]:
        """Make the handler and its transforms."""
        app = self.application
        setting = app.settings.get
        if not (setting("compiled_template_cache", True) and setting("static_hash_cache", True)):
            app._forget_caches()
        request = self.request
        # Unpacking nothing costs 1 k instructions, here and where else it is avoided.
        kwargs = self.handler_kwargs
        made = (
            self.handler_class(app, request, **kwargs)
            if kwargs
            else self.handler_class(app, request)
        )
        handler = self.handler = made
        transforms = [make(request) for make in app.transforms] if app.transforms else []
        return handler, transforms


class Application(ReversibleRouter):
    """The handlers that make up a web application.

    `handlers` are rules, or tuples `(matcher, target, target_kwargs, name)`; a matcher given
    as text is a regular expression for the path; a target is a `RequestHandler` class or its
    full name, a list of rules, another router, or an async function over an exchange. The
    first rule that matches answers. Settings are Tornado's.

    `errors` maps exception classes to how they are answered: a status, a handler class whose
    `write_error` makes the page, or a plain function `(handler, exception)`. The most specific
    class of an exception applies.

    ```python
    Application(rules, errors={LookupError: 404, Overloaded: say_when_to_try_again})
    ```

    `middleware` runs around everything that the application answers, errors included, the first of
    the list outermost; see `calls`, and `middleware` for the ready-made ones.

    An application is itself an async callable over an exchange.
    """

    # What a different face of the same application (compat's) replaces.
    _router_class: ClassVar[type[ApplicationRouter]] = ApplicationRouter
    _delegate_class: ClassVar[type[Any]] = HandlerCall
    _request_class: ClassVar[type[Any]] = Request
    _static_handler_class: ClassVar[type[Any]] = class_later(
        "tornado_trio.web.static", "StaticFileHandler"
    )
    _error_handler_class: ClassVar[type[Any]] = class_later(
        "tornado_trio.web.stock", "ErrorHandler"
    )

    # Programs of Tornado's may have settings of any name and type.
    _checks_settings: ClassVar[bool] = True

    def __init__(
        self,
        handlers: Iterable[RuleLike] | None = None,
        default_host: str | None = None,
        transforms: Iterable[type[OutputTransform]] | None = None,
        *,
        errors: ErrorAnswers | None = None,
        middleware: Sequence[Middleware] = (),
        **settings: Any,
    ) -> None:
        self._error_answers = check_answers(errors or {})
        self.transforms: list[type[OutputTransform]] = []
        if transforms is not None:
            self.transforms = list(transforms)
        elif settings.get("compress_response") or settings.get("gzip"):
            from .transforms import GZipContentEncoding

            self.transforms.append(GZipContentEncoding)
        if self._checks_settings:
            check_settings(settings)
        self.default_host: Any = default_host
        self.settings = settings
        if settings.get("debug"):
            settings.setdefault("autoreload", True)
            settings.setdefault("compiled_template_cache", False)
            settings.setdefault("static_hash_cache", False)
            settings.setdefault("serve_traceback", True)
        self.ui_modules: dict[str, Any] = {
            "linkify": ui.Linkify,
            "xsrf_form_html": ui.XSRFFormHTML,
            "Template": ui.TemplateModule,
        }
        self.ui_methods: dict[str, Any] = {}
        ui.collect_modules(self.ui_modules, settings.get("ui_modules"))
        ui.collect_methods(self.ui_methods, settings.get("ui_methods"))
        rules = [*self._static_rules(), *(handlers or ())]
        self.wildcard_router = self._router_class(self, rules)
        self._only_rules = [Rule(AnyMatches(), self.wildcard_router)]
        self.default_router = self._router_class(self, self._only_rules)
        if middleware:
            self._surround(middleware)

    def _surround(self, middleware: Sequence[Middleware]) -> None:
        # In the place of the method: an application without middleware pays nothing.
        from . import calls

        given = calls.check_middleware(middleware, "Application(middleware=...)")
        router = calls.SurroundedRouter(self.find_handler, given, self._recover)
        self.find_handler = router.find_handler  # type: ignore[method-assign]

    def _static_rules(self) -> list[RuleLike]:
        """Routes of the `static_path` setting, before all others."""
        settings = self.settings
        path = settings.get("static_path")
        if not path:
            return []
        prefix = settings.get("static_url_prefix", "/static/")
        handler = settings.get("static_handler_class", self._static_handler_class)
        kwargs = settings.get("static_handler_args", {})
        kwargs["path"] = path
        return [
            (pattern, handler, kwargs)
            for pattern in (r"/(robots\.txt)", r"/(favicon\.ico)", re.escape(prefix) + r"(.*)")
        ]

    # --- routing ---------------------------------------------------------------------------

    def add_handlers(self, host_pattern: str, host_handlers: Iterable[RuleLike]) -> None:
        """Add handlers for hosts that match a regular expression.

        Hosts are tried in the order in which they were added, and before the handlers
        given to the constructor.
        """
        host_handlers = list(host_handlers)
        matcher = HostMatches(host_pattern)
        rule = Rule(matcher, self._router_class(self, host_handlers))
        self.default_router.rules.insert(-1, rule)
        if self.default_host is not None:
            self.wildcard_router.add_rules(
                [(DefaultHostMatches(self, matcher.host_pattern), host_handlers)]
            )

    def lifespans(self) -> list[Lifespan]:
        """Those of the applications mounted in it; the server runs them."""
        return self.default_router.lifespans()

    def add_transform(self, transform_class: type[OutputTransform]) -> None:
        """Have each response pass through an instance of `transform_class` as well."""
        self.transforms.append(transform_class)

    def find_handler(self, request: Request, **kwargs: Any) -> Any:
        # Without host rules the way through the outer router is always the same: 1 us.
        router = self.default_router
        if router.rules == self._only_rules:
            router = self.wildcard_router
        responder = router.find_handler(request)
        if responder is not None:
            return responder
        request._rule = None
        if request.path == "*":
            # OPTIONS of the server as a whole, which is there (RFC 9110 9.3.7).
            return self.get_handler_delegate(
                request, self._error_handler_class, {"status_code": 204}
            )
        settings = self.settings
        default = settings.get("default_handler_class")
        if default:
            return self.get_handler_delegate(
                request, default, settings.get("default_handler_args", {})
            )
        return self.get_handler_delegate(request, self._error_handler_class, {"status_code": 404})

    def get_handler_delegate(
        self,
        request: Request,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[Any] | None = None,
        path_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """What answers `request` with a handler of this application."""
        return self._delegate_class(
            self, request, target_class, target_kwargs, path_args, path_kwargs
        )

    def reverse_url(self, name: str, *args: Any) -> str:
        """The URL path of a named route. Raises KeyError if there is none."""
        url = self.default_router.reverse_url(name, *args)
        if url is None:
            raise KeyError(f"{name} not found in named urls")
        return url

    # --- serving ---------------------------------------------------------------------------

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        return self.respond(exchange)

    async def respond(self, exchange: Exchange) -> None:
        """Answer one exchange. Errors are answered with an error page of the application.

        Raises `PeerError` for a request without a usable Host, to be answered by the server.
        Cancellation: the handler is cancelled; see `RequestHandler`.
        """
        request = self._request_class.from_exchange(exchange)
        try:
            await self.find_handler(request).respond(exchange)
        except Exception as exc:
            if not self._recover(request, exc):
                raise
        except BaseException:
            # Ignored by the exchange where a handler was faster.
            exchange.set_error_responder(partial(self._answer, request))
            raise

    def _recover(self, request: Request, exc: Exception) -> bool:
        """Answer what came out of a router, a function, a handler's constructor, if it can be."""
        exchange: Any = request.connection
        left = exchange.gone is not None and isinstance(exc, StreamClosedError)
        if exchange.finished or exchange.status or left:
            return False
        explain_asyncio(exc, "the handler")
        self._error_handler(request)._handle_exception_guarded(exc)
        return True

    def _error_handler(self, request: Request) -> RequestHandler:
        handler: RequestHandler = self._error_handler_class(self, request, status_code=500)
        handler._transforms = [make(request) for make in self.transforms]
        return handler

    def _answer(
        self, request: Request, cause: Cause, status: int, error: BaseException | None
    ) -> None:
        """The request was ended, and it had no handler."""
        if status:
            answer_cause(self._error_handler(request), cause, status, error)

    def _forget_caches(self) -> None:
        """In debug mode templates and static files may change between requests."""
        if not self.settings.get("compiled_template_cache", True):
            for loader in list(RequestHandler._template_loaders.values()):
                loader.reset()
        if not self.settings.get("static_hash_cache", True):
            self._static_handler_class.reset()

    def log_request(self, handler: RequestHandler) -> None:
        """One line per request; the `log_function` setting replaces it."""
        log_function = self.settings.get("log_function")
        if log_function is not None:
            log_function(handler)
            return
        status = handler._status_code
        if status >= 400 or access_log.isEnabledFor(logging.INFO):
            log_access(status, handler._request_summary(), handler.request.request_time())
