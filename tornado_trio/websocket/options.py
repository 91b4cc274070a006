"""Options of a WebSocket session. Pure data."""

from __future__ import annotations

from dataclasses import field
from enum import Enum

from .._util.records import dataclass
from ..wire.websocket import DeflateOptions

__all__ = ["SlowConsumer", "WebSocketOptions"]


class SlowConsumer(Enum):
    """What happens to a message for a peer that does not keep up.

    A peer is slow while more than `WebSocketOptions.send_buffer` bytes wait for it.
    """

    #: `send` waits; `send_nowait` and `broadcast` leave the message out and say so.
    WAIT = "wait"
    #: `send` never waits; the oldest messages still waiting are dropped, and counted.
    DROP_OLDEST = "drop oldest"
    #: `send` never waits; the session is closed with 1013 (try again later).
    CLOSE = "close"


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSocketOptions:
    """Limits, timeouts and policies of a session. Sizes are bytes, times seconds.

    Args:
        max_message_size: an incoming message, inflated; more: closed with 1009. Tornado's.
        inbox_messages, inbox_bytes: how much is read ahead of a busy handler. Reaching either one
            stops reading: backpressure for the peer.
        send_buffer: bytes that wait for the peer before it counts as slow.
        slow_consumer: see `SlowConsumer`.
        ping_interval: from one ping to the next; None: no keepalive. 20 s is below the
            30 to 60 s after which common proxies drop a silent connection.
        ping_timeout: a pong that takes longer means that the peer is gone.
        close_timeout: the closing handshake, its sends included.
        cancel_timeout: the same when the session's task was cancelled.
        deflate: compression, None for none.
    """

    max_message_size: int | None = 10 * 1024 * 1024
    inbox_messages: int = 32
    inbox_bytes: int = 256 * 1024
    send_buffer: int = 64 * 1024
    slow_consumer: SlowConsumer = SlowConsumer.WAIT
    ping_interval: float | None = 20.0
    ping_timeout: float = 20.0
    close_timeout: float = 10.0
    cancel_timeout: float = 1.0
    deflate: DeflateOptions | None = field(default_factory=DeflateOptions)

    def __post_init__(self) -> None:
        if self.inbox_messages < 1 or self.inbox_bytes < 1:
            raise ValueError("the inbox must hold something")
        if self.ping_interval is not None and self.ping_interval <= 0:
            raise ValueError("ping_interval must be positive, or None for no keepalive")
