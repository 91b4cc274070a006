"""`RequestHandler`: the public face of one request being answered.

A list of thin methods; what they do lives in the modules beside this one, by concern:
`lifecycle` (order of events, errors), `output` (head, body, finish), `arguments`,
`cookies`, `security`, `rendering`, `localization`.

The names with an underscore that Tornado's ecosystem reads (`_headers`, `_status_code`,
`_reason`, `_finished`, `_auto_finish`, `_transforms`, `_execute`, `_log`,
`_headers_written`, `_write_buffer`, `_request_summary`, ...) mean the same here.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar

from .. import __version__
from .._util.fairness import Budget
from .._util.late import later
from .._util.object_dict import ObjectDict
from .._util.percent import quote_non_ascii
from .._util.troubles import Trouble
from ..escape import json_encode, utf8
from ..exchange import READY
from ..wire.conditional import compute_etag, none_match
from ..wire.headers import check_outgoing_name
from . import failures, lifecycle, output
from .answers import AnswerMethods
from .arguments import ArgumentMethods
from .cookies import CookieMethods
from .errors import HTTPError
from .output import default_headers, finish, flush
from .ui import UIModule, names_for

if TYPE_CHECKING:
    from http.cookies import SimpleCookie

    import trio

    from ..exchange import Cause, DisconnectPolicy
    from ..template import BaseLoader
    from ..wire.headers import HTTPHeaders
    from . import localization, rendering, security
    from .application import Application
    from .request import Request
    from .rules import Rule
    from .transforms import OutputTransform
else:
    localization = later("tornado_trio.web.localization", globals())
    rendering = later("tornado_trio.web.rendering", globals())
    security = later("tornado_trio.web.security", globals())

__all__ = ["RequestHandler"]


class RequestHandler(AnswerMethods, ArgumentMethods, CookieMethods):
    """Base of the handlers of an application. One instance answers one request.

    Override one or more of `get`, `head`, `post`, `delete`, `patch`, `put`, `options`,
    usually as `async def`. `write`, `flush`, `finish`, `render` and `redirect` act at once
    and return something that may be awaited.

    Backpressure: awaiting what an output method returned waits for the transport.
    Cancellation: a handler is cancelled as trio code is; `on_finish` runs all the same.
    """

    SUPPORTED_METHODS: tuple[str, ...] = (
        "GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS"
    )  # fmt: skip

    # What becomes of a request whose client has gone, and when it is answered with 503;
    # None leaves both to the application's settings of these names.
    on_disconnect: DisconnectPolicy | str | None = None
    request_timeout: float | None = None

    _template_loaders: ClassVar[dict[str, BaseLoader]] = {}
    _template_loader_lock = threading.Lock()  # of these; programs take it, too
    _stream_request_body = False
    _server_name = f"tornado_trio/{__version__}"
    _write_result: Any = READY
    # Whether redirects percent-encode what is not ASCII.
    _ascii_location = True
    # Whether a client that leaves during a write is worth an error in the log.
    _log_disconnects = False
    # Which applications route to it: natively, those on trio ("tornado": the overlay's).
    _runs_on = "trio"
    # HEAD by `get`, OPTIONS by what there is. (Tornado's handlers answer them 405.)
    _answers_by_itself = True

    # `async def current_user` of a subclass.
    _find_user: Callable[[], Awaitable[Any]] | None = None

    # What leaves a hook as one of these becomes an error response; the rest is cancellation.
    _answered_exceptions: tuple[type[BaseException], ...] = (Exception,)

    # State of one request; class attributes, so that making a handler costs nothing for them.
    _headers_written = False
    _finished = False
    _auto_finish = True
    _close_callback_set = False
    _cause: Cause | None = None
    _close_notified = False
    _told_too_late = False
    _flushes: Budget | None = None
    _transforms: Sequence[OutputTransform] = ()
    _ui: ObjectDict | None = None
    # Not there until they are needed: libraries ask `hasattr`, and delete them.
    _new_cookie: SimpleCookie
    _active_modules: dict[str, UIModule]
    _xsrf_token: bytes
    _raw_xsrf_token: tuple[int | None, bytes, float]
    _current_user: Any
    _locale: Any
    _headers: HTTPHeaders
    _write_buffer: list[bytes]
    _status_code: int
    _reason: str
    path_args: list[Any] = []  # replaced per request, never changed
    path_kwargs: dict[str, Any] = {}

    def __init__(self, application: Application, request: Request, **kwargs: Any) -> None:
        self.application = application
        self.request = request
        self.clear()
        # A callback that does nothing is not worth the reference cycle it makes.
        if type(self).on_connection_close is not RequestHandler.on_connection_close:
            connection = request.connection
            if connection is not None:
                self._close_callback_set = True
                connection.set_close_callback(self._client_left)
        if kwargs:
            self.initialize(**kwargs)
        else:
            self.initialize()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "current_user" in cls.__dict__:
            security.take_user_method(cls)

    # --- hooks -----------------------------------------------------------------------

    @classmethod
    def _mistake(cls) -> str | None:
        """What the class lacks, if a rule cannot lead to it."""
        return None

    @classmethod
    def _take_rule(cls, rule: Rule, settings: dict[str, Any]) -> None:
        """A rule that leads to the class has been added to the table of an application."""

    def initialize(self) -> None:
        """Override to take the arguments of the handler's rule."""

    def _unimplemented_method(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.path == "*":
            raise HTTPError(204)  # OPTIONS of the server: a rule for any path took it
        if self._answers_by_itself and (answer := failures.own_answer(self)) is not None:
            return answer(*args, **kwargs)
        raise HTTPError(405)

    head: Callable[..., Any] = _unimplemented_method
    get: Callable[..., Any] = _unimplemented_method
    post: Callable[..., Any] = _unimplemented_method
    delete: Callable[..., Any] = _unimplemented_method
    patch: Callable[..., Any] = _unimplemented_method
    put: Callable[..., Any] = _unimplemented_method
    options: Callable[..., Any] = _unimplemented_method

    def prepare(self) -> Awaitable[None] | None:
        """Runs before the method; may be `async def`, may finish the request."""
        return None

    def on_finish(self) -> None:
        """Runs after the response, and also when the request was cancelled."""

    def on_connection_close(self) -> None:
        """Runs when the client goes away while the request is being answered."""

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the body, for handlers with `@stream_request_body`.

        Where it is not overridden, the method reads the body: `form_parts`, or
        `self.request.connection.body()`.
        """
        raise NotImplementedError()

    def set_default_headers(self) -> None:
        """Override to set headers that error responses carry as well."""

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: Any
    ) -> None:
        """Override to log uncaught exceptions differently."""
        failures.log_exception(self, typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Override for error pages of your own.

        `kwargs["exc_info"]` is there when an exception caused the error, `kwargs["cause"]`
        (an `exchange.Cause`) when the server ended the request.
        """
        failures.write_error(self, status_code, kwargs)

    # --- life cycle --------------------------------------------------------------------

    def _execute(
        self, transforms: Sequence[OutputTransform], *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, None]:
        self._transforms = transforms
        return lifecycle.execute(self, args, kwargs)

    def _handle_request_exception(self, e: BaseException) -> None:
        failures.handle_exception(self, e)

    def _handle_exception_guarded(self, exc: BaseException) -> None:
        failures.handle_exception_guarded(self, exc)

    def _client_left(self) -> None:
        """Call `on_connection_close`, once, whichever caller comes first."""
        if not self._close_notified:
            self._close_notified = True
            self.on_connection_close()

    def _give_up(self) -> None:
        """The response cannot be completed, and that has been logged."""
        self.request.connection.abort()

    @property
    def _takes_chunks(self) -> bool:
        """Is the body for `data_received`, not for the method to read?"""
        return type(self).data_received is not RequestHandler.data_received

    def _body_chunks(self) -> AsyncIterator[bytes]:
        body: AsyncIterator[bytes] = self.request.connection.body()
        return body

    def _length_is_wrong(self) -> None:
        """The whole body is not as long as it says; raised next, and answered with 500."""

    def _log(self) -> None:
        """Log the request; normally through the application."""
        self.application.log_request(self)

    def _clear_representation_headers(self) -> None:
        """Drop the fields a response without a body must not have (programs override it)."""
        output.clear_representation_headers(self._headers)

    def _request_summary(self) -> str:
        request = self.request
        return f"{request.method} {request.uri} ({request.remote_ip})"

    @property
    def nursery(self) -> trio.Nursery:
        """Children end with the request; a child's error is the request's error."""
        nursery: trio.Nursery = self.request.connection.nursery
        return nursery

    # --- status and headers -------------------------------------------------------------

    def clear(self) -> None:
        """Forget all headers and content of this response."""
        self._headers = default_headers(self._server_name)
        self.set_default_headers()
        self._write_buffer = []
        self._status_code = 200
        self._reason = "OK"

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        """Set the status; a reason that may not be sent becomes "Unknown".

        TypeError for a status that is no int.
        """
        if not isinstance(status_code, int):
            raise TypeError(f"a status is an int, not {status_code!r}")
        if self._headers_written and status_code != self._status_code:
            if self._too_late("set_status"):
                return  # the log line is to say what was sent
        self._status_code = status_code
        self._reason = output.reason_phrase(status_code, reason)

    def get_status(self) -> int:
        """The status code that the response has, or will have."""
        return self._status_code

    # What compat's programs replace.
    _convert_header_value = staticmethod(output.header_value)

    def set_header(self, name: str, value: Any) -> None:
        """Set a header, replacing earlier values. Datetimes and integers are formatted.

        ValueError for a name or a value that is not valid in a header, TypeError for values of
        other types.
        """
        check_outgoing_name(name)
        if self._headers_written:
            self._too_late("set_header")
        self._headers[name] = self._convert_header_value(value)

    def add_header(self, name: str, value: Any) -> None:
        """Add a header, keeping those of the same name; otherwise like `set_header`."""
        check_outgoing_name(name)
        if self._headers_written:
            self._too_late("add_header")
        self._headers.add(name, self._convert_header_value(value))

    def clear_header(self, name: str) -> None:
        """Undo `set_header` or `add_header`."""
        headers = self._headers
        if name in headers:
            if self._headers_written:
                self._too_late("clear_header")
            del headers[name]

    def _too_late(self, method: str) -> bool:
        """`method` was called after the head was sent: what it changes reaches nobody, and is not
        even to be kept if this returns True."""
        output.warn_too_late(self, method)
        return True

    # --- body ------------------------------------------------------------------------

    def write(self, chunk: str | bytes | dict[str, Any]) -> Any:
        """Add to the response. A dict is sent as JSON (the setting `json_encoder` says how).
        `flush` sends, `write` only keeps."""
        if self._finished:
            raise RuntimeError("Cannot write() after finish()")
        # The two common types first: 0.1 us.
        if type(chunk) is str:
            chunk = chunk.encode()
        elif type(chunk) is not bytes:
            chunk = output.to_bytes(self, chunk)
        self._write_buffer.append(chunk)
        return self._write_result

    def _encode_dict(self, value: dict[str, Any]) -> bytes:
        """JSON for `write`: by the setting `json_encoder`, if there is one."""
        encoder = self.application.settings.get("json_encoder")
        if encoder is None:
            return json_encode(value).encode()
        # As `json_encode` says: it may stand in a script element.
        text: bytes = utf8(encoder(value))
        return text.replace(b"</", b"<\\/")

    def flush(self, include_footers: bool = False) -> Awaitable[None]:
        """Send what was written so far, after the response head if that was not sent yet."""
        return flush(self, include_footers)

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Awaitable[None]:
        """Complete the response, with `chunk` at its end if given."""
        return finish(self, chunk)

    def redirect(self, url: str, permanent: bool = False, status: int | None = None) -> Any:
        """Send a redirect: 301 if `permanent`, else 302, or the given status.

        What is not ASCII in `url` is percent-encoded as UTF-8 (RFC 3987 3.1).
        """
        if self._headers_written:
            raise Exception("Cannot redirect after headers have been written")
        if status is None:
            status = 301 if permanent else 302
        elif not (isinstance(status, int) and 300 <= status <= 399):
            raise AssertionError(f"not a redirect status: {status!r}")
        self.set_status(status)
        target = utf8(url)
        self.set_header("Location", quote_non_ascii(target) if self._ascii_location else target)
        return self.finish()

    def send_error(self, status_code: int = 500, **kwargs: Any) -> Any:
        """Discard what was written and send the page of `write_error` instead."""
        return failures.send_error(self, status_code, kwargs)

    def detach(self) -> Any:
        """Take over the connection's stream; HTTP ends here."""
        self._finished = True
        return self.request.connection.detach()

    # --- entity tags ------------------------------------------------------------------

    def compute_etag(self) -> str | None:
        """The entity tag of the response: a hash of what was written. None: it has none."""
        return compute_etag(self._write_buffer)

    def set_etag_header(self) -> None:
        etag = self.compute_etag()
        if etag is not None:
            self.set_header("Etag", etag)

    def check_etag_header(self) -> bool:
        """Whether the client has the current version of the response (If-None-Match)."""
        wanted = self.request.headers.get("If-None-Match")
        if wanted is None:
            return False
        etag = self._headers.get("Etag")
        return bool(etag) and none_match(wanted, etag)

    # --- security ------------------------------------------------------------------------

    @property
    def xsrf_token(self) -> bytes:
        """The XSRF token a form must send back; masked differently for each request."""
        return security.xsrf_token(self)

    def check_xsrf_cookie(self) -> None:
        """Raise 403 unless the request carries the token of its cookie."""
        security.check_xsrf_cookie(self)

    def xsrf_form_html(self) -> str:
        """The form field that carries the token."""
        return security.xsrf_form_html(self)

    def check_trusted_origin(self, origin: str) -> bool:
        """Whether a cross-origin request of an unsafe method may come from `origin`."""
        return origin in self.settings.get("trusted_origins", ())

    def _get_raw_xsrf_token(self) -> tuple[int | None, bytes, float]:
        return security.raw_xsrf_token(self)

    # --- user ------------------------------------------------------------------------------

    @property
    def current_user(self) -> Any:
        """The user of this request: what `get_current_user` returned, called once; or what was
        assigned.

        A subclass may define `async def current_user(self)` instead, which is awaited once, before
        `prepare`, and returns the user or None; reading the attribute gives that result.
        """
        try:
            return self._current_user
        except AttributeError:
            user = self.get_current_user()
            if type(user) is CoroutineType and self._runs_on == "trio":
                user = security.PendingUser(self, user)
            self._current_user = user
            return user

    @current_user.setter
    def current_user(self, value: Any) -> None:
        self._current_user = value

    def get_current_user(self) -> Any:
        """Override to return the user. If it is `async def`, await `current_user`."""
        return None

    def user_scopes(self, user: Any) -> Iterable[str]:
        """The scopes of a user, for `@requires`. Override if they are not in its `scopes` (an
        attribute, or a key of a dict; text is split at whitespace)."""
        return security.scopes_of(user)

    def get_login_url(self) -> str:
        """Where `@authenticated` redirects users who are not logged in."""
        self.require_setting("login_url", "@tornado.web.authenticated")
        url: str = self.application.settings["login_url"]
        return url

    # --- locale ------------------------------------------------------------------------------

    @property
    def locale(self) -> Any:
        """The locale of this request: the user's, else the browser's; or assigned."""
        try:
            return self._locale
        except AttributeError:
            self._locale = self.get_user_locale() or self.get_browser_locale()
            return self._locale

    @locale.setter
    def locale(self, value: Any) -> None:
        self._locale = value

    def get_user_locale(self) -> Any:
        """Override to return the locale the user has chosen."""
        return None

    def get_browser_locale(self, default: str = "en_US") -> Any:
        """The best match among the locales for the Accept-Language header."""
        return localization.browser_locale(self.request.headers.get("Accept-Language"), default)

    # --- templates ----------------------------------------------------------------------------

    @property
    def ui(self) -> ObjectDict:
        """UI methods by name, and `modules`, as templates see them."""
        names = self._ui
        if names is None:
            app = self.application
            names = self._ui = names_for(self, app.ui_methods, app.ui_modules)
        return names

    @ui.setter
    def ui(self, value: Any) -> None:
        self._ui = value

    def _ui_module(self, name: str, module: type[UIModule]) -> Callable[..., Any]:
        return rendering.module_renderer(self, name, module)

    def render(self, template_name: str, **kwargs: Any) -> Any:
        """Finish with a rendered template. If the template itself awaits, await the result."""
        if self._finished:
            raise RuntimeError("Cannot render() after finish()")
        if type(self).render_string is not RequestHandler._own_render_string:
            html = self.render_string(template_name, **kwargs)  # templates of another make
            return self.finish(rendering.insert_resources(self, utf8(html)))
        template = rendering.load(self, template_name)
        if template.asynchronous:
            return self._render_async(template, kwargs)
        html = template.generate(**self._namespace(kwargs))
        return self.finish(rendering.insert_resources(self, html))

    async def _render_async(self, template: Any, kwargs: dict[str, Any]) -> None:
        html = await template.generate_async(**self._namespace(kwargs))
        await self.finish(rendering.insert_resources(self, html))

    def render_string(self, template_name: str, **kwargs: Any) -> bytes:
        """A rendered template, as UTF-8."""
        template = rendering.load(self, template_name)
        return template.generate(**self._namespace(kwargs))

    _own_render_string = render_string

    def _namespace(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        namespace = self.get_template_namespace()
        namespace.update(kwargs)
        return namespace

    def get_template_namespace(self) -> dict[str, Any]:
        """The names all templates of this handler see; override to add to them."""
        namespace: dict[str, Any] = {
            "handler": self,
            "request": self.request,
            "current_user": self.current_user,
            "locale": self.locale,
            "_": self.locale.translate,
            "pgettext": self.locale.pgettext,
            "static_url": self.static_url,
            "xsrf_form_html": self.xsrf_form_html,
            "reverse_url": self.reverse_url,
        }
        namespace.update(self.ui)
        return namespace

    def get_template_path(self) -> str | None:
        """Override to look for templates elsewhere than in `template_path`."""
        return self.application.settings.get("template_path")

    def create_template_loader(self, template_path: str) -> BaseLoader:
        """Override to make your own loaders. Called once per path."""
        return rendering.default_loader(self.application.settings, template_path)

    def render_linked_js(self, js_files: Iterable[str]) -> str:
        """Override to change the markup for the script files of UI modules."""
        return rendering.linked(self, js_files, rendering.SCRIPT)

    def render_embed_js(self, js_embed: Iterable[bytes]) -> bytes:
        return rendering.embedded_js(js_embed)

    def render_linked_css(self, css_files: Iterable[str]) -> str:
        return rendering.linked(self, css_files, rendering.STYLESHEET)

    def render_embed_css(self, css_embed: Iterable[bytes]) -> bytes:
        return rendering.embedded_css(css_embed)

    # --- the application ----------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The application's settings."""
        return self.application.settings

    def require_setting(self, name: str, feature: str = "this feature") -> None:
        """Raise unless the application has a setting."""
        if not self.application.settings.get(name):
            raise Exception(
                f"You must define the '{name}' setting in your application to use {feature} "
                f"{Trouble.MISSING_SETTING}"
            )

    def reverse_url(self, name: str, *args: Any) -> str:
        """The URL of a named route."""
        return self.application.reverse_url(name, *args)

    def static_url(self, path: str, include_host: bool | None = None, **kwargs: Any) -> str:
        """The versioned URL of a static file of the application.

        `include_host` defaults to the handler's attribute of that name. `path` should not
        come from a client: its version is computed by reading the file.
        """
        self.require_setting("static_path", "static_url")
        settings = self.application.settings
        make = settings.get(
            "static_handler_class", self.application._static_handler_class
        ).make_static_url
        if include_host is None:
            include_host = getattr(self, "include_host", False)
        base = f"{self.request.protocol}://{self.request.host}" if include_host else ""
        url: str = make(settings, path, **kwargs)
        return base + url
