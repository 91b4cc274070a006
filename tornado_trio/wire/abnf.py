"""The grammar of HTTP/1.1 heads as compiled patterns (RFC 9110, RFC 9112, RFC 3986).

The one place where a token and a host are spelled. Knows nothing but `re`. Text is latin-1
decoded: one character is one byte. Every pattern is meant for `fullmatch` and takes linear
time: no alternative of a repeated group can match what its neighbour matches.
"""

from __future__ import annotations

import re

from .._util.late import pattern_later

_TCHAR = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_VCHAR = r"[!-~]"
_FIELD_VCHAR = r"[!-~\x80-\xff]"
_UNRESERVED = r"[A-Za-z0-9\-._~]"
_SUB_DELIMS = r"[!$&'()*+,;=]"
_PCT_ENCODED = r"%[0-9A-Fa-f]{2}"
_VERSION = r"HTTP/[0-9]\.[0-9]"
_REASON = r"[\t !-~\x80-\xff]+"
# Without the comma that RFC 3986 allows in a name: two fields that were joined are no host.
_REG_NAME = rf"(?:[A-Za-z0-9\-._~!$&'()*+;=]|{_PCT_ENCODED})*"
_IP_LITERAL = r"\[[0-9A-Za-z:.%\-_~]+\]"
_HOST = rf"(?:{_REG_NAME}|{_IP_LITERAL})"
#: A token, to be made part of other patterns.
TOKEN = _TCHAR + "+"

token = re.compile(TOKEN)
field_name = token
method = token
host = pattern_later(rf"({_HOST})(?::([0-9]{{0,5}}))?", globals())

# What the library itself matches by other means (wire/heads.py), and programs may ask for:
# compiled when they do.
_RULES = {
    "tchar": _TCHAR,
    "vchar": _VCHAR,
    "obs_text": r"[\x80-\xff]",
    "field_vchar": _FIELD_VCHAR,
    "field_value": rf"(?:{_FIELD_VCHAR}(?:[\t !-~\x80-\xff]*{_FIELD_VCHAR})?)?",
    "request_target": _FIELD_VCHAR + "+",
    "reason_phrase": _REASON,
    "status_code": r"[0-9]{3}",
    "http_version": _VERSION,
    "request_line": rf"({_TCHAR}+) ({_FIELD_VCHAR}+) ({_VERSION})",
    "status_line": rf"({_VERSION}) ([0-9]{{3}}) ({_REASON})?",
    "uri_unreserved": _UNRESERVED,
    "uri_sub_delims": _SUB_DELIMS,
    "uri_pct_encoded": _PCT_ENCODED,
    "uri_host": _HOST,
    "uri_port": r"[0-9]*",
}

# What may not stand in a field value, in a reason phrase, or anywhere in a head: the
# controls but TAB, and DEL.
control_character = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

# A server sees the same few hosts all the time; a peer that makes them up must not make
# this grow.
_MAX_HOSTS = 256
_hosts: dict[str, tuple[str, int | None] | None] = {}


def split_host(value: str) -> tuple[str, int | None] | None:
    """(name or address, port) of a Host field or authority; None unless it is valid.

    Brackets of an IPv6 address stay; the port is None where there is none. An empty host is
    valid (RFC 9110 7.2).

    >>> split_host("[::1]:80")
    ('[::1]', 80)
    """
    try:
        return _hosts[value]
    except KeyError:
        pass
    found = _split_host(value)
    if len(_hosts) >= _MAX_HOSTS:
        _hosts.clear()
    if len(value) <= 255:
        _hosts[value] = found
    return found


def _split_host(value: str) -> tuple[str, int | None] | None:
    name, _, digits = value.partition(":")
    letters = name.replace(".", "").replace("-", "")
    if not (value.isascii() and letters.isalnum() and (not digits or digits.isdigit())):
        match = host.fullmatch(value)
        if match is None:
            return None
        name, digits = match[1], match[2]
    if not digits:
        return name, None
    return (name, int(digits)) if len(digits) <= 5 and int(digits) <= 65535 else None


def __getattr__(name: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(_RULES[name])
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    globals()[name] = compiled
    return compiled


def __dir__() -> list[str]:
    return sorted({*globals(), *_RULES})
