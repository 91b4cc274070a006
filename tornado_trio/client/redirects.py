"""Redirect policy: which responses are followed, how, and with which headers.

Pure functions over values, shared by the native client and compat's. The rules of
RFC 9110 15.4 as browsers and Tornado apply them; headers that identify or authenticate the user are
never sent to another origin (CVE-2026-49853 and its kin).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..wire.headers import SECRET_FIELDS
from .errors import InvalidRequest
from .targets import Origin, parse_target, resolve_location, show_url, without_credentials

#: 300 and 304 are not redirects; 305 and 306 are obsolete and dangerous.
REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
#: Fields that describe a body, dropped with it.
BODY_FIELDS = frozenset(
    {
        "content-length",
        "content-type",
        "content-encoding",
        "content-language",
        "content-location",
        "transfer-encoding",
        "expect",
        "trailer",
    }
)


class Redirect(NamedTuple):
    """The next request."""

    method: str
    url: str
    keep_body: bool
    same_origin: bool

    def keeps_field(self, name: str) -> bool:
        """Whether the request field `name` is kept in the next request."""
        lowered = name.lower()
        if lowered == "host":
            return False  # derived anew from the URL
        if not self.keep_body and lowered in BODY_FIELDS:
            return False
        return self.same_origin or lowered not in SECRET_FIELDS


def method_after(method: str, status: int) -> str:
    """The method of the request that follows a redirect with `status`."""
    if status == 303 and method != "HEAD":
        return "GET"
    if status in (301, 302) and method == "POST":
        return "GET"
    return method


def follow(method: str, url: str, status: int, location: str | None) -> Redirect | None:
    """The redirect a response asks for; None if it is not one.

    A redirect without Location is an ordinary response. Raises `InvalidRequest` when the
    target is not an http or https URL: such a redirect fails at once and leaks nothing.
    A user name and password in the location are left out, unless they are those of `url`:
    a server must not choose the user's identity.
    """
    if status not in REDIRECT_CODES or not location:
        return None
    target_url = resolve_location(url, location)
    target = parse_target(target_url)
    if not target_url[:4].lower() == "http":
        raise InvalidRequest(f"Unsupported url scheme: {show_url(target_url)}")
    before = parse_target(url)
    same = same_origin(before.origin, target.origin)
    if target.credentials is not None and not (same and target.credentials == before.credentials):
        target_url = without_credentials(target_url)
    after = method_after(method, status)
    return Redirect(
        method=after,
        url=target_url,
        # 303 turns everything but HEAD into a bodiless GET; a HEAD never has a body.
        keep_body=after == method and status != 303,
        same_origin=same,
    )


def same_origin(one: Origin, other: Origin) -> bool:
    """Scheme, host and port agree (a downgrade to http is another origin)."""
    return one == other


def kept_fields(redirect: Redirect, fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """`fields` of a request without those that must not be sent to the new URL."""
    return [(name, value) for name, value in fields if redirect.keeps_field(name)]
