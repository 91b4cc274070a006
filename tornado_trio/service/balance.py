"""`SharedListener`: a listening socket that several workers accept from, evenly.

Knows the board and `SocketListener`. Must not know what is served.

The kernel wakes every worker for each connection, and the quickest accepts what is waiting: of 64
connections that arrive together, one of two workers took 60 (median of 20 tries; 64 in five of
them). With a socket for each worker (SO_REUSEPORT) a hash of the addresses decides: 35, at
most 41; but a worker that is busy or dies keeps those assigned to it, and one that ends resets
them. So the socket is shared, and a worker that has clearly more connections than another leaves
the next one to it, for a moment: 33, at most 39.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import trio

from ..net.listeners import SocketListener
from ..net.socket_stream import SocketStream
from .board import Board, Row

__all__ = ["SharedListener"]

GAP = 2  # connections more than the least busy worker has, at which one waits
PAUSE = 0.001  # seconds between looks at whether another has taken it
LOOKS = 5  # then it is taken here: the other one may be busy


class SharedListener(SocketListener):
    """Accepts in turns with the other workers of `board`.

    Args:
      sock: listens, non-blocking; this object owns its descriptor, not the socket.
      board, row: all workers, and this one.
      count: returns the number of connections open in this worker.
      accepts: False once the service is ending: waiting connections are then served rather than
      lost.
    """

    def __init__(
        self,
        sock: socket.socket,
        board: Board,
        row: Row,
        count: Callable[[], int],
        accepts: Callable[[], bool],
    ) -> None:
        super().__init__(sock)
        self._board = board
        self._row = row
        self._count = count
        self._accepts = accepts
        self._taken = 0

    def accept_nowait(self) -> SocketStream | None:
        """A connection that is waiting, or None, also if it is another worker's turn."""
        if self._taken > GAP and self._accepts():
            return None
        stream = super().accept_nowait()
        if stream is not None:
            self._taken += 1
            self._row.connections = self._count() + self._taken
        return stream

    async def wait_acceptable(self) -> None:
        """Until `accept_nowait` may have one. trio.ClosedResourceError: closed meanwhile."""
        if self._taken:
            self._taken = 0
            await trio.lowlevel.checkpoint()  # those taken become connections, and count
        await super().wait_acceptable()
        for _ in range(LOOKS):
            self._row.connections = self._count()
            if not self._ahead():
                break
            await trio.sleep(PAUSE)

    def _ahead(self) -> bool:
        mine = self._row.connections
        if mine <= GAP:
            return False
        return any(row.serving and mine - row.connections > GAP for row in self._board)
