"""`WebSocket`: one session, of either role, as an object to iterate and to send to.

Knows the link, the outbox and the keepalive, and puts the inbox between the link's reader and
the handler. Must not know HTTP: `server.py` and `client.py` do the handshakes.

A handler that waits for a message reads the connection itself. While it waits for something else, a
reader task does, a sibling in one nursery: so a slow handler never delays a pong or the end of the
connection. Only when the inbox is full does that stop, and then TCP makes the peer wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import trio

from ..net.stream import Stream
from ..wire.websocket import BINARY, PING, PONG, TEXT, CloseCode, WebSocketProtocol
from ..wire.websocket.states import CLOSED, OPEN
from .keepalive import Pings, SignsOfLife
from .link import Enough, Link
from .options import SlowConsumer, WebSocketOptions
from .outbox import Message, Outbox

__all__ = ["Reader", "WebSocket", "WebSocketStatistics"]


class Reader(Enum):
    """Who reads the connection."""

    #: A step of the handler's is under way.
    NOBODY = "nobody"
    #: It waits for a message, and so reads by itself.
    HANDLER = "handler"
    #: It waits for something else, or its host does not tell when it waits.
    TASK = "task"
    #: A task that is to stop, which the handler waits for.
    LEAVING = "leaving"


_NOBODY: Final = Reader.NOBODY
_HANDLER: Final = Reader.HANDLER


@dataclass(frozen=True, slots=True)
class WebSocketStatistics:
    """A snapshot of one session."""

    #: "open", "close sent", "close received" or "closed".
    state: str
    #: Messages taken from the peer.
    received: int
    #: Messages given to the connection.
    sent: int
    #: Messages that the peer was too slow for (`SlowConsumer`).
    dropped: int
    #: Messages that wait for the handler.
    inbox: int
    #: Bytes that wait for the peer.
    unsent: int
    #: Seconds the last answered ping took; 0.0 before the first.
    latency: float


class _Waiting:
    """A task that waits, in the list of all that do; called to take it out again.

    Not a coroutine with a closure, which weighs 0.5 KB on every idle connection.
    """

    __slots__ = ("all", "task")

    def __init__(self, all_of_them: list[_Waiting]) -> None:
        self.task = trio.lowlevel.current_task()
        self.all = all_of_them
        all_of_them.append(self)

    def __call__(self, _: object) -> trio.lowlevel.Abort:
        self.all.remove(self)
        return trio.lowlevel.Abort.SUCCEEDED


def _drop(opcode: int, payload: Any) -> None:
    """The receiver of a session that is over."""


class WebSocket:
    """An open WebSocket; made by `accept`, `open_websocket` or `run_session`.

    ```python
    async for message in ws:        # str for text, bytes for binary
        await ws.send(message)
    ```

    The iteration ends with the peer's close frame, a protocol error of the peer, or its connection;
    `close_code` says which.

    Attributes:
        subprotocol: what the handshake chose, or None.
        request: what the server's handshake read, or the client's answer: opaque here.
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "_handler",
        "_inbox",
        "_inbox_bytes",
        "_link",
        "_options",
        "_outbox",
        "_over",
        "_pings",
        "_reader",
        "_reader_scope",
        "_room",
        "_waiting",
        "request",
        "subprotocol",
    )

    def __init__(
        self,
        stream: Stream,
        protocol: WebSocketProtocol,
        options: WebSocketOptions,
        *,
        subprotocol: str | None = None,
        request: Any = None,
    ) -> None:
        self._link = Link(stream, protocol, self._receive, options.close_timeout)
        self._options = options
        self._outbox = Outbox(self._link, options.slow_consumer, options.send_buffer)
        self._pings = Pings(self._link)
        self._reader = Reader.NOBODY
        self._reader_scope: trio.CancelScope | None = None  # while there is a reader task
        # The task whose waits are seen (`_handler_waits`), if there is one.
        self._handler: trio.lowlevel.Task | None = None
        # A list: short by its bounds, and an empty deque weighs 760 bytes.
        self._inbox: list[str | bytes] = []
        self._inbox_bytes = 0
        # The reader, while the inbox is full.
        self._room: trio.lowlevel.ParkingLot | None = None
        # Receivers, while it is empty, and tasks that wait for the end. A list: a ParkingLot weighs
        # 0.6 KB, and this one is in use on every idle connection.
        self._waiting: list[_Waiting] = []
        # No message will come any more; and the stream is closed, which may take a while longer.
        self._over = False
        self._ended = False
        self.subprotocol = subprotocol
        self.request = request

    def __repr__(self) -> str:
        protocol = self._link.protocol
        side = "client" if protocol.client else "server"
        peer = self._link.stream.remote_address
        return f"<WebSocket {side} {peer} {protocol.state.value}, {len(self._inbox)} in inbox>"

    # --- looking ---------------------------------------------------------------------

    @property
    def close_code(self) -> int | None:
        """How it ended: the peer's code, ours if it gave none, 1006 for neither; None: open."""
        return self._link.protocol.close_code

    @property
    def close_reason(self) -> str | None:
        """The text that came with `close_code`."""
        return self._link.protocol.close_reason

    @property
    def closed(self) -> bool:
        """Nothing can be sent any more."""
        return self._link.protocol.state is not OPEN

    @property
    def client(self) -> bool:
        """This end is the client's."""
        return self._link.protocol.client

    @property
    def slow_consumer(self) -> SlowConsumer:
        """What happens to messages for this peer when it does not keep up."""
        return self._outbox.policy

    @property
    def latency(self) -> float:
        """Seconds the last answered ping took; 0.0 before the first."""
        return self._pings.latency

    @property
    def remote_address(self) -> Any:
        """The peer, as the socket module gives it."""
        return self._link.stream.remote_address

    def statistics(self) -> WebSocketStatistics:
        """Counters and fill levels, for inspection."""
        protocol = self._link.protocol
        return WebSocketStatistics(
            state=protocol.state.value,
            received=protocol.reader.messages,
            sent=protocol.sent,
            dropped=self._outbox.dropped,
            inbox=len(self._inbox),
            unsent=self._outbox.waiting,
            latency=self._pings.latency,
        )

    # --- receiving ---------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self

    async def __anext__(self) -> str | bytes:
        inbox = self._inbox
        if self._room is not None:
            # Without this a handler whose inbox never empties would never yield.
            await trio.lowlevel.checkpoint()
        elif inbox:
            await trio.lowlevel.checkpoint_if_cancelled()
        while not inbox:
            if self._over:
                raise StopAsyncIteration
            if self._handler is not trio.lowlevel.current_task():
                await self._wait()
            elif self._reader is _NOBODY:
                self._reader = _HANDLER
                try:
                    # Here, and not in a method: its frame would be every idle connection's.
                    if await self._link.read():
                        self._end_of_messages()
                finally:
                    self._reader = _NOBODY
            else:
                await self._stop_reader()
        message = inbox.pop(0)
        self._inbox_bytes -= len(message)
        if self._room is not None:
            self._room.unpark_all()
        return message

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            ConnectionClosed: none is left, and none will come.
        Cancellation: no message is lost.
        """
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise self._link.protocol.closed_error() from None

    def _receive(self, opcode: int, payload: Any) -> Any:
        """From the link, for every event."""
        if opcode == TEXT or opcode == BINARY:
            if self._link.protocol.close_sent is not None:
                return None  # after `close` messages are dropped
            inbox = self._inbox
            inbox.append(payload)
            self._inbox_bytes += len(payload)
            if self._waiting:
                self._wake()
            if self._reader is _HANDLER:
                return Enough.ENOUGH
            options = self._options
            if len(inbox) >= options.inbox_messages or self._inbox_bytes >= options.inbox_bytes:
                self._link.room = self._wait_for_room  # only now: it weighs something, too
                return self._wait_for_room()
        elif opcode == PING:
            self._link.answer_ping(payload)
        elif opcode == PONG:
            self._pings.received(payload)
        return None

    def _wait(self) -> Awaitable[object]:
        """Until something happened: a message, or the end. To be awaited at once."""
        return trio.lowlevel.wait_task_rescheduled(  # noqa: ASYNC105
            _Waiting(self._waiting)
        )

    def _wake(self) -> None:
        # All of them: `wait_closed` must not eat a receiver's turn.
        for waiting in self._waiting:
            trio.lowlevel.reschedule(waiting.task)
        self._waiting.clear()

    async def _wait_for_room(self) -> None:
        options = self._options
        room = self._room = trio.lowlevel.ParkingLot()
        link = self._link
        link.ending = room.unpark_all
        try:
            while link.protocol.state is OPEN and (
                len(self._inbox) >= options.inbox_messages
                or self._inbox_bytes >= options.inbox_bytes
            ):
                await room.park()
        finally:
            self._room = link.ending = None

    # --- sending -------------------------------------------------------------------------

    async def send(self, message: Message | AsyncIterable[Message]) -> None:
        """Send a message: text for `str`, binary for bytes, fragments for an async iterable.

        Backpressure: waits while more than `send_buffer` bytes wait for the peer, unless the
        options chose another policy for slow peers.
        Cancellation: the message was sent whole, or not at all; a fragmented one may be left
        unfinished, and the session can then only be closed.

        Raises:
            ConnectionClosed: the session is closed, closing or lost.
        """
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            wait = self._outbox.send(message)
        elif hasattr(message, "__aiter__"):
            wait = self._outbox.send_parts(message)
        else:
            raise TypeError(
                "a message is str or bytes (or an async iterable of them), not "
                f"{type(message).__name__}; as JSON: json.dumps(...), or an api.Conversation"
            )
        if wait is None:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await wait

    def send_nowait(self, message: Message) -> bool:
        """Send without waiting, as the policy for slow peers says.

        Returns: False if the message was dropped because the peer is slow.

        Raises:
            ConnectionClosed: the session is closed or closing.
        """
        return self._outbox.offer(message)

    async def ping(self, payload: bytes | None = None) -> float:
        """Ping and wait for the pong; returns the seconds it took.

        Raises:
            ConnectionClosed: the connection ended first.
        Cancellation: the ping was sent; its pong will be ignored.
        """
        return await self._pings.ping(payload)

    # --- closing -----------------------------------------------------------------------------

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Send a close frame and wait, at most `close_timeout`, until the connection is closed.

        Messages that arrive meanwhile are dropped. Closing a closed session does nothing.

        Raises:
            ValueError: `code` may not be sent.
        Cancellation: the connection is dropped.
        """
        self._link.send_close(code, reason)
        try:
            with trio.move_on_after(self._options.close_timeout):
                await self.wait_closed()
        finally:
            if not self._ended:
                self._link.abort()

    def going_away(self) -> None:
        """Begin to close, with 1001, and do not wait: the server is shutting down."""
        nursery = self._link.stream.nursery
        if nursery is not None and not self.closed:
            nursery.start_soon(self.close, CloseCode.GOING_AWAY, name="websocket going away")

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        while not self._ended:
            await self._wait()

    def abort(self) -> None:
        """Drop the connection now."""
        self._link.abort()

    # --- the tasks -----------------------------------------------------------------------------

    def _begin(self, nursery: trio.Nursery) -> None:
        """The block is entered: `nursery` runs its tasks."""
        link, options = self._link, self._options
        link.stream.nursery = nursery
        interval, patience = options.ping_interval, options.ping_timeout
        if interval is not None:
            SignsOfLife(link, self._pings, interval, patience).start()

    def _handler_waits(self) -> None:
        """The handler's step is over. Unless it waits for a message, someone else must read."""
        if self._reader is _NOBODY and not self._ended:
            self._start_reader()

    def _start_reader(self) -> None:
        nursery = self._link.stream.nursery
        if nursery is not None:  # not at the end of a cancelled block, which reads by itself
            self._reader = Reader.TASK
            self._reader_scope = trio.CancelScope()
            nursery.start_soon(self._read, self._reader_scope, name="websocket reader")

    async def _stop_reader(self) -> None:
        """Until there is no reader task, unless a message comes first: then it is to go on."""
        if self._reader_scope is not None:
            self._reader = Reader.LEAVING
            self._reader_scope.cancel()
            try:
                await self._wait()
            finally:
                if self._reader is Reader.LEAVING:
                    self._reader = Reader.TASK

    async def _read(self, scope: trio.CancelScope) -> None:
        """The reader task; cancelling `scope` is how the handler takes over."""
        try:
            while True:
                with scope:
                    await self._read_to_end()
                # The handler may be waiting for something else by now, with a message or cancelled.
                if not scope.cancelled_caught or self._reader is Reader.LEAVING:
                    break
                scope = self._reader_scope = trio.CancelScope()
        finally:
            self._reader, self._reader_scope = _NOBODY, None
            if not scope.cancelled_caught:
                self._ended = True
                self._end_of_messages()
            self._wake()

    async def _read_to_end(self) -> None:
        link = self._link
        if not self._over:
            await link.read()
            self._end_of_messages()
        await link.finish()

    def _end_of_messages(self) -> None:
        """Wake those who wait for a message: the peer may keep its connection open for long."""
        self._over = True
        self._pings.end()
        self._link.stop_waiting()
        self._link.room = None  # a bound method: a reference cycle
        self._wake()

    async def _say_goodbye(self) -> None:
        """The end of a block that was cancelled: read on here."""
        link = self._link
        link.stream.nursery = None  # it may be cancelled: `drain` flushes
        with trio.CancelScope(shield=True) as scope:
            scope.deadline = trio.current_time() + self._options.cancel_timeout
            while self._reader_scope is not None:
                await self._stop_reader()
            if not link.stream.closed:
                link.send_close(CloseCode.GOING_AWAY)
                # Not `_over`: a reader that was cancelled has set it, and the peer is to answer.
                over = link.protocol.state is CLOSED
                await (link.finish() if over else link.run())

    def _end(self) -> None:
        """The block is left: nothing remains open, nobody goes on waiting."""
        link = self._link
        link.stream.nursery = None
        link.stream.close()
        link.receiver = _drop  # a bound method: a reference cycle
        self._ended = True
        self._end_of_messages()
