"""Detects that the client has disconnected, while a handler waits and nothing reads the stream.

Knows a connection's stream and wire, and the watch. Must not know what follows from a disconnect:
it notifies its owner, which has a policy.

The end of the client's stream can mean two things: it shut down its sending side and waits
for the response (`nc -N`), or it is gone. Which it is shows only when something is sent: the kernel
of a client that closed answers with a reset. So an interim response is sent, which every HTTP/1.1
client must accept (RFC 9110 15.2); a reset that follows is reported by the watch. Where that is not
possible (HTTP/1.0, or the response has begun) the client counts as gone after
`Timeouts.half_closed`, or earlier if a write fails.

Where there is no epoll, and for streams without a socket, a task per waiting handler reads
ahead, within `max_pipelined`.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from ..errors import StreamClosedError
from ..exchange import Cause
from .watch import DisconnectWatch

if TYPE_CHECKING:
    from .interfaces import Watched

__all__ = ["Disconnect"]

_PROBE = b"HTTP/1.1 102 Processing\r\n\r\n"


class Disconnect:
    """Watches one connection, from `start` to `stop`, for one request after the other.

    Attributes:
      half_closed: the client ended its sending side.
      input_waits: more came from the client while the handler was waiting.
    """

    __slots__ = ("_fd", "_owner", "_reader", "_watch", "half_closed", "input_waits")

    def __init__(self, owner: Watched, watch: DisconnectWatch) -> None:
        self._owner = owner
        self._watch = watch
        self._fd: int | None = None  # None: not by the watch
        self._reader: trio.CancelScope | None = None
        self.half_closed = False
        self.input_waits = False

    def __repr__(self) -> str:
        how = "epoll" if self._fd is not None else "reader" if self._reader else "off"
        return f"<Disconnect by {how}>"

    def start(self) -> None:
        """A handler waits."""
        owner = self._owner
        wire = owner.wire
        self.input_waits = bool(wire.buffered)
        asks = not self.input_waits and not wire.body_unread
        self._fd = self._watch.arm(owner.stream.descriptor, self, input=asks)
        if self._fd is None and not wire.body_unread:
            self._start_task(self._read_ahead)

    def body_over(self) -> None:
        """The request's body has been read: now a task may read ahead."""
        if self._fd is None and self._reader is None:
            self._start_task(self._read_ahead)

    def stop(self) -> None:
        """The handler is done, or reads the stream itself."""
        if self._fd is not None:
            self._watch.disarm(self._fd, self._owner.stream.descriptor, self)
            self._fd = None
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    # --- from the watch ---------------------------------------------------------------
    def on_input(self) -> None:
        self.input_waits = True
        self._owner.on_input()

    def on_hangup(self, half: bool) -> None:
        owner = self._owner
        if not half:
            self._gone(StreamClosedError("the client closed the connection"))
            return
        if self.half_closed:
            return
        self.half_closed = True
        exchange = owner.exchange
        if exchange is None:
            return
        if exchange.finished:
            owner.on_end()
        elif not owner.options.tolerate_half_close:
            self._gone(StreamClosedError("the client closed the connection"))
        elif owner.wire.responded or exchange.start_line.version == "HTTP/1.0":
            self._start_task(self._presume_gone)
        else:
            self._probe()

    def _gone(self, error: Exception, cause: Cause = Cause.CLIENT_GONE) -> None:
        self._owner.on_disconnect(cause, error)

    def _probe(self) -> None:
        stream = self._owner.stream
        try:
            stream.write(_PROBE)
        except StreamClosedError as exc:
            self._gone(exc)
            return
        if self._fd is None:
            self._start_task(self._listen_for_reset)
        else:
            self._watch.arm(stream.descriptor, self, input=False, half=False)

    # --- tasks ------------------------------------------------------------------------
    def _start_task(self, function: Callable[[], Awaitable[None]]) -> None:
        """Run `function` beside the handler until its end.

        Where there is no place for it, disconnects are noticed on use.
        """
        if self._reader is not None:
            self._reader.cancel()
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await function()

        started = self._owner.start_beside(run, name="disconnect watcher")
        self._reader = scope if started else None

    async def _read_ahead(self) -> None:
        """Wait for bytes, take them in, until the end of the stream.

        Run only when the request's body has been read: two readers would fight. So `stop` has to
        count from the moment it is called, and not from the next wait: the next reader would find a
        read in progress (trio's BusyResourceError), or miss the bytes that were read ahead.
        """
        stopped = trio.lowlevel.checkpoint_if_cancelled
        owner = self._owner
        stream, wire = owner.stream, owner.wire
        try:
            while wire.buffered < owner.options.limits.max_pipelined:
                await stopped()
                await stream.wait_readable()
                await stopped()
                data = stream.read_nowait()
                if data is None:
                    continue
                wire.feed(data)
                self.on_input()
                if not data:
                    self.on_hangup(True)
                    return
        except StreamClosedError:
            self.on_hangup(False)

    async def _listen_for_reset(self) -> None:
        """Without epoll nothing wakes us for a reset: look for it, ever more rarely.

        Reading would not tell: after the end of the stream it only ever says so again.
        """
        sock = self._owner.stream.socket
        if sock is None:
            return
        pause = 0.02
        while sock.fileno() >= 0 and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            await trio.sleep(pause)
            pause = min(pause * 2, 5)
        self._gone(StreamClosedError("the client reset the connection"))

    async def _presume_gone(self) -> None:
        await trio.sleep(self._owner.options.timeouts.half_closed)
        error = StreamClosedError("the client closed its side and was not heard of since")
        self._gone(error, Cause.HALF_CLOSED)
