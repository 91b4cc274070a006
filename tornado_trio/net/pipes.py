"""`PipeStream`: a `Stream` over one or two pipe descriptors (a child's stdin and stdout).

Knows descriptors and trio's readiness waits.
"""

from __future__ import annotations

import errno
import os

import trio

from .._util.system import read_into, unblock
from .buffers import Data
from .stream import Stream


class PipeStream(Stream):
    """Reads from one descriptor, writes to another; owns both. Either may be missing.

    Reading without a descriptor for it is the end of the stream; writing without one fails.
    """

    __slots__ = ("_read_fd", "_write_fd")

    def __init__(self, read_fd: int | None = None, write_fd: int | None = None) -> None:
        super().__init__()
        for fd in (read_fd, write_fd):
            if fd is not None:
                unblock(fd)
        self._read_fd = read_fd
        self._write_fd = write_fd

    def _recv(self, max_bytes: int) -> bytes | None:
        if self._read_fd is None:
            return self._no_reader()
        try:
            return os.read(self._read_fd, max_bytes)
        except BlockingIOError:
            return None

    def _recv_into(self, target: memoryview) -> int | None:
        if self._read_fd is None:
            return len(self._no_reader())
        try:
            return read_into(self._read_fd, target)
        except BlockingIOError:
            return None

    def _no_reader(self) -> bytes:
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return b""

    def _send(self, data: Data) -> int:
        if self._write_fd is None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        try:
            return os.write(self._write_fd, data)
        except BlockingIOError:
            return 0

    async def _wait_recv(self) -> None:
        if self._read_fd is None:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(self._read_fd)

    async def _wait_send(self) -> None:
        if self._write_fd is None:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_writable(self._write_fd)

    async def send_eof(self) -> None:
        await self.drain()
        if self._write_fd is not None:
            fd, self._write_fd = self._write_fd, None
            _close_fd(fd)

    def _close(self) -> None:
        for fd in {self._read_fd, self._write_fd} - {None}:
            assert fd is not None
            _close_fd(fd)
        self._read_fd = self._write_fd = None


def _close_fd(fd: int) -> None:
    try:
        trio.lowlevel.notify_closing(fd)
    except RuntimeError:
        pass  # no trio run in this thread, so nothing waits
    os.close(fd)
