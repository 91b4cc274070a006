"""Decorators for handler methods and classes. Know handlers by their public methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from .._util.late import later
from .errors import HTTPError
from .handler import RequestHandler
from .policies import refuse_routed
from .urls import leads_elsewhere

if TYPE_CHECKING:
    from . import security
else:
    security = later("tornado_trio.web.security", globals())

__all__ = ["addslash", "authenticated", "removeslash", "requires", "stream_request_body"]

Method = Callable[..., Any]
HandlerClass = TypeVar("HandlerClass", bound=type[RequestHandler])


def stream_request_body(cls: HandlerClass) -> HandlerClass:
    """Have a handler class receive the body as it arrives, in `data_received`.

    `prepare` then runs before the body is read, and the method after all of it; without a
    `data_received` the method runs at once and reads the body itself.
    """
    if not issubclass(cls, RequestHandler):
        raise TypeError(f"expected subclass of RequestHandler, got {cls!r}")
    cls._stream_request_body = True
    return cls


def authenticated(method: Method) -> Method:
    """Require a logged-in user for a method; redirect others to the login page.

    The URL to return to is passed to the login page as its argument `next`. `get_current_user` may
    be `async def`.
    """
    refuse_routed(method, "authenticated")

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
        user = self.current_user
        if type(user) is security.PendingUser or inspect.iscoroutine(user):
            return _after_login(self, user, method, args, kwargs)
        if not user:
            return _to_login(self)
        return method(self, *args, **kwargs)

    wrapper._of_a_handler = "authenticated"  # type: ignore[attr-defined]
    return wrapper


async def _after_login(
    handler: RequestHandler, user: Awaitable[Any], method: Method, args: Any, kwargs: Any
) -> None:
    handler.current_user = await user
    result = method(handler, *args, **kwargs) if handler.current_user else _to_login(handler)
    if result is not None:
        await result


def _to_login(handler: RequestHandler) -> Any:
    if handler.request.method not in ("GET", "HEAD"):
        raise HTTPError(403)
    url = handler.get_login_url()
    if "?" not in url:
        # A login page elsewhere needs to know our host too.
        elsewhere = urlsplit(url).scheme
        request = handler.request
        target = request.full_url() if elsewhere else request.uri
        if "://" in target and not elsewhere:  # a proxy's request, for a host that is us
            target = request.path + (f"?{request.query}" if request.query else "")
        if leads_elsewhere(target) and not elsewhere:
            # "//evil.example/" is a path of ours, and would not be one in a redirect.
            target = "/" + target.lstrip("/\\")
        url += "?" + urlencode({"next": target})
    return handler.redirect(url)


def requires(*scopes: str, challenge: str = "Bearer", page: bool | None = None) -> Any:
    """Require a user with all of these scopes for a method; without scopes, any user.

    ```python
    @requires("orders:write")
    async def post(self) -> None: ...
    ```

    The scopes of a user are what `RequestHandler.user_scopes` says: its `scopes`, unless that is
    overridden.

    Without a user the answer is 401 with `WWW-Authenticate` (RFC 9110 11.6.1), and a redirect to
    the login page for GET and HEAD where there is one (the setting `login_url`) and the client
    accepts HTML; set `page` if that guess is wrong. A user without the scopes gets 403; with a
    bearer token, the response names those that are missing (RFC 6750 3.1).
    """
    if not all(isinstance(scope, str) for scope in scopes):
        raise TypeError("write @requires(), or @requires('scope', ...)")

    def decorate(method: Method) -> Method:
        refuse_routed(method, "requires")

        @functools.wraps(method)
        def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
            user = self.current_user
            if type(user) is security.PendingUser or inspect.iscoroutine(user):
                return _guarded(self, user, method, args, kwargs)
            refused = _refuse(self)
            return method(self, *args, **kwargs) if refused is None else refused

        async def _guarded(
            self: RequestHandler, user: Awaitable[Any], method: Method, args: Any, kwargs: Any
        ) -> Any:
            self.current_user = await user
            refused = _refuse(self)
            result = method(self, *args, **kwargs) if refused is None else refused
            return await result if result is not None else None

        def _refuse(self: RequestHandler) -> Any:
            user = self.current_user
            if not user:
                if _wants_page(self) if page is None else page:
                    return _to_login(self)
                raise HTTPError(401, headers={"WWW-Authenticate": challenge})
            missing = set(scopes).difference(self.user_scopes(user))
            if missing:
                raise _insufficient(challenge, scopes, missing)
            return None

        wrapper._of_a_handler = "requires"  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _insufficient(challenge: str, scopes: tuple[str, ...], missing: set[str]) -> HTTPError:
    headers = {}
    if challenge.partition(" ")[0].lower() == "bearer":
        comma = "," if " " in challenge else ""
        headers["WWW-Authenticate"] = (
            f'{challenge}{comma} error="insufficient_scope", scope="{" ".join(scopes)}"'
        )
    return HTTPError(403, "scopes missing: %s", ", ".join(sorted(missing)), headers=headers)


def _wants_page(handler: RequestHandler) -> bool:
    return bool(
        handler.settings.get("login_url")
        and handler.request.method in ("GET", "HEAD")
        and "text/html" in handler.request.headers.get("Accept", "").lower()
    )


def removeslash(method: Method) -> Method:
    """Redirect `/foo/` to `/foo`; the rule's pattern should match both: `/foo/*`."""

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
        path = self.request.path
        if path.endswith("/"):
            if self.request.method not in ("GET", "HEAD"):
                raise HTTPError(404)
            path = path.rstrip("/")
            if path:  # "/" itself stays
                return _redirect_to(self, path)
        return method(self, *args, **kwargs)

    return wrapper


def addslash(method: Method) -> Method:
    """Redirect `/foo` to `/foo/`; the rule's pattern should match both: `/foo/?`."""

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
        path = self.request.path
        if not path.endswith("/"):
            if self.request.method not in ("GET", "HEAD"):
                raise HTTPError(404)
            return _redirect_to(self, path + "/")
        return method(self, *args, **kwargs)

    return wrapper


def _redirect_to(handler: RequestHandler, path: str) -> Any:
    if leads_elsewhere(path):
        # "//evil.example/" came in as a path; as a Location it would be another host.
        raise HTTPError(403, "cannot redirect path with two initial slashes")
    if handler.request.query:
        path += "?" + handler.request.query
    return handler.redirect(path, permanent=True)
