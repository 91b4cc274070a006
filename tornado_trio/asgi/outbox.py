"""The messages of an exchange that its ASGI server has not taken yet.

`Exchange.write` does not wait and ASGI's `send` does: a task sends what is queued, and awaiting the
result of `write` waits for that task. Bounded, like a stream's write buffer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, Final

import trio

from ..errors import Disconnected, StreamClosedError, WriteBufferFull
from ..exchange import READY, Failed, Pending
from ..log import gen_log
from .types import Message, Send

__all__ = ["Outbox"]

_LIMIT: Final = 64 * 1024 * 1024  # as of our streams


class Outbox:
    """Messages in order, sent by one task of `nursery` while there are any.

    `gone` is called with the error if the server says that there is no client to send to.

    Attributes:
      error: why nothing more can be sent; None while it can.
    """

    def __init__(
        self, send: Send, gone: Callable[[Exception], object], limit: int = _LIMIT
    ) -> None:
        self._send = send
        self._gone = gone
        self._limit = limit
        self._waiting: deque[tuple[Message, int]] = deque()
        self._size = 0
        self._sending = False
        self._idle = trio.Event()
        self.nursery: trio.Nursery | None = None
        self._deadline = inf
        self._sender: trio.CancelScope | None = None
        self.error: Exception | None = None

    def put(self, message: Message, size: int = 0) -> Awaitable[None]:
        """Send `message`, with `size` bytes of body, after those before it.

        Await the result for backpressure; it raises `StreamClosedError` if the client has
        disconnected.
        """
        if self.error is None and self._size + size > self._limit and self._waiting:
            self.error = WriteBufferFull(f"{self._size} bytes of a response wait for its client")
            self._waiting.clear()
        if self.error is not None:
            return Failed(self.error)
        self._waiting.append((message, size))
        self._size += size
        if not self._sending:
            self._sending = True
            self._idle = trio.Event()
            assert self.nursery is not None
            self.nursery.start_soon(self._run, name="send to the ASGI server")
        return Pending(self)

    async def drain(self) -> None:
        """Wait until everything is sent. Raises `StreamClosedError` if it cannot be."""
        if not self._sending and self.error is None:
            await READY
            return
        await self._idle.wait()
        if self.error is not None:
            raise self.error

    def fail(self, error: Exception) -> None:
        """The client has disconnected: drop what is queued."""
        if self.error is None:
            self.error = error
        self._waiting.clear()
        self._idle.set()

    def end_by(self, deadline: float) -> None:
        """Drop what is not sent by this time of trio's clock.

        Sending continues after the request was cancelled, as it has an answer to send: the code
        that ends the request calls this.
        """
        self._deadline = deadline
        if self._sender is not None:
            self._sender.deadline = deadline

    def _lose(self, error: Exception) -> None:
        closed = StreamClosedError(*error.args)
        closed.__cause__ = error
        self.fail(closed)
        self._gone(closed)

    async def _run(self) -> None:
        kind = ""
        try:
            with trio.CancelScope(shield=True, deadline=self._deadline) as self._sender:
                while self._waiting:
                    message, size = self._waiting.popleft()
                    kind = message["type"]
                    await self._send(message)
                    self._size -= size
            if self._sender.cancelled_caught:
                self.fail(StreamClosedError("the response was not taken in time"))
        except (OSError, Disconnected) as error:  # the client has gone (ASGI 2.4)
            self._lose(error)
        except RuntimeError as error:
            # A message out of place; and what Granian says of a client that has gone.
            if self.error is None:
                gen_log.warning("the ASGI server did not take %s: %s", kind, error)
            self._lose(error)
        finally:
            self._sending = False
            self._sender = None
            self._idle.set()


def message(kind: str, **fields: Any) -> Message:
    """A message of ASGI, by its type and fields."""
    return {"type": kind, **fields}
