"""Noticing that a client went away while its handler waits.

Knows epoll and streams. Must not know HTTP: it tells the connection, which decides.

A reader task per waiting handler would cost 20 µs and 2 KB. On Linux one task per
server waits on one epoll of our own (an epoll is itself pollable by trio's), and arming
or disarming a socket there is one system call, 1.5 µs. Input is reported once (a handler
that goes on after its response must not hold it up, see `lingering`); from then on it asks
for EPOLLRDHUP alone, so that pipelined requests and body bytes, which may wait unread in
the kernel, say nothing, and the end of the client's stream is seen behind them.

Elsewhere, and for streams without a socket, a task per waiting handler reads ahead, within
`max_pipelined`.
"""

from __future__ import annotations

import select as _select
from typing import TYPE_CHECKING, Any

import trio

from ..errors import StreamClosedError

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["DisconnectWatch"]

# A type checker for another system knows no epoll.
select: Any = _select


class DisconnectWatch:
    """Owned by a server; `run` is a task of its nursery."""

    def __init__(self) -> None:
        # Made by `run`: a server may be made before its process forks, and children that
        # share an epoll would be told of each other's sockets.
        self._epoll: Any = None
        self._armed: dict[int, ServerConnection] = {}

    def __repr__(self) -> str:
        return f"<DisconnectWatch of {len(self._armed)} sockets>"

    async def run(self) -> None:
        """Tell connections until cancelled."""
        if not hasattr(select, "epoll"):
            return
        epoll = self._epoll = select.epoll()
        try:
            while True:
                await trio.lowlevel.wait_readable(epoll.fileno())
                for fd, events in epoll.poll(0):
                    connection = self._armed.get(fd)
                    if connection is not None and events == select.EPOLLIN:
                        connection.input_waits = True
                        self.arm(connection)
                        connection.response_finished()
                    elif connection is not None:
                        half = not events & (select.EPOLLHUP | select.EPOLLERR)
                        connection.client_signal(half=half)
        finally:
            epoll.close()
            self._epoll = None

    def arm(self, connection: ServerConnection, *, half_seen: bool = False) -> bool:
        """Watch a socket. False: this stream needs `watch_stream` instead."""
        sock = connection.stream.socket
        if self._epoll is None or sock is None:
            return False
        fd = sock.fileno()
        if fd < 0:
            return True
        # One shot: a half-closed socket would be reported for ever. What is always
        # reported (reset, both sides closed) comes even with an empty mask.
        mask = select.EPOLLONESHOT | (0 if half_seen else select.EPOLLRDHUP)
        if not connection.input_waits and not connection.wire.body_unread:
            mask |= select.EPOLLIN
        try:
            if self._armed.get(fd) is connection:
                self._epoll.modify(fd, mask)
            else:
                self._epoll.register(fd, mask)
        except FileExistsError:
            self._epoll.modify(fd, mask)
        self._armed[fd] = connection
        connection.watched_fd = fd
        return True

    def disarm(self, connection: ServerConnection) -> None:
        """Stop watching.

        A stream that was closed while its handler waited (a response broken off) has no
        descriptor any more, and the number may be another connection's.
        """
        fd, connection.watched_fd = connection.watched_fd, -1
        if self._armed.get(fd) is not connection:
            return
        del self._armed[fd]
        sock = connection.stream.socket
        if self._epoll is None or sock is None or sock.fileno() != fd:
            return  # closed: the kernel forgot it by itself
        try:
            self._epoll.unregister(fd)
        except OSError:
            pass


async def watch_stream(connection: ServerConnection) -> None:
    """The portable way: wait for bytes, take them in, until the end of the stream.

    Run only when the request's body has been read: two readers would fight.
    """
    stream, wire = connection.stream, connection.wire
    try:
        while wire.buffered < connection.options.limits.max_pipelined:
            await stream.wait_readable()
            data = stream.read_nowait()
            if data is None:
                continue
            wire.feed(data)
            connection.input_waits = True
            connection.response_finished()
            if not data:
                connection.client_signal(half=True)
                return
    except StreamClosedError:
        connection.client_signal(half=False)
