"""Is the client still there? What its leave means for the handler.

Knows the connection's wire and stream, and disconnect policies.

The end of the client's stream can mean two things: it shut down its sending side and waits
for the response (`nc -N`), or it is gone. Its kernel tells which only when something is
sent to it: one that closed answers with a reset. So an interim response is sent, which
every HTTP/1.1 client must cope with (RFC 9110 15.2); a reset that follows is reported by
the watch. Where that is not possible (HTTP/1.0, or the response has begun) the client gets
`Timeouts.half_closed` to be heard of, by a failing write, before it counts as gone.

One that is gone needs no descriptor: a thousand clients that leave a slow handler must not
cost the next thousand their connections.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from ..errors import StreamClosedError
from ..log import app_log
from .lingering import leave_handler_soon, let_go

if TYPE_CHECKING:
    from .connection import ServerConnection
    from .exchange import Http1Exchange

__all__ = ["lost", "signal"]


_PROBE = b"HTTP/1.1 102 Processing\r\n\r\n"


def signal(connection: ServerConnection, half: bool) -> None:
    """The client's stream ended (`half`), or the whole connection did."""
    if not half:
        lost(connection, StreamClosedError("the client closed the connection"))
        return
    if connection.half_closed:
        return
    connection.half_closed = True
    exchange = connection.exchange
    if exchange is None:
        return
    if exchange.finished:
        leave_handler_soon(connection)  # the end of the stream is not the handler's to see
    elif not connection.options.tolerate_half_close:
        lost(connection, StreamClosedError("the client closed the connection"))
    elif connection.wire.responded or exchange.start_line.version == "HTTP/1.0":
        connection.start_watcher(_presume_gone)
    else:
        try:
            connection.stream.write(_PROBE)
        except StreamClosedError as exc:
            lost(connection, exc)
        else:
            if not connection.server.watch.arm(connection, half_seen=True):
                connection.start_watcher(_listen_for_reset)


async def _listen_for_reset(connection: ServerConnection) -> None:
    """Without epoll nothing wakes us for a reset: look for it, ever more rarely.

    Reading would not tell: after the end of the stream it only ever says so again.
    """
    sock = connection.stream.socket
    if sock is None:
        return
    pause = 0.02
    while sock.fileno() >= 0 and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        await trio.sleep(pause)
        pause = min(pause * 2, 5)
    lost(connection, StreamClosedError("the client reset the connection"))


async def _presume_gone(connection: ServerConnection) -> None:
    await trio.sleep(connection.options.timeouts.half_closed)
    error = StreamClosedError("the client closed its side and was not heard of since")
    lost(connection, error)


def lost(connection: ServerConnection, error: Exception) -> None:
    """The client is gone: tell the handler, as its policy says; give the descriptor back."""
    exchange = connection.exchange
    if exchange is None:
        return
    if exchange.gone is None:
        if exchange.finished:
            exchange.gone = error
        else:
            _tell(connection, exchange, error)
    let_go(connection)


def _tell(connection: ServerConnection, exchange: Http1Exchange, error: Exception) -> None:
    try:
        connection.in_context(exchange.client_gone, error)
    except Exception:
        app_log.exception("Uncaught exception in a close callback of %r", exchange)
    policy = exchange.on_disconnect
    if policy.kind == "cancel":
        connection.nursery.cancel_scope.cancel()
    elif policy.kind == "grace":
        connection.grace_period(policy.seconds)
