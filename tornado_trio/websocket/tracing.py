"""The hook for tracing all WebSocket sessions. Knows no tracing library.

One for the process, as for the requests of clients (`client.tracing`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Protocol, TypeAlias

from ..wire.websocket import WebSocketProtocol

__all__ = ["SessionTracer", "TracedLink", "TracedSession", "session_tracer", "set_session_tracer"]


class MessageCounts(Protocol):
    """As of `WebSocketStatistics`."""

    @property
    def received(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def dropped(self) -> int: ...


class TracedSession(Protocol):
    """What a tracer asks of a session: the native `WebSocket` has it."""

    @property
    def client(self) -> bool: ...
    @property
    def subprotocol(self) -> str | None: ...
    @property
    def close_code(self) -> int | None: ...
    def statistics(self) -> MessageCounts: ...


class TracedLink:
    """A `TracedSession` for a link without a session; no message of it is dropped."""

    dropped = 0

    def __init__(self, protocol: WebSocketProtocol, subprotocol: str | None) -> None:
        self._protocol = protocol
        self.subprotocol = subprotocol

    @property
    def client(self) -> bool:
        return self._protocol.client

    @property
    def close_code(self) -> int | None:
        return self._protocol.close_code

    @property
    def received(self) -> int:
        return self._protocol.reader.messages

    @property
    def sent(self) -> int:
        return self._protocol.sent

    def statistics(self) -> TracedLink:
        return self


#: Called with a session when it begins, in the task that opens it, and the context that its
#: handshake was answered in, if that has been left since; what it returns is called once when the
#: session has ended, with the exception that ended its block, if one did.
SessionTracer: TypeAlias = (
    "Callable[[TracedSession, Context | None], Callable[[BaseException | None], None]]"
)

_tracer: SessionTracer | None = None


def set_session_tracer(new: SessionTracer | None) -> None:
    """Trace all sessions from now on; None: stop tracing."""
    global _tracer
    _tracer = new


def session_tracer() -> SessionTracer | None:
    """The current tracer."""
    return _tracer
