"""Reading ahead on a connection while its receiver is busy.

For callback-style use of a `Link`, where the task that reads also runs the program. When the
program's awaitable first suspends, a sibling task takes over the reading: it answers pings, handles
pongs, and notices that the peer has gone; messages are queued, within a limit. A receiver that
never waits costs one extra frame; nothing is started for it.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

import trio

from ..errors import StreamClosedError
from ..net.stream import Stream
from ..wire.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    WebSocketProtocol,
    WebSocketProtocolError,
)
from ..wire.websocket.reader import Event

__all__ = ["LookAhead"]

Control = Callable[[int, Any], object]

# Read ahead at most so many events and bytes: then the peer has to wait.
_EVENTS: Final = 32
_BYTES: Final = 256 * 1024


class LookAhead:
    """The reading ahead of one connection.

    Args:
        stream, protocol: the link's.

    Attributes:
        events: what was read ahead.
        failure: the peer's mistake that ended the reading.
    """

    __slots__ = (
        "_bytes",
        "_scope",
        "events",
        "failure",
        "protocol",
        "stream",
    )

    def __init__(self, stream: Stream, protocol: WebSocketProtocol) -> None:
        self.stream = stream
        self.protocol = protocol
        self.events: deque[Event] = deque()
        self.failure: WebSocketProtocolError | None = None
        self._bytes = 0
        self._scope: trio.CancelScope | None = None

    @types.coroutine
    def watch(
        self,
        awaitable: Awaitable[Any],
        spawn: Callable[..., object],
        control: Control,
        lost: Callable[[], object] | None,
    ) -> Generator[Any, Any, Any]:
        """Await `awaitable`, reading ahead once it suspends.

        Args:
            spawn: starts the sibling, `spawn(async_fn, *args)`.
            control: gets (opcode, payload) of pings and pongs at once; they are events, too.
            lost: called if the stream ends meanwhile, once no message waits for its turn.
        """
        # All three are passed on, not kept: they are methods of objects that know this one.
        steps = awaitable.__await__()
        try:
            trap = steps.send(None)
        except StopIteration as stop:
            return stop.value
        if self.failure is None and not self.stream.closed:
            self._scope = trio.CancelScope()
            spawn(self._read, self._scope, control, lost)
        try:
            while True:
                try:
                    value = yield trap
                except GeneratorExit:
                    steps.close()
                    raise
                except BaseException as error:
                    trap = steps.throw(error)
                else:
                    trap = steps.send(value)
        except StopIteration as stop:
            return stop.value
        finally:
            if self._scope is not None:
                self._scope.cancel()
                self._scope = None

    def next_event(self) -> Event | None:
        """`WebSocketProtocol.next_event`, but what was read ahead comes first.

        Raises:
            WebSocketProtocolError: also the error that ended reading ahead.
        """
        if self.events:
            return self.events.popleft()
        self._bytes = 0
        if self.failure is not None:
            raise self.failure
        return self.protocol.next_event()

    async def _read(
        self, scope: trio.CancelScope, control: Control, lost: Callable[[], object] | None
    ) -> None:
        with scope:
            try:
                ended = await self._read_on(scope, control)
            except WebSocketProtocolError as error:
                self.failure = error
                return
            except StreamClosedError:
                ended = True
            # Messages that came before the end are received before it.
            if ended and lost is not None and not self._messages_wait():
                lost()

    def _messages_wait(self) -> bool:
        return any(opcode == TEXT or opcode == BINARY for opcode, _ in self.events)

    async def _read_on(self, scope: trio.CancelScope, control: Control) -> bool:
        """Whether the stream has ended."""
        stream, protocol = self.stream, self.protocol
        while True:
            while len(self.events) < _EVENTS and self._bytes < _BYTES:
                event = protocol.next_event()
                if event is None:
                    break
                if event[0] in (PING, PONG):
                    control(*event)
                self.events.append(event)
                if event[0] == CLOSE:
                    return False
            else:
                return False  # enough; the rest stays with the kernel
            await stream.wait_readable()
            if scope.cancel_called:
                return False  # the receiver is done; it was too late to take this wakeup back
            data = stream.read_nowait()
            if data is None:
                continue
            if not data:
                return True
            self._bytes += len(data)
            protocol.receive(data)
