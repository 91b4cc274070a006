"""A `Waker` over a pair of sockets, for any system. Kept from Tornado 5."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from tornado._impl.names import handing_on
from tornado.platform import interface


def try_close(f: Any) -> None:
    """Close; a file that cannot be closed is left alone."""
    try:
        f.close()
    except OSError:
        pass  # what it was asked for


class Waker(interface.Waker):
    """Writes a byte to one socket, so that the other is readable."""

    def __init__(self) -> None:
        self.reader: Any  # sockets here, files of a pipe on Unix
        self.writer: Any
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        self.reader_fd = self.reader.fileno()

    def fileno(self) -> int:
        return int(self.reader.fileno())

    def write_fileno(self) -> int:
        return int(self.writer.fileno())

    def wake(self) -> None:
        try:
            self.writer.send(b"x")
        except OSError:
            pass  # full: it is already readable; closed: there is nothing to wake

    def consume(self) -> None:
        try:
            while self.reader.recv(1024):
                pass
        except OSError:
            pass  # empty now

    def close(self) -> None:
        self.reader.close()
        try_close(self.writer)


def set_close_exec(fd: int) -> None:
    """Close the descriptor when another program is executed: Python's default since 3.4."""
    os.set_inheritable(fd, False)


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.platform.common")
