"""A connection of the protocol objects as tracers see it (`tornado_trio.websocket.tracing`).

Its messages are counted by wrappers around reading and writing, so that nothing is counted without
a tracer. Knows the wire protocol; must not know the tracer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tornado_trio.websocket.link import Receiver
from tornado_trio.wire.websocket import BINARY, TEXT, WebSocketProtocol

__all__ = ["TracedConnection"]


class TracedConnection:
    """A `TracedSession`.

    Attributes:
      subprotocol: as agreed upon.
      received, sent, dropped: messages; none is dropped here.
    """

    dropped = 0

    def __init__(self, wire: WebSocketProtocol, subprotocol: str | None) -> None:
        self._wire = wire
        self.subprotocol = subprotocol
        self.received = self.sent = 0

    @property
    def client(self) -> bool:
        """This end is the client's."""
        return self._wire.client

    @property
    def close_code(self) -> int | None:
        """How it ended, as of the native session."""
        return self._wire.close_code

    def statistics(self) -> TracedConnection:
        """The counts."""
        return self

    def receiving(self, receiver: Receiver) -> Receiver:
        """`receiver`, and what it gets is counted."""

        def counted(opcode: int, data: Any) -> Awaitable[object] | None:
            if opcode == TEXT or opcode == BINARY:
                self.received += 1
            return receiver(opcode, data)

        return counted

    def sending(self, write_message: Callable[..., Any]) -> Callable[..., Any]:
        """`write_message`, and what it takes is counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            future = write_message(*args, **kwargs)
            self.sent += 1
            return future

        return counted
