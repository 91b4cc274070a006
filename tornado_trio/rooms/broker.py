"""The interface between rooms and their transport: `Broker` below, `Hub` above.

A broker keeps each room's log, notifies every process of what is added to it, and keeps the list of
present members. It promises no more than its transport: notifications may be lost, repeated or late
while a connection breaks. `Channel` restores order and completeness from the log.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from .messages import Entry, Position

__all__ = ["Broker", "Hub", "RoomSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSettings:
    """The settings of `Rooms` that brokers need. Times are seconds."""

    prefix: str
    #: Messages kept of each room; 0: none, and no ids.
    history: int
    #: A room in which nothing was said for so long is forgotten.
    keep: float
    #: How long to try while the broker is away.
    timeout: float
    #: The broker need not be there when it begins.
    may_be_away: bool
    #: A member that has given no sign of life for so long is no longer present.
    present_for: float


class Hub(Protocol):
    """Receives notifications. Its methods do not wait and are called from the broker's tasks."""

    def arrived(self, room: str, entry: Entry) -> None:
        """A message was published in `room`. With a history it may arrive twice, or late."""
        ...

    def resumed(self, room: str) -> None:
        """From now on messages of `room` arrive; earlier ones may have been lost."""
        ...

    def stirred(self, room: str) -> None:
        """The members present in `room` may have changed."""
        ...

    def connected(self, yes: bool, why: str = "") -> None:
        """The connection to the broker is established (again), or lost."""
        ...


class Broker(ABC):
    """The transport of rooms. Every method that waits may raise `RoomsUnavailable` and can be
    cancelled."""

    def __init__(self, settings: RoomSettings, hub: Hub) -> None:
        self.settings = settings
        self.hub = hub

    @abstractmethod
    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect, and reconnect with back-off, until cancelled. Started once it is connected;
        `RoomsUnavailable` if that fails."""

    @abstractmethod
    def listen(self, room: str) -> None:
        """Notify the hub of messages in `room`; `resumed` is called when that begins, and begins
        again."""

    @abstractmethod
    def unlisten(self, room: str) -> None:
        """Stop notifying the hub."""

    @abstractmethod
    async def publish(self, room: str, data: str | bytes) -> Position:
        """Append to the room's log and notify every process, once. Returns the position, once that
        is done.

        After `RoomsUnavailable` it is unknown whether it was published.
        """

    @abstractmethod
    async def after(self, room: str, position: Position, count: int) -> Sequence[Entry]:
        """At most `count` entries of the log after `position`, in order."""

    @abstractmethod
    async def newest(self, room: str, count: int) -> Sequence[Entry]:
        """The last `count` entries of the log, in order."""

    @abstractmethod
    async def enter(self, room: str, members: Sequence[str]) -> None:
        """Mark `members` as present for `present_for` seconds from now, and notify every
        process."""

    @abstractmethod
    async def leave(self, room: str, members: Sequence[str]) -> None:
        """Mark them as no longer present, and notify every process."""

    @abstractmethod
    async def members(self, room: str) -> Sequence[str]:
        """The members present."""


#: Makes a broker: `(settings, hub) -> Broker`.
MakeBroker = Callable[[RoomSettings, Hub], Broker]
