"""Outgoing messages, and peers that do not keep up.

Knows the link and the policies. Must not know inboxes or handlers.

`SlowConsumer.WAIT` and `CLOSE` need no queue of their own: the stream's write buffer is it.
`DROP_OLDEST` keeps whole messages until the stream has taken what it was given, since a frame
once begun, or once compressed into the connection's context, cannot be taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine
from typing import Any

import trio

from ..errors import StreamClosedError
from ..wire.websocket import BINARY, TEXT, CloseCode, ConnectionClosed
from ..wire.websocket.states import OPEN
from .link import Link
from .options import SlowConsumer

__all__ = ["Outbox"]

Message = str | bytes | bytearray | memoryview
# What waits: a message still to be encoded, or a frame that many connections share.
_Item = tuple["str | bytes", "bytes | None"]


class Outbox:
    """The sending half of a session.

    Attributes:
        dropped: messages that `DROP_OLDEST` dropped, or that `offer` refused.
    """

    __slots__ = ("_link", "_lock", "_queue", "_queued", "dropped", "limit", "policy")

    def __init__(self, link: Link, policy: SlowConsumer, limit: int) -> None:
        self._link = link
        self.policy = policy
        self.limit = limit
        self.dropped = 0
        self._queue: deque[_Item] | None = None
        self._queued = 0
        self._lock: trio.Lock | None = None

    @property
    def waiting(self) -> int:
        """Bytes accepted but not yet taken by the transport."""
        return self._link.stream.unsent + self._queued

    def send(self, message: Message) -> Coroutine[Any, Any, None] | None:
        """See `WebSocket.send`. What it returns is to be awaited at once; None: it is sent."""
        if self._lock is not None:
            return self._send_after_parts(self._lock, message)
        if self.policy is not SlowConsumer.WAIT:
            self.offer(message)
            return None
        stream = self._link.stream
        if stream.unsent > self.limit:
            return self._send_later(message)
        if not self._write(_plain(message), None) and stream.unsent > self.limit:
            return self._drain()
        return None

    async def _send_after_parts(self, lock: trio.Lock, message: Message) -> None:
        async with lock:  # a fragmented message is under way
            if self.policy is SlowConsumer.WAIT:
                await self._send_later(message)
            else:
                self.offer(message)

    async def _send_later(self, message: Message) -> None:
        stream = self._link.stream
        while stream.unsent > self.limit:
            await self._drain()
        if not self._write(_plain(message), None) and stream.unsent > self.limit:
            await self._drain()

    async def send_parts(self, parts: AsyncIterable[Message]) -> None:
        """One message in fragments, as they come; text if the first part is a `str`."""
        if self._lock is None:
            self._lock = trio.Lock()
        async with self._lock:
            try:
                await self._send_fragments(parts)
            finally:
                if isinstance(parts, AsyncGenerator):  # what failed may be us
                    await parts.aclose()

    async def _send_fragments(self, parts: AsyncIterable[Message]) -> None:
        opcode = 0
        held: bytes | None = None
        async for part in parts:
            if not opcode:
                opcode = TEXT if isinstance(part, str) else BINARY
            elif (opcode == TEXT) is not isinstance(part, str):
                raise TypeError("the parts of a message are all text or all bytes")
            # One part is held back: only the last one may say that it is.
            if held is not None:
                await self._send_fragment(opcode, held, False)
            held = part.encode() if isinstance(part, str) else bytes(part)
        await self._send_fragment(opcode or BINARY, held or b"", True)

    async def _send_fragment(self, opcode: int, part: bytes, fin: bool) -> None:
        link = self._link
        try:
            if not link.stream.write(link.protocol.send_fragment(opcode, part, fin)):
                await link.stream.drain()
        except StreamClosedError as error:
            raise self._closed() from error

    def offer(self, message: Message, frame: bytes | None = None) -> bool:
        """Send without waiting, as the policy says. False: the message was dropped.

        Args:
            frame: the message encoded by `encode_shared`.

        Raises:
            ConnectionClosed: the session is closed or closing.
        """
        link = self._link
        if link.protocol.state is not OPEN:
            raise link.protocol.closed_error()
        if link.protocol.fragmenting:  # nothing may come between the parts of a message
            self.dropped += 1
            return False
        policy = self.policy
        if policy is SlowConsumer.DROP_OLDEST:
            return self._offer_queued(_plain(message), frame)
        if self.waiting > self.limit:
            self.dropped += 1
            if policy is SlowConsumer.CLOSE:
                link.send_close(CloseCode.TRY_AGAIN_LATER, "too slow")
                link.abort_later()  # so long to take the rest, and to say goodbye
            return False
        self._write(_plain(message), frame)
        return True

    # --- the queue of DROP_OLDEST --------------------------------------------------

    def _offer_queued(self, message: str | bytes, frame: bytes | None) -> bool:
        if not self._queue and not self._link.stream.unsent:
            self._write(message, frame)
            return True
        start = self._queue is None
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        queue.append((message, frame))
        self._queued += len(message)
        while self._queued > self.limit and len(queue) > 1:
            self._queued -= len(queue.popleft()[0])
            self.dropped += 1
        nursery = self._link.stream.nursery
        if start and nursery is not None:
            nursery.start_soon(self._flush_queue, name="websocket outbox")
        return True

    async def _flush_queue(self) -> None:
        queue = self._queue
        try:
            while queue:
                await self._link.stream.drain()
                if self._lock is not None and self._lock.locked():
                    async with self._lock:
                        continue
                if queue:  # `drain` let others in
                    message, frame = queue.popleft()
                    self._queued -= len(message)
                    self._write(message, frame)
        except (StreamClosedError, ConnectionClosed):
            self._queued = 0
        self._queue = None

    # --- both ------------------------------------------------------------------------

    def _write(self, message: str | bytes, frame: bytes | None) -> bool:
        link = self._link
        if frame is None:
            frame = link.protocol.send_message(message)
        else:
            link.protocol.admit_shared(frame)
        try:
            return link.stream.write(frame)
        except StreamClosedError as error:
            raise self._closed() from error

    async def _drain(self) -> None:
        try:
            await self._link.stream.drain()
        except StreamClosedError as error:
            raise self._closed() from error

    def _closed(self) -> ConnectionClosed:
        # The reading task may not have seen it yet: an end without a close frame is 1006.
        protocol = self._link.protocol
        code = protocol.close_code
        return ConnectionClosed(
            CloseCode.ABNORMAL if code is None else code, protocol.close_reason or ""
        )


def _plain(message: Message) -> str | bytes:
    return message if isinstance(message, (str, bytes)) else bytes(message)
