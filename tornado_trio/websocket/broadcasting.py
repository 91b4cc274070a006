"""One message to many sessions. Knows sessions and shared frames; nothing about who owns them."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import StreamClosedError, WriteBufferFull
from ..wire.websocket import ConnectionClosed, encode_shared
from ..wire.websocket.deflate import DeflateOptions, Deflater
from .outbox import Message
from .session import WebSocket

__all__ = ["broadcast"]


def broadcast(
    peers: Iterable[WebSocket], message: Message, *, compress: bool = True
) -> list[WebSocket]:
    """Send `message` to every open session of `peers`, without waiting for any.

    The frame is made once, and compressed once for all server sessions that agreed on a window
    of at least `DeflateOptions.window_bits`; sessions with a smaller one, and client sessions,
    which mask, get their own. Closed sessions are skipped.

    Backpressure: none here, so that fast peers do not wait for slow ones; each session's policy for
    slow peers applies (`SlowConsumer`).

    Returns: the sessions that were left out because they are slow.
    """
    plain = message if isinstance(message, (str, bytes)) else bytes(message)
    shared = encode_shared(plain)
    options = DeflateOptions()
    packed = shared
    if compress and len(plain) >= options.min_size:
        packed = encode_shared(plain, Deflater(options.window_bits, False, options))
    left_out: list[WebSocket] = []
    for ws in tuple(peers):
        protocol = ws._link.protocol
        frame: bytes | None = shared
        if protocol.client:
            frame = None
        elif protocol.deflater is not None and compress:
            frame = packed if protocol.deflater.wbits >= options.window_bits else None
        try:
            if not ws._outbox.offer(plain, frame):
                left_out.append(ws)
        except (ConnectionClosed, StreamClosedError):
            continue  # gone or going: its own task knows
        except WriteBufferFull:
            left_out.append(ws)
    return left_out
