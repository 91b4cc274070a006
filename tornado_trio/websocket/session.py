"""`WebSocket`: one session, of either role, as an object to iterate and to send to.

Knows the link, the outbox and the keepalive, and puts the inbox between the link's reader and
the handler. Must not know HTTP: `server.py` and `client.py` do the handshakes.

Reader, keepalive and handler are siblings in one nursery. So a slow handler never delays a pong or
the end of the connection; only when the inbox is full does the reader stop, and then TCP makes the
peer wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, final

import trio

from .._util.interrupts import interrupt_in
from ..net.stream import Stream
from ..wire.websocket import BINARY, PING, PONG, TEXT, CloseCode, State, WebSocketProtocol
from .keepalive import Pings, SignsOfLife, read_alive
from .link import Link
from .options import SlowConsumer, WebSocketOptions
from .outbox import Message, Outbox
from .tracing import session_tracer

__all__ = ["WebSocket", "WebSocketStatistics", "run_session"]


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
        "_inbox",
        "_inbox_bytes",
        "_link",
        "_options",
        "_outbox",
        "_over",
        "_pings",
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
        return self._link.protocol.state is not State.OPEN

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
        while not inbox:
            if self._over:
                raise StopAsyncIteration
            await self._wait()
        message = inbox.pop(0)
        self._inbox_bytes -= len(message)
        if self._room is not None:
            self._room.unpark_all()
            # Without this a handler whose inbox never empties would never yield.
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
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
        try:
            while self._link.protocol.close_sent is None and (
                len(self._inbox) >= options.inbox_messages
                or self._inbox_bytes >= options.inbox_bytes
            ):
                await room.park()
        finally:
            self._room = None

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
            await self._outbox.send(message)
        else:
            await self._outbox.send_parts(message)

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
        if self._room is not None:
            self._room.unpark_all()
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

    async def _read(self) -> None:
        """The reader task."""
        link, options = self._link, self._options
        try:
            if options.ping_interval is None:
                await link.read()
            else:
                interval, patience = options.ping_interval, options.ping_timeout
                await read_alive(link, SignsOfLife(link, self._pings, interval, patience))
            link.stop_waiting()
            self._end_of_messages()
            await link.finish()
        finally:
            self._ended = True
            self._end_of_messages()

    def _end_of_messages(self) -> None:
        """Wake those who wait for a message: the peer may keep its connection open for long."""
        self._over = True
        self._pings.end()
        self._link.room = None  # a bound method: a reference cycle
        self._wake()

    async def _say_goodbye(self) -> None:
        """The end of a block that was cancelled: its reader was, too, so read on here."""
        link = self._link
        link.stream.nursery = None  # it is cancelled: `drain` flushes
        with trio.CancelScope(shield=True) as scope:
            scope.deadline = trio.current_time() + self._options.cancel_timeout
            await self.wait_closed()  # until the reader task has finished
            if not link.stream.closed:
                link.send_close(CloseCode.GOING_AWAY)
                await link.run()


@final
class run_session:  # used as a function
    """A session over an established connection, for the duration of an `async with` block.

    Leaving the block closes it: with 1000, with 1011 when the block raised, with 1001 when it
    was cancelled. The stream is closed in any case.

    Args:
        nursery: runs the reader; a new one unless given. It must outlive the block.

    Cancellation: the closing handshake gets `cancel_timeout` seconds.
    """

    # A class with two methods, and not a generator: its suspended frame would weigh 0.5 KB.
    __slots__ = ("_manager", "_nursery", "_traced", "_ws")

    def __init__(
        self,
        stream: Stream,
        protocol: WebSocketProtocol,
        options: WebSocketOptions | None = None,
        *,
        subprotocol: str | None = None,
        request: Any = None,
        nursery: trio.Nursery | None = None,
    ) -> None:
        self._nursery = nursery
        self._manager: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._traced: Callable[[BaseException | None], None] | None = None
        options = options or WebSocketOptions()
        self._ws = WebSocket(stream, protocol, options, subprotocol=subprotocol, request=request)

    async def __aenter__(self) -> WebSocket:
        nursery = self._nursery
        if nursery is None:
            self._manager = trio.open_nursery()
            nursery = self._nursery = await self._manager.__aenter__()
        ws = self._ws
        ws._link.stream.nursery = nursery
        nursery.start_soon(ws._read, name="websocket reader")
        tracer = session_tracer()
        if tracer is not None:
            self._traced = tracer(ws, None)
        return ws

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            if self._manager is None:
                await self._close(error)
            else:
                await self._close_in(self._manager, error)
        finally:
            stream = self._ws._link.stream
            stream.nursery = None
            stream.close()
            if self._traced is not None:
                self._traced(error)
        return False

    async def _close(self, error: BaseException | None) -> None:
        ws = self._ws
        if error is None:
            await ws.close()
        elif isinstance(error, Exception):
            await ws.close(CloseCode.INTERNAL_ERROR)
        else:
            await ws._say_goodbye()

    async def _close_in(
        self, manager: AbstractAsyncContextManager[trio.Nursery], error: BaseException | None
    ) -> None:
        """Close, then leave the nursery of our own.

        Only what cancels goes through it: callers get what was raised, not a group of one.
        """
        nursery = self._nursery
        assert nursery is not None
        try:
            if error is None or isinstance(error, Exception):
                await self._close(error)
                nursery.cancel_scope.cancel()
            else:
                nursery.cancel_scope.cancel()
                await self._close(error)
                if not isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise error
        except BaseException as failure:
            if not await _leave(manager, failure):
                raise
        else:
            await _leave(manager, None)


async def _leave(
    manager: AbstractAsyncContextManager[trio.Nursery], failure: BaseException | None
) -> bool:
    try:
        if failure is None:
            return bool(await manager.__aexit__(None, None, None))
        return bool(await manager.__aexit__(type(failure), failure, failure.__traceback__))
    except BaseExceptionGroup as group:
        interrupt = interrupt_in(group)
        if interrupt is None:
            raise
        raise interrupt from None
