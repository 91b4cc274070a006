"""In-memory streams and an in-memory network, in place of sockets, for tests and embedding.

Knows trio and `Stream`. Must not know sockets.

A pipe holds a bounded number of bytes, like a kernel's buffer, so backpressure is real.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections import deque
from typing import Any

import trio

from .addresses import address_error, check_port
from .buffers import Data
from .stream import Stream, _size

PIPE_CAPACITY = 64 * 1024


class _Pipe:
    """One direction: bytes in transit, and the tasks that wait for them."""

    __slots__ = ("capacity", "data", "ended", "readers", "reset", "writers")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.data = bytearray()
        self.ended = False  # the writer will write no more
        self.reset = False  # the reader will read no more, or either end broke
        self.readers = trio.lowlevel.ParkingLot()
        self.writers = trio.lowlevel.ParkingLot()

    def end(self) -> None:
        self.ended = True
        self.readers.unpark_all()

    def break_off(self) -> None:
        self.reset = True
        self.readers.unpark_all()
        self.writers.unpark_all()


class MemoryStream(Stream):
    """One end of a pair; see `memory_stream_pair`."""

    __slots__ = ("_inbound", "_outbound")

    def __init__(
        self, inbound: _Pipe, outbound: _Pipe, local_address: Any, remote_address: Any
    ) -> None:
        super().__init__(local_address, remote_address)
        self._inbound = inbound
        self._outbound = outbound

    def _recv(self, max_bytes: int) -> bytes | None:
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        pipe = self._inbound
        if pipe.data:
            data = bytes(pipe.data[:max_bytes])
            del pipe.data[:max_bytes]
            pipe.writers.unpark_all()
            return data
        if pipe.ended:
            return b""
        if pipe.reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return None

    def input_waits(self) -> bool:
        pipe = self._inbound
        return bool(self._in or pipe.data or pipe.ended or pipe.reset or self.closed)

    def _send(self, data: Data) -> int:
        pipe = self._outbound
        if pipe.ended or pipe.reset:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        room = pipe.capacity - len(pipe.data)
        if room <= 0:
            return 0
        taken = min(room, _size(data))
        pipe.data += data if taken == _size(data) else memoryview(data).cast("B")[:taken]
        pipe.readers.unpark_all()
        return taken

    async def _wait_recv(self) -> None:
        pipe = self._inbound
        if pipe.data or pipe.ended or pipe.reset:
            await trio.lowlevel.checkpoint()
        else:
            await pipe.readers.park()
            self._check_open()

    async def _wait_send(self) -> None:
        pipe = self._outbound
        if len(pipe.data) < pipe.capacity or pipe.ended or pipe.reset:
            await trio.lowlevel.checkpoint()
        else:
            await pipe.writers.park()
            self._check_open()

    def _check_open(self) -> None:
        if self.closed:
            raise trio.ClosedResourceError

    def _close(self) -> None:
        self._outbound.end()
        self._inbound.break_off()
        self._outbound.writers.unpark_all()

    def reset(self) -> None:
        """Close as a crashed peer would: what is in flight both ways is lost."""
        self._outbound.data.clear()
        self._outbound.break_off()
        self.closed = True
        self._out.clear()
        self._inbound.break_off()

    async def send_eof(self) -> None:
        await self.drain()
        self._outbound.end()


def memory_stream_pair(
    capacity: int = PIPE_CAPACITY, *, client_address: Any = None, server_address: Any = None
) -> tuple[MemoryStream, MemoryStream]:
    """Two connected streams; each direction holds at most `capacity` bytes."""
    there, back = _Pipe(capacity), _Pipe(capacity)
    return (
        MemoryStream(back, there, client_address, server_address),
        MemoryStream(there, back, server_address, client_address),
    )


class MemoryListener:
    """Accepts connections of a `MemoryNetwork`. The interface of `listeners.Listener`."""

    def __init__(self, network: MemoryNetwork, address: tuple[str, int], backlog: int) -> None:
        self.address = address
        self.closed = False
        self._network = network
        self._backlog = backlog
        self._queue: deque[MemoryStream] = deque()
        self._lot = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<MemoryListener {self.address[0]}:{self.address[1]}>"

    def accept_nowait(self) -> Stream | None:
        """A connection that is waiting, or None."""
        if self.closed:
            raise trio.ClosedResourceError
        return self._queue.popleft() if self._queue else None

    async def wait_acceptable(self) -> None:
        """Wait until `accept_nowait` may have one. trio.ClosedResourceError: closed meanwhile."""
        if self.closed:
            raise trio.ClosedResourceError
        if self._queue:
            await trio.lowlevel.checkpoint()
        else:
            await self._lot.park()
            if self.closed:
                raise trio.ClosedResourceError

    async def accept(self) -> Stream:
        """The next connection."""
        while (stream := self.accept_nowait()) is None:
            await self.wait_acceptable()
        return stream

    def close(self) -> None:
        """Stop listening; connections not yet accepted are reset."""
        if self.closed:
            return
        self.closed = True
        self._network._forget(self)
        while self._queue:
            self._queue.popleft().reset()
        self._lot.unpark_all()

    def _offer(self, stream: MemoryStream) -> None:
        if len(self._queue) >= self._backlog:
            raise address_error(errno.ECONNREFUSED, self.address)
        self._queue.append(stream)
        self._lot.unpark_all()


class MemoryNetwork:
    """Hosts and ports that exist in this object only.

    `localhost`, `127.0.0.1` and a listener's `""` (any host) are not special: a listener
    on "" answers for every host, otherwise names are compared as they are.
    """

    def __init__(self, capacity: int = PIPE_CAPACITY) -> None:
        self._capacity = capacity
        self._listeners: dict[tuple[str, int], MemoryListener] = {}
        self._ports = itertools.count(49152)

    def listen(self, port: int = 0, host: str = "", *, backlog: int = 1000) -> MemoryListener:
        """Open a listener; port 0 chooses a free one. Errors as bind(2)."""
        port = check_port(port)
        if port == 0:
            port = next(self._ports)
        if (host, port) in self._listeners:
            raise address_error(errno.EADDRINUSE, (host, port))
        listener = MemoryListener(self, (host, port), backlog)
        self._listeners[host, port] = listener
        return listener

    async def connect(self, host: str, port: int, *, source_ip: str = "127.0.0.1") -> MemoryStream:
        """A stream to the listener at `host`:`port`. ConnectionRefusedError: there is none."""
        await trio.lowlevel.checkpoint()
        listener = self._listeners.get((host, port)) or self._listeners.get(("", port))
        if listener is None:
            raise address_error(errno.ECONNREFUSED, (host, port))
        ours, theirs = memory_stream_pair(
            self._capacity,
            client_address=(source_ip, next(self._ports)),
            server_address=(host, port),
        )
        listener._offer(theirs)
        return ours

    def _forget(self, listener: MemoryListener) -> None:
        self._listeners.pop(listener.address, None)
