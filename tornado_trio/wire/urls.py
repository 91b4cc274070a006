"""Host fields, network locations and query strings of URLs.

Knows the grammar (wire/abnf.py) and the standard library's URL functions. Knows nothing
of requests.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..errors import HTTPInputError
from . import abnf

_T = TypeVar("_T", str, bytes)


def split_host_and_port(netloc: str) -> tuple[str, int | None]:
    """(host, port) of "host:port"; the port is None when there is none.

    The brackets of an IPv6 address stay.

    >>> split_host_and_port("[::1]:80")
    ('[::1]', 80)
    """
    host, _, port = netloc.rpartition(":")
    if not host or not port.isdigit() or not port.isascii() or len(port) > 5:
        return netloc, None
    if ":" in host and (host[0] != "[" or host[-1] != "]") and (host[0] == "[" or "::" in netloc):
        return netloc, None  # an address without brackets, or cut off: its last group is no port
    return host, int(port)


def parse_host(value: str) -> tuple[str, int | None]:
    """(host, port) of a Host field. HTTPInputError unless it is valid (RFC 9110 7.2).

    Stricter than `split_host_and_port`: URLs are rebuilt from what passes here, so the
    brackets must balance, the port must be a number, and two fields joined by a comma are refused.
    """
    parsed = abnf.split_host(value)
    if parsed is None:
        raise HTTPInputError(f"Invalid Host header: {value!r}")
    return parsed


# As `abnf._hosts`: the same few all the time, and no more than those.
_MAX_NAMES = 256
_names: dict[str, str] = {}


def host_name_of(value: str) -> str:
    """The name of a Host field, in lower case without the port; errors as `parse_host`."""
    name = _names.get(value)
    if name is None:
        name = parse_host(value)[0].lower()
        if len(_names) >= _MAX_NAMES:
            _names.clear()
        if len(value) <= 255:
            _names[value] = name
    return name


def split_absolute_form(target: str) -> tuple[str, str] | None:
    """(authority, path and query) of an absolute-form request target; None for others.

    A server must accept "GET http://host/path" from any client (RFC 9112 3.2.2).
    """
    if target[:1] == "/" or "://" not in target:
        return None
    scheme, _, rest = target.partition("://")
    if scheme.lower() not in ("http", "https"):
        return None
    match = re.match(r"[^/?#]*", rest)
    authority = match[0] if match else ""
    path = rest[len(authority) :]
    return authority, path if path.startswith("/") else "/" + path


def url_concat(
    url: str,
    args: Mapping[str, Any] | Sequence[tuple[str, Any]] | None,
) -> str:
    """`url` with arguments added to its query string. TypeError for other `args`.

    >>> url_concat("http://example.com/foo?a=b", [("c", "d"), ("c", "d2")])
    'http://example.com/foo?a=b&c=d&c=d2'
    """
    if args is None:
        return url
    if isinstance(args, (dict, Mapping)):
        added: list[tuple[Any, Any]] = list(args.items())
    elif isinstance(args, (list, tuple)):
        added = list(args)
    else:
        raise TypeError(f"'args' parameter should be dict, list or tuple. Not {type(args)}")
    scheme, netloc, path, query, fragment = urlsplit(url)
    all_args = parse_qsl(query, keep_blank_values=True) + added if query else added
    return urlunsplit((scheme, netloc, path, urlencode(all_args), fragment))


def qs_to_qsl(qs: Mapping[str, Iterable[_T]]) -> Iterable[tuple[str, _T]]:
    """The (name, value) pairs of what `parse_qs` returned."""
    for name, values in qs.items():
        for value in values:
            yield name, value


def encode_username_password(username: str | bytes, password: str | bytes) -> bytes:
    """The "user:password" of HTTP basic authentication, UTF-8, text in NFC (RFC 7617)."""

    def encode(text: str | bytes) -> bytes:
        if isinstance(text, bytes):
            return text
        return unicodedata.normalize("NFC", text).encode("utf-8")

    return encode(username) + b":" + encode(password)


def origin_matches_host(origin: str, host: str | None) -> bool:
    """Whether a browser's Origin names the Host of the request. Ports count.

    Schemes do not: behind a proxy that ends TLS we do not know ours.
    """
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:  # an unbalanced bracket
        return False
    return bool(netloc) and netloc.lower() == (host or "").lower()
