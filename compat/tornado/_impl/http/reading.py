"""`MessageReading`: how an `HTTP1Connection` reads its message, in methods that programs override.

Heads and bodies are read by the sans-IO wire. Before a body, what it was fed too early goes back to
the stream, so that an override may read there.

Knows IOStreams, message delegates and the wire.
"""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tornado import gen, httputil
from tornado._impl.http.dialects import BAD_REQUEST
from tornado._impl.loop.tasks import run_task
from tornado.concurrent import Future
from tornado.iostream import StreamClosedError
from tornado.log import app_log, gen_log

from tornado_trio._util.late import later
from tornado_trio.errors import LimitError, PeerError
from tornado_trio.wire.bodies import ChunkedReader, LengthReader
from tornado_trio.wire.events import RequestHead, ResponseHead, Signal

if TYPE_CHECKING:
    from tornado._impl.http import inflating
else:
    inflating = later("tornado._impl.http.inflating", globals())

__all__ = ["MessageReading"]


class _QuietException(Exception):
    """Raised where an exception has been logged already."""

    __module__ = "tornado.http1connection"

    def __init__(self) -> None:
        super().__init__()


class _ExceptionLoggingContext:
    """``with`` this, an exception is logged with `logger` and becomes a `_QuietException`.

    What a peer did wrong (`HTTPInputError`) has an answer of its own, and a cancellation is no
    error: they go on as they are.
    """

    __module__ = "tornado.http1connection"

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, PeerError):
            self.logger.error("Uncaught exception", exc_info=error)
            raise _QuietException


_calling_delegate = _ExceptionLoggingContext(app_log)


