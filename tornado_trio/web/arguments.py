"""Reading the arguments of a request: decoding, stripping, defaults.

Knows the argument dictionaries of a request (names to lists of bytes) and `HTTPError`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .errors import HTTPError, MissingArgumentError

if TYPE_CHECKING:
    from .handler import RequestHandler

# Control characters become blanks: they have no place in a text field, and a log line or a
# page built from one should not be broken by them.
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")


class _Required:
    """The default of arguments that have no default."""

    def __repr__(self) -> str:
        return "<required>"


REQUIRED = _Required()


def decode(value: bytes | str, name: str | None) -> str:
    """Bytes of the URL or body as text; 400 when they are not UTF-8."""
    if isinstance(value, str):
        return value  # a router of the program's own passed text
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise HTTPError(
            400, "Invalid unicode in %s: %r", name or "url", value[:40]
        ) from None


def last(
    handler: RequestHandler,
    name: str,
    default: Any,
    source: dict[str, list[bytes]],
    strip: bool,
) -> Any:
    """The last value of an argument, its default, or `MissingArgumentError`."""
    values = source.get(name)
    if values:
        # Decoding only the last one would be cheaper, but a bad value is an error wherever
        # it stands.
        return every(handler, name, source, strip)[-1]
    if default is REQUIRED:
        raise MissingArgumentError(name)
    return default


def every(
    handler: RequestHandler, name: str, source: dict[str, list[bytes]], strip: bool
) -> list[Any]:
    """All values of an argument, decoded by the handler."""
    if not isinstance(strip, bool):
        # get_arguments("name", "default") is a likely mistake for get_argument.
        raise AssertionError("strip must be a bool; use get_argument() for a default")
    values: list[Any] = []
    for raw in source.get(name, ()):
        value = handler.decode_argument(raw, name=name)
        if isinstance(value, str):
            value = _CONTROLS.sub(" ", value)
        values.append(value.strip() if strip else value)
    return values
