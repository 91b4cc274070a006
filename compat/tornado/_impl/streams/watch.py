"""`Watch`: the loop's handler of one stream's descriptor. Knows the IOLoop only."""

from __future__ import annotations

from typing import Any

from tornado.ioloop import IOLoop

_ERROR = IOLoop.ERROR


class Watch:
    """Which events the loop is asked for, and the asking.

    `events` is 0 both when nothing is asked for and when the loop does not know the
    descriptor (any more).
    """

    __slots__ = ("_fd", "_io_loop", "events")

    def __init__(self, io_loop: Any) -> None:
        self._io_loop = io_loop
        self._fd: int | None = None
        self.events = 0

    def add(self, events: int, stream: Any) -> None:
        """Ask for these events of the stream's descriptor too.

        What is asked for already costs nothing. The stream is given each time, and not
        kept: a closed one is then freed at once, and not by the garbage collector.
        """
        if self._fd is None:
            owner = stream._fd_owner()
            # Remembered: a socket closed behind our back no longer knows its number.
            self._fd = owner if isinstance(owner, int) else owner.fileno()
            self.events = events
            self._io_loop.add_handler(owner, stream._handle_events, events | _ERROR)
        elif events & ~self.events:
            self.set(self.events | events)

    @property
    def state(self) -> int | None:
        """`events` with those of errors; None when the loop does not know the descriptor."""
        return None if self._fd is None else self.events | _ERROR

    @state.setter
    def state(self, state: int | None) -> None:
        # The loop has been notified elsewhere.
        if state is None:
            self._fd = None
        self.events = (state or 0) & ~_ERROR

    def set(self, events: int) -> None:
        """Ask for exactly these events, if the loop knows the descriptor."""
        if self._fd is not None and events != self.events:
            self.events = events
            self._io_loop.update_handler(self._fd, events | _ERROR)

    def remove(self) -> None:
        """Let the loop forget the descriptor."""
        if self._fd is not None:
            self._io_loop.remove_handler(self._fd)
            self._fd = None
            self.events = 0
