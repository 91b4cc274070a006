"""A native stream shown as an IOStream: what `request.connection.stream` is, and a WebSocket's.

It is an IOStream from the first, for `isinstance`; but the socket is the native stream's, which
provides what programs use most (is it closed, its socket, a close callback, bytes past the
protocol). Reading takes the connection over: the object becomes an IOStream of its own over the
socket, and the previous owner of the native stream (`Owner`) has it no longer.

Knows native streams and IOStreams. Costs nothing until a program asks for the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tornado._impl.loop.tasks import run_task
from tornado._impl.streams.adapter import IOStreamAdapter
from tornado._impl.streams.base import BaseIOStream
from tornado._impl.streams.errors import StreamClosedError
from tornado._impl.streams.kinds import IOStream, SSLIOStream
from tornado.concurrent import Future
from tornado.ioloop import IOLoop

from tornado_trio.errors import StreamClosedError as NativeStreamClosedError
from tornado_trio.net.stream import Stream

__all__ = ["Owner", "ShownStream", "as_iostream", "as_native", "show"]


class Owner(Protocol):
    """The reader of the native stream."""

    def let_go(self) -> Stream:
        """Give the stream away, what was read ahead of it in its buffer.

        Raises:
            StreamClosedError: it is too late for that.
        """

    def when_closed(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` when the connection closes; None: nothing any more."""


def show(native: Stream, owner: Owner) -> Any:
    """`native` as an IOStream. One that is a program's already is shown as itself."""
    if isinstance(native, IOStreamAdapter):
        native.on_program_read = lambda: _hand_back(native, owner)
        return native.iostream
    cls = _ShownTls if native.tls else _ShownPlain
    seen = cls.__new__(cls)
    seen._show(native, owner)
    return seen


def _hand_back(adapter: IOStreamAdapter, owner: Owner) -> None:
    """The program reads from its stream: it is its own from now on."""
    try:
        owner.let_go()
    except StreamClosedError:
        return  # there is no other reader any more: what was sent after a request, for one
    adapter.give_back()


def _taking_over(name: str) -> Any:
    """The method of this name, for the stream that takes the connection over."""

    def method(self: ShownStream, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._become(), name)(*args, **kwargs)

    return method


class ShownStream(IOStream):
    """An IOStream as long as its native stream does the work."""

    max_buffer_size = 100 * 1024 * 1024
    read_chunk_size = 64 * 1024
    max_write_buffer_size = None
    error: BaseException | None = None
    _connecting = False

    def _show(self, native: Stream, owner: Owner) -> None:
        # In place of __init__, which would want the socket to itself.
        self._native = native
        self._owner = owner
        self._close_callback = None

    def _become(self) -> IOStream:
        """The same object, as an IOStream of its own."""
        tls = self._native.tls
        callback = self._close_callback
        received, unsent, sock = _dismantle(self._owner.let_go())
        vars(self).clear()
        self.__class__ = SSLIOStream if tls else IOStream  # type: ignore[assignment]
        self.__init__(sock)  # type: ignore[misc]
        self.set_close_callback(callback)
        _refill(self, received, unsent)
        return self

    # --- reading takes it ------------------------------------------------------------
    read_bytes = _taking_over("read_bytes")
    read_into = _taking_over("read_into")
    read_until = _taking_over("read_until")
    read_until_close = _taking_over("read_until_close")
    read_until_regex = _taking_over("read_until_regex")

    # --- writing past the protocol -----------------------------------------------------
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
        self._owner.when_closed(self._run_close_callback if callback else None)

    def _run_close_callback(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()

    def close(self, exc_info: Any = False) -> None:
        """Drop the connection; its users are notified."""
        if not self._native.closed:
            self._native.close()
            self._run_close_callback()

    # --- looking --------------------------------------------------------------------------
    @property
    def io_loop(self) -> Any:
        return IOLoop.current()

    @property
    def socket(self) -> Any:
        return None if self._native.closed else self._native.socket

    @property
    def _received(self) -> Any:  # type: ignore[override]
        return self._native._in

    @property
    def _write_buffer(self) -> Any:  # type: ignore[override]
        return None if self._native.closed else self._native._out

    _read_future = None

    @property  # type: ignore[misc]
    def _state(self) -> int | None:
        if self._native.closed:
            return None
        return IOLoop.ERROR | IOLoop.READ | (IOLoop.WRITE if self._native.unsent else 0)

    def _add_io_state(self, state: int) -> None:
        """Send what a program has put in `_write_buffer`; reading continues anyway."""
        if state & IOLoop.WRITE and self._native.unsent and not self._native.closed:
            self._write(b"")

    def _maybe_add_error_listener(self) -> None:
        """The connection is watched by its owner."""

    def _signal_closed(self) -> None:
        self._run_close_callback()

    @property
    def _closed(self) -> bool:  # type: ignore[override]
        return self._native.closed

    def reading(self) -> bool:
        return not self._native.closed

    def writing(self) -> bool:
        return self._native.unsent > 0

    def __repr__(self) -> str:
        return f"<IOStream of {self._native!r}>"


class _ShownPlain(ShownStream):
    pass


class _ShownTls(ShownStream, SSLIOStream):
    pass


# --- from one kind to the other -----------------------------------------------------------------


def as_native(stream: Any) -> Stream:
    """A native stream over what `detach` gave: a native one, or an IOStream.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(stream, Stream):
        return stream
    if not isinstance(stream, BaseIOStream):
        raise TypeError(f"a stream is needed, not {stream!r}")
    return IOStreamAdapter(stream)


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
        stream._received.append(received)
    if unsent:
        stream.write(unsent)
