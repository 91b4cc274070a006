"""`SocketStream`: a `Stream` over a non-blocking socket.

Knows sockets and trio's readiness waits. Must not know TLS (`tls`) or HTTP.

System calls are tried first, and trio waits only when the kernel says so: on a
keep-alive connection that makes one wait, one recv and one send per request.
"""

from __future__ import annotations

import contextlib
import os
import socket
import socket as _socket  # the class has a property of the module's name
import struct
from collections.abc import Awaitable
from typing import IO, Any

import trio

from ..errors import StreamClosedError
from .buffers import Data
from .readiness import ReadinessHub
from .stream import CHUNK, Stream, _size

# One sendfile call moves at most this much, so that one fast reader does not hold the loop.
_SENDFILE_CHUNK = 1024 * 1024
_MSG_MORE: int = getattr(socket, "MSG_MORE", 0)


class SocketStream(Stream):
    """A stream over a connected TCP or Unix socket; owns the socket.

    Nagle's algorithm is switched off: this library sends whole messages at once, and
    the delay would only hurt.

    Attributes:
      waiter: an awaitable that waits for readability instead of trio (a guest run's host or a hub
        may do it cheaper); its `close` is called before the socket's, and its `doubt` is set to
        whether the last read may have left something.
    """

    __slots__ = ("_fd", "_hub", "_kept_back", "_sock", "_waited", "waiter")

    _sock: socket.socket

    def __init__(
        self,
        sock: socket.socket,
        *,
        local_address: Any = None,
        remote_address: Any = None,
        prepared: bool = False,
    ) -> None:
        super().__init__(local_address, remote_address)
        if not prepared:
            sock.setblocking(False)
            if sock.family != getattr(socket, "AF_UNIX", None):
                without_nagle(sock)
        self._sock = sock
        # Waiting by number spares a Python call per wait, and survives sock.close().
        self._fd = sock.fileno()
        self.waiter: Any = None
        self._hub: ReadinessHub | None = None  # what `arrange` asks
        self._kept_back = False
        # A task may be waiting for the descriptor by trio: one of ours, or a program's that was
        # given the socket. Few connections with one request ever wait, and telling trio is 3 % of
        # what one of those costs.
        self._waited = False

    @property
    def socket(self) -> _socket.socket:
        self._waited = True
        return self._sock

    @property
    def descriptor(self) -> int:
        return self._sock.fileno()

    def detach(self) -> _socket.socket:
        """Hand over the socket. The stream is closed, the socket is not.

        Raises:
          RuntimeError: bytes are buffered that the new owner would miss.
        """
        if self._in or self._out:
            raise RuntimeError(f"cannot detach: {self!r} has buffered bytes")
        self.closed = True
        self._waited = True  # who gets it knows nothing of ours
        self._notify_closing()
        return self._sock

    # --- the hot path, without the base class's indirections ---------------------

    def read_nowait(self, max_bytes: int = CHUNK) -> bytes | None:
        if self._in._data:  # its own truth is a function of Python
            return self._in.take(max_bytes)
        waiter = self.waiter
        try:
            data = self._sock.recv(max_bytes)
        except (BlockingIOError, InterruptedError):
            if waiter is not None:
                waiter.doubt = False
            return None
        except OSError as exc:
            raise self._read_broke(exc) from exc
        if waiter is not None:
            waiter.doubt = len(data) == max_bytes
        return data

    async def wait_readable(self) -> None:
        if self._in._data or self.closed:
            await super().wait_readable()
            return
        try:
            if self.waiter is None:
                self._waited = True
                await trio.lowlevel.wait_readable(self._fd)
            else:
                await self.waiter
        except trio.ClosedResourceError as exc:
            raise StreamClosedError("the stream was closed by us") from exc

    def input_waits(self) -> bool:
        if self._in._data or self.closed:
            return True
        import selectors  # few ask

        # Not a recv with MSG_PEEK: that takes the error of a connection that was reset. (Of a TLS
        # connection what is encrypted is seen.)
        kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
        with kind() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def wait_by(self, hub: ReadinessHub) -> None:
        """`arrange` asks `hub` from now on."""
        self._hub = hub

    def arrange(self, *, mostly_waits: bool = False) -> None:
        if self._hub is not None:
            self._hub.arrange(self, mostly_waits=mostly_waits)

    def readable(self) -> Awaitable[None]:
        if self._in._data or self.closed:
            return self.wait_readable()
        waiter: Awaitable[None] | None = self.waiter
        if waiter is None:
            self._waited = True
            return trio.lowlevel.wait_readable(self._fd)  # noqa: ASYNC105
        return waiter

    # --- the primitives ------------------------------------------------------------

    def _recv(self, max_bytes: int) -> bytes | None:
        try:
            data = self._sock.recv(max_bytes)
        except (BlockingIOError, InterruptedError):
            if self.waiter is not None:
                self.waiter.doubt = False
            return None
        if self.waiter is not None:
            self.waiter.doubt = len(data) == max_bytes
        return data

    def _recv_into(self, target: memoryview) -> int | None:
        try:
            count = self._sock.recv_into(target)
        except (BlockingIOError, InterruptedError):
            if self.waiter is not None:
                self.waiter.doubt = False
            return None
        if self.waiter is not None:
            self.waiter.doubt = count == len(target)
        return count

    def _send(self, data: Data) -> int:
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    async def _wait_recv(self) -> None:
        if self.waiter is None:
            self._waited = True
            await trio.lowlevel.wait_readable(self._fd)
        else:
            await self.waiter

    async def _wait_send(self) -> None:
        self._waited = True
        await trio.lowlevel.wait_writable(self._fd)

    def _close(self) -> None:
        if self._kept_back:
            # Where the peer's bytes are unread it ends by a reset, which drops what has not left.
            self._send_kept_back()
        self._notify_closing()
        self._sock.close()

    def reset(self) -> None:
        if not self.closed:
            # Anything but TCP has no reset, and a broken socket needs none.
            with contextlib.suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def _notify_closing(self) -> None:
        if self.waiter is not None:
            self.waiter.close()
        elif not self._waited:
            return
        try:
            trio.lowlevel.notify_closing(self._fd)
        except RuntimeError:
            # No trio run in this thread (any more), so no task can be waiting.
            pass

    async def send_eof(self) -> None:
        await self.drain()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as exc:
            raise self._write_broke(exc) from exc

    async def sendfile(self, file: IO[bytes] | int, offset: int, count: int) -> None:
        """Send `count` bytes of `file` from `offset`, copied by the kernel.

        No other task may write meanwhile.

        Raises:
          EOFError: the file is shorter.
        Cancellation: an unknown part has been sent; close the stream.
        """
        if not hasattr(os, "sendfile"):  # pragma: no cover - Windows
            await super().sendfile(file, offset, count)
            return
        fd = file if isinstance(file, int) else file.fileno()
        await self.drain()
        while count:
            sent = self.sendfile_nowait(fd, offset, count)
            if not sent:
                await (self.drain() if self._out else self._wait(self._wait_send))
                continue
            offset += sent
            count -= sent
            await self._budget.maybe_checkpoint()

    def sendfile_nowait(self, file: IO[bytes] | int, offset: int, count: int) -> int:
        if self._out or not hasattr(os, "sendfile"):
            return 0
        self._check_writable()
        fd = file if isinstance(file, int) else file.fileno()
        try:
            sent: int = os.sendfile(self._fd, fd, offset, min(count, _SENDFILE_CHUNK))
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as exc:
            raise self._write_broke(exc) from exc
        if not sent and count:
            raise EOFError("the file is shorter than announced")
        self._kept_back = False
        return sent

    def push(self) -> None:
        self.corked = False
        if self._kept_back and not self.closed:
            self._send_kept_back()

    def _send_kept_back(self) -> None:
        self._kept_back = False
        # Said again, TCP_NODELAY sends what is queued. A socket that refuses is broken, which the
        # next write or read will tell.
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write_more(self, data: Data) -> bool:
        if not _MSG_MORE:  # pragma: no cover - not Linux
            self.corked = False
            return self.write(data)
        self._kept_back = True
        return self._write(data, _MSG_MORE)

    def write(self, data: Data) -> bool:
        if self.corked:
            return self.write_more(data)
        self._kept_back = False
        if type(data) is not bytes or self._out._size or self.closed or self._write_error:
            return self._write(data, 0)
        # `_write`, of what nearly all writes are: a call less.
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as exc:
            raise self._write_broke(exc) from exc
        return sent == len(data) or self._keep(data, sent)

    def _keep(self, data: Data, sent: int) -> bool:
        self._out.append(data)
        self._out.advance(sent)
        return self._flush_or_start()

    def _write(self, data: Data, flags: int) -> bool:
        if not self._out._size and not self.closed and self._write_error is None:
            try:
                sent = self._sock.send(data, flags)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as exc:
                raise self._write_broke(exc) from exc
            if sent == (len(data) if type(data) is bytes else _size(data)):
                return True
            return self._keep(data, sent)
        return Stream.write(self, data)


def without_nagle(sock: socket.socket) -> bool:
    """Switch Nagle's algorithm off, for a TCP socket; whether it was off."""
    # Some systems refuse it once the peer has reset the connection; reading will tell.
    with contextlib.suppress(OSError):
        if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY):
            return True
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return False
