"""Cookie and Set-Cookie fields.

Knows the fields' text. Reads them as browsers do and Tornado did, not as the standard
library does: `;` alone separates cookies, so one odd value cannot hide or forge the
others (class of CVE-2016-7401). Writes with the standard library's `Morsel`, because
programs know it, after checking what it does not check.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any, Final

from .._util.late import pattern_later
from .._util.text import to_unicode
from .dates import Timestamp, format_timestamp

__all__ = ["CookieError", "Morsel", "SimpleCookie", "cookie_jar", "make_morsel", "parse_cookie"]

_SAMESITE: Final = {"strict": "Strict", "lax": "Lax", "none": "None"}
# Octal and single-character escapes of a quoted value. One pass from left to right:
# searching for both kinds again after each was quadratic (CVE-2024-7592).
_escape = pattern_later(r"\\(?:([0-3][0-7][0-7])|(.))", globals(), re.DOTALL)
_bad_in_value = pattern_later(r"[\x00-\x20]", globals())
_bad_in_attribute = pattern_later(r"[\x00-\x20;\x7f]", globals())
# Not what str.strip() strips: a cookie "\xa0__Host-a", which any page may set, would come
# out as "__Host-a", which only a secure origin may.
_BLANKS = " \t"


def parse_cookie(cookie: str) -> dict[str, str]:
    """The names and values of a Cookie field; the last of equal names wins.

    Never fails. A piece without "=" is a cookie with the name "" (so it is never
    mistaken for a named one); quoted values are unquoted. Linear in the field.

    >>> parse_cookie("a=b; c=d")
    {'a': 'b', 'c': 'd'}
    """
    found: dict[str, str] = {}
    for piece in cookie.split(";"):
        name, equals, value = piece.partition("=")
        name = name.strip(_BLANKS)
        if not equals:
            if name:
                found[""] = name if name[0] != '"' else _unquote(name)
            continue
        value = value.strip(_BLANKS)
        if value and value[0] == '"':
            value = _unquote(value)
        elif not (value or name):
            continue
        found[name] = value
    return found


def _unquote(value: str) -> str:
    if len(value) < 2 or value[-1] != '"':
        return value
    return _escape.sub(_unescaped, value[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    octal: str | None = match[1]
    return chr(int(octal, 8)) if octal else match[2]


def cookie_jar(cookies: dict[str, str]) -> SimpleCookie:
    """The cookies as a `SimpleCookie`; those it does not allow are left out, each alone."""
    jar = SimpleCookie()
    for name, value in cookies.items():
        try:
            jar[name] = value
        except CookieError:
            continue  # a bad name, such as "a b" or "path", must not cost the others
    return jar


class _Cookie(Morsel[str]):
    """A `Morsel` that knows Partitioned too (the standard library's does since 3.14)."""

    partitioned = False

    def OutputString(self, attrs: Any = None) -> str:
        text = super().OutputString(attrs)
        return text + "; Partitioned" if self.partitioned and "artitioned" not in text else text


def make_morsel(
    name: str | bytes,
    value: str | bytes,
    *,
    domain: str | None = None,
    expires: Timestamp | None = None,
    path: str | None = "/",
    expires_days: float | None = None,
    max_age: int | str | None = None,
    httponly: bool = False,
    secure: bool = False,
    samesite: str | None = None,
    partitioned: bool = False,
    **others: Any,
) -> Morsel[str]:
    """One cookie to set; `.OutputString(None)` is the value of its Set-Cookie field.

    `others` are attributes the standard library knows (`comment`, `version`).
    ValueError (`CookieError` for name and attributes) for characters that are not allowed in a
    Set-Cookie field: they would add attributes, or fields.
    """
    name, value = to_unicode(name), to_unicode(value)
    _check_attribute("name", name, name)
    if _bad_in_value.search(value):
        raise ValueError(f"Invalid cookie {name!r}: {value!r}")
    if not value.isascii() and max(value) > "\xff":
        raise ValueError(
            f"Invalid cookie {name!r}: {value!r} has characters beyond Latin-1, which no field "
            "can carry; encode it first (url_escape)"
        )
    attributes = dict(others)
    attributes.update(domain=domain, path=path)
    if expires is None and expires_days is not None:
        now = datetime.datetime.now(datetime.UTC)
        expires = now + datetime.timedelta(days=expires_days)
    if expires is not None:
        attributes["expires"] = format_timestamp(expires)
    if max_age is not None and max_age != "":
        attributes["max-age"] = int(max_age)
    if samesite:
        attributes["samesite"] = _checked_samesite(name, samesite)
    attributes["httponly"], attributes["secure"] = bool(httponly), bool(secure)

    morsel = _Cookie()
    quoted = SimpleCookie().value_encode(value)
    morsel.set(name, *quoted)
    morsel.partitioned = partitioned
    for key, attribute in attributes.items():
        if attribute is None or attribute is False:
            continue
        if isinstance(attribute, str) and key != "expires":
            _check_attribute(key, attribute, name)
        morsel[key] = attribute
    return morsel


def _checked_samesite(name: str, samesite: str) -> str:
    known = _SAMESITE.get(samesite.lower())
    if known is None:
        raise CookieError(f"Invalid cookie attribute samesite={samesite!r} for cookie {name!r}")
    return known


def _check_attribute(attribute: str, value: str, name: str) -> None:
    # GHSA-78cv-mqj4-43f7: "; HttpOnly" or a line end in a domain or path.
    if _bad_in_attribute.search(value):
        raise CookieError(f"Invalid cookie attribute {attribute}={value!r} for cookie {name!r}")


def set_cookie_values(jar: SimpleCookie) -> Iterator[str]:
    """The value of one Set-Cookie field for each cookie of a jar."""
    for morsel in jar.values():
        yield morsel.OutputString(None)
