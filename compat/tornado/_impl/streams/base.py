"""The machinery of `tornado.iostream`: `BaseIOStream`.

Knows the IOLoop's handlers and the native byte buffers. What a stream reads from and
writes to is up to a subclass (`_stream_kinds`, or a program's own class): it needs
`fileno`, `read_from_fd`, `write_to_fd` and `close_fd`. Must not know sockets or trio.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any

from tornado._impl.legacy import streams as legacy_streams
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.names import shown_in
from tornado._impl.streams.errors import (
    PEER_GONE,
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)
from tornado._impl.streams.private import PrivateNames
from tornado._impl.streams.scratch import scratch as _scratch
from tornado._impl.streams.watch import Watch
from tornado.concurrent import Future, future_set_result_unless_cancelled
from tornado.ioloop import IOLoop
from tornado.log import app_log, gen_log

from tornado_trio.errors import ReadLimitError
from tornado_trio.net.buffers import ReadBuffer, WriteBuffer

_READ = IOLoop.READ
_WRITE = IOLoop.WRITE
_ERROR = IOLoop.ERROR
# How many chunks one event may read before other handlers get their turn: 1 MiB at the
# default chunk size. A producer that is always faster than we are must not hold the loop.
_CHUNKS_PER_TURN = 16
# How many operations may be done at once before one takes a turn of the loop.
_IMMEDIATE_IN_A_ROW = 256
_compiled = lru_cache(64)(re.compile)  # `re` keeps them, too, and takes five times as long to find


class BaseIOStream(PrivateNames):
    """Reads and writes a descriptor without blocking; each operation gives a Future.

    At most one read at a time; writes are sent in order. Subclass it to make a stream of
    something new: see `fileno`, `read_from_fd`, `write_to_fd`, `close_fd`, `get_fd_error`.

    Attributes:
      error: what closed the stream, or None.
    """

    # A short write means that the system's buffer is full, and trying again would be in
    # vain. Not so for TLS, some implementations of which take one record at a time.
    _partial_means_full = True
    # The native stream that shares our buffers, if one does (see `adapter`).
    _reader: Any = None

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
        io_loop: Any = None,
    ) -> None:
        if isinstance(max_buffer_size, IOLoop):  # the first argument until Tornado 5
            io_loop = max_buffer_size
            max_buffer_size, read_chunk_size = read_chunk_size, max_write_buffer_size
            max_write_buffer_size = None
        self.io_loop: Any = IOLoop.current() if io_loop is None else checked_loop(io_loop)
        self.max_buffer_size = max_buffer_size or 100 * 1024 * 1024
        # Not more than half of the buffer at a time, so that there is room to read on.
        self.read_chunk_size = min(read_chunk_size or 64 * 1024, self.max_buffer_size // 2)
        self.max_write_buffer_size = max_write_buffer_size
        self.error: BaseException | None = None
        self._received = ReadBuffer()
        self._write_buffer = WriteBuffer()
        self._read_future: Future | None = None
        # Takes what the pending read asked for out of the buffer, or says None.
        self._read_take: Callable[[], Any] | None = None
        # The unfilled rest of the caller's buffer, during read_into.
        self._read_target: memoryview | None = None
        self._reading_to_close = False
        self._read_again_soon = False
        self._immediate = _IMMEDIATE_IN_A_ROW  # how many operations in a row need not wait
        self._total_write_index = 0  # bytes accepted, ever; distributed counts here too
        self._sent = 0  # bytes handed to the descriptor, ever
        self._write_futures: deque[tuple[int, Future]] = deque()
        self._connect_future: Future | None = None
        self._close_callback: Callable[[], Any] | None = None
        self._connecting = False
        self._closed = False
        self._watch = Watch(self.io_loop)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        legacy_streams.adapt_read_from_fd(cls)

    # --- what a subclass provides ------------------------------------------------
    def fileno(self) -> Any:
        """The descriptor to wait for."""
        raise NotImplementedError

    def close_fd(self) -> None:
        """Close the descriptor. Called once, by `close`."""
        raise NotImplementedError

    def write_to_fd(self, data: memoryview) -> int | None:
        """Write some of `data`; how much. None or 0 (or BlockingIOError): nothing now."""
        raise NotImplementedError

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read into `buf`; how much. 0: the end. None (or BlockingIOError): nothing now."""
        raise NotImplementedError

    def get_fd_error(self) -> Exception | None:
        """What is wrong with the descriptor; asked when the loop reports an error on it."""
        return None

    def set_nodelay(self, value: bool) -> None:
        """Send small pieces at once (True), or wait for more to send with them (False)."""

    # --- reading -------------------------------------------------------------------
    @legacy_streams.with_callback("max_bytes")
    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read up to the end of the first match of `regex`; a Future of the bytes.

        With `max_bytes` the connection is closed if more came and nothing matches.
        """
        return self._start_read(self._received.take_match, _compiled(regex), max_bytes)

    @legacy_streams.with_callback("max_bytes")
    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read up to and with `delimiter`; a Future of the bytes. `max_bytes` as above."""
        return self._start_read(self._received.take_until, delimiter, max_bytes)

    @legacy_streams.with_callback("streaming_callback", "partial")
    def read_bytes(self, num_bytes: int, partial: bool = False) -> Awaitable[bytes]:
        """Read `num_bytes`; with `partial`, whatever there is as soon as there is any."""
        if not isinstance(num_bytes, int):
            raise TypeError(f"number of bytes expected, got {num_bytes!r}")
        if num_bytes < 0:
            raise ValueError(f"cannot read {num_bytes} bytes")
        if partial and num_bytes:
            # An empty result would mean "nothing yet" just as well as the end: never given.
            return self._start_read(lambda: self._received.take(num_bytes) or None)
        return self._start_read(self._received.take_exactly, num_bytes)

    def read_into(self, buf: bytearray | memoryview, partial: bool = False) -> Awaitable[int]:
        """Read until `buf` is full (with `partial`: until it holds anything).

        A Future of the number of bytes.
        """
        self._check_not_reading()
        view = memoryview(buf).cast("B")
        size = len(view)
        self._read_target = view

        def take() -> int | None:
            rest = self._read_target
            assert rest is not None
            moved = self._received.take_into(rest)
            if moved:
                rest = self._advance_target(moved)
            filled = size - len(rest)
            return filled if not len(rest) or (partial and filled) else None

        try:
            return self._start_read(take)
        except BaseException:
            self._forget_read()
            raise

    @legacy_streams.with_callback("streaming_callback", leading=0)
    def read_until_close(self) -> Awaitable[bytes]:
        """Read everything until the peer closes. Bounded by `max_buffer_size`."""
        if self._closed:
            self._check_not_reading()
            return self._done(self._received.take_all())
        self._check_not_reading()
        self._reading_to_close = True
        try:
            return self._start_read(lambda: None)
        except BaseException:
            self._forget_read()
            raise

    def _check_not_reading(self) -> None:
        if self._read_future is not None:
            # A pending read that fails by the closing is not a mistake of the caller.
            self._check_closed()
            raise AssertionError("Already reading")

    def _start_read(self, take: Callable[..., Any], *given: Any) -> Future:
        """Read what `take(*given)` takes out of the buffer (None: not here yet), now or later."""
        if self._reader is not None:
            self._reader.program_reads()
        if self._read_future is not None:
            self._check_not_reading()
        try:
            result = take(*given)
            if result is None:
                self._check_closed()
                take, given = partial(take, *given), ()
                if not self._connecting:
                    result = self._read_chunks(take)
        except ReadLimitError as exc:
            # Raised later, as it would be if the bytes had not been here already.
            future = self._read_future = Future()
            self._read_take = partial(take, *given)
            self._give_up_reading(exc)
            return future
        if result is not None:
            if self._read_target is not None or self._reading_to_close:
                self._forget_read()
            if self._close_callback is not None:
                self._maybe_add_error_listener()
            if self._immediate > 1:  # `_done`, without the call
                self._immediate -= 1
                future = Future()
                future.set_result(result)
                return future
            return self._done(result)
        future = Future()
        self._immediate = _IMMEDIATE_IN_A_ROW
        self._read_take = take
        self._read_future = future
        if self._closed:  # the peer's end, met just now
            self._end_read()
        else:
            self._listen()
        return future

    def _read_chunks(self, take: Callable[[], Any]) -> Any:
        """Read while bytes come and `take` wants more; its result, or None.

        Raises:
          whatever reading raised, after closing the stream with it; not a peer's reset.
        """
        for _ in range(_CHUNKS_PER_TURN):
            count = self._read_chunk()
            if not count:
                return None
            result = take()
            if result is not None:
                return result
        if not self._read_again_soon:
            # Not through the descriptor: TLS may hold bytes that the kernel no longer has.
            self._read_again_soon = True
            self.io_loop.add_callback(self._read_again)
        return None

    def _read_again(self) -> None:
        self._read_again_soon = False
        if self._read_future is not None and not self._closed:
            self._handle_events(None, _READ)

    def _read_chunk(self) -> int | None:
        """Receive once; how many bytes, 0 at the end (the stream is then closed), None: wait."""
        target = self._read_target
        try:
            if target is not None and len(target):
                count = self.read_from_fd(target)
                if count:
                    self._advance_target(count)
            else:
                count = self._receive()
        except (BlockingIOError, InterruptedError):
            return None
        except Exception as exc:
            if self._is_peer_gone(exc):
                self.close(exc_info=exc)
                return 0
            self.close(exc_info=exc)
            raise
        if count == 0:
            self.close()
        return count

    def _receive(self) -> int | None:
        size = self.read_chunk_size
        scratch = _scratch.buffer
        if size > len(scratch):
            scratch = _scratch.buffer = bytearray(size)
        with memoryview(scratch) as whole, whole[:size] as view:
            count = self.read_from_fd(view)
            if count:
                with view[:count] as received:
                    self._received.append(received)
                if len(self._received) > self.max_buffer_size:
                    gen_log.error("Reached maximum read buffer size")
                    raise StreamBufferFullError("Reached maximum read buffer size")
        return count

    def _advance_target(self, count: int) -> memoryview:
        # Views are released by hand: the caller may resize its buffer as soon as the read
        # is over, and a view that waits for the garbage collector would forbid it.
        view = self._read_target
        assert view is not None
        self._read_target = rest = view[count:]
        view.release()
        return rest

    def _handle_read(self) -> None:
        """The descriptor is readable."""
        take = self._read_take
        if take is None or self._read_future is None:
            # No read is pending, we watch for the end. One chunk is kept for the next read.
            self._read_chunk()
            return
        try:
            result = self._read_chunks(take)
        except ReadLimitError as exc:
            self._give_up_reading(exc)
            return
        if result is not None:
            self._finish_read(result)
        elif self._closed:
            self._end_read()

    def _give_up_reading(self, exc: ReadLimitError) -> None:
        gen_log.info("Unsatisfiable read, closing connection: %s", exc)
        self.close(exc_info=UnsatisfiableReadError(str(exc)))

    def _finish_read(self, result: Any) -> None:
        future = self._read_future
        self._forget_read()
        if future is not None and not future.done():
            future.set_result(result)

    def _forget_read(self) -> None:
        self._read_future = None
        self._read_take = None
        self._reading_to_close = False
        if self._read_target is not None:
            self._read_target.release()
            self._read_target = None

    def _end_read(self) -> None:
        """The stream is closed while a read is pending."""
        future = self._read_future
        if future is None:
            return
        if self._reading_to_close and (self.error is None or self._is_peer_gone(self.error)):
            self._finish_read(self._received.take_all())
            return
        self._forget_read()
        self._fail(future, StreamClosedError(real_error=self.error))

    # --- writing -------------------------------------------------------------------
    @legacy_streams.with_callback(result=False)
    def write(self, data: bytes | bytearray | memoryview) -> Future:
        """Send `data`; a Future that is done when the system has taken all of it.

        Raises:
          StreamBufferFullError: `max_write_buffer_size` would be passed.
          StreamClosedError: the stream is closed already.
        """
        self._check_closed()
        # Released by hand: an error keeps this frame alive in its traceback, and a view
        # that lives on would forbid the caller to resize its bytearray.
        with memoryview(data) as given, given.cast("B") as view:
            return self._write_view(data, view)

    def _write_view(self, data: bytes | bytearray | memoryview, view: memoryview) -> Future:
        size = len(view)
        buffer = self._write_buffer
        limit = self.max_write_buffer_size
        if limit is not None and len(buffer) + size > limit:
            raise StreamBufferFullError("Reached maximum write buffer size")
        self._total_write_index += size
        sent = 0
        if not buffer and not self._connecting:
            sent = self._try_write(view) if size else 0
            self._sent += sent
            if sent == size and not self._closed:
                return self._done(None)
        future = Future()
        if self._closed:
            self._fail(future, StreamClosedError(real_error=self.error))
            return future
        # Given whole and then advanced: a large `bytes` object is not copied.
        buffer.append(data if type(data) is bytes else view)
        if sent:
            buffer.advance(sent)
        self._write_futures.append((self._total_write_index, future))
        # Nothing: a flush of what distributed put into `_write_buffer` by itself.
        if not self._connecting and (not size or (sent and not self._partial_means_full)):
            self._handle_write()
        if not self._closed:
            self._listen()
        return future

    def _try_write(self, view: memoryview) -> int:
        """How much the descriptor took. An error closes the stream."""
        try:
            return self.write_to_fd(view) or 0
        except (BlockingIOError, InterruptedError):
            return 0
        except Exception as exc:
            if not self._is_peer_gone(exc):
                gen_log.warning("Write error on %s: %s", self.fileno(), exc)
            self.close(exc_info=exc)
            return 0

    def _handle_write(self) -> None:
        """The descriptor is writable."""
        self._sent += self._write_buffer.flush(self._try_write, self._partial_means_full)
        futures = self._write_futures
        while futures and futures[0][0] <= self._sent:
            _index, future = futures.popleft()
            if not future.done():
                future.set_result(None)

    # --- closing -------------------------------------------------------------------
    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """Call `callback()` when the stream is closed, by either side.

        Pending operations fail with `StreamClosedError` too; this is for streams on which
        nothing is pending.
        """
        self._close_callback = legacy_streams.keep_context(callback)
        self._maybe_add_error_listener()

    def close(self, exc_info: bool | BaseException | tuple[Any, Any, Any] = False) -> None:
        """Close at once; what is unsent is dropped, pending operations fail.

        `exc_info` says why, for `error`: an exception, or a `sys.exc_info()` triple, or
        True for the exception being handled.
        """
        if self._closed:
            return
        if isinstance(exc_info, BaseException):
            self.error = exc_info
        elif exc_info:
            self.error = (exc_info if isinstance(exc_info, tuple) else sys.exc_info())[1]
        self._watch.remove()
        self._closed = True
        self.close_fd()
        self._write_buffer.clear()
        self._write_buffer = None  # type: ignore[assignment]  # as programs have come to ask
        self._maybe_run_close_callback()

    def _signal_closed(self) -> None:
        self._end_read()
        error = StreamClosedError(real_error=self.error)
        for future in self._pending_futures():
            self._fail(future, error)
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            self.io_loop.add_callback(callback)

    def _pending_futures(self) -> list[Future]:
        futures = [future for _index, future in self._write_futures]
        self._write_futures.clear()
        if self._connect_future is not None:
            futures.insert(0, self._connect_future)
            self._connect_future = None
        return futures

    def _is_peer_gone(self, exc: BaseException) -> bool:
        """Whether the error only says that the peer is no longer there."""
        return isinstance(exc, ConnectionError) or getattr(exc, "errno", None) in PEER_GONE

    def _fail(self, future: Future, error: BaseException) -> None:
        if not future.done():
            future.set_exception(error)
            # Code that closes a stream need not wait for what was pending on it, so a failure of
            # this future that is not retrieved is not logged.
            future.exception()

    # --- state -----------------------------------------------------------------------
    def reading(self) -> bool:
        """Whether a read is pending."""
        return self._read_future is not None

    def writing(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._write_buffer)

    def closed(self) -> bool:
        """Whether the stream is closed."""
        return self._closed

    def _check_closed(self) -> None:
        if self._closed:
            raise StreamClosedError(real_error=self.error)

    def _done(self, result: Any) -> Future:
        """The Future of something that did not have to wait; now and then it waits a turn.

        Awaiting a Future that is done does not yield. With a peer that is always faster, a
        coroutine could otherwise run forever, and nothing else would.
        """
        future = Future()
        self._immediate -= 1
        if self._immediate:
            future.set_result(result)
        else:
            self._immediate = _IMMEDIATE_IN_A_ROW
            self.io_loop.add_callback(future_set_result_unless_cancelled, future, result)
        return future

    # --- the loop's events -------------------------------------------------------------
    def _wanted_events(self) -> int:
        """What to wait for now."""
        if self._connecting:
            return _WRITE
        events = 0
        if self.reading():
            events |= _READ
        if self.writing():
            events |= _WRITE
        return events

    def _listen(self) -> None:
        """Wait for what is wanted. What is no longer wanted goes on until it happens.

        A stream that answers requests reads and stops reading all the time; leaving its
        handler alone saves two system calls per message.
        """
        self._watch.add(self._wanted_events(), self)

    def _fd_owner(self) -> Any:
        """The descriptor, or the object to close when the loop closes all descriptors."""
        return self.fileno()

    def _maybe_add_error_listener(self) -> None:
        """When nothing is pending, only reading tells us that the peer has closed."""
        if (
            self._close_callback is not None
            and not self._closed
            and not self._connecting
            and not self._received
            and not self._watch.events & _READ
        ):
            self._watch.add(_READ, self)

    def _handle_events(self, fd: Any, events: int) -> None:
        if self._closed:
            return
        try:
            if self._connecting:
                self._handle_connect()
            else:
                if events & _READ:
                    self._handle_read_event()
                if events & _WRITE and not self._closed:
                    self._handle_write()
            if not self._closed and events & _ERROR and not events & _READ:
                self.error = self.get_fd_error()
                # A pending write may say more; let it, then close.
                self.io_loop.add_callback(self.close)
                return
            if not self._closed:
                self._stop_listening_idly(events)
        except Exception as exc:
            app_log.error("Uncaught exception, closing connection.", exc_info=True)
            self.close(exc_info=exc)
            raise

    def _handle_read_event(self) -> None:
        try:
            self._handle_read()
        except Exception as exc:
            # There is no caller to raise it to.
            gen_log.warning("error on read: %s", exc)
            self.close(exc_info=exc)
            self._end_read()

    def _stop_listening_idly(self, events: int) -> None:
        """After an event: wait for what is pending, and not for what just came in vain."""
        wanted = self._wanted_events()
        keep = self._watch.events | wanted
        if not wanted & _WRITE:
            keep &= ~_WRITE
        if events & _READ and not wanted & _READ and self._received:
            keep &= ~_READ
        if keep != self._watch.events:
            self._watch.add(keep, self)
            self._watch.set(keep)
        self._maybe_add_error_listener()

    def _handle_connect(self) -> None:
        """The descriptor is connected, or is not going to be."""
        self._connecting = False


shown_in("tornado.iostream", BaseIOStream)
