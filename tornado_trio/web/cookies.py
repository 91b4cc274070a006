"""Cookies as handlers see them: request cookies by name, Set-Cookie, signed values.

Knows a handler's settings and request; the formats are `wire.cookies` and `wire.signing`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, overload

from .._util.late import later
from .request import Request

if TYPE_CHECKING:
    import datetime
    from http.cookies import Morsel

    from ..wire import cookies as wire_cookies
    from ..wire import signing
else:
    datetime = later("datetime", globals())
    signing = later("tornado_trio.wire.signing", globals())
    wire_cookies = later("tornado_trio.wire.cookies", globals())


def days_from_now(days: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


def get_cookie(handler: Any, name: str, default: str | None) -> str | None:
    request: Any = handler.request
    if getattr(type(request), "cookies", None) is Request.cookies:
        value = request.get_cookie(name)
        return default if value is None else value
    # A double, or a subclass with cookies of its own: nothing but them may be asked.
    jar = request.cookies
    return jar[name].value if jar is not None and name in jar else default


def set_cookie(
    handler: Any,
    name: str,
    value: str | bytes,
    attributes: dict[str, Any],
    others: dict[str, Any],
) -> None:
    """Add a cookie to the response; a second one of that name replaces the first."""
    for key in others:
        attributes.pop(key.lower(), None)  # one spelling of an attribute is enough
    morsel = wire_cookies.make_morsel(name, value, **{"path": None, **attributes, **others})
    if others.keys() - {"partitioned"}:
        warnings.warn(
            f"Deprecated arguments to set_cookie: {set(others)} (should be lowercase)",
            DeprecationWarning,
            stacklevel=3,
        )
    if getattr(handler, "_headers_written", False):  # doubles have none
        handler._too_late("set_cookie")
    jar = getattr(handler, "_new_cookie", None)
    if jar is None:
        jar = handler._new_cookie = wire_cookies.SimpleCookie()
    # dict's own method: SimpleCookie's would take the morsel apart.
    dict.__setitem__(jar, morsel.key, morsel)


def clear_cookie(handler: Any, name: str, kwargs: dict[str, Any]) -> None:
    """Let a cookie expire; the other attributes must be those it was set with."""
    for key in ("expires", "max_age"):
        if key in kwargs:
            raise TypeError(f"clear_cookie() got an unexpected keyword argument '{key}'")
    handler.set_cookie(name, value="", expires=days_from_now(-365), **kwargs)


# --- signed values -----------------------------------------------------------------------


def sign(handler: Any, name: str, value: str | bytes, version: int | None) -> bytes:
    handler.require_setting("cookie_secret", "secure cookies")
    settings = handler.application.settings
    secret = settings["cookie_secret"]
    key_version = None
    if isinstance(secret, dict):
        if settings.get("key_version") is None:
            raise Exception("key_version setting must be used for secret_key dicts")
        key_version = settings["key_version"]
    return signing.create_signed_value(
        secret, name, value, version=version, key_version=key_version
    )


def get_signed(
    handler: Any,
    name: str,
    value: str | None,
    max_age_days: float,
    min_version: int | None,
) -> bytes | None:
    handler.require_setting("cookie_secret", "secure cookies")
    if value is None:
        value = handler.get_cookie(name)
    return signing.decode_signed_value(
        handler.application.settings["cookie_secret"],
        name,
        value,
        max_age_days=max_age_days,
        min_version=min_version,
    )


def get_key_version(handler: Any, name: str, value: str | None) -> int | None:
    handler.require_setting("cookie_secret", "secure cookies")
    if value is None:
        value = handler.get_cookie(name)
    return None if value is None else signing.get_signature_key_version(value)


# --- the methods -------------------------------------------------------------------------


class CookieMethods:
    """Methods of `RequestHandler` about cookies."""

    request: Any

    @property
    def cookies(self) -> dict[str, Morsel[str]]:
        """The cookies of the request."""
        cookies: dict[str, Morsel[str]] = self.request.cookies
        return cookies

    @overload
    def get_cookie(self, name: str, default: str) -> str: ...

    @overload
    def get_cookie(self, name: str, default: None = None) -> str | None: ...

    def get_cookie(self, name: str, default: str | None = None) -> str | None:
        """The value of a cookie of the request."""
        return get_cookie(self, name, default)

    def set_cookie(
        self,
        name: str,
        value: str | bytes,
        domain: str | None = None,
        expires: Any = None,
        path: str = "/",
        expires_days: float | None = None,
        *,
        max_age: int | None = None,
        httponly: bool = False,
        secure: bool = False,
        samesite: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a cookie with the response. Raises CookieError for what no cookie can hold."""
        if expires_days is not None and not expires:
            expires = days_from_now(expires_days)
        attributes: dict[str, Any] = {
            "domain": domain,
            "expires": expires,
            "path": path,
            "max_age": max_age,
            "httponly": httponly,
            "secure": secure,
            "samesite": samesite,
        }
        set_cookie(self, name, value, attributes, kwargs)

    def clear_cookie(self, name: str, **kwargs: Any) -> None:
        """Tell the client to forget a cookie; domain and path must be those it was set with."""
        clear_cookie(self, name, kwargs)

    def clear_all_cookies(self, **kwargs: Any) -> None:
        """Delete every cookie of the request; `kwargs` as of `clear_cookie`."""
        for name in self.request.cookies:
            self.clear_cookie(name, **kwargs)

    def set_signed_cookie(
        self,
        name: str,
        value: str | bytes,
        expires_days: float | None = 30,
        version: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a cookie that the client can read but not forge."""
        signed = self.create_signed_value(name, value, version=version)
        self.set_cookie(name, signed, expires_days=expires_days, **kwargs)

    def create_signed_value(
        self, name: str, value: str | bytes, version: int | None = None
    ) -> bytes:
        """`value` signed for the cookie `name`, as `set_signed_cookie` sends it."""
        return sign(self, name, value, version)

    def get_signed_cookie(
        self,
        name: str,
        value: str | None = None,
        max_age_days: float = 31,
        min_version: int | None = None,
    ) -> bytes | None:
        """The value of a signed cookie, or None if it is absent, forged or too old."""
        return get_signed(self, name, value, max_age_days, min_version)

    def get_signed_cookie_key_version(self, name: str, value: str | None = None) -> int | None:
        """The number of the key that signed a cookie; None if it has none, or is malformed."""
        return get_key_version(self, name, value)

    set_secure_cookie = set_signed_cookie
    get_secure_cookie = get_signed_cookie
    get_secure_cookie_key_version = get_signed_cookie_key_version
