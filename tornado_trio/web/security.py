"""Protection against requests forged from other sites: XSRF tokens, and the Origin header.

Knows a handler's cookies, arguments and settings; the format of tokens is `wire.signing`.
"""

from __future__ import annotations

import hmac
import inspect
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .._util.troubles import Trouble
from ..escape import xhtml_escape
from ..wire.signing import decode_xsrf_token, encode_xsrf_token, new_xsrf_token
from ..wire.urls import origin_matches_host
from .errors import HTTPError

if TYPE_CHECKING:
    from .handler import RequestHandler


def raw_xsrf_token(handler: RequestHandler) -> tuple[int | None, bytes, float]:
    """The token of the request's cookie, or a fresh one with None for its version."""
    raw = getattr(handler, "_raw_xsrf_token", None)
    if raw is None:
        cookie = handler.get_cookie(_cookie_name(handler))
        found = decode_xsrf_token(cookie) if cookie else None
        if found is not None and found.token:
            raw = (found.version, found.token, found.timestamp)
        else:
            fresh = new_xsrf_token()
            raw = (None, fresh.token, fresh.timestamp)
        handler._raw_xsrf_token = raw
    return raw


def xsrf_token(handler: RequestHandler) -> bytes:
    """The token to put into forms; sets the cookie if the client has none yet.

    Masked differently for each request, so that compression does not reveal it (CVE-2014-9720).
    """
    encoded = getattr(handler, "_xsrf_token", None)
    if encoded is None:
        version, token, timestamp = handler._get_raw_xsrf_token()
        settings = handler.settings
        encoded = encode_xsrf_token(token, timestamp, settings.get("xsrf_cookie_version", 2))
        handler._xsrf_token = encoded
        if version is None:
            kwargs = dict(settings.get("xsrf_cookie_kwargs", {}))
            user = handler.current_user
            if (type(user) is PendingUser or user) and "expires_days" not in kwargs:
                kwargs["expires_days"] = 30
            handler.set_cookie(_cookie_name(handler), encoded, **kwargs)
    return encoded


class PendingUser:
    """`current_user` of a handler whose `get_current_user` is `async def`, before it is awaited.

    Awaiting it answers, and makes the answer the handler's `current_user`. Testing it raises: a
    coroutine is always true, so that a forgotten `await` would let everybody in.
    """

    __slots__ = ("_coroutine", "_handler")

    def __init__(self, handler: RequestHandler, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._handler = handler
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        user = yield from self._coroutine.__await__()
        self._handler.current_user = user
        return user

    def __bool__(self) -> bool:
        self._coroutine.close()
        raise TypeError(
            f"{type(self._handler).__qualname__}.get_current_user is async: "
            "`await self.current_user` before testing it"
        )


def scopes_of(user: Any) -> Iterable[str]:
    """A user's `scopes`, by attribute or key; none if it has none."""
    scopes = user.get("scopes") if isinstance(user, Mapping) else getattr(user, "scopes", None)
    if isinstance(scopes, str):
        return scopes.split()
    return scopes or ()


def take_user_method(cls: type[RequestHandler]) -> None:
    """`cls` has a `current_user` of its own: if that is `async def`, it is awaited before the
    method, and is never taken for a user itself: a coroutine is always true."""
    method = cls.__dict__["current_user"]
    if not inspect.iscoroutinefunction(method):
        return
    if cls._runs_on != "trio":
        warnings.warn(
            f"{cls.__qualname__}.current_user is `async def`: to Tornado it is a method, which is "
            "always true. Set self.current_user in `async def prepare`.",
            RuntimeWarning,
            stacklevel=3,
        )
        return
    del cls.current_user
    cls._find_user = method


def xsrf_form_html(handler: RequestHandler) -> str:
    value = xhtml_escape(handler.xsrf_token)
    return f'<input type="hidden" name="_xsrf" value="{value}"/>'


def check_xsrf_cookie(handler: RequestHandler) -> None:
    """403 unless the request carries the token of its cookie, in an argument or a header.

    X-Requested-With is no exemption (a redirect of Flash or a proxy can add it: 1.1.1).
    """
    headers = handler.request.headers
    sent = (
        handler.get_argument("_xsrf", None)
        or headers.get("X-Xsrftoken")
        or headers.get("X-Csrftoken")
    )
    if not sent:
        raise HTTPError(403, f"'_xsrf' argument missing from POST {Trouble.XSRF}")
    decoded = decode_xsrf_token(sent)
    if decoded is None or not decoded.token:
        raise HTTPError(403, f"'_xsrf' argument has invalid format {Trouble.XSRF}")
    _, expected, _ = handler._get_raw_xsrf_token()
    if not hmac.compare_digest(decoded.token, expected):
        raise HTTPError(403, f"XSRF cookie does not match POST argument {Trouble.XSRF}")


def _cookie_name(handler: RequestHandler) -> str:
    name: str = handler.settings.get("xsrf_cookie_name", "_xsrf")
    return name


# --- origin ----------------------------------------------------------------------------


def check_request_origin(handler: RequestHandler) -> None:
    """403 for an unsafe request from another origin, unless the handler trusts that origin."""
    refusal = refused_origin(handler, handler.check_trusted_origin)
    if refusal is not None:
        raise HTTPError(403, "%s", refusal)


def refused_origin(handler: RequestHandler, trusts: Callable[[str], bool]) -> str | None:
    """Why a request that looks like another site's is refused; None: it is not.

    Browsers send `Sec-Fetch-Site`, which pages cannot forge; older ones send only `Origin`.
    A request with neither does not come from a browser. `trusts` is asked only about the origin
    of one that is not of this host, as Tornado 6.6 documents it of `check_origin`.
    """
    headers = handler.request.headers
    origin = headers.get("Origin")
    site = headers.get("Sec-Fetch-Site")
    if site is None:
        if origin is None or origin_matches_host(origin, headers.get("Host")) or trusts(origin):
            return None
        return f"Origin {origin!r} not allowed"
    if site in ("same-origin", "none") or (origin and trusts(origin)):
        return None
    return f"Sec-Fetch-Site {site} & origin {origin!r} not allowed"
