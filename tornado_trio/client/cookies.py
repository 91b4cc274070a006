"""A cookie jar for clients (RFC 6265): what servers set, and which cookies a request gets.

Pure: takes Set-Cookie values and targets, gives Cookie values; the caller brings the time.
Strict against hostile servers: a cookie for a foreign or too wide domain, a
`Secure` cookie over plain http, one over plain http that would replace it, a `__Host-`
or `__Secure-` name without its conditions, and values with control characters are ignored.
The number and size of cookies are bounded.
"""

from __future__ import annotations

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

from .._util.late import later, pattern_later
from .targets import Target

if TYPE_CHECKING:
    import datetime
else:
    datetime = later("datetime", globals())

_CONTROLS = pattern_later(r"[\x00-\x08\x0a-\x1f\x7f]", globals())

#: Bounds per RFC 6265 6.1: what a client should at least be able to keep.
MAX_COOKIE_SIZE = 4096
MAX_PER_DOMAIN = 50
MAX_COOKIES = 3000


@final
class Cookie:
    """One cookie. `domain` has no leading dot; `host_only` cookies are sent to that host alone.

    `order` counts the cookies of a jar as they were created; a new value keeps it.
    """

    __slots__ = (
        "domain",
        "expires",
        "host_only",
        "http_only",
        "name",
        "order",
        "path",
        "same_site",
        "secure",
        "value",
    )

    def __init__(self, name: str, value: str, domain: str, path: str = "/") -> None:
        self.name = name
        self.value = value
        self.domain = domain
        self.path = path
        self.host_only = True
        self.secure = False
        self.http_only = False
        self.same_site = ""
        self.order = 0
        self.expires: float | None = None  # seconds since the epoch; None: session

    def matches(self, target: Target) -> bool:
        """Whether it is sent with a request to `target`."""
        host = target.origin.host
        if self.secure and not target.secure and not _is_local(host):
            return False
        if host != self.domain and (self.host_only or not host.endswith("." + self.domain)):
            return False
        return path_matches(self.path, target.path.partition("?")[0])

    def __repr__(self) -> str:
        return f"<Cookie {self.name} for {self.domain}{self.path}>"


def path_matches(cookie_path: str, path: str) -> bool:
    """RFC 6265 5.1.4."""
    if not path.startswith(cookie_path):
        return False
    rest = path[len(cookie_path) :]
    return not rest or cookie_path.endswith("/") or rest.startswith("/")


def default_path(path: str) -> str:
    """The path of a cookie that names none: the request's directory (RFC 6265 5.1.4)."""
    path = path.partition("?")[0]
    cut = path.rfind("/")
    return path[:cut] if cut > 0 else "/"


def parse_set_cookie(value: str, target: Target, now: float) -> Cookie | None:
    """The cookie a Set-Cookie value of a response from `target` means, if it is allowed.

    A cookie whose `expires` is not in the future is returned too: it deletes the stored one.
    """
    if len(value) > 2 * MAX_COOKIE_SIZE or _CONTROLS.search(value):
        return None
    pair, _, rest = value.partition(";")
    name, equals, content = pair.partition("=")
    name, content = name.strip(" \t"), content.strip(" \t")
    if not equals or not name:
        return None
    if len(name) + len(content) > MAX_COOKIE_SIZE:
        return None
    host = target.origin.host
    cookie = Cookie(name, content, host, default_path(target.path))
    attributes: dict[str, str] = {}
    for part in rest.split(";"):
        key, _, text = part.partition("=")
        attributes[key.strip(" \t").lower()] = text.strip(" \t")
    return cookie if _apply(cookie, attributes, target, now) else None


def _apply(cookie: Cookie, attributes: dict[str, str], target: Target, now: float) -> bool:
    host = target.origin.host
    # The last Domain counts, empty too; one leading dot is taken off (RFC 6265 5.2.3).
    domain = attributes.get("domain", "").lower().removeprefix(".")
    if domain and domain != host:
        # No public suffix list here: a single label ("com", and "com." to "a.com.") is
        # refused, the rest can be refused by the jar's `allow_domain`.
        single = "." not in domain.rstrip(".")
        if _is_address(host) or single or not host.endswith("." + domain):
            return False
    if domain:
        cookie.domain = domain
        cookie.host_only = _is_address(host)
    path = attributes.get("path", "")
    if path.startswith("/"):
        cookie.path = path
    cookie.secure = "secure" in attributes
    cookie.http_only = "httponly" in attributes
    cookie.same_site = attributes.get("samesite", "").lower()
    cookie.expires = _expiry(attributes, now)
    if cookie.secure and not target.secure and not _is_local(host):
        return False
    prefix = cookie.name[:9].lower()  # servers may compare names in any case
    if prefix == "__secure-" and not cookie.secure:
        return False
    if prefix.startswith("__host-"):
        return cookie.secure and not domain and cookie.path == "/"
    return True


