"""The hook by which requests of all clients may be traced. Knows no library that does.

One for the process: what traces wants them all, those of libraries too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..wire.headers import HTTPHeaders

__all__ = ["RequestSpan", "Tracer", "set_tracer", "tracer"]


class RequestSpan(Protocol):
    """One request under way; one of these is called, once."""

    def answered(self, status: int) -> None:
        """The head of the response has come."""

    def failed(self, error: BaseException) -> None:
        """There will be none."""


#: Called with method, URL and the fields to be sent, to which it may add some.
Tracer = Callable[[str, str, HTTPHeaders], RequestSpan]

_tracer: Tracer | None = None


def set_tracer(new: Tracer | None) -> None:
    """All requests from now on; None: no more."""
    global _tracer
    _tracer = new


def tracer() -> Tracer | None:
    """The present one."""
    return _tracer
