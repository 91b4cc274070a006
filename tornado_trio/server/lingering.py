"""A handler that goes on after the end of its response, or after its client.

Its client must not wait for it: the next request on the connection, or the end of the
connection, is another task's business from then on. The handler keeps its task, its place
among the server's connections (so a drain waits for it) and no part of the stream.

Knows connections. Costs nothing where handlers end with their response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import StreamClosedError

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["leave_handler_soon", "let_go"]


def leave_handler_soon(connection: ServerConnection) -> None:
    """See whether the handler lingers, once its present step is over."""
    if connection.server.nursery is not None:
        connection.start_beside(_leave_handler, connection, name="connection")


async def _leave_handler(connection: ServerConnection) -> None:
    server, stream = connection.server, connection.stream
    if not connection.lingering:
        return  # it has ended by itself
    if not connection.wire.skip_body():
        # Its client owes a body: to be dropped when the handler has ended, if it is there still.
        if connection.half_closed and not stream.unsent:
            let_go(connection)
        return
    # A new connection object, on the same stream and wire, where the old one stopped.
    successor = type(connection)(stream, server, connection.context)
    successor.succeed(connection)
    gate = server.gate
    if gate is None:
        await server.adopt(successor)
        return
    # The place of the first is free when its handler ends, not when the connection does.
    gate.enter()
    try:
        await server.adopt(successor)
    finally:
        gate.leave()


def let_go(connection: ServerConnection) -> None:
    """Close the stream of a client that is gone, though its handler may run on for long.

    What the client had sent of its body is kept for the handler. Where that is more than may
    be read ahead, or is being waited for, the stream stays until the handler has read it.
    """
    wire, stream = connection.wire, connection.stream
    if connection.detached or connection.receiving or stream.closed:
        return
    try:
        while wire.body_unread and not wire.eof:
            if wire.buffered >= connection.options.limits.max_pipelined:
                return
            data = stream.read_nowait()
            if data is None:
                break  # it has not ended its stream, and is gone all the same
            wire.feed(data)
    except StreamClosedError:
        pass  # reset: no more will come
    wire.close_after = True  # what it sent beyond this request is not begun
    connection.server.watch.disarm(connection)
    stream.close()
