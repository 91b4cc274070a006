"""WebSocket sessions on trio, for servers and clients."""

from ..wire.websocket import CloseCode, ConnectionClosed, DeflateOptions, HandshakeError
from .broadcast import broadcast
from .link import Link
from .options import SlowConsumer, WebSocketOptions
from .running import run_session
from .server import accept, same_origin
from .session import WebSocket, WebSocketStatistics

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
    "accept",
    "broadcast",
    "run_session",
    "same_origin",
]
