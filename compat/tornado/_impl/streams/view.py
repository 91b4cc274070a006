"""What `ws_connection.stream` is: a native stream behind the names of an IOStream.

For programs that look at the socket, close the connection or ask whether it is; reading and
writing past the protocol is not among what it offers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from tornado._impl.streams.adapter import IOStreamAdapter
from tornado._impl.streams.base import BaseIOStream
from tornado.ioloop import IOLoop

from tornado_trio.net.stream import Stream


def native_stream(stream: Any) -> Stream:
    """The native stream of a detached connection.

    Connections served by `HTTP1ServerConnection` give an IOStream.
    """
    if isinstance(stream, Stream):
        return stream
    if not isinstance(stream, BaseIOStream):
        raise TypeError(f"a WebSocket needs a stream, not {stream!r}")
    return IOStreamAdapter(stream)


class StreamView:
    """See the module."""

    def __init__(self, native: Stream) -> None:
        self._native = native
        self._close_callback: Callable[[], None] | None = None
        self.error: BaseException | None = None

    @property
    def io_loop(self) -> IOLoop:
        return IOLoop.current()

    @property
    def socket(self) -> Any:
        return self._native.socket

    def fileno(self) -> int:
        sock = self._native.socket
        return sock.fileno() if sock is not None else -1

    def set_nodelay(self, value: bool) -> None:
        """Nagle's algorithm off (True) or on."""
        sock = self._native.socket
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1 if value else 0)

    def closed(self) -> bool:
        return self._native.closed

    @property
    def _closed(self) -> bool:
        return self._native.closed

    def writing(self) -> bool:
        """Is something unsent?"""
        return self._native.unsent > 0

    def reading(self) -> bool:
        return not self._native.closed

    def close(self, exc_info: Any = False) -> None:
        """Drop the connection; the protocol's reader finds out and tells its handler."""
        if self._native.closed:
            return
        self._native.close()
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        self._close_callback = callback

    def __repr__(self) -> str:
        return f"<StreamView of {self._native!r}>"