class MessageReading:
    """The reading half of an `HTTP1Connection`, which has the rest."""

    is_client: bool
    stream: Any
    params: Any
    context: Any
    no_keep_alive: bool
    _wire: Any
    _body_timeout: float | None
    _detached: bool
    _write_finished: bool
    _delegate_told: bool
    _pending_write: Future[Any] | None
    _finish_future: Future[None]
    _inflating: inflating._GzipMessageDelegate | None = None
    _request_start_line: Any
    _request_headers: Any
    _response_start_line: Any
    _on_connection_close: Callable[[], None]
    _clear_callbacks: Callable[[], None]
    close: Callable[[], None]

    def read_response(self, delegate: httputil.HTTPMessageDelegate) -> Awaitable[bool]:
        """Read one message and tell `delegate` of it (a request, on the server's side).

        The result says whether the stream may be used for another message.
        """
        if self.params.decompress:
            delegate = self._inflating = inflating._GzipMessageDelegate(
                delegate, self.params.chunk_size, self._wire.max_body_size
            )
        return run_task(self._read_message(delegate))

    async def _read_message(self, delegate: httputil.HTTPMessageDelegate) -> bool:
        finished = False
        try:
            head = await self._read_head(delegate)
            if head is None or self._detached:
                finished = self._detached
                return False
            await self._read_body_of(head, delegate)
            if not self.is_client and self._wire.buffered:
                # A handler may read from the stream: a tunnel, a protocol of its own.
                self.stream._received.prepend(self._wire.give_back())
            if not self._write_finished or self.is_client:
                with _calling_delegate:
                    delegate.finish()
            finished = True
            return await self._end_of_message()
        except PeerError as exc:
            gen_log.info("Malformed HTTP message from %s: %s", self.context, exc)
            if not (self.is_client or self._wire.responded or self.stream.closed()):
                await self.stream.write(BAD_REQUEST)
        except gen.TimeoutError:
            gen_log.info("Timeout reading body from %s", self.context)
        except (_QuietException, StreamClosedError):
            pass  # logged, or the peer's doing: the connection is over either way
        finally:
            # A server's delegate that was never given a request need not be notified.
            if not finished and (self._delegate_told or self.is_client):
                with suppress(_QuietException), _calling_delegate:
                    delegate.on_connection_close()
            if not self._detached:
                self._clear_callbacks()
        self.close()
        return False

    async def _read_head(
        self, delegate: httputil.HTTPMessageDelegate
    ) -> RequestHead | ResponseHead | None:
        """The message's head; None when there is none to come. 1xx heads on the way."""
        timeout = self.params.header_timeout
        deadline = None if timeout is None else self.stream.io_loop.time() + timeout
        while True:
            event = self._wire.next_event()
            if event is Signal.NEED_DATA:
                try:
                    await self._feed_head(deadline)
                except (gen.TimeoutError, StreamClosedError):
                    # Between messages, or too slow: no error response is due.
                    self.close()
                    return None
                continue
            if not isinstance(event, (RequestHead, ResponseHead)):
                self.close()
                return None
            if isinstance(event, RequestHead) and not self._write_finished:
                self.stream.set_close_callback(self._on_connection_close)
                self._wire.close_after |= self.no_keep_alive
            self._note(event)
            self._delegate_told = True
            await self._awaited(delegate.headers_received, event.start_line, event.headers)
            if isinstance(event, ResponseHead) and event.informational:
                if event.start_line.code != 101:
                    continue
            self._expect_continue(event)
            head: RequestHead | ResponseHead = event
            return head

    def _expect_continue(self, head: RequestHead | ResponseHead) -> None:
        if isinstance(head, RequestHead) and head.expect_continue and not self._write_finished:
            if not self._wire.responded:
                self.stream.write(b"HTTP/1.1 100 (Continue)\r\n\r\n")

    def _note(self, head: RequestHead | ResponseHead) -> None:
        keep_alive = self._can_keep_alive(head.start_line, head.headers)
        if isinstance(head, RequestHead):
            self._request_start_line, self._request_headers = head.start_line, head.headers
            self._wire.close_after = not keep_alive
        else:
            self._response_start_line = head.start_line
            self._wire.keep_alive = keep_alive

    async def _read_body_of(
        self, head: RequestHead | ResponseHead, delegate: httputil.HTTPMessageDelegate
    ) -> None:
        wire = self._wire
        bound = wire.max_body_size
        if type(self)._read_body is not MessageReading._read_body:
            # Our own compares the length with the bound; an override may have others, by path.
            wire.max_body_size = max(bound, head.content_length or 0)
        wire.body_reader()  # a body that is refused is none to be read
        wire.max_body_size = bound
        # Where an override may read them; ours feeds the wire again.
        self.stream._received.prepend(wire.give_back())
        code = head.start_line.code if isinstance(head, ResponseHead) else 0
        reading = self._read_body(code, head.headers, delegate)
        if reading is not None:
            timeout = self._body_timeout
            await self._by(timeout and self.stream.io_loop.time() + timeout, reading)
        wire.end_body()

    # --- what programs override ---------------------------------------------------------
    def _parse_headers(self, data: bytes) -> tuple[str, httputil.HTTPHeaders]:
        """The start line and the fields of a head. What an override returns is looked at as
        if the peer had sent it."""
        first, _, fields = data.decode("latin-1").lstrip("\r\n").partition("\n")
        return first.rstrip("\r"), httputil.HTTPHeaders.parse(fields)

    def _can_keep_alive(self, start_line: Any, headers: httputil.HTTPHeaders) -> bool:
        """May another message follow the one of this head?"""
        if self.no_keep_alive:
            return False
        wire = self._wire
        return bool(wire.keep_alive if self.is_client else not wire.close_after)

    def _read_body(
        self, code: int, headers: httputil.HTTPHeaders, delegate: httputil.HTTPMessageDelegate
    ) -> Awaitable[None] | None:
        """Give the body of the message to `delegate`; None if it has none.

        `code` is the status of a response, 0 for a request. An override may read from the
        stream itself; what it leaves over belongs to the next message.
        """
        reader = self._wire.body_reader()
        if isinstance(reader, LengthReader):
            if reader.remaining > self._wire.max_body_size:
                raise LimitError("Content-Length too long")
            return self._read_fixed_body(reader.remaining, delegate)
        if isinstance(reader, ChunkedReader):
            return self._read_chunked_body(delegate)
        return None if reader is None else self._read_body_until_close(delegate)

    async def _read_fixed_body(
        self, content_length: int, delegate: httputil.HTTPMessageDelegate
    ) -> None:
        """A body of so many bytes."""
        self._wire.expect(content_length)
        await self._read_on(delegate)

    async def _read_chunked_body(self, delegate: httputil.HTTPMessageDelegate) -> None:
        """A body in chunks."""
        await self._read_on(delegate)

    async def _read_body_until_close(self, delegate: httputil.HTTPMessageDelegate) -> None:
        """A body that ends with the stream."""
        await self._read_on(delegate)

    # --- reading by the wire ------------------------------------------------------------
    async def _read_on(self, delegate: httputil.HTTPMessageDelegate) -> None:
        """Read a body to its end. Small chunks are handed on together."""
        wire, size = self._wire, 0
        pieces: list[bytes] = []
        while True:
            event = wire.next_event()
            if event is Signal.NEED_DATA and not pieces:
                data = await self._next_bytes()
                if not wire.passthrough(data):
                    wire.feed(data)
                    continue
                event = data
            if type(event) is bytes:
                pieces.append(event)
                size += len(event)
                if size < self.params.chunk_size and wire.buffered:
                    await asyncio.sleep(0)  # taking chunks apart takes time others want too
                    continue
            elif not pieces:
                return
            if self.is_client or not self._write_finished:
                await self._deliver(delegate, b"".join(pieces))
            pieces, size = [], 0

    async def _next_bytes(self, deadline: float | None = None) -> bytes:
        """Some from the stream; b"" at its end."""
        try:
            size = self.stream.read_chunk_size
            data: bytes = await self._by(deadline, self.stream.read_bytes(size, partial=True))
        except StreamClosedError:
            if not self.is_client:
                raise
            return b""  # a response may end with its stream; the reader knows whether this may
        return data

    async def _by(self, deadline: float | None, reading: Awaitable[Any]) -> Any:
        if deadline is None:
            return await reading
        return await gen.with_timeout(deadline, reading, quiet_exceptions=StreamClosedError)

    async def _feed_head(self, deadline: float | None) -> None:
        """More bytes of a head; a whole one, where the program parses it."""
        if type(self)._parse_headers is MessageReading._parse_headers:
            self._wire.feed(await self._next_bytes(deadline))
            return
        reading = self.stream.read_until_regex(b"\r?\n\r?\n", self.params.max_header_size)
        first, fields = self._parse_headers(await self._by(deadline, reading))
        lines = [first, *(f"{name}: {value}" for name, value in fields.get_all()), "", ""]
        self._wire.feed("\r\n".join(lines).encode("latin-1"))

    async def _deliver(self, delegate: httputil.HTTPMessageDelegate, data: bytes) -> None:
        limit = self.params.chunk_size
        for start in range(0, len(data), limit):
            await self._awaited(delegate.data_received, data[start : start + limit])

    async def _end_of_message(self) -> bool:
        """Both directions to their end; may the stream carry another message?"""
        if not self.is_client:
            if not self._finish_future.done() and not self.stream.closed():
                self.stream.set_close_callback(self._on_connection_close)
                await self._finish_future
            if self._detached:
                return False
            # A handler may still be writing to a peer that left: the wire stays at its request.
            again = not self.stream.closed() and self._wire.next_cycle()
        else:
            again = self._wire.keep_alive and not self.no_keep_alive
        self._clear_callbacks()
        if self._detached or self.stream.closed():  # detached: by the delegate of an answer
            return False
        if not again:
            if self._pending_write is not None:
                await self._pending_write
            self.close()
            return False
        self._give_back()
        return True

    def _give_back(self) -> None:
        """What came after the message belongs to the stream's next reader."""
        rest = self._wire.take_rest()
        if rest:
            self.stream._received.prepend(rest)

    async def _awaited(self, method: Callable[..., Any], *args: Any) -> None:
        """Call a delegate. Its errors are logged as the application's."""
        with _calling_delegate:
            result = method(*args)
            if result is not None:
                await result
