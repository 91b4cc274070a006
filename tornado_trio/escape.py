"""Escaping and unescaping: HTML, URLs, JSON, and bytes to text and back.

Pure functions of the standard library. Knows nothing of requests or templates.
"""

from __future__ import annotations

import binascii
import html
import json
import re
import urllib.parse
from collections.abc import Callable, Collection
from typing import Any, overload

from ._util.linkify import linkify_escaped

# --- bytes and text ----------------------------------------------------------------


@overload
def utf8(value: bytes) -> bytes: ...
@overload
def utf8(value: str) -> bytes: ...
@overload
def utf8(value: None) -> None: ...
def utf8(value: str | bytes | None) -> bytes | None:
    """Text as UTF-8 bytes; bytes and None as they are. Else TypeError."""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bytes) or value is None:
        return value
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


@overload
def to_unicode(value: str) -> str: ...
@overload
def to_unicode(value: bytes) -> str: ...
@overload
def to_unicode(value: None) -> None: ...
def to_unicode(value: str | bytes | None) -> str | None:
    """UTF-8 bytes as text; text and None as they are. Else TypeError."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8")
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


# Python 2 told these apart: the type of a plain literal, and what could be text there.
native_str = to_unicode
to_basestring = to_unicode


def recursive_unicode(obj: Any) -> Any:
    """A copy of nested dicts, lists and tuples with every bytes made text."""
    if isinstance(obj, dict):
        return {recursive_unicode(k): recursive_unicode(v) for k, v in obj.items()}
    if isinstance(obj, list):
        return [recursive_unicode(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple([recursive_unicode(item) for item in obj])
    if isinstance(obj, bytes):
        return obj.decode("utf-8")
    return obj


_blanks_and_controls = re.compile(r"[\x00-\x20]+")


def squeeze(value: str) -> str:
    """`value` with every run of blanks and controls as one space, none at the ends."""
    return _blanks_and_controls.sub(" ", value).strip()


# --- HTML and JSON -------------------------------------------------------------------


def xhtml_escape(value: str | bytes) -> str:
    """`value` with `&`, `<`, `>` and both quotes as entities: safe in text and attributes."""
    return html.escape(to_unicode(value))


def xhtml_unescape(value: str | bytes) -> str:
    """The text that HTML with entities stands for."""
    return html.unescape(to_unicode(value))


def json_encode(value: Any) -> str:
    """`value` as JSON.

    `</` becomes `<\\/`, the same to JSON, so that the result may stand inside a
    `<script>` element, which would end at `</script>` in a string too.
    """
    return json.dumps(value).replace("</", "<\\/")


def json_decode(value: str | bytes) -> Any:
    """The value of a JSON text (UTF-8 if bytes). ValueError when it is none."""
    return json.loads(to_unicode(value))


def linkify(
    text: str | bytes,
    shorten: bool = False,
    extra_params: str | Callable[[str], str] = "",
    require_protocol: bool = False,
    permitted_protocols: Collection[str] = ("http", "https"),
) -> str:
    """Plain text as HTML in which URLs are links; everything else is escaped.

    `shorten`: show long URLs cut short, the whole one as the link's title.
    `extra_params`: attributes for each link, or a function from the URL to them.
    `require_protocol`: leave "www.example.com" alone.
    `permitted_protocols`: which schemes become links. "javascript" in it would be a hole.

    >>> linkify("Hello http://tornadoweb.org!")
    'Hello <a href="http://tornadoweb.org">http://tornadoweb.org</a>!'
    """
    return linkify_escaped(
        xhtml_escape(text), shorten, extra_params, require_protocol, permitted_protocols
    )


# --- URLs ------------------------------------------------------------------------------


def url_escape(value: str | bytes, plus: bool = True) -> str:
    """`value` percent-encoded; a space becomes "+" with `plus`, else "%20" ("/" is kept)."""
    data = utf8(value)
    return urllib.parse.quote_plus(data) if plus else urllib.parse.quote(data)


@overload
def url_unescape(value: str | bytes, encoding: None, plus: bool = True) -> bytes: ...
@overload
def url_unescape(value: str | bytes, encoding: str = "utf-8", plus: bool = True) -> str: ...
def url_unescape(
    value: str | bytes, encoding: str | None = "utf-8", plus: bool = True
) -> str | bytes:
    """`value` percent-decoded; "+" is a space with `plus`.

    Decoded by `encoding` (malformed bytes become U+FFFD), or bytes when that is None.
    """
    if encoding is None:
        data = utf8(value)
        return unquote_to_bytes(data.replace(b"+", b" ") if plus else data)
    text = to_unicode(value)
    if plus:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    if text.isascii():
        return unquote_to_bytes(text.encode("ascii")).decode(encoding, "replace")
    # What is not ASCII is kept, whatever the encoding of the escapes.
    return urllib.parse.unquote(text, encoding=encoding, errors="replace")


# Pieces for the slow way below. The standard library makes some 60 bytes of objects for
# each "%", so a body of those alone must not be handed over in one go.
_CHUNK = 8192


def unquote_to_bytes(data: bytes) -> bytes:
    """Percent-decode; what is no valid escape is kept. Linear in time and memory.

    The fast way is the decoder of quoted-printable, which is written in C: 20 times as
    fast as `urllib.parse.unquote_to_bytes`. It agrees where there is neither "=" nor a
    line break and where each escape is valid, and the length of its answer shows that:
    a valid escape takes away two bytes, a broken one less.
    """
    escapes = data.count(b"%")
    if not escapes:
        return data
    if b"=" not in data and b"\n" not in data and b"\r" not in data:
        decoded = binascii.a2b_qp(data.replace(b"%", b"="))
        if len(decoded) == len(data) - 2 * escapes:
            return decoded
    if len(data) <= _CHUNK:
        return urllib.parse.unquote_to_bytes(data)
    out = bytearray()
    start = 0
    while start < len(data):
        end = start + _CHUNK
        # An escape that the cut would split goes to the next piece, whole.
        split = data.rfind(b"%", end - 2, end)
        if split > 0 and end < len(data):
            end = split
        out += urllib.parse.unquote_to_bytes(data[start:end])
        start = end
    return bytes(out)


def parse_qs_bytes(
    qs: str | bytes,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    *,
    max_num_fields: int | None = None,
) -> dict[str, list[bytes]]:
    """The arguments of a query string or urlencoded body: name -> values, as bytes.

    Names are latin-1 text, so that any bytes are a name; values stay bytes because
    their encoding is not known. Only "&" separates (CVE-2021-23336). ValueError for more
    than `max_num_fields`, and for a malformed field with `strict_parsing`.
    """
    data = qs.encode("latin-1") if isinstance(qs, str) else bytes(qs)
    if max_num_fields is not None and data.count(b"&") >= max_num_fields:
        raise ValueError("Max number of fields exceeded")
    if b"+" in data:
        data = data.replace(b"+", b" ")
    result: dict[str, list[bytes]] = {}
    for field in data.split(b"&"):
        name, equals, value = field.partition(b"=")
        if not equals and strict_parsing:
            raise ValueError(f"bad query field: {field!r}")
        if value or (keep_blank_values and (field or equals)):
            if b"%" in field:
                name, value = unquote_to_bytes(name), unquote_to_bytes(value)
            result.setdefault(name.decode("latin-1"), []).append(value)
    return result
