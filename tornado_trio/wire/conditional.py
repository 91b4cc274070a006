"""Conditional requests (RFC 9110 13): entity tags and dates. Knows only the fields' text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .._util.late import pattern_later
from .dates import parse_date

# An entity tag as it comes in a list; quotes are required. Linear: neither a tag nor
# what is between tags can match the other.
_etag = pattern_later(r'\*|(?:W/)?"[^"]*"', globals())


def compute_etag(chunks: Iterable[bytes]) -> str:
    """A strong entity tag of a body (SHA-1, quoted), as Tornado makes it."""
    # Joining one chunk is no copy, and several are few and small mostly: less than a call each.
    return f'"{hashlib.sha1(b"".join(chunks), usedforsecurity=False).hexdigest()}"'


def parse_etags(value: str) -> list[str]:
    """The entity tags of an If-None-Match or If-Match field ("*" is one of them)."""
    return _etag.findall(value)


def _weak(tag: str) -> str:
    return tag.removeprefix("W/")


def none_match(value: str, etag: str) -> bool:
    """Does an If-None-Match field list `etag`? True: answer 304 (GET, HEAD) or 412.

    Weak comparison; "*" lists every tag.
    """
    wanted = _weak(etag)
    return any(tag == "*" or _weak(tag) == wanted for tag in parse_etags(value))


def match(value: str, etag: str) -> bool:
    """Does an If-Match field list `etag`? False: answer 412. Strong comparison."""
    tags = parse_etags(value)
    return "*" in tags or (not etag.startswith("W/") and etag in tags)


def not_modified_since(value: str, modified: float) -> bool:
    """Is what was last modified at `modified` unchanged since an If-Modified-Since field?

    `modified` is in seconds since the epoch; the field has no fractions. A malformed
    field is ignored.
    """
    since = parse_date(value)
    return since is not None and since >= int(modified)


def if_range_holds(value: str, etag: str | None, modified: float | None) -> bool:
    """Does an If-Range field still hold, so that Range may be honoured?

    Strong comparison with `etag`, or the exact date of `modified` (RFC 9110 13.1.5).
    Tornado 6.6 honours Range regardless, and mixes bytes of two files.
    """
    value = value.strip(" \t")
    if value.startswith(('"', "W/")):
        return etag is not None and value == etag and not etag.startswith("W/")
    since = parse_date(value)
    return since is not None and modified is not None and since == int(modified)
