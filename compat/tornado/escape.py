"""`tornado.escape`: HTML, JSON and URL escaping; bytes to text and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado._impl.generation import before
from tornado._impl.names import handing_on
from tornado.util import basestring_type as basestring_type
from tornado.util import unicode_type as unicode_type

from tornado_trio import escape as _native
from tornado_trio.escape import json_decode as json_decode
from tornado_trio.escape import json_encode as json_encode
from tornado_trio.escape import native_str as native_str
from tornado_trio.escape import parse_qs_bytes as parse_qs_bytes
from tornado_trio.escape import recursive_unicode as recursive_unicode
from tornado_trio.escape import squeeze as squeeze
from tornado_trio.escape import to_basestring as to_basestring
from tornado_trio.escape import to_unicode as to_unicode
from tornado_trio.escape import url_escape as url_escape
from tornado_trio.escape import url_unescape as url_unescape
from tornado_trio.escape import utf8 as utf8
from tornado_trio.escape import xhtml_escape as xhtml_escape
from tornado_trio.escape import xhtml_unescape as xhtml_unescape

# Names that older programs import.
_unicode = to_unicode
_unquote_to_bytes = _native.unquote_to_bytes


if before(6):
    from tornado._impl.legacy.escape import xhtml_escape as xhtml_escape


def linkify(
    text: str | bytes,
    shorten: bool = False,
    extra_params: str | Callable[[str], str] = "",
    require_protocol: bool = False,
    permitted_protocols: list[str] = ["http", "https"],  # noqa: B006 - Tornado's signature
) -> str:
    """Plain text as HTML in which URLs are links; see `tornado_trio.escape.linkify`.

    ``linkify("Hello http://tornadoweb.org!")`` returns
    ``Hello <a href="http://tornadoweb.org">http://tornadoweb.org</a>!``
    """
    return _native.linkify(text, shorten, extra_params, require_protocol, permitted_protocols)


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.escape")
