"""Listening to a room: `Cursor` for listeners that catch up, `Subscription` to iterate.

Knows the channel. A listener that is behind reads the log at its own pace until it has caught up;
one that falls behind goes back to the log. So no queue is unbounded, and nothing that the log still
has is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import final

import trio

from ..websocket.options import SlowConsumer
from .channel import Channel
from .messages import BEGINNING, Entry, Message, Position, SlowSubscriber, parse_id

__all__ = ["Cursor", "Subscription", "cursor_at"]


@final
class Cursor:
    """The position of a listener that is behind the channel.

    `lost`: the next message has to be marked: something before it is missing.
    """

    __slots__ = ("channel", "lost", "position")

    def __init__(self, channel: Channel, position: Position, lost: bool = False) -> None:
        self.channel = channel
        self.position = position
        self.lost = lost

    async def read(self) -> Sequence[Entry]:
        """The next entries; none: it has caught up with the channel, as of this step.

        Raises: `RoomsUnavailable`.
        """
        entries = await self.channel.after(self.position)
        if not entries:
            here = self.channel.position
            assert here is not None
            if self.position != here:
                self.lost = self.lost or self.position != BEGINNING
                self.position = here
            return ()
        if self.lost:
            self.lost = False
            entries = [entries[0].after_a_loss(), *entries[1:]]
        self.position = entries[-1].position
        return entries


def cursor_at(channel: Channel, since: str | None) -> Cursor | None:
    """A cursor after the message with the id `since`; None: from now on (nothing is kept).

    An invalid id (it may come from a client) counts as one that is no longer known: all that is
    kept follows, marked as incomplete.
    """
    if since is None or not channel.keeps:
        return None
    position = parse_id(since)
    return Cursor(channel, position or BEGINNING, lost=position is None)


@final
class Subscription:
    """Messages of a room, to iterate over. Made by `Rooms.subscribe`, for one task.

    Attributes:
      dropped: messages that `SlowConsumer.DROP_OLDEST` dropped.
    """

    def __init__(
        self,
        channel: Channel,
        cursor: Cursor | None,
        size: int,
        policy: SlowConsumer,
        lost: bool = False,
    ) -> None:
        self._channel = channel
        self._cursor = cursor  # None: live, a listener of the channel
        self._size = size
        self._policy = policy
        self._queue: deque[Entry] = deque()
        self._lost = lost  # the next one to be taken says so
        self._gap = False  # the next one to arrive
        self._more = trio.Event()
        self._error: SlowSubscriber | None = None
        self._over = False
        self.dropped = 0
        if cursor is None:
            channel.listeners[self] = None

    def __repr__(self) -> str:
        state = "live" if self._cursor is None else "catching up"
        return f"<Subscription {self._channel.room!r} {state}, {len(self._queue)} waiting>"

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """The next message, as soon as there is one.

        Raises: `SlowSubscriber`, when the policy is to close; `RoomsUnavailable`, when the log
          has to be read and cannot be: iterate again to try again.
        Cancellation: nothing is lost.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopAsyncIteration
            if self._cursor is not None:
                await self._catch_up(self._cursor)
            else:
                self._more = trio.Event()
                await self._more.wait()
        entry = self._queue.popleft()
        if self._lost:
            self._lost = False
            entry = entry.after_a_loss()
        return entry.message

    async def _catch_up(self, cursor: Cursor) -> None:
        entries = await cursor.read()
        if self._over:
            return
        if entries:
            self._queue.extend(entries)
            return
        self._lost = cursor.lost
        self._cursor = None
        self._channel.listeners[self] = None

    def take(self, entry: Entry) -> None:
        """The channel's next entry."""
        if len(self._queue) >= self._size:
            if self._policy is SlowConsumer.DROP_OLDEST:
                self._queue.popleft()
                self.dropped += 1
                self._lost = True
            elif self._policy is SlowConsumer.CLOSE:
                self._queue.clear()
                self._error = SlowSubscriber(f"more than {self._size} messages waited")
                del self._channel.listeners[self]
                return
            elif not self._channel.keeps:
                self.dropped += 1  # the newest: what waits came first
                self._gap = True
                return
            else:
                del self._channel.listeners[self]
                self._cursor = Cursor(self._channel, entry.previous)
                return
        if self._gap:
            self._gap = False
            entry = entry.after_a_loss()
        self._queue.append(entry)
        self._more.set()

    def close(self) -> None:
        """No more messages; queued ones may still be read. Idempotent."""
        self._over = True
        self._channel.listeners.pop(self, None)
        self._more.set()
