"""A connection that continues without its handler, which is still running.

The response is sent; the handler, or children of the request's nursery, are still running.
The client must not wait for them: the next request on the connection, or its end, is another
connection object's from then on. The first keeps its task, the request, its place among the
server's connections (so a drain waits for it) and no part of the stream.

Knows connections. Costs nothing where handlers end with their response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .interfaces import Connection, Serving


__all__ = ["continue_connection"]


class Releasing(Protocol):
    """A connection whose stream another one may take over."""

    @property
    def server(self) -> Serving: ...
    def make_successor(self) -> Connection | None:
        """Release the stream; returns what continues with it, None if nothing does."""


async def continue_connection(connection: Releasing) -> None:
    """Continue to serve the stream that `connection` releases: a task of the server's nursery."""
    successor = connection.make_successor()
    if successor is None:
        return
    server = connection.server
    limiter = server.limiter
    if limiter is None:
        await server.adopt(successor)
        return
    # The place of the first is free when its handler ends, not when the connection does.
    limiter.enter()
    try:
        await server.adopt(successor)
    finally:
        limiter.leave()