def _expiry(attributes: dict[str, str], now: float) -> float | None:
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]{1,15}", age, re.ASCII):
        return now + int(age) if int(age) > 0 else 0.0
    text = attributes.get("expires", "")
    if text:
        from email.utils import parsedate_to_datetime  # milliseconds at start, for few cookies

        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()
    return None


def _within(domain: str, other: str) -> bool:
    return domain == other or domain.endswith("." + other)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or host in ("127.0.0.1", "::1")


@final
class CookieJar:
    """Cookies of all domains, oldest set first.

    `allow_domain(domain, host)` may refuse a `Domain` attribute: the place for a public
    suffix list.
    """

    def __init__(self, allow_domain: Callable[[str, str], bool] | None = None) -> None:
        self._cookies: dict[str, OrderedDict[tuple[str, str], Cookie]] = {}
        self._count = 0
        self._created = 0
        self._allow_domain = allow_domain

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Any:
        return iter([c for cookies in self._cookies.values() for c in cookies.values()])

    def __repr__(self) -> str:
        return f"<CookieJar {self._count} cookies of {len(self._cookies)} domains>"

    def store(self, values: list[str], target: Target, now: float) -> None:
        """Store the cookies of the Set-Cookie values of a response from `target`."""
        for value in values:
            cookie = parse_set_cookie(value, target, now)
            if cookie is None:
                continue
            if not cookie.host_only and self._allow_domain is not None:
                if not self._allow_domain(cookie.domain, target.origin.host):
                    continue
            if not target.secure and self._shadows_secure(cookie, target.origin.host):
                continue
            self.set(cookie, now)

    def _shadows_secure(self, cookie: Cookie, host: str) -> bool:
        """Whether a network attacker could replace a `Secure` cookie by this one.

        Such a cookie is left alone (RFC 6265bis 5.7): same name, domains that meet, and a
        path within its own.
        """
        if _is_local(host):
            return False
        return any(
            kept.secure
            and kept.name == cookie.name
            and path_matches(kept.path, cookie.path)
            and (_within(kept.domain, cookie.domain) or _within(cookie.domain, kept.domain))
            for kept in self
        )

    def set(self, cookie: Cookie, now: float = 0.0) -> None:
        """Add, replace or (if it has expired) delete one cookie."""
        own = self._cookies.setdefault(cookie.domain, OrderedDict())
        key = (cookie.path, cookie.name)
        replaced = own.pop(key, None)
        if replaced is not None:
            self._count -= 1
            cookie.order = replaced.order  # RFC 6265 5.3, 11.3: it is as old as before
        else:
            self._created += 1
            cookie.order = self._created
        if cookie.expires is None or cookie.expires > now:
            own[key] = cookie
            self._count += 1
            if len(own) > MAX_PER_DOMAIN:
                own.popitem(last=False)
                self._count -= 1
        if not own:
            del self._cookies[cookie.domain]
        while self._count > MAX_COOKIES:
            domain = next(iter(self._cookies))
            self._cookies[domain].popitem(last=False)
            self._count -= 1
            if not self._cookies[domain]:
                del self._cookies[domain]

    def header(self, target: Target, now: float) -> str | None:
        """The Cookie value for a request to `target`; None if there is none to send."""
        if not self._cookies:
            return None
        found: list[Cookie] = []
        for domain in _domains(target.origin.host):
            own = self._cookies.get(domain)
            if not own:
                continue
            for cookie in list(own.values()):
                if cookie.expires is not None and cookie.expires <= now:
                    del own[cookie.path, cookie.name]
                    self._count -= 1
                elif cookie.matches(target):
                    found.append(cookie)
            if not own:
                del self._cookies[domain]
        if not found:
            return None
        found.sort(key=lambda cookie: (-len(cookie.path), cookie.order))  # RFC 6265 5.4
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in found)

    def clear(self) -> None:
        """Forget everything."""
        self._cookies.clear()
        self._count = 0


def _domains(host: str) -> list[str]:
    """`host` and the domains it belongs to: "a.b.c", "b.c", "c"."""
    if _is_address(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]
