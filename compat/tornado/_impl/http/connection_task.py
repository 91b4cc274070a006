"""The task of a connection, if the program's loop makes its own tasks (`own_tasks`).

In Tornado each connection is served by a task, from which those of its handlers come. Here it is a
trio task that serves it; for inspection, there is also a task of the loop: requests are received in
its name, it ends with the connection, and cancelling it ends the connection.

Knows asyncio's tasks and native streams.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from tornado._impl.loop.tasks import shown_as

from tornado_trio.net.stream import Stream

__all__ = ["ConnectionTask", "connection_task"]

_NAME = "HTTP1ServerConnection._server_request_loop"
_current: contextvars.ContextVar[Any] = contextvars.ContextVar("connection_task")


def connection_task() -> Any:
    """That of the connection whose request is under way."""
    return _current.get()


class ConnectionTask:
    """Made in the trio task that is about to serve `stream`; all its requests know of it."""

    def __init__(self, loop: Any, stream: Stream) -> None:
        self._over: asyncio.Future[None] = loop.create_future()
        self._stream = stream
        _current.set(loop.create_task(shown_as(self._run(), _NAME)))

    async def _run(self) -> None:
        try:
            await self._over
        except asyncio.CancelledError:
            self._stream.close()
            raise

    def over(self) -> None:
        """The connection has ended."""
        if not self._over.done() and not self._over.get_loop().is_closed():
            self._over.set_result(None)
