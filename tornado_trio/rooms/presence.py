"""Who is in a room, over all processes: kept alive by heartbeats, read as a whole.

Knows the broker. Every process renews its members with each heartbeat; a member that has not been
renewed for a while is gone, with the process that died. Watchers read the whole list when they are
notified of a change, and compute who came and who left: so a lost message delays a view, but never
makes it wrong.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import trio

from .broker import Broker
from .messages import RoomsUnavailable

__all__ = ["Changes", "Present", "PresenceChange", "Tracker", "View"]

#: Key -> the meta of each of its appearances: a user with two tabs is there twice.
Present = Mapping[str, tuple[Mapping[str, Any], ...]]

# Seconds between two looks at a list that keeps changing.
_CALM = 0.05
_MAX_META = 4096


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """Who came and who left since the previous change, and who is there now."""

    joined: Present
    left: Present
    present: Present = field(repr=False)


def read_members(members: list[str]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Member as the broker keeps it -> key and meta."""
    found = {}
    for member in members:
        _token, key, meta = json.loads(member)
        found[member] = (key, meta)
    return found


def by_key(members: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Present:
    """Key -> metas, in the order of the keys."""
    grouped: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for _, (key, meta) in sorted(members.items(), key=lambda item: item[1][0]):
        grouped[key] = (*grouped.get(key, ()), meta)
    return grouped


@final
class Tracker:
    """The members that are in this process."""

    def __init__(self, broker: Broker, process: str, beat: float) -> None:
        self._broker = broker
        self._process = process
        self._beat = beat
        self._count = 0
        self._here: dict[str, dict[str, None]] = {}
        # Of rooms with members here: a farewell must not be overtaken by a beat.
        self._locks: dict[str, trio.Lock] = {}
        self._soon = trio.Event()

    def make(self, key: str, meta: Mapping[str, Any] | None) -> str:
        """A new member. ValueError for a key or meta that is too long or not JSON."""
        self._count += 1
        try:
            member = json.dumps([f"{self._process}:{self._count}", key, dict(meta or {})])
        except TypeError as error:
            raise ValueError(f"the meta of a member has to be JSON: {error}") from None
        if len(member) > _MAX_META:
            raise ValueError(f"a member's key and meta take {len(member)} of {_MAX_META} bytes")
        return member

    async def enter(self, room: str, member: str) -> None:
        """`member` is present from now on; from the next heartbeat if the broker is unavailable."""
        if room not in self._here:
            self._here[room] = {}
            self._locks[room] = trio.Lock()
        self._here[room][member] = None
        try:
            await self._broker.enter(room, [member])
        except RoomsUnavailable:
            self.look()

    async def leave(self, room: str, member: str) -> None:
        """`member` is no longer present; if the broker is unavailable, it expires."""
        here, lock = self._here[room], self._locks[room]
        del here[member]
        if not here:
            del self._here[room], self._locks[room]
        try:
            async with lock:
                await self._broker.leave(room, [member])
        except RoomsUnavailable:
            pass  # nothing can be sent now, and nothing has to be: see above

    def look(self) -> None:
        """Send a heartbeat now: a broker that was unavailable may have lost all members."""
        self._soon.set()

    async def run(self) -> None:
        """Send heartbeats. Runs until cancelled."""
        while True:
            with trio.move_on_after(self._beat):
                await self._soon.wait()
            self._soon = trio.Event()
            try:
                for room, members in tuple(self._here.items()):
                    async with self._locks.get(room, trio.Lock()):
                        if members:
                            await self._broker.enter(room, list(members))
            except RoomsUnavailable:
                await trio.sleep(_CALM)


@final
class View:
    """Who is in one room, as far as this process knows. Kept while there are watchers."""

    def __init__(self, room: str, broker: Broker, beat: float) -> None:
        self.room = room
        self.watchers = 0
        self.over = False
        self.scope = trio.CancelScope()
        self.members: dict[str, tuple[str, Mapping[str, Any]]] | None = None
        self.changed = trio.Event()
        self._broker = broker
        self._beat = beat
        self._stale = trio.Event()
        self._stale.set()

    def close(self) -> None:
        """End all iterations."""
        self.over = True
        self.changed.set()

    def stir(self) -> None:
        """It may have changed."""
        self._stale.set()

    async def run(self) -> None:
        """Read the list when notified, and at intervals: expiry sends no notification."""
        with self.scope:
            while True:
                with trio.move_on_after(self._beat):
                    await self._stale.wait()
                self._stale = trio.Event()
                try:
                    await self._look()
                except RoomsUnavailable:
                    pass  # it was tried for a while; the next beat tries again
                await trio.sleep(_CALM)

    async def _look(self) -> None:
        members = read_members(list(await self._broker.members(self.room)))
        if members != self.members:
            self.members = members
            self.changed.set()
            self.changed = trio.Event()


@final
class Changes:
    """The changes of a room's presence, to iterate over. Made by `Rooms.changes`.

    The first change has all members present. A slow reader gets fewer and larger changes.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._seen: dict[str, tuple[str, Mapping[str, Any]]] | None = None

    def __aiter__(self) -> AsyncIterator[PresenceChange]:
        return self

    async def __anext__(self) -> PresenceChange:
        """The next change. Cancellation: nothing is lost."""
        await trio.lowlevel.checkpoint_if_cancelled()
        view = self._view
        while view.members is None or view.members is self._seen:
            if view.over:
                raise StopAsyncIteration
            await view.changed.wait()
        before, now = self._seen or {}, view.members
        self._seen = now
        joined = {member: now[member] for member in now.keys() - before.keys()}
        left = {member: before[member] for member in before.keys() - now.keys()}
        return PresenceChange(by_key(joined), by_key(left), by_key(now))
