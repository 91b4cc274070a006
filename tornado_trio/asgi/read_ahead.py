"""`ReadAhead`: the messages of an ASGI server about a request, received ahead of use.

ASGI reports a disconnect by what `receive` returns after the body: so a task has to call it all the
time, also while the body is left unread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from ..errors import StreamClosedError
from .types import Receive

__all__ = ["ReadAhead"]

# Bytes of a body that are read ahead. If more is left, a disconnect is noticed when it is read, or
# by servers that say so at once (uvicorn).
_LIMIT: Final = 256 * 1024


class ReadAhead:
    """The messages of one request. `run` is its task, the only one that calls `receive`.

    `gone` is called when the client has disconnected, once, with the error.

    Attributes:
      ended: the whole body has been read.
    """

    def __init__(self, receive: Receive, gone: Callable[[Exception], object]) -> None:
        self._receive = receive
        self._gone = gone
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._over = False  # the server has said that there is no more
        self._error: Exception | None = None
        self._change: trio.Event | None = None  # what one of the two sides waits for
        self.ended = False

    async def run(self) -> None:
        """Run until the client has disconnected. Errors: what `receive` raises."""
        while True:
            while self._size >= _LIMIT:
                await self._wait()
            found = await self._receive()
            if found["type"] == "http.disconnect":
                self._error = StreamClosedError("the client has gone")
                self._changed()
                self._gone(self._error)
                return
            chunk: bytes = found.get("body", b"")
            if chunk:
                self._chunks.append(chunk)
                self._size += len(chunk)
            self._over = self._over or not found.get("more_body", False)
            self._changed()

    async def read(self) -> bytes:
        """The next chunk; b"" at the end. StreamClosedError: the client disconnected before it."""
        while not self._chunks:
            if self._over:
                self.ended = True
                return b""
            if self._error is not None:
                raise StreamClosedError(*self._error.args)
            await self._wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk)
        self.ended = self._over and not self._chunks
        self._changed()
        return chunk

    async def _wait(self) -> None:
        if self._change is None:
            self._change = trio.Event()
        await self._change.wait()

    def _changed(self) -> None:
        if self._change is not None:
            self._change.set()
            self._change = None
