"""What operating systems do not have in common. Knows `os`, `socket` and which system this is.

Sockets are asked for what they can do at each use, not at import: a test can take it away.
"""

from __future__ import annotations

import errno
import os
import socket
import sys

__all__ = ["read_at", "read_into", "share_port", "unblock", "unix_family"]


def unix_family() -> int:
    """The address family of Unix sockets. OSError where there are none."""
    family: int | None = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise OSError(errno.EAFNOSUPPORT, "this system has no Unix sockets")
    return family


def share_port(sock: socket.socket) -> None:
    """Let other sockets, of other processes too, listen on the same port (SO_REUSEPORT).

    ValueError where the system cannot do it.
    """
    option: int | None = getattr(socket, "SO_REUSEPORT", None)
    if option is None:
        raise ValueError("the platform doesn't support SO_REUSEPORT")
    sock.setsockopt(socket.SOL_SOCKET, option, 1)


if sys.platform == "win32":

    def read_at(fd: int, count: int, offset: int) -> bytes:
        """At most `count` bytes of the file from `offset` on; blocks. Moves its position."""
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, count)

    def read_into(fd: int, target: bytearray | memoryview) -> int:
        """As readv(2), of one buffer."""
        data = os.read(fd, len(target))
        target[: len(data)] = data
        return len(data)

    def unblock(fd: int) -> None:
        """Make a pipe's descriptor non-blocking. OSError: it cannot be waited for then."""
        raise OSError(errno.ENOTSUP, "pipes cannot be waited for on Windows")

else:

    def read_at(fd: int, count: int, offset: int) -> bytes:
        """At most `count` bytes of the file from `offset` on; blocks."""
        return os.pread(fd, count, offset)

    def read_into(fd: int, target: bytearray | memoryview) -> int:
        """As readv(2), of one buffer."""
        return os.readv(fd, [target])

    def unblock(fd: int) -> None:
        """Make a pipe's descriptor non-blocking. OSError: it cannot be waited for then."""
        os.set_blocking(fd, False)
