"""Module-level names with an underscore that programs in use take from Tornado's modules.

Each means what it means upstream, in a few lines; those that are only other names for something of
ours are in `tornado._impl.names`. Imported on first use.
"""

from __future__ import annotations

import concurrent.futures
import errno
import os
import re
from collections.abc import Awaitable, Iterator
from typing import Any, Protocol, Union

from tornado.escape import to_unicode

__all__: list[str] = []

# --- tornado.iostream, tornado.netutil: errors of sockets by kind ------------------------------


def _errnos(*names: str) -> tuple[int, ...]:
    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


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


# --- tornado.process --------------------------------------------------------------------------


def _pipe_cloexec() -> tuple[int, int]:
    """Both ends of a pipe that child processes do not inherit."""
    return os.pipe()


# --- tornado.gen, tornado.ioloop ----------------------------------------------------------------

#: What may be yielded, as an annotation.
_Yieldable = Union[  # noqa: UP007 - as upstream's
    None,
    Awaitable[Any],
    list[Awaitable[Any]],
    dict[Any, Awaitable[Any]],
    concurrent.futures.Future[Any],
]


class _Selectable(Protocol):
    """What has a descriptor that a loop can watch, and can be closed."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


def _value_from_stopiteration(error: BaseException) -> Any:
    """What a generator returned, from its `StopIteration` or `gen.Return`."""
    if hasattr(error, "value"):
        return error.value
    return error.args[0] if error.args else None
