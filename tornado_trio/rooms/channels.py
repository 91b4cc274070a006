"""The rooms that this process listens to: opened by their first user, left a while after the last.

Knows channels, crowds and the broker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, final

import trio

from .broker import Broker
from .channel import Channel
from .listening import Subscription
from .members import Crowd, Encode
from .messages import Entry, RoomsUnavailable

__all__ = ["Channels", "Local"]

# Seconds a room is still listened to when the last one has left: people reload pages.
_LINGER = 5.0


@final
class Local:
    """A room's channel, and its users."""

    __slots__ = ("channel", "crowds", "idle_since", "users")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.crowds: dict[Encode, Crowd] = {}
        self.users = 0
        self.idle_since = 0.0

    @property
    def listeners(self) -> int:
        """Subscriptions and websockets."""
        subscriptions = sum(type(each) is Subscription for each in self.channel.listeners)
        return subscriptions + sum(crowd.size for crowd in self.crowds.values())


@final
class Channels:
    """All of them.

    Attributes:
      heard: messages received from the broker, counted once for each room.
    """

    def __init__(self, broker: Broker, spawn: Callable[..., Any]) -> None:
        self.heard = 0
        self._broker = broker
        self._spawn = spawn
        self._locals: dict[str, Local] = {}

    def __len__(self) -> int:
        return len(self._locals)

    @property
    def listeners(self) -> int:
        """Subscriptions and websockets, in all rooms."""
        return sum(local.listeners for local in self._locals.values())

    def get(self, room: str) -> Channel | None:
        """The channel of `room`, if it is listened to."""
        local = self._locals.get(room)
        return None if local is None else local.channel

    def arrived(self, room: str, entry: Entry) -> None:
        """See `Hub`."""
        local = self._locals.get(room)
        if local is not None:
            self.heard += 1
            local.channel.arrived(entry)

    @asynccontextmanager
    async def using(self, room: str) -> AsyncIterator[Local]:
        """Listen to the room for the duration of a block (and a little longer).

        Raises `RoomsUnavailable` if listening must begin and does not in time.
        """
        settings = self._broker.settings
        local = self._locals.get(room)
        if local is None:
            channel = Channel(room, self._broker, self._spawn, settings.history)
            local = self._locals[room] = Local(channel)
            self._broker.listen(room)
        local.users += 1
        try:
            with trio.move_on_after(settings.timeout):
                await local.channel.ready.wait()
            if not local.channel.ready.is_set() and not settings.may_be_away:
                raise RoomsUnavailable(
                    f"cannot listen to {room!r}: no answer within {settings.timeout} s"
                )
            yield local
        finally:
            local.users -= 1
            local.idle_since = trio.current_time()

    async def sweep(self) -> None:
        """Stop listening to rooms without local users. Runs until cancelled."""
        while True:
            await trio.sleep(_LINGER)
            before = trio.current_time() - _LINGER
            for room, local in tuple(self._locals.items()):
                if not local.users and local.idle_since <= before:
                    del self._locals[room]
                    self._broker.unlisten(room)

    def close(self) -> None:
        """End all iterations."""
        for local in self._locals.values():
            for listener in tuple(local.channel.listeners):
                if isinstance(listener, Subscription):
                    listener.close()
