"""Redirect targets, as a browser would interpret them. Pure functions.

Browsers read a Location more freely than RFC 3986: backslashes are slashes, tabs and line
ends are dropped, any number of slashes may stand before a host. What is checked here is
checked in their reading (CVE-2023-28370 and its kin).
"""

from __future__ import annotations

import re
import string

from .._util.late import pattern_later

_DROPPED = str.maketrans("\\", "/", "\t\r\n")
_BLANKS = "".join(map(chr, range(0x21)))  # C0 controls and space: trimmed at both ends
_SCHEME = pattern_later(r"([a-z][a-z0-9+.\-]*):", globals(), re.IGNORECASE)
_SPECIAL = frozenset(["http", "https", "ws", "wss", "ftp", "file"])
_HOST = pattern_later(r"/*([^/?#]*)", globals())


def origin_of(url: str) -> tuple[str, str]:
    """The scheme and the authority (with user and port) that a browser would go to.

    Both are "" when the URL leaves them as they are.
    """
    url = url.strip(_BLANKS).translate(_DROPPED)
    scheme = ""
    match = _SCHEME.match(url)
    if match is not None:
        scheme = match[1].lower()
        url = url[match.end() :]
        if scheme in _SPECIAL:
            host = _HOST.match(url)
            assert host is not None  # it matches the empty string
            return scheme, host[1].lower()
    if url.startswith("//"):
        host = _HOST.match(url)
        assert host is not None
        # "///" is the empty authority of RFC 3986 and yet a host to browsers: never "".
        return scheme, host[1].lower() or "/"
    return scheme, ""


def leads_elsewhere(path: str) -> bool:
    """Whether redirecting to this path of ours would lead to another host."""
    return origin_of(path) != ("", "")


def local_url(url: str | None, default: str = "/") -> str:
    """`url` if it stays on this site, else `default`: for a `next` that a client sent.

    self.redirect(web.local_url(self.get_argument("next", None)))
    """
    if not url or leads_elsewhere(url) or not url.isprintable():
        return default
    return url


def fixed_origin(template: str) -> tuple[str, str]:
    """The origin that a `str.format` template spells out before its first field."""
    literal, field, _, _ = next(iter(string.Formatter().parse(template)), ("", None, None, None))
    return origin_of(template if field is None else literal)
