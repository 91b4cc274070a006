"""WebSocket sessions on trio, for servers and clients.

Settings and errors are here at once; what runs a session, and trio with it, is imported when it is
first used.
"""

from typing import TYPE_CHECKING

from .._util.late import names_later
from ..wire.websocket import CloseCode, ConnectionClosed, DeflateOptions, HandshakeError
from .options import SlowConsumer, WebSocketOptions

if TYPE_CHECKING:
    from .broadcasting import broadcast
    from .link import Link
    from .running import run_session
    from .server import accept, same_origin
    from .session import WebSocket, WebSocketStatistics

_LATER = {
    "Link": "link",
    "WebSocket": "session",
    "WebSocketStatistics": "session",
    "accept": "server",
    "broadcast": "broadcasting",
    "run_session": "running",
    "same_origin": "server",
}

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

__getattr__, __dir__ = names_later(globals(), _LATER)
