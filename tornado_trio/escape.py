"""Escaping and unescaping: HTML, URLs, JSON, and bytes to text and back.

Pure functions of the standard library. Knows nothing of requests or templates.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, overload

from ._util.late import later, pattern_later
from ._util.linkify import linkify_escaped
from ._util.percent import parse_qs_bytes, unquote_to_bytes
from ._util.text import to_unicode, utf8

if TYPE_CHECKING:
    import html
    import json
    import json.encoder
else:
    html = later("html", globals())
    json = later("json", globals())

__all__ = [
    "json_decode",
    "json_encode",
    "linkify",
    "native_str",
    "parse_qs_bytes",
    "recursive_unicode",
    "squeeze",
    "to_basestring",
    "to_unicode",
    "unquote_to_bytes",
    "url_escape",
    "url_unescape",
    "utf8",
    "xhtml_escape",
    "xhtml_unescape",
]

# --- bytes and text ----------------------------------------------------------------

# Python 2 distinguished these: the type of a plain literal, and what could be text there.
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


_blanks_and_controls = pattern_later(r"[\x00-\x20]+", globals())


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
    return _dumps(value).replace("</", "<\\/")


def _other(value: Any) -> Any:
    # Found when it is needed, as programs put another `default` into the class.
    return json._default_encoder.default(value)  # type: ignore[attr-defined]


def _new_encoder() -> Any:
    """What `json.dumps` makes for each call, and nearly half of what a small dict costs (9 k of
    21 k instructions): the encoder in C, which gives the same text. None: there is none."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    escape = json.encoder.encode_basestring_ascii
    # Marks of circular values, default, escape, indent, separators; no sorting, no skipping, NaN.
    return make and make({}, _other, escape, None, ": ", ", ", False, False, True)


# What `json` has of its own, found by the first `_dumps` that sees it: a program may have put
# others in place, functions of C too.
_plain_dumps: Any = None
_plain_default: Any = None
_encoder: Any = None


def _find_encoder() -> None:
    global _encoder, _plain_dumps, _plain_default
    default = json._default_encoder  # type: ignore[attr-defined]
    own = getattr(json.dumps, "__globals__", None) is vars(json)
    if own and type(default) is json.JSONEncoder:
        _plain_dumps, _plain_default = json.dumps, default
        _encoder = _new_encoder()


def _dumps(value: Any) -> str:
    """`json.dumps(value)`."""
    global _encoder
    if _plain_dumps is None:
        _find_encoder()
    unchanged = json.dumps is _plain_dumps and json._default_encoder is _plain_default  # type: ignore[attr-defined]
    if _encoder is None or not unchanged:
        return json.dumps(value)
    try:
        return "".join(_encoder(value, 0))
    except BaseException as exc:
        _encoder = _new_encoder()  # its marks stayed
        if not isinstance(exc, Exception):
            raise
    return json.dumps(value)  # says what is wrong


def json_decode(value: str | bytes) -> Any:
    """The value of a JSON text (UTF-8 if bytes). ValueError if it is not valid JSON."""
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
    return urllib.parse.quote_plus(value) if plus else urllib.parse.quote(value)


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
