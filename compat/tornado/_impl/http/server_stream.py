"""`request.connection.stream`: the stream of a connection that is served natively.

It is an IOStream from the first, for `isinstance`; but the socket is the native stream's, which
answers what programs ask of it most (is it closed, its socket, a close callback, writing past
HTTP). Reading takes the connection over: the object becomes an IOStream of its own over the
socket, HTTP is over, and the server waits for nothing but the handler.

Knows native connections and IOStreams. Costs nothing until a program asks for the stream.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from tornado._impl.loop.tasks import run_task
from tornado._impl.streams.adapter import IOStreamAdapter
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from tornado_trio.errors import StreamClosedError as NativeStreamClosedError
from tornado_trio.net.stream import Stream
from tornado_trio.server.interfaces import Channel

__all__ = ["as_iostream", "stream_of"]


def stream_of(connection: Channel) -> Any:
    """What programs see as the stream of a connection; None once it was detached."""
    seen: Any = connection.context
    if seen is None:
        if connection.detached:
            return None
        if isinstance(connection.stream, IOStreamAdapter):
            return _programs_own(connection, connection.stream)
        cls = _ShownTls if connection.stream.tls else _ShownPlain
        seen = cls.__new__(cls)
        seen._show(connection)
        connection.set_context(seen)
    # Once it was taken by reading it is the program's; once it was detached another is.
    return None if connection.detached and isinstance(seen, _Shown) else seen


def _programs_own(connection: Channel, adapter: IOStreamAdapter) -> Any:
    """The stream that the program gave us; reading from it takes the connection over."""

    def taken() -> None:
        exchange: Any = connection.exchange
        if exchange is not None and not exchange.finished:
            exchange.detach_native()
            adapter.give_back()

    adapter.on_program_read = taken
    return adapter.iostream


class _Shown(IOStream):
    """An IOStream as long as its native stream does the work."""

    max_buffer_size = 100 * 1024 * 1024
    read_chunk_size = 64 * 1024
    max_write_buffer_size = None
    error: BaseException | None = None
    _connecting = False

    def _show(self, connection: Channel) -> None:
        # In place of __init__, which would want the socket to itself.
        self._connection = connection
        self._native = connection.stream
        self._close_callback = None

    def _become(self) -> IOStream:
        """The same object, as an IOStream of its own."""
        exchange: Any = self._connection.exchange
        if exchange is None or exchange.finished:
            raise StreamClosedError()
        callback = self._close_callback
        tls = self._native.tls
        received, unsent, sock = _dismantle(exchange.detach_native())
        vars(self).clear()
        self.__class__ = SSLIOStream if tls else IOStream  # type: ignore[assignment]
        self.__init__(sock)  # type: ignore[misc]
        self.set_close_callback(callback)
        _refill(self, received, unsent)
        return self

    # --- reading takes it ------------------------------------------------------------
    def read_bytes(self, *args: Any, **kwargs: Any) -> Any:
        return self._become().read_bytes(*args, **kwargs)

    def read_into(self, *args: Any, **kwargs: Any) -> Any:
        return self._become().read_into(*args, **kwargs)

    def read_until(self, *args: Any, **kwargs: Any) -> Any:
        return self._become().read_until(*args, **kwargs)

    def read_until_close(self, *args: Any, **kwargs: Any) -> Any:
        return self._become().read_until_close(*args, **kwargs)

    def read_until_regex(self, *args: Any, **kwargs: Any) -> Any:
        return self._become().read_until_regex(*args, **kwargs)

    # --- writing past HTTP ------------------------------------------------------------
    def write(self, data: bytes | bytearray | memoryview, callback: Any = None) -> Future:
        """Send bytes as they are; the Future is done when they are on their way.

        `callback`, of Tornado before 6, is called then.
        """
        future = self._write(data)
        if callback is not None:
            self.io_loop.add_future(future, lambda done: done.exception() or callback())
        return future

    def _write(self, data: bytes | bytearray | memoryview) -> Future:
        native = self._native
        future: Future = Future()
        try:
            if not native.write(data):
                return run_task(native.drain())
        except NativeStreamClosedError as exc:
            future.set_exception(StreamClosedError(real_error=exc))
            future.exception()
        else:
            future.set_result(None)
        return future

    # --- its end ------------------------------------------------------------------------
    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """`callback` is called when the connection closes, in the place of the handler's
        `on_connection_close`."""
        self._close_callback = callback
        exchange: Any = self._connection.exchange
        if exchange is not None and not exchange.finished:
            exchange.set_close_callback(self._run_close_callback if callback else None)

    def _run_close_callback(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()

    def close(self, exc_info: Any = False) -> None:
        """Drop the connection; whoever asked for it is told."""
        if not self._native.closed:
            self._native.close()
            self._run_close_callback()

    # --- looking --------------------------------------------------------------------------
    @property
    def io_loop(self) -> Any:
        return IOLoop.current()

    @property
    def socket(self) -> Any:
        return self._native.socket

    @property
    def _closed(self) -> bool:  # type: ignore[override]
        return self._native.closed

    def closed(self) -> bool:
        return self._native.closed

    def reading(self) -> bool:
        return not self._native.closed

    def writing(self) -> bool:
        return self._native.unsent > 0

    def set_nodelay(self, value: bool) -> None:
        """Nagle's algorithm off (True) or on."""
        sock = self._native.socket
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1 if value else 0)

    def __repr__(self) -> str:
        return f"<IOStream of {self._native!r}>"


class _ShownPlain(_Shown):
    pass


class _ShownTls(_Shown, SSLIOStream):
    pass


# --- a native stream's socket, in an IOStream ------------------------------------------------


def as_iostream(native: Stream) -> IOStream:
    """An IOStream over the socket of a native stream, which is closed by that."""
    if isinstance(native, IOStreamAdapter):
        return native.give_back()  # type: ignore[return-value]
    received, unsent, sock = _dismantle(native)
    stream = (SSLIOStream if native.tls else IOStream)(sock)
    _refill(stream, received, unsent)
    return stream


def _dismantle(native: Stream) -> tuple[bytes, bytes, Any]:
    """What was read ahead, what is still to be sent, and the socket."""
    received = native._in.take_all() if native._in else b""
    unsent = native._out.take_all()
    return received, unsent, native.detach()  # type: ignore[attr-defined]


def _refill(stream: IOStream, received: bytes, unsent: bytes) -> None:
    if received:
        stream._read_buffer.append(received)
    if unsent:
        stream.write(unsent)
