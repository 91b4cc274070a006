"""Attributes of a stream with an underscore that programs read, assign and call.

What is left in the buffer before a `select`, a read abandoned by hand, a handler of the loop's
added again, TLS after a greeting: each means here what it means upstream. Knows a stream's
buffer, its pending read and its `Watch`; costs nothing until asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornado._impl.generation import before
from tornado._impl.streams.watch import Watch
from tornado.ioloop import IOLoop

from tornado_trio.net.buffers import ReadBuffer

__all__ = ["PrivateNames"]

_ERROR = IOLoop.ERROR


class PrivateNames:
    """For `BaseIOStream`."""

    _received: ReadBuffer
    _read_future: Any
    _watch: Watch
    _closed: bool

    @property
    def _read_buffer(self) -> bytearray:
        """What came and was not asked for yet: the bytes themselves, which may be edited."""
        return self._received.edit()

    @_read_buffer.setter
    def _read_buffer(self, data: bytes | bytearray | memoryview) -> None:
        self._received.clear()
        self._received.append(data)

    @property
    def _read_buffer_size(self) -> int:
        return len(self._received)

    @_read_buffer_size.setter
    def _read_buffer_size(self, size: int) -> None:
        """Follows from the buffer: those who edit it also count, as they had to."""

    #: Where the buffer begins, in releases whose buffer has a part that was taken already.
    _read_buffer_pos = 0

    @property
    def _state(self) -> int | None:
        """Which events the loop is asked for, errors always; None: it knows no handler."""
        return self._watch.state

    @_state.setter
    def _state(self, state: int | None) -> None:
        """For programs that have already called `remove_handler` or `update_handler`."""
        self._watch.state = state

    def _add_io_state(self, state: int) -> None:
        """Ask the loop for these events too."""
        if not self._closed:
            self._watch.add(state & ~_ERROR, self)

    def _signal_closed(self) -> None:
        raise NotImplementedError

    def _maybe_run_close_callback(self) -> None:
        """How releases before 6 called what is now `_signal_closed`. Programs wrap either."""
        if self._closed:
            self._signal_closed()

    @property
    def _read_callback(self) -> Callable[[Any], None] | None:
        """Of releases before 6: whether a read is pending. None assigned to it gives it up."""
        if not before(6):
            raise AttributeError(f"{type(self).__name__!r} object has no '_read_callback'")
        return None if self._read_future is None else self._finish_read

    @_read_callback.setter
    def _read_callback(self, callback: None) -> None:
        if callback is not None:
            raise AttributeError(
                "_read_callback can only be set to None, which gives the read up; "
                "begin one with read_bytes and its kin"
            )
        self._forget_read()

    def _finish_read(self, result: Any) -> None:
        raise NotImplementedError

    def _forget_read(self) -> None:
        raise NotImplementedError
