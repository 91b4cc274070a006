"""What generated code calls while it runs, and the names every template sees.

Knows `escape`; knows nothing of templates. These functions run once per expression
of a template: keep them short.
"""

from __future__ import annotations

import builtins
import datetime
from collections.abc import Callable
from typing import Any

from tornado_trio.escape import json_encode, linkify, squeeze, url_escape, utf8, xhtml_escape

__all__ = ["DEFAULT_ESCAPE", "DEFAULT_NAMESPACE", "escape_text", "escaper", "text"]

# The escaping function that has a helper of its own; others are called by name.
DEFAULT_ESCAPE = "xhtml_escape"

DEFAULT_NAMESPACE: dict[str, Any] = {
    "__builtins__": builtins,
    "escape": xhtml_escape,
    "xhtml_escape": xhtml_escape,
    "url_escape": url_escape,
    "json_encode": json_encode,
    "squeeze": squeeze,
    "linkify": linkify,
    "datetime": datetime,
    "_tt_utf8": utf8,
    "_tt_string_types": (str, bytes),
}


def text(value: object) -> bytes:
    """The output of an expression: bytes as they are, anything else as UTF-8 of its text."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        value = str(value)
    return value.encode()


def escape_text(value: Any) -> bytes:
    """The same with XHTML escaping.

    Five searches for what must be escaped cost 0.10 µs on a short string; escaping
    without looking costs 0.25 µs, a regular expression 0.15 µs (1.5 µs for 500 characters).
    """
    if value.__class__ is not str:
        if isinstance(value, bytes):
            value = value.decode()
        elif not isinstance(value, str):
            value = str(value)
    if "&" in value or "<" in value or ">" in value or '"' in value or "'" in value:
        value = xhtml_escape(value)
    output: bytes = value.encode()
    return output


def escaper(function: Callable[[bytes], str | bytes]) -> Callable[[object], bytes]:
    """What stands for `xhtml_escape` in a template given the function of that name.

    A program may pass a function of its own under the name: it is then given bytes, as
    any other escaping function of a template.
    """
    if function is xhtml_escape:
        return escape_text

    def escape(value: object) -> bytes:
        return utf8(function(text(value)))

    return escape
