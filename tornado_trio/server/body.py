"""`RequestBody`: the body of one request, read as it arrives.

Knows the wire, the stream and their bounds: 100-continue, inflating, time limits, letting
others run. Must not know handlers or responses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from .._util.fairness import Budget
from .._util.late import later
from ..errors import LimitError, PeerError, StreamClosedError
from ..exchange import Cause
from ..net.stream import Stream
from ..wire.events import EndOfMessage, RequestHead, Signal
from ..wire.headers import HTTPHeaders
from ..wire.http1 import ServerWire

if TYPE_CHECKING:
    from ..wire import codings
    from .interfaces import Channel
else:
    codings = later("tornado_trio.wire.codings", globals())

__all__ = ["RequestBody", "can_skip", "keep_what_was_sent", "take_buffered"]

# Reads in a row that found something: a client faster than we are must not keep the others
# waiting.
_READS_IN_A_ROW = 16
# An unread request body of this size is read and dropped to keep the connection.
_SKIP = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestBody:
    """See the module. Made when a body is first asked for, unless all of it had come already.

    Attributes:
      received: bytes so far, as they came.
      trailers: of a chunked body, once it was read to its end.
      waits: the handler waits for more of it.
    """

    __slots__ = (
        "_budget",
        "_coding",
        "_decoder",
        "_head",
        "_source",
        "_started",
        "_timeout",
        "received",
        "trailers",
        "waits",
    )

    def __init__(self, source: Channel, head: RequestHead) -> None:
        self._source = source
        self._head = head
        self._budget = Budget(_READS_IN_A_ROW)
        self._decoder: codings.BoundedDecoder | None = None
        self._coding = ""
        self._started = False
        self._timeout = source.options.timeouts.body
        self.received = 0
        self.waits = False
        self.trailers: HTTPHeaders | None = None

    def __repr__(self) -> str:
        return f"<RequestBody {self.received} bytes received>"

    # --- what may be set before it is read ----------------------------------------------
    def set_timeout(self, seconds: float | None) -> None:
        """Another deadline, from now; None: none."""
        self._timeout = seconds
        if self._started:
            self._set_deadline()

    def inflate(self) -> None:
        """Undo a gzip coding while reading; the header fields say so afterwards."""
        headers = self._head.headers
        coding = headers["Content-Encoding"]
        if coding.lower() not in ("gzip", "x-gzip"):
            return
        decoder = codings.make_decoder(coding)
        assert decoder is not None
        wire = self._source.wire
        self._decoder = codings.BoundedDecoder(decoder, None, max_chunk=wire.limits.chunk_size)
        self._coding = coding.lower()
        headers["X-Consumed-Content-Encoding"] = coding
        del headers["Content-Encoding"]

    @property
    def inflates(self) -> bool:
        return self._decoder is not None

    # --- reading -------------------------------------------------------------------------
    async def read_chunk(self) -> bytes:
        """The next piece; b"" at the end.

        Raises `PeerError`, `LimitError` (413): answer them and the connection closes;
        `StreamClosedError`: the client left.
        Cancellation: nothing is lost.
        """
        decoder = self._decoder
        if decoder is None:
            return await self._receive_chunk(self._source.on_body_over)
        if not self._started:
            decoder.max_size = self._source.wire.max_body_size  # may be changed until now
        try:
            while not (piece := decoder.next_piece()):
                if decoder.finished:
                    return b""
                decoder.feed(await self._receive_chunk(self._source.on_body_over))
        except LimitError:
            self._source.wire.end_after_response()  # as after any body that is too large
            raise
        except codings.CodingError as exc:
            self._source.wire.end_after_response()
            raise PeerError(f"invalid {self._coding} data: {exc}") from exc
        return piece

    async def skip(self) -> None:
        """Read what is left and drop it."""
        wire = self._source.wire
        while not wire.skip_body():
            if wire.next_event() is Signal.NEED_DATA:
                await self._fill()

    async def _receive_chunk(self, over: Callable[[], None]) -> bytes:
        """As it came on the wire."""
        source = self._source
        wire = source.wire
        while True:
            try:
                event = wire.next_event()
            except PeerError as exc:
                if wire.eof:
                    error = StreamClosedError("the client left while sending the body")
                    source.on_disconnect(Cause.CLIENT_GONE, error)
                    raise error from exc
                raise
            if event is Signal.NEED_DATA:
                self._begin()
                event = await self._fill()
                if not event:
                    continue
            if type(event) is bytes:
                self.received += len(event)
                if self._head.chunked:
                    await self._budget.maybe_checkpoint()
                return event
            if type(event) is EndOfMessage:
                self.trailers = event.trailers
                over()
            return b""

    async def _fill(self) -> bytes:
        """More bytes into the wire, b"" at the end of the stream.

        Returns them if they are body as they stand: then the wire did not take them.
        """
        source = self._source
        stream, timeouts = source.stream, source.body_timeouts
        try:
            while (data := stream.read_nowait()) is None:
                self._budget.renew()
                timeouts.expect(source)
                self.waits = True
                try:
                    await stream.wait_readable()
                finally:
                    self.waits = False
                    timeouts.arrived(source)
        except StreamClosedError as exc:
            source.on_disconnect(Cause.CLIENT_GONE, exc)
            raise
        wire = source.wire
        if len(data) > wire.limits.chunk_size or not wire.passthrough(data):
            wire.feed(data)
            data = b""
        if self._budget.spent():
            await trio.lowlevel.checkpoint()
        return data

    def _begin(self) -> None:
        if self._started:
            return
        self._started = True
        source = self._source
        if self._head.expect_continue and not source.wire.responded:
            try:
                source.stream.write(_CONTINUE)
            except StreamClosedError as exc:
                source.on_disconnect(Cause.CLIENT_GONE, exc)
        if self._timeout is not None:
            self._set_deadline()

    def _set_deadline(self) -> None:
        seconds = self._timeout
        due = None if seconds is None else trio.current_time() + seconds
        self._source.deadlines.set(Cause.BODY_DEADLINE, due)


def take_buffered(wire: ServerWire, head: RequestHead) -> bytes | None:
    """The whole body with a length if all of it has come along with its head, else None."""
    if head.chunked or wire.buffered < (head.content_length or 0):
        return None
    chunks = []
    while type(event := wire.next_event()) is bytes:
        chunks.append(event)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def keep_what_was_sent(wire: ServerWire, stream: Stream, limit: int) -> bool:
    """The client is gone: take what it had sent of the body, so that the stream may be closed.

    False: that is more than may be read ahead.
    """
    try:
        while wire.body_unread and not wire.eof:
            if wire.buffered >= limit:
                return False
            data = stream.read_nowait()
            if data is None:
                break  # it has not ended its stream, and is gone all the same
            wire.feed(data)
    except StreamClosedError:
        pass  # reset: no more will come
    return True


def can_skip(wire: ServerWire, head: RequestHead) -> bool:
    """The response begins before the body was read: can the connection be reused?

    What is too long will be refused, not skipped.
    """
    skippable = min(_SKIP, wire.max_body_size)
    return not (head.expect_continue or head.chunked or (head.content_length or 0) > skippable)
