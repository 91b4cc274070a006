"""Module-level names with an underscore that programs in use take from Tornado's modules.

Each means what it means upstream, in a few lines; those that are only another name of something
of ours stand in `tornado._impl.names` alone. Loaded when first asked for.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import types
from collections.abc import Iterator
from typing import Any

from tornado.escape import to_unicode
from tornado.httputil import HTTPInputError

__all__: list[str] = []

# --- tornado.iostream, tornado.netutil: errors of sockets by kind ------------------------------


def _errnos(*names: str) -> tuple[int, ...]:
    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


_ERRNO_CONNRESET = _errnos(
    *("ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT"),
    *("WSAECONNRESET", "WSAECONNABORTED", "WSAETIMEDOUT"),
)
_ERRNO_WOULDBLOCK = _errnos("EWOULDBLOCK", "EAGAIN", "WSAEWOULDBLOCK")
_ERRNO_INPROGRESS = _errnos("EINPROGRESS", "WSAEINPROGRESS")
_WINDOWS = os.name == "nt"

# --- tornado.escape: what its converters let pass ----------------------------------------------

_UTF8_TYPES = (bytes, type(None))
_TO_UNICODE_TYPES = (str, type(None))
_BASESTRING_TYPES = (str, type(None))


def _safe_unicode(value: Any) -> str:
    """Text for a log line: `repr` of bytes that are no UTF-8."""
    try:
        return str(to_unicode(value))
    except UnicodeDecodeError:
        return repr(value)


# --- tornado.httputil -------------------------------------------------------------------------

# A parameter ends at a semicolon outside quotation marks; a mark after a backslash is no end,
# and one that is never closed reaches to the end of the line.
_PARAMETER = re.compile(r';((?:[^;"]|"(?:[^"\\]|\\.)*(?:"|\Z)|\\")*)', re.DOTALL)


def _parseparam(text: str) -> Iterator[str]:
    """The parameters of a header value that begins with its first semicolon: "name=value"."""
    for match in _PARAMETER.finditer(text):
        yield match[1].strip()


def _int_or_none(text: str) -> int | None:
    return int(text) if text.strip() else None


# --- tornado.http1connection ------------------------------------------------------------------


class _QuietException(Exception):
    """Raised where an exception has been logged already."""

    def __init__(self) -> None:
        super().__init__()


class _ExceptionLoggingContext:
    """``with`` this, an exception is logged with `logger` and becomes a `_QuietException`;
    an `HTTPInputError`, which has an answer of its own, goes on as it is."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, HTTPInputError):
            return
        self.logger.error("Uncaught exception", exc_info=error)
        raise _QuietException


# --- tornado.process --------------------------------------------------------------------------


def _pipe_cloexec() -> tuple[int, int]:
    """Both ends of a pipe that child processes do not inherit."""
    return os.pipe()


# --- tornado.gen ------------------------------------------------------------------------------


def _value_from_stopiteration(error: BaseException) -> Any:
    """What a generator returned, from its `StopIteration` or `gen.Return`."""
    if hasattr(error, "value"):
        return error.value
    return error.args[0] if error.args else None
