"""WebSockets as members of a room: each message goes to all of them at once.

Knows the channel and `websocket.broadcast`. A slow member whose session's policy is to wait
(`SlowConsumer.WAIT`) is taken out of the crowd, gets what it missed from the log at its own pace,
and is put back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, final

import trio

from ..websocket import ConnectionClosed, SlowConsumer, WebSocket, broadcast
from .channel import Channel
from .listening import Cursor
from .messages import Entry, Message, RoomsUnavailable

__all__ = ["Crowd", "Encode", "Member", "plain"]

#: Makes of a message what a browser gets. The same function for many members makes one frame.
Encode = Callable[[Message], str | bytes]

# Seconds between tries while the broker is away and its log is needed.
_PAUSE = 0.5


def plain(message: Message) -> str | bytes:
    """The message's data as it is."""
    return message.data


@final
class Member:
    """One session in one room.

    Attributes:
      dropped: messages that the session's policy dropped.
    """

    __slots__ = ("cursor", "dropped", "lost", "scope", "ws")

    def __init__(self, ws: WebSocket, cursor: Cursor | None) -> None:
        self.ws = ws
        self.cursor = cursor  # None: in the crowd
        self.lost = False
        self.dropped = 0
        self.scope = trio.CancelScope()


@final
class Crowd:
    """The members of one room whose messages are encoded alike. A `Listener`."""

    def __init__(self, channel: Channel, encode: Encode, spawn: Callable[..., Any]) -> None:
        self.channel = channel
        self.encode = encode
        self._spawn = spawn
        self._all: dict[WebSocket, Member] = {}
        self._live: dict[WebSocket, Member] = {}

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self._all)

    def __contains__(self, ws: WebSocket) -> bool:
        return ws in self._all

    def add(self, member: Member) -> None:
        """Add `member`."""
        self._all[member.ws] = member
        if member.cursor is None:
            self._join_in(member)
        else:
            self._fall_behind(member, member.cursor)

    def remove(self, member: Member) -> None:
        """Remove `member`."""
        del self._all[member.ws]
        member.scope.cancel()
        self._leave(member)

    def take(self, entry: Entry) -> None:
        """The channel's next entry, for all members that have caught up."""
        marked = [member for member in self._live.values() if member.lost]
        if not marked:
            self._tell(self._live, entry)
            return
        rest = [member.ws for member in self._live.values() if not member.lost]
        for member in marked:
            member.lost = False
        self._tell([member.ws for member in marked], entry.after_a_loss())
        if rest:
            self._tell(rest, entry)

    def _tell(self, sessions: Iterable[WebSocket], entry: Entry) -> None:
        for ws in broadcast(sessions, self.encode(entry.message)):
            member = self._live[ws]
            if ws.slow_consumer is SlowConsumer.WAIT and self.channel.keeps and entry.message.id:
                self._leave(member)
                self._fall_behind(member, Cursor(self.channel, entry.previous))
            else:
                member.dropped += 1
                member.lost = True

    def _join_in(self, member: Member) -> None:
        if not self._live:
            self.channel.listeners[self] = None
        self._live[member.ws] = member

    def _leave(self, member: Member) -> None:
        self._live.pop(member.ws, None)
        if not self._live:
            self.channel.listeners.pop(self, None)

    def _fall_behind(self, member: Member, cursor: Cursor) -> None:
        member.scope = trio.CancelScope()
        self._spawn(self._catch_up, member, cursor, member.scope)

    async def _catch_up(self, member: Member, cursor: Cursor, scope: trio.CancelScope) -> None:
        with scope, contextlib.suppress(ConnectionClosed):  # its own task knows of it
            while True:
                try:
                    entries = await cursor.read()
                except RoomsUnavailable:
                    await trio.sleep(_PAUSE)
                    continue
                if not entries:
                    member.lost = cursor.lost
                    self._join_in(member)
                    return
                for entry in entries:
                    await member.ws.send(self.encode(entry.message))
