"""`Stream`: the interface of every byte stream, over six primitives of its transport.

Knows trio and the buffers. Must not know sockets (`socket_stream`), TLS or HTTP.

One task reads; any number of tasks of the same thread write. Nothing here starts a task
unless `nursery` is set and the transport did not take all of a `write`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import IO, TYPE_CHECKING, Any

import trio

from .._util.fairness import Budget
from .._util.system import read_at
from .._util.threads import FILES
from ..errors import ReadLimitError, StreamClosedError, WriteBufferFull
from .buffers import Data, ReadBuffer, WriteBuffer

if TYPE_CHECKING:
    import socket as _socket

CHUNK = 64 * 1024
#: A bound for programs that write without waiting. A single write may exceed it when
#: nothing is queued: its bytes exist already, and refusing them would save nothing.
MAX_WRITE_BUFFER = 32 * 1024 * 1024
# 32 chunks of 64 KiB are about a millisecond.
_READS_IN_A_ROW = 32


class Stream(ABC):
    """A connected, bidirectional stream of bytes.

    Attributes:
      nursery: owner of the task that flushes what a `write` left over; None: the next
        `drain` or `write` flushes.
      max_write_buffer_size: `write` raises `WriteBufferFull` beyond it; None: no bound.
      local_address, remote_address: as the socket module gives them.
      tls: the bytes are encrypted on the wire.
      closed: `close` was called.
      corked: see `cork`.

    Errors: `StreamClosedError`, with the transport's `OSError` as `__cause__`, when the
    peer broke the connection or the stream was closed by us.
    """

    __slots__ = (
        "_budget",
        "__weakref__",
        "_flush_lot",
        "_flushing",
        "_in",
        "_out",
        "_write_error",
        "closed",
        "corked",
        "local_address",
        "max_write_buffer_size",
        "nursery",
        "remote_address",
        "tls",
    )

    def __init__(self, local_address: Any = None, remote_address: Any = None) -> None:
        self._in = ReadBuffer()
        self._out = WriteBuffer()
        self._flushing = False
        self._flush_lot: trio.lowlevel.ParkingLot | None = None
        self._budget = Budget(_READS_IN_A_ROW)
        self._write_error: BaseException | None = None
        self.closed = False
        self.corked = False
        self.nursery: trio.Nursery | None = None
        self.max_write_buffer_size: int | None = MAX_WRITE_BUFFER
        self.local_address = local_address
        self.remote_address = remote_address
        self.tls = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._in)} in, {len(self._out)} unsent"
        return f"<{type(self).__name__} {self.remote_address} {state}>"

    # --- what a transport provides -------------------------------------------

    @abstractmethod
    def _recv(self, max_bytes: int) -> bytes | None:
        """Bytes, b"" at the end, None when there is nothing now. OSError: broken."""

    @abstractmethod
    def _send(self, data: Data) -> int:
        """How many bytes the transport took; 0: wait. OSError: broken."""

    @abstractmethod
    async def _wait_recv(self) -> None:
        """Until `_recv` may say something new. trio.ClosedResourceError: closed meanwhile."""

    @abstractmethod
    async def _wait_send(self) -> None:
        """Until `_send` may take something."""

    @abstractmethod
    def _close(self) -> None:
        """Release the transport and wake the tasks that wait for it."""

    @abstractmethod
    async def send_eof(self) -> None:
        """Drain, then shut down the sending side. Reading continues."""

    def _recv_into(self, target: memoryview) -> int | None:
        """As `_recv`, into a buffer: for transports that can do it without a copy."""
        data = self._recv(len(target))
        if data is None:
            return None
        target[: len(data)] = data
        return len(data)

    @property
    def socket(self) -> _socket.socket | None:
        """The socket underneath, if there is one."""
        return None

    @property
    def descriptor(self) -> int | None:
        """The socket's number, for an epoll; -1: it is closed. Not to be waited for by trio, which
        is told of the close only where it may matter: see `socket`."""
        sock = self.socket
        return None if sock is None else sock.fileno()

    def peer_certificate(self, binary_form: bool = False) -> Any:
        """The peer's certificate (see `ssl.SSLSocket.getpeercert`); None without TLS."""
        return None

    # --- reading ---------------------------------------------------------------

    def read_nowait(self, max_bytes: int = CHUNK) -> bytes | None:
        """What has arrived: bytes, b"" at the end of the stream, None if nothing."""
        if self._in:
            return self._in.take(max_bytes)
        try:
            return self._recv(max_bytes)
        except OSError as exc:
            raise self._read_broke(exc) from exc

    async def read_some(self, max_bytes: int = CHUNK) -> bytes:
        """At least one byte, or b"" at the end of the stream.

        Cancellation: nothing is lost. Yields regularly even if bytes are always there.
        """
        await self._budget.maybe_checkpoint()
        while (data := self.read_nowait(max_bytes)) is None:
            await self._wait(self._wait_recv)
        return data

    async def wait_readable(self) -> None:
        """Wait until bytes or the end of the stream are pending; nothing is consumed."""
        if self._in:
            await trio.lowlevel.checkpoint()
        else:
            await self._wait(self._wait_recv)

    def readable(self) -> Awaitable[None]:
        """`wait_readable`, to be awaited at once, for loops that wait often or long: where it can,
        without a coroutine between, which costs 1 k instructions, and 0.2 KB while it waits.

        Raises:
          trio.ClosedResourceError: may stand for `StreamClosedError`: it was closed by us.
        """
        return self.wait_readable()

    def input_waits(self) -> bool:
        """Whether bytes, the end of the stream, or an error can be read now; nothing is consumed.

        For rare questions; a task that reads may be waiting meanwhile.
        """
        return bool(self._in)

    def arrange(self, *, mostly_waits: bool = False) -> None:  # noqa: B027 - few have a choice
        """Choose how to wait for bytes: many streams may wait together (`ReadinessHub`).

        For the task that reads, between two waits; at intervals, for it costs something.
        `mostly_waits`: what its wait weighs counts, too.
        """

    def unread(self, data: Data) -> None:
        """Push `data` back: it is read next."""
        if data:
            self._in.prepend(data)

    async def read_exactly(self, count: int) -> bytes:
        """Exactly `count` bytes.

        Raises:
          StreamClosedError: the stream ended before; what came is still readable.
        Cancellation: what came is still readable.
        """
        if len(self._in) >= count:
            await self._budget.maybe_checkpoint()
            return self._in.take(count)
        # Pieces joined once at the end: growing one buffer would copy each byte twice.
        pieces: list[bytes] = []
        missing = count
        try:
            while missing:
                data = await self.read_some(min(missing, 4 * CHUNK))
                if not data:
                    raise StreamClosedError(
                        f"the stream ended after {count - missing} of {count} bytes"
                    )
                pieces.append(data)
                missing -= len(data)
        except BaseException:
            for piece in reversed(pieces):
                self._in.prepend(piece)
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> bytes:
        """Everything up to and with the first `delimiter`.

        Raises:
          ReadLimitError: not within `max_bytes`; nothing is consumed.
          StreamClosedError: the stream ended before; what came is still readable.
        Cancellation: what came is still readable.
        """
        while True:
            await self._budget.maybe_checkpoint()
            found = self._in.take_until(delimiter, max_bytes)
            if found is not None:
                return found
            await self._fill(f"before {delimiter!r}")

    async def read_until_regex(
        self, pattern: bytes | re.Pattern[bytes], max_bytes: int | None = None
    ) -> bytes:
        """Everything up to and with the first match of `pattern`. Errors, and cancellation, as
        with `read_until`."""
        compiled = re.compile(pattern)
        while True:
            await self._budget.maybe_checkpoint()
            found = self._in.take_match(compiled, max_bytes)
            if found is not None:
                return found
            await self._fill(f"before a match of {compiled.pattern!r}")

    async def read_into(self, target: bytearray | memoryview, *, partial: bool = False) -> int:
        """Fill `target`; returns its length.

        With `partial`, return as soon as there is anything, and 0 at the end of the stream.
        Cancellation: bytes already in `target` are gone from the stream.
        """
        with memoryview(target) as whole, whole.cast("B") as view:
            await self._budget.maybe_checkpoint()
            filled = self._in.take_into(view)
            while filled < len(view) and not (partial and filled):
                if filled:
                    await self._budget.maybe_checkpoint()
                count = await self._receive_into(view[filled:])
                if not count:
                    if partial:
                        break
                    raise StreamClosedError(f"the stream ended after {filled} bytes")
                filled += count
            return filled

    async def read_until_close(self, max_bytes: int | None = None) -> bytes:
        """Everything up to the end of the stream.

        Raises:
          ReadLimitError: it is more than `max_bytes`.
        Cancellation: what came is still readable.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            while data := await self.read_some(4 * CHUNK):
                pieces.append(data)
                size += len(data)
                if max_bytes is not None and size > max_bytes:
                    raise ReadLimitError(
                        f"more than {max_bytes} bytes before the end of the stream"
                    )
        except BaseException:
            self._in.prepend(b"".join(pieces))
            raise
        return b"".join(pieces)

    async def _receive_into(self, view: memoryview) -> int:
        while True:
            try:
                count = self._recv_into(view)
            except OSError as exc:
                raise self._read_broke(exc) from exc
            if count is not None:
                return count
            await self._wait(self._wait_recv)

    async def _fill(self, missing: str) -> None:
        """Append one chunk from the transport to the buffer."""
        while True:
            try:
                data = self._recv(CHUNK)
            except OSError as exc:
                raise self._read_broke(exc) from exc
            if data is not None:
                break
            await self._wait(self._wait_recv)
        if not data:
            raise StreamClosedError(f"the stream ended {missing}")
        self._in.append(data)

    async def _wait(self, wait: Any) -> None:
        if self.closed:
            raise _closed_here()
        self._budget.renew()
        try:
            await wait()
        except trio.ClosedResourceError as exc:
            raise _closed_here() from exc
        except OSError as exc:
            raise _broken(exc) from exc

    def _read_broke(self, exc: OSError) -> StreamClosedError:
        return _closed_here() if self.closed else _broken(exc)

    # --- writing ---------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """Bytes accepted by `write` that the transport has not taken yet."""
        return len(self._out)

    @property
    def broken(self) -> bool:
        """Writing has failed: the peer is gone, though bytes it sent may be readable still."""
        return self._write_error is not None

    def write(self, data: Data) -> bool:
        """Send what the transport takes now and keep the rest.

        Returns: True when nothing is left over.

        Raises:
          WriteBufferFull: `max_write_buffer_size` would be passed; nothing was accepted.
          StreamClosedError: the stream is closed, or writing to it failed.
        """
        self._check_writable()
        out = self._out
        if out:
            limit = self.max_write_buffer_size
            if limit is not None and len(out) + _size(data) > limit:
                raise WriteBufferFull(f"{len(out)} bytes unsent, {limit} allowed")
            out.append(data)
        else:
            try:
                sent = self._send(data)
            except OSError as exc:
                raise self._write_broke(exc) from exc
            if sent == _size(data):
                return True
            out.append(data)  # and not a slice: a `bytes` object is then not copied
            out.advance(sent)
        return self._flush_or_start()

    def write_more(self, data: Data) -> bool:
        """`write`, for callers that write more right away: the transport may hold back what does
        not fill a packet, until the next `write`, or `push`, or for a moment (Linux: 200 ms)."""
        return self.write(data)

    def push(self) -> None:
        """Send what `write_more` made the transport hold back; it is not corked any more."""
        self.corked = False

    def cork(self) -> None:
        """Each `write` is a `write_more` until `push` or `uncork`. Transports that hold nothing
        back do not look at it."""
        self.corked = True

    def uncork(self) -> None:
        """The next `write` is the last for now, and takes along what was held back."""
        self.corked = False

    def _flush_or_start(self) -> bool:
        if self._flushing:
            return False
        if self._flush_now():
            return True
        if self.nursery is not None:
            self._flushing = True
            try:
                self.nursery.start_soon(self._flush_task, name="flush")
            except RuntimeError:  # its nursery has ended: the next drain or write flushes
                self._flushing = False
        return False

    async def drain(self) -> None:
        """Wait until the transport has taken everything written.

        Cancellation: what is unsent stays queued, in order.
        """
        while self._out:
            if self._flushing:
                lot = self._flush_lot
                if lot is None:
                    lot = self._flush_lot = trio.lowlevel.ParkingLot()
                await lot.park()
            else:
                await self._flush()
        self._check_writable()
        await trio.lowlevel.checkpoint_if_cancelled()

    async def send_all(self, data: Data) -> None:
        """Write `data` and drain. Not subject to `max_write_buffer_size`.

        Cancellation: what is unsent stays queued, in order.
        """
        limit = self.max_write_buffer_size
        self.max_write_buffer_size = None
        try:
            done = self.write(data)
        finally:
            self.max_write_buffer_size = limit
        if done:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await self.drain()

    def sendfile_nowait(self, file: IO[bytes] | int, offset: int, count: int) -> int:
        """How much could be sent without waiting; 0: use `sendfile`. Errors as there."""
        return 0

    async def sendfile(self, file: IO[bytes] | int, offset: int, count: int) -> None:
        """Send `count` bytes of `file` from `offset`, read in a worker thread.

        No other task may write meanwhile.

        Raises:
          EOFError: the file is shorter.
        Cancellation: an unknown part of it has been sent.
        """
        fd = file if isinstance(file, int) else file.fileno()
        while count:
            data = await FILES.run(read_at, fd, min(count, 4 * CHUNK), offset)
            if not data:
                raise EOFError("the file is shorter than announced")
            await self.send_all(data)
            offset += len(data)
            count -= len(data)

    def _flush_now(self) -> bool:
        out = self._out
        try:
            out.flush(self._send)
        except OSError as exc:
            raise self._write_broke(exc) from exc
        return not out

    async def _flush(self) -> None:
        self._flushing = True
        try:
            while not self._flush_now():
                await self._wait(self._wait_send)
        finally:
            self._flush_over()

    async def _flush_task(self) -> None:
        try:
            await self._flush()
        except StreamClosedError as exc:
            # The writer learns of it by its next write or drain; the reader by its own error.
            if not self.closed:
                self._write_broke(exc.__cause__ or exc)

    def _flush_over(self) -> None:
        self._flushing = False
        if self._flush_lot is not None:
            self._flush_lot.unpark_all()

    def _check_writable(self) -> None:
        if self.closed:
            raise _closed_here()
        if self._write_error is not None:
            raise _broken(self._write_error) from self._write_error

    def _write_broke(self, exc: BaseException) -> StreamClosedError:
        """Writing is over; reading may continue (the peer's last bytes are often useful)."""
        self._write_error = exc
        self._out.clear()
        return _broken(exc)

    # --- end ---------------------------------------------------------------------

    def close(self) -> None:
        """Close at once; what is unsent is dropped. Idempotent.

        Tasks waiting on the stream get `StreamClosedError`.
        """
        if self.closed:
            return
        self.closed = True
        self._out.clear()
        self._close()
        if self._flush_lot is not None:
            self._flush_lot.unpark_all()

    def reset(self) -> None:
        """Close at once, with a reset where possible, so that the peer sees an error: data in
        flight may be lost. Idempotent."""
        self.close()

    async def aclose(self) -> None:
        """Drain, then close. The caller's cancel scope is the deadline.

        Cancellation: closed at once.
        """
        try:
            if self._out and not self.closed:
                await self.drain()
        except StreamClosedError:
            # The peer has gone: there is nothing left to drain for, and closing was requested
            # anyway.
            pass
        finally:
            self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


def _size(data: Data) -> int:
    return data.nbytes if isinstance(data, memoryview) else len(data)


def _closed_here() -> StreamClosedError:
    return StreamClosedError("the stream was closed by us")


def _broken(exc: BaseException) -> StreamClosedError:
    return StreamClosedError(f"the connection is broken: {exc}")
