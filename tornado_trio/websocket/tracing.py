"""The hook for tracing all WebSocket sessions. Knows no tracing library.

One for the process, as for the requests of clients (`client.tracing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .session import WebSocket

__all__ = ["SessionTracer", "session_tracer", "set_session_tracer"]

#: Called with a session when it begins, in the task that opens it; what it returns is called once
#: when the session has ended, with the exception that ended its block, if one did.
SessionTracer: TypeAlias = "Callable[[WebSocket], Callable[[BaseException | None], None]]"

_tracer: SessionTracer | None = None


def set_session_tracer(new: SessionTracer | None) -> None:
    """Trace all sessions from now on; None: stop tracing."""
    global _tracer
    _tracer = new


def session_tracer() -> SessionTracer | None:
    """The current tracer."""
    return _tracer
