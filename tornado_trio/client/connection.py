"""One HTTP/1.1 connection of a client: a stream, its wire state, one exchange at a time.

Knows `Stream` and `ClientWire`. Must not know the pool, redirects or how it was connected.
Only waiting is asynchronous; bytes that have been received are parsed without a scheduler step,
except for a regular pause so that a fast server cannot block the loop.
"""

from __future__ import annotations

from typing import Any, NoReturn, final

import trio

from .._util.fairness import Budget
from ..errors import LimitError, PeerError, StreamClosedError
from ..limits import RESPONSES, Limits
from ..net import Stream
from ..wire.engines import WireEngine, engine_for
from ..wire.events import EndOfMessage, ResponseHead, Signal
from ..wire.headers import HTTPHeaders
from .deadlines import Deadlines
from .errors import BodyTooLarge, ConnectionLost, ResponseError

# 16 of up to 64 KiB, with their parsing, are about a millisecond.
_CHUNKS_IN_A_ROW = 16
# Up to here head and body are one write: copying 16 KiB costs 1 µs, a packet of its own 5.
_JOIN_BODY = 16 * 1024


@final
class Connection:
    """An open connection to one origin (or to a proxy for it).

    Attributes:
      stream: owned; closed by `close`.
      route: how it was opened; the pool's key.
      exchanges: requests begun on it.
      heard: bytes of the current response have arrived.
    """

    __slots__ = (
        "_budget",
        "_sending",
        "exchanges",
        "heard",
        "route",
        "stream",
        "trailers",
        "wire",
    )

    def __init__(
        self,
        stream: Stream,
        limits: Limits,
        engine: WireEngine | None = None,
        route: Any = None,
    ) -> None:
        self.stream = stream
        self.wire = (engine or engine_for(None, RESPONSES)).client_wire(limits)
        self.route = route
        self.exchanges = 0
        self.heard = False
        self.trailers: HTTPHeaders | None = None
        self._sending = False
        self._budget = Budget(_CHUNKS_IN_A_ROW)

    def __repr__(self) -> str:
        state = "closed" if self.stream.closed else f"{self.exchanges} exchanges"
        return f"<Connection {self.stream.remote_address} {state}>"

    # --- the pool's questions -------------------------------------------------
    def is_stale(self) -> bool:
        """While idle: whether the server closed it, or sent unsolicited bytes."""
        try:
            return self.stream.read_nowait(1) is not None
        except StreamClosedError:
            return True

    def recycle(self) -> bool:
        """Make ready for another exchange; False: it has to be closed."""
        if self._sending or self.stream.closed or self.stream.unsent:
            return False
        return self.wire.next_cycle()

    def close(self) -> None:
        """Close at once. Idempotent."""
        self.stream.close()

    # --- sending --------------------------------------------------------------
    def send_head(
        self, method: str, target: str, headers: HTTPHeaders, body: bytes | None = None
    ) -> bool:
        """Send the request head, and `body` if it is given whole.

        A Transfer-Encoding beside a known length (copied from another message by a proxy, say) is
        removed from `headers`: with it, the server would look for the end of this request in the
        next one.

        Returns: whether the transport has taken everything; if not, `Stream.drain` flushes.
        Raises: `HTTPOutputError` (nothing was sent), `StreamClosedError`.
        """
        if (body is not None or "Content-Length" in headers) and "Transfer-Encoding" in headers:
            del headers["Transfer-Encoding"]
        head = self.wire.request_head(method, target, headers)
        self.exchanges += 1
        self.heard = False
        self.trailers = None
        if body is None:
            self._sending = True
            return self.stream.write(head)
        self.wire.body(body)
        self.wire.end()
        self._sending = False
        if len(body) <= _JOIN_BODY:
            return self.stream.write(head + body)
        self.stream.write(head)
        self.stream.max_write_buffer_size = None  # the bytes exist already
        return self.stream.write(body)

    def send_chunk(self, chunk: bytes | bytearray | memoryview) -> bool:
        """Send a chunk of the body. As `send_head`; empty chunks send nothing."""
        framed = self.wire.body(chunk)
        return self.stream.write(framed) if framed else not self.stream.unsent

    def send_end(self) -> bool:
        """The body is complete. `HTTPOutputError` if it is shorter than announced."""
        data = self.wire.end()
        self._sending = False
        return self.stream.write(data) if data else not self.stream.unsent

    # --- receiving ------------------------------------------------------------
    def head_nowait(self) -> ResponseHead | None:
        """The next head (informational ones too) if it has been received. Errors as `read_head`."""
        while True:
            try:
                event = self.wire.next_event()
            except PeerError as error:
                self._refuse(error)
            if type(event) is ResponseHead:
                return event
            if event is not Signal.NEED_DATA:
                raise ConnectionLost(
                    "the server closed the connection without an answer", "first_byte"
                )
            data = self._receive("first_byte")
            if data is None:
                return None
            self.wire.feed(data)

    async def read_head(
        self, deadlines: Deadlines, at: float, limit: str = "first_byte"
    ) -> ResponseHead:
        """The next head, until `at`, the deadline called `limit`.

        Raises: `ConnectionLost`, `ResponseError`, `RequestTimeout`.
        Cancellation: close the connection.
        """
        wait = self.stream.wait_readable
        while True:
            # No answer comes before the request has arrived: wait first, then read.
            await self._wait(deadlines, limit, at, wait)
            head = self.head_nowait()
            if head is not None:
                return head

    async def read_chunk(self, deadlines: Deadlines) -> bytes:
        """Body bytes as they arrive; b"" at the end (`trailers` is then set).

        Raises: `ConnectionLost`, `ResponseError`, `BodyTooLarge`, `RequestTimeout`.
        Cancellation: nothing is lost.
        """
        deadlines.phase = "body"
        wire = self.wire
        idle_at: float | None = None
        while True:
            try:
                event = wire.next_event()
            except PeerError as error:
                self._refuse(error)
            if type(event) is bytes:
                await self._maybe_checkpoint(deadlines)
                return event
            if event is not Signal.NEED_DATA:
                if type(event) is EndOfMessage:
                    self.trailers = event.trailers
                return b""
            data = self._receive("body")
            if data is None:
                if idle_at is None:
                    idle_at = deadlines.after(deadlines.timeouts.idle)
                self._budget.renew()
                await self._wait(deadlines, "idle", idle_at, self.stream.wait_readable)
            else:
                # Framing without payload (chunk heads in trickles) is progress too, but
                # the total deadline bounds it.
                idle_at = None
                if wire.passthrough(data):
                    await self._maybe_checkpoint(deadlines)
                    return data
                wire.feed(data)

    async def _maybe_checkpoint(self, deadlines: Deadlines) -> None:
        """Now and then let others run, although nothing has to be waited for."""
        if self._budget.spent():
            await trio.lowlevel.checkpoint()
            deadlines.check_total()

    def _receive(self, phase: str) -> bytes | None:
        try:
            data = self.stream.read_nowait()
            if data:
                self.heard = True
            return data
        except StreamClosedError as error:
            raise ConnectionLost(f"Connection lost: {error}", phase) from error

    async def _wait(self, deadlines: Deadlines, limit: str, at: float, wait: Any) -> None:
        try:
            await deadlines.wait(limit, at, wait)
        except StreamClosedError as error:
            raise ConnectionLost(f"Connection lost: {error}", deadlines.phase) from error

    def _refuse(self, error: PeerError) -> NoReturn:
        """Turn the wire's complaint into the client's error."""
        head = self.wire.head
        phase = "first_byte" if head is None or head.informational else "body"
        text = str(error)
        if self.wire.eof and text.startswith("Connection closed"):
            raise ConnectionLost(text, phase) from error
        if isinstance(error, LimitError) and head is not None:
            raise BodyTooLarge(text) from error
        raise ResponseError(text, phase) from error
