"""`Link`: an established WebSocket on a `Stream`, driven by one task.

What the native session and Tornado's callback API share: the read loop, reading ahead of a busy
receiver, answers to pings, timers, writes that have to wait, the end of a connection. Knows the
wire protocol and streams. Must not know inboxes, handlers or HTTP.

Hot path: one readiness wait, one recv, `receiver` called straight from the reading task, one send
of its answer. No task, scope or queue per message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, Final

import trio

from .._util.fairness import Budget
from ..errors import StreamClosedError, WriteBufferFull
from ..exchange.interface import Later
from ..net.stream import Stream
from ..net.timers import Timers
from ..wire.websocket import CLOSE, PING, CloseCode, WebSocketProtocol, WebSocketProtocolError
from .lookahead import LookAhead

__all__ = ["Drained", "Enough", "Link", "Receiver"]


class Enough(Enum):
    """From a receiver: `read` is to return now."""

    ENOUGH = "enough"


# Gets (opcode, payload) of every event: str for text, bytes for binary, ping and pong, `Close`
# for the peer's close frame. What it returns, unless None, is awaited before the next event.
# Pings are for it to answer (`Link.answer_ping`) and pongs to report, the close frame is neither.
Receiver = Callable[[int, Any], "Awaitable[object] | Enough | None"]
# Called when what was written is on its way: with None, or with what became of the stream.
Drained = Callable[["StreamClosedError | None"], object]
Spawn = Callable[..., object]

# At 2 us each well below a millisecond, and a checkpoint costs a tenth of what they do.
_EVENTS_IN_A_ROW: Final = 64
# A frame of 64 KiB and its head fit into one read.
_READ_SIZE: Final = 65536 + 1024
_LINGER: Final = 2.0
# A mask: after so many reads the stream sees whether it should wait in another way.
_ARRANGE: Final = 7
_ENOUGH: Final = Enough.ENOUGH


class Link:
    """Reads one connection to its end.

    Args:
        stream: the transport; its `nursery` must be set for writes that cannot finish.
        protocol: the state.
        receiver: see `Receiver`.
        close_timeout: limit on everything done after the last message, in seconds.
        spawn: starts `async_fn()`; in the stream's nursery unless given.
        later: how to schedule a timeout: `Timers` in the stream's nursery unless given.
        lost: called once if the peer disconnects while the connection is read ahead, and has sent
            no message that is still to be received.

    Attributes:
        busy: the receiver's awaitable is being waited for; nothing is read meanwhile.
        room: waits until the receiver is no longer busy, for a `read` that was cancelled.
        ending: called when a close frame was sent, or the connection dropped, for a busy receiver
            that has nothing to wait for then.
        reads: how often bytes arrived: a sign of life for the keepalive.
        pongs: how many arrived, if the receiver reports them.
        error: what the peer did wrong, if that ended the connection.
        ahead: where events come from once a busy receiver had its connection read ahead.
        send_pong: sends one, and returns whether it was sent at once; if not, `pong_left` is called
            when it is. Replaced by code that handles frames itself.
    """

    __slots__ = (
        "_budget",
        "_drained",
        "_emptied",
        "_pings_ahead",
        "_pong",
        "_pong_unsent",
        "_pongs_ahead",
        "_stop_reminding",
        "_stop_waiting",
        "ahead",
        "busy",
        "close_timeout",
        "ending",
        "error",
        "later",
        "lost",
        "pongs",
        "protocol",
        "reads",
        "receiver",
        "room",
        "send_pong",
        "spawn",
        "stream",
    )

    def __init__(
        self,
        stream: Stream,
        protocol: WebSocketProtocol,
        receiver: Receiver,
        close_timeout: float = 10.0,
        spawn: Spawn | None = None,
        later: Later | None = None,
        lost: Callable[[], object] | None = None,
    ) -> None:
        self.stream = stream
        self.protocol = protocol
        self.receiver = receiver
        self.close_timeout = close_timeout
        self.ahead: LookAhead | None = None
        self.busy = False
        self.room: Callable[[], Awaitable[object]] | None = None
        self.ending: Callable[[], object] | None = None
        self.reads = 0
        self.pongs = 0
        self.error: WebSocketProtocolError | None = None
        self.spawn = spawn
        self.later = later
        self.lost = lost
        self.send_pong: Callable[[bytes], bool] | None = None
        self._pong: bytes | None = None  # the latest that waits for its turn
        self._pong_unsent = False
        self._drained: list[Drained] | None = None
        self._budget = Budget(_EVENTS_IN_A_ROW)
        self._emptied = False  # the last read took all there was
        self._stop_waiting: Callable[[], object] | None = None  # for the peer's close frame
        self._stop_reminding: Callable[[], object] | None = None
        # Answered, and counted, before their turn.
        self._pings_ahead = 0
        self._pongs_ahead = 0

    # --- reading -----------------------------------------------------------------

    async def run(self, over: Callable[[], object] | None = None) -> None:
        """Read until the connection is over, call `over`, then close the stream.

        `over` comes first because the peer may keep its connection open for as long as `finish`
        waits. A protocol error of the peer, or its disconnect, is not raised: see
        `protocol.close_code` and `error`. An exception of the receiver is; then the stream is still
        open and a close frame may be sent.

        Cancellation: as for `read` and `finish`.
        """
        await self.read()
        self.stop_waiting()
        if over is not None:
            over()
        await self.finish()

    async def read(self) -> bool:
        """The first part of `run`: until there is nothing more to read or to answer.

        Returns: False if the receiver had enough; then it is to be called again.
        Cancellation: stops between two events; may be called again, by another task, too.
        """
        stream, protocol, receiver = self.stream, self.protocol, self.receiver
        next_event = protocol.next_event if self.ahead is None else self.ahead.next_event
        budget = self._budget
        try:
            if self.busy or stream.unsent:
                await self._before_reading()
            if budget.spent():
                await trio.lowlevel.checkpoint()
            while True:
                event = next_event()
                if event is None:
                    # A read that left room took all there was: asking again would cost a
                    # system call per message for nothing. (TLS hands out a record at a time.)
                    data = None if self._emptied else stream.read_nowait(_READ_SIZE)
                    while data is None:
                        self._emptied = False
                        if not self.reads & _ARRANGE:
                            stream.arrange(mostly_waits=True)
                        try:
                            await stream.readable()
                        except trio.ClosedResourceError:
                            raise StreamClosedError("the stream was closed by us") from None
                        budget.renew()
                        data = stream.read_nowait(_READ_SIZE)
                    if not data:
                        break
                    self._emptied = len(data) < _READ_SIZE and not stream.tls
                    self.reads += 1
                    protocol.receive(data)
                    continue
                result = receiver(event[0], event[1])
                if result is not None:
                    if result is _ENOUGH:
                        return False
                    self.busy = True
                    await result
                    self.busy = self._emptied = False
                    if self.ahead is not None:
                        next_event = self.ahead.next_event
                if event[0] == CLOSE:
                    self.write_quietly(protocol.answer_close())
                    return True
                if budget.spent():
                    await trio.lowlevel.checkpoint()
        except WebSocketProtocolError as error:
            self.error = error
            self.write_quietly(protocol.fail(error))
        except StreamClosedError:
            protocol.receive_eof()
        else:
            protocol.receive_eof()
        return True

    async def _before_reading(self) -> None:
        if self.busy and self.room is not None:
            await self.room()  # cancelled while the receiver was busy: it still is
        self.busy = False
        if self.stream.unsent:
            # Written before the stream had its nursery: start what flushes it.
            await trio.lowlevel.checkpoint()
            self.stream.write(b"")

    def read_ahead(self, awaitable: Awaitable[Any]) -> Awaitable[Any]:
        """For the receiver to return: `awaitable`, while which the connection is read ahead.

        Pings are answered and pongs counted at once; messages wait for their turn. If none does
        when the peer disconnects, `lost` is called. Nothing is started if `awaitable` does not
        wait.
        """
        if self.ahead is None:
            self.ahead = LookAhead(self.stream, self.protocol)
        return self.ahead.watch(awaitable, self._start, self._read_ahead, self.lost)

    def _read_ahead(self, opcode: int, payload: Any) -> None:
        if opcode == PING:
            self._answer_ping(payload)
            self._pings_ahead += 1
        else:
            self.pongs += 1
            self._pongs_ahead += 1

    # --- writing -----------------------------------------------------------------

    def write_quietly(self, frame: bytes) -> None:
        """Send a frame without waiting; a dead or stalled peer does not get it."""
        if not frame:
            return
        try:
            self.stream.write(frame)
        except (StreamClosedError, WriteBufferFull):
            # The reading task finds out about the first; a peer that left 32 MiB unread
            # would not read this frame either.
            return

    def when_drained(self, callback: Drained) -> None:
        """Call back once what was written so far has been sent, or never will be.

        In order; one task for all, in the stream's nursery.
        """
        if self._drained is not None:
            self._drained.append(callback)
            return
        self._drained = [callback]
        if not self._start(self._drain):
            self._drained = None

    def _start(self, async_fn: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> bool:
        """Start a task. False at the end of a cancelled block, where there is no nursery."""
        nursery = self.stream.nursery
        if self.spawn is not None:
            self.spawn(async_fn, *args)
        elif nursery is not None:
            nursery.start_soon(async_fn, *args)
        else:
            return False
        return True

    async def _drain(self) -> None:
        error: StreamClosedError | None = None
        try:
            await self.stream.drain()
        except StreamClosedError as closed:
            error = closed
        finally:
            callbacks, self._drained = self._drained or (), None
        for callback in callbacks:
            callback(error)

    def answer_ping(self, payload: bytes) -> None:
        """Send a pong, unless that was done ahead. While one is unsent, only the latest ping is
        answered next: a peer that sends many pings and never reads costs one pong of memory.
        """
        if self._pings_ahead:
            self._pings_ahead -= 1
        else:
            self._answer_ping(payload)

    def pong_came(self) -> None:
        """A pong's turn has come; one read ahead was counted then."""
        if self._pongs_ahead:
            self._pongs_ahead -= 1
        else:
            self.pongs += 1

    def _answer_ping(self, payload: bytes) -> None:
        if self.protocol.close_sent is not None:
            return
        if self._pong_unsent:
            self._pong = payload
        elif not (self.send_pong or self._send_pong)(payload):
            self._pong_unsent = True

    def pong_left(self) -> None:
        """The pong that `send_pong` could not send at once has been sent."""
        self._pong_unsent = False
        payload, self._pong = self._pong, None
        if payload is not None:
            self._answer_ping(payload)

    def _send_pong(self, payload: bytes) -> bool:
        self.write_quietly(self.protocol.send_pong(payload))
        if self.stream.unsent:
            self.when_drained(self._pong_drained)
        return self._drained is None

    def _pong_drained(self, error: StreamClosedError | None) -> None:
        if error is None:
            self.pong_left()

    # --- the end -------------------------------------------------------------------

    def send_close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Our close frame, once; what follows from the peer is still read.

        Raises:
            ValueError: `code` may not be sent.
        """
        self.write_quietly(self.protocol.send_close(code, reason))
        if self.ending is not None:
            self.ending()

    def abort_later(self) -> None:
        """Drop the connection if the peer has not closed it within `close_timeout`."""
        if self._stop_waiting is None and self.protocol.close_received is None:
            self._stop_waiting = self._later(self.close_timeout, self.abort)

    def abort(self) -> None:
        """Drop the connection now, unsent bytes and all."""
        if self.protocol.close_received is None or self.protocol.close_sent is None:
            self.protocol.receive_eof()
        self.stream.close()
        self.stop_waiting()
        if self.ending is not None:
            self.ending()

    def remind(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back in so many seconds, unless reading is over before. One at a time."""
        self._stop_reminding = self._later(seconds, callback)

    def stop_waiting(self) -> None:
        """Reading is over: cancel the timers of `abort_later` and `remind`."""
        for stop in (self._stop_waiting, self._stop_reminding):
            if stop is not None:
                stop()
        self._stop_waiting = self._stop_reminding = None

    def _later(self, seconds: float, callback: Callable[[], object]) -> Callable[[], object]:
        later = self.later
        if later is None:
            later = self.later = Timers(self.stream.nursery)
        return later(seconds, callback)

    async def finish(self) -> None:
        """Get the last frame out and close the stream, within `close_timeout`.

        Cancellation: the stream stays open.
        """
        stream = self.stream
        with trio.move_on_after(self.close_timeout):
            try:
                await stream.drain()
                if self.protocol.client and self.error is None:
                    # RFC 6455 7.1.1: the server closes first, so that TIME_WAIT is on its side.
                    await self._discard()
                elif self.error is not None:
                    # Closing with bytes unread would reset the connection and may destroy
                    # the close frame on its way.
                    await stream.send_eof()
                    with trio.move_on_after(_LINGER):
                        await self._discard()
            except StreamClosedError:
                pass  # the peer was faster; it is closed below either way
        stream.close()

    async def _discard(self) -> None:
        while await self.stream.read_some(_READ_SIZE):
            pass
