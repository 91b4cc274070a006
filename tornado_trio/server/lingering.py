"""A handler that goes on after the end of its response.

Its client must not wait for it: the next request on the connection, or the end of the
connection, is another task's business from then on. The handler keeps its task, its place
among the server's connections (so a drain waits for it) and no part of the stream.

Knows connections. Costs nothing where handlers end with their response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["leave_handler_soon"]


def leave_handler_soon(connection: ServerConnection) -> None:
    """See whether the handler lingers, once its present step is over."""
    if connection.server.nursery is not None:
        connection.start_beside(_leave_handler, connection, name="connection")


async def _leave_handler(connection: ServerConnection) -> None:
    if not connection.lingering or not connection.wire.skip_body():
        return  # it has ended by itself; or its client still owes a body
    server, stream = connection.server, connection.stream
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
