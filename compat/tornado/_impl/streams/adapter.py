"""`IOStreamAdapter`: a native `Stream` over an IOStream, which stays the program's.

So native code (the server's connections, websockets) runs on a stream that a program has made,
subclassed or inspects. The two share their buffers: what one has read ahead the other reads next.
Bytes are read and written by the IOStream's own operations.

Knows both kinds of streams. It waits as trio does, so its tasks need not be driven.
"""

from __future__ import annotations

import contextlib
import socket as _socket
import ssl
from collections.abc import Callable
from typing import Any

import trio
from tornado._impl.streams.base import BaseIOStream
from tornado._impl.streams.errors import (
    StreamBufferFullError,
    StreamClosedError,
)
from tornado.concurrent import Future

from tornado_trio.errors import StreamClosedError as NativeStreamClosedError
from tornado_trio.errors import WriteBufferFull
from tornado_trio.interop.guest import current_guest
from tornado_trio.net.buffers import Data
from tornado_trio.net.stream import Stream

__all__ = ["IOStreamAdapter"]


class IOStreamAdapter(Stream):
    """See the module.

    Attributes:
      iostream: the stream beneath.
      on_program_read: called when the program begins to read from it.
    """

    __slots__ = ("_reading", "_written", "iostream", "on_program_read")

    def __init__(self, iostream: BaseIOStream) -> None:
        self.iostream = iostream
        self.on_program_read: Callable[[], object] | None = None
        self._reading = False
        self._written: Future[None] | None = None
        sock: Any = getattr(iostream, "socket", None)
        local = remote = None
        if sock is not None:
            with contextlib.suppress(OSError):  # not connected any more: reading will tell
                local, remote = sock.getsockname(), sock.getpeername()
        super().__init__(local, remote)
        self._in = iostream._received
        self._out = iostream._write_buffer
        self.tls = isinstance(sock, ssl.SSLSocket)
        self.max_write_buffer_size = iostream.max_write_buffer_size
        iostream._reader = self

    # --- to and from the program ---------------------------------------------------------
    def program_reads(self) -> None:
        """The IOStream is about to start a read: is it ours?"""
        if not self._reading and self.on_program_read is not None:
            self.on_program_read()

    def give_back(self) -> BaseIOStream:
        """The IOStream, for the program alone from now on."""
        self.iostream._reader = None
        self.on_program_read = None
        return self.iostream

    # --- the primitives ---------------------------------------------------------------------
    @property
    def closed(self) -> bool:
        return self.iostream.closed()

    @closed.setter
    def closed(self, value: bool) -> None:
        """`Stream` says so of itself; the IOStream knows."""

    @property
    def socket(self) -> _socket.socket | None:
        return getattr(self.iostream, "socket", None)

    def peer_certificate(self, binary_form: bool = False) -> Any:
        sock = self.socket
        return sock.getpeercert(binary_form) if isinstance(sock, ssl.SSLSocket) else None

    def _recv(self, max_bytes: int) -> bytes | None:
        if self._in:
            return self._in.take(max_bytes)
        if self.iostream.closed():
            return self._end()
        # None: the IOStream is asked in `_wait_recv`, whatever it reads from.
        return None

    def _end(self) -> bytes:
        error = self.iostream.error
        if isinstance(error, OSError):
            raise error
        return b""

    async def _wait_recv(self) -> None:
        iostream = self.iostream
        self._reading = True
        try:
            # Until there is something; it stays in the buffer.
            future = iostream._start_read(lambda: True if self._in else None)
        except StreamClosedError:
            return  # `_recv` says what became of it
        finally:
            self._reading = False
        # At once when cancelled: another task may be the reader from then on.
        await _done(future, iostream._forget_read)

    async def wait_readable(self) -> None:
        while not self._in and not self.iostream.closed():
            await self._wait(self._wait_recv)

    def _send(self, data: Data) -> int:
        raise NotImplementedError  # `write` is the IOStream's

    async def _wait_send(self) -> None:
        await self.drain()

    def _close(self) -> None:
        """Never called: see `close`."""

    # --- writing, and the end, are the IOStream's --------------------------------------------
    def write(self, data: Data) -> bool:
        try:
            future: Any = self.iostream.write(data)
        except StreamBufferFullError as exc:
            raise WriteBufferFull(str(exc)) from exc
        except StreamClosedError as exc:
            raise NativeStreamClosedError("the stream was closed") from exc.real_error
        if future.done():
            future.exception()  # the next write, or a read, tells
            return True
        future.add_done_callback(_retrieve)
        self._written = future
        return False

    async def drain(self) -> None:
        written = self._written
        if written is not None:
            await _done(written, lambda: None)
        if self.iostream.closed():
            raise NativeStreamClosedError("the stream was closed") from self.iostream.error

    async def send_eof(self) -> None:
        await self.drain()
        sock = self.socket
        if sock is not None:
            with contextlib.suppress(OSError):  # the peer was faster
                sock.shutdown(_socket.SHUT_WR)

    def close(self) -> None:
        self.iostream.close()


async def _done(future: Future[Any], given_up: Callable[[], object]) -> None:
    """Wait until `future` is done, whatever its outcome.

    Cancellation: leaves the Future as it is; `given_up` is called.
    """
    if future.done():
        return
    task = trio.lowlevel.current_task()

    def wake(_: object) -> None:
        guest = current_guest()
        (trio.lowlevel if guest is None else guest).reschedule(task)

    def abort(_: object) -> trio.lowlevel.Abort:
        future.remove_done_callback(wake)
        if not future.done():
            given_up()
        return trio.lowlevel.Abort.SUCCEEDED

    future.add_done_callback(wake)
    await trio.lowlevel.wait_task_rescheduled(abort)


def _retrieve(future: Future[None]) -> None:
    if not future.cancelled():
        future.exception()
