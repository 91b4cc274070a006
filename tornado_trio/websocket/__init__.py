"""WebSocket sessions on trio, for servers and clients."""

from ..wire.websocket import CloseCode, ConnectionClosed, DeflateOptions, HandshakeError
from .broadcast import broadcast
from .link import Link
from .options import SlowConsumer, WebSocketOptions
from .session import WebSocket, WebSocketStatistics, run_session

__all__ = [
    "CloseCode",
    "ConnectionClosed",
    "DeflateOptions",
    "HandshakeError",
    "Link",
    "SlowConsumer",
    "WebSocket",
    "WebSocketOptions",
    "WebSocketStatistics",
    "broadcast",
    "run_session",
]
