"""The hook for tracing the requests of all clients. Knows no tracing library.

One for the process: a tracer wants all requests, those of libraries too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..wire.headers import HTTPHeaders

__all__ = ["RequestSpan", "Tracer", "set_tracer", "tracer"]


class RequestSpan(Protocol):
    """One request under way; one of these is called, once."""

    def answered(self, status: int) -> None:
        """The head of the response has arrived."""

    def failed(self, error: BaseException) -> None:
        """There will be no response."""


#: Called with method, URL and the fields to be sent, to which it may add some.
Tracer = Callable[[str, str, HTTPHeaders], RequestSpan]

_tracer: Tracer | None = None


def set_tracer(new: Tracer | None) -> None:
    """Trace all requests from now on; None: stop tracing."""
    global _tracer
    _tracer = new


def tracer() -> Tracer | None:
    """The current tracer."""
    return _tracer
