"""Cookies as handlers see them: request cookies by name, Set-Cookie, signed values.

Knows a handler's settings and request; the formats are `wire.cookies` and `wire.signing`.
"""

from __future__ import annotations

import datetime
import warnings
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

from ..wire.cookies import make_morsel
from ..wire.signing import (
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
)
from .request import Request

if TYPE_CHECKING:
    from .handler import RequestHandler


def days_from_now(days: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


def get_cookie(handler: RequestHandler, name: str, default: str | None) -> str | None:
    request: Any = handler.request
    if getattr(type(request), "cookies", None) is Request.cookies:
        value = request.get_cookie(name)
        return default if value is None else value
    # A double, or a subclass with cookies of its own: nothing but them may be asked.
    jar = request.cookies
    return jar[name].value if jar is not None and name in jar else default


def set_cookie(
    handler: RequestHandler,
    name: str,
    value: str | bytes,
    attributes: dict[str, Any],
    others: dict[str, Any],
) -> None:
    """Remember a cookie for the response; a second one of that name replaces the first."""
    for key in others:
        attributes.pop(key.lower(), None)  # one spelling of an attribute is enough
    morsel = make_morsel(name, value, **{"path": None, **attributes, **others})
    if others.keys() - {"partitioned"}:
        warnings.warn(
            f"Deprecated arguments to set_cookie: {set(others)} (should be lowercase)",
            DeprecationWarning,
            stacklevel=3,
        )
    jar = getattr(handler, "_new_cookie", None)
    if jar is None:
        jar = handler._new_cookie = SimpleCookie()
    # dict's own method: SimpleCookie's would take the morsel apart.
    dict.__setitem__(jar, morsel.key, morsel)


def clear_cookie(handler: RequestHandler, name: str, kwargs: dict[str, Any]) -> None:
    """Let a cookie expire; the other attributes must be those it was set with."""
    for key in ("expires", "max_age"):
        if key in kwargs:
            raise TypeError(f"clear_cookie() got an unexpected keyword argument '{key}'")
    handler.set_cookie(name, value="", expires=days_from_now(-365), **kwargs)


# --- signed values -----------------------------------------------------------------------


def sign(
    handler: RequestHandler, name: str, value: str | bytes, version: int | None
) -> bytes:
    handler.require_setting("cookie_secret", "secure cookies")
    settings = handler.application.settings
    secret = settings["cookie_secret"]
    key_version = None
    if isinstance(secret, dict):
        if settings.get("key_version") is None:
            raise Exception("key_version setting must be used for secret_key dicts")
        key_version = settings["key_version"]
    return create_signed_value(secret, name, value, version=version, key_version=key_version)


def get_signed(
    handler: RequestHandler,
    name: str,
    value: str | None,
    max_age_days: float,
    min_version: int | None,
) -> bytes | None:
    handler.require_setting("cookie_secret", "secure cookies")
    if value is None:
        value = handler.get_cookie(name)
    return decode_signed_value(
        handler.application.settings["cookie_secret"],
        name,
        value,
        max_age_days=max_age_days,
        min_version=min_version,
    )


def get_key_version(handler: RequestHandler, name: str, value: str | None) -> int | None:
    handler.require_setting("cookie_secret", "secure cookies")
    if value is None:
        value = handler.get_cookie(name)
    return None if value is None else get_signature_key_version(value)
