"""The seam between rooms and what carries them: `Broker` below, `Hub` above.

A broker keeps each room's log, tells every process what is added to it, and keeps the list of
who is present. It promises no more than its carrier does: what is told may be lost, repeated or
late while a connection breaks. `Channel` makes order and completeness of that, from the log.
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
    """What `Rooms` was told, as brokers need it. Times are seconds."""

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
    """Who is told. Its methods act at once and are called from the broker's tasks."""

    def arrived(self, room: str, entry: Entry) -> None:
        """Something was said in `room`. With a history it may come twice, or late."""
        ...

    def resumed(self, room: str) -> None:
        """From now on what is said in `room` arrives; what was said before may have been lost."""
        ...

    def stirred(self, room: str) -> None:
        """Somebody may have come to or gone from `room`."""
        ...

    def connected(self, yes: bool, why: str = "") -> None:
        """The connection to the broker stands (again), or is lost."""
        ...


class Broker(ABC):
    """What carries rooms. Everything that waits raises `RoomsUnavailable` and can be cancelled."""

    def __init__(self, settings: RoomSettings, hub: Hub) -> None:
        self.settings = settings
        self.hub = hub

    @abstractmethod
    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect, and connect again with back-off, until cancelled. Started: connected once,
        or `RoomsUnavailable`."""

    @abstractmethod
    def listen(self, room: str) -> None:
        """Tell the hub of `room`; `resumed` says when that begins, and begins again."""

    @abstractmethod
    def unlisten(self, room: str) -> None:
        """Tell it no longer."""

    @abstractmethod
    async def publish(self, room: str, data: str | bytes) -> Position:
        """Add to the room's log and tell everybody, once. Its position, when that is done.

        `RoomsUnavailable` leaves open whether it was.
        """

    @abstractmethod
    async def after(self, room: str, position: Position, count: int) -> Sequence[Entry]:
        """At most `count` entries of the log after `position`, in order."""

    @abstractmethod
    async def newest(self, room: str, count: int) -> Sequence[Entry]:
        """The last `count` entries of the log, in order."""

    @abstractmethod
    async def enter(self, room: str, members: Sequence[str]) -> None:
        """`members` are present, for `present_for` seconds from now. Everybody is told."""

    @abstractmethod
    async def leave(self, room: str, members: Sequence[str]) -> None:
        """They are no longer. Everybody is told."""

    @abstractmethod
    async def members(self, room: str) -> Sequence[str]:
        """Who is present."""


#: Makes a broker: `(settings, hub) -> Broker`.
MakeBroker = Callable[[RoomSettings, Hub], Broker]
