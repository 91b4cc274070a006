"""A request body that is sent while the answer is awaited.

Knows `Connection`. A server may answer before it has read the whole body (413, echoes,
progress), so sending and receiving run concurrently: reading the answer must not wait for the
sender, and a server that stops reading must not hold up the answer.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias, final

import trio

from ..errors import StreamClosedError
from .connection import Connection
from .errors import ConnectionLost

#: Sends a body by calling the writer it is given; see `BodyWriter`.
Producer: TypeAlias = "Callable[[BodyWriter], Awaitable[object]]"
Chunk: TypeAlias = "bytes | bytearray | memoryview"


@final
class BodyWriter:
    """What a producer writes to.

    `await writer(chunk)` waits until the transport has caught up (backpressure).
    `writer.write(chunk)` does not wait; `drain` does.
    """

    __slots__ = ("_connection", "progress")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.progress = 0  # bytes accepted so far

    def write(self, chunk: Chunk) -> bool:
        """Send or queue; True when nothing is left over.

        Raises: `HTTPOutputError` beyond the announced length, `StreamClosedError`.
        """
        done = self._connection.send_chunk(chunk)
        self.progress += len(chunk)
        return done

    def unbounded(self) -> None:
        """Let `write` queue without bound, for programs that never wait."""
        self._connection.stream.max_write_buffer_size = None

    async def drain(self) -> None:
        """Until the transport has taken everything."""
        await self._connection.stream.drain()

    async def __call__(self, chunk: Chunk) -> None:
        if not self.write(chunk):
            await self.drain()
        else:
            await trio.lowlevel.checkpoint()


@final
class Upload:
    """The sending task, and its outcome.

    Attributes:
      done: the body is sent, or never will be.
      error: the producer's exception; the exchange fails with it.
      broken: the server does not accept the rest. Its answer may still come.
    """

    __slots__ = (
        "_connection",
        "_producer",
        "_scope",
        "_seen",
        "_writer",
        "broken",
        "done",
        "done_at",
        "error",
        "progress_at",
    )

    def __init__(self, connection: Connection, producer: Producer | None) -> None:
        self._connection = connection
        self._producer = producer
        self._writer = BodyWriter(connection)
        self._scope = trio.CancelScope()
        self._seen = (0, -1)
        self.done = False
        self.done_at = math.inf
        self.progress_at = trio.current_time()
        self.error: BaseException | None = None
        self.broken = False

    async def run(self) -> None:
        """The task's body. Raises nothing but cancellation from outside.

        An error of the producer closes the connection: that wakes the task that awaits the answer.
        """
        try:
            with self._scope:
                if self._producer is not None:
                    await self._producer(self._writer)
                    self._connection.send_end()
                await self._writer.drain()
        except (StreamClosedError, ConnectionLost):
            self.broken = True
        except (Exception, BaseExceptionGroup) as error:
            self.error = error
            self._connection.close()
        finally:
            self.done = True
            self.done_at = trio.current_time()

    def cancel(self) -> None:
        """Stop sending; for an exchange that is over."""
        self._scope.cancel()

    def stalled_at(self, idle: float | None) -> float:
        """When sending counts as stalled, judged by what moved since the last call."""
        now = trio.current_time()
        seen = (self._writer.progress, self._connection.stream.unsent)
        if seen != self._seen:
            self._seen = seen
            self.progress_at = now
        return math.inf if idle is None else self.progress_at + idle
