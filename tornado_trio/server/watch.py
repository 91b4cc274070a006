"""Noticing that the peer of a socket has disconnected, while nothing reads it.

Knows epoll and descriptors. Must not know HTTP, streams or connections.

A reader task per waiting handler would cost 20 µs and 2 KB. On Linux one task per server
waits on one epoll of our own (an epoll is itself pollable by trio's), and arming or
disarming a socket there is one system call, 1.5 µs. Input is reported once (a handler that
goes on after its response must not hold it up); from then on only EPOLLRDHUP is asked for,
so that pipelined requests and body bytes, which may wait unread in the kernel, say nothing,
and the end of the client's stream is seen behind them.
"""

from __future__ import annotations

import select as _select
from typing import Any, Protocol

import trio

__all__ = ["DisconnectWatch", "Observer"]

# A type checker for another system knows no epoll.
select: Any = _select


class Observer(Protocol):
    """Notified of what happens at a socket."""

    def on_input(self) -> None:
        """Bytes came. Once: arm again without `input` for what follows."""

    def on_hangup(self, half: bool) -> None:
        """The peer ended its side (`half`), or the whole connection."""


class DisconnectWatch:
    """Owned by a server; `run` is a task of its nursery."""

    def __init__(self) -> None:
        # Made by `run`: a server may be made before its process forks, and children that
        # share an epoll would get events for each other's sockets.
        self._epoll: Any = None
        self._armed: dict[int, Observer] = {}

    def __repr__(self) -> str:
        return f"<DisconnectWatch of {len(self._armed)} sockets>"

    async def run(self) -> None:
        """Tell observers until cancelled."""
        if not hasattr(select, "epoll"):
            return
        epoll = self._epoll = select.epoll()
        try:
            while True:
                await trio.lowlevel.wait_readable(epoll.fileno())
                for fd, events in epoll.poll(0):
                    observer = self._armed.get(fd)
                    if observer is not None and events == select.EPOLLIN:
                        self._arm(fd, observer, select.EPOLLRDHUP)
                        observer.on_input()
                    elif observer is not None:
                        observer.on_hangup(not events & (select.EPOLLHUP | select.EPOLLERR))
        finally:
            epoll.close()
            self._epoll = None

    def arm(
        self, fd: int | None, observer: Observer, *, input: bool, half: bool = True
    ) -> int | None:
        """Watch a socket; the descriptor to `disarm`, -1 for a closed one.

        None: this one cannot be watched. `input`: bytes are reported, once. `half`: so is the
        end of the peer's stream; what is always reported (reset, both sides closed) comes
        without.
        """
        if self._epoll is None or fd is None:
            return None
        if fd >= 0:
            mask = (select.EPOLLIN if input else 0) | (select.EPOLLRDHUP if half else 0)
            self._arm(fd, observer, mask)
        return fd

    def _arm(self, fd: int, observer: Observer, mask: int) -> None:
        epoll = self._epoll
        # One shot: a half-closed socket would be reported again and again.
        mask |= select.EPOLLONESHOT
        try:
            if self._armed.get(fd) is observer:
                epoll.modify(fd, mask)
            else:
                epoll.register(fd, mask)
        except FileExistsError:
            epoll.modify(fd, mask)
        self._armed[fd] = observer

    def disarm(self, fd: int, present: int | None, observer: Observer) -> None:
        """Stop watching. `present`: the socket's descriptor by now.

        A socket that was closed while it was watched has none any more, and the number may be
        another one's.
        """
        if self._armed.get(fd) is not observer:
            return
        del self._armed[fd]
        if self._epoll is None or present != fd:
            return  # closed: the kernel has removed it
        try:
            self._epoll.unregister(fd)
        except OSError:
            pass
