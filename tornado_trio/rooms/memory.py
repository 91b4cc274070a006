"""Rooms within one process: the broker that needs no server."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import final

import trio

from .broker import Broker, Hub, RoomSettings
from .messages import BEGINNING, Entry, Message, Position, show_id

__all__ = ["MemoryBroker"]


class _Room:
    __slots__ = ("last", "log", "present", "touched")

    def __init__(self, history: int) -> None:
        self.last = BEGINNING
        self.log: deque[Entry] = deque(maxlen=history)
        self.present: dict[str, None] = {}
        self.touched = 0.0


def _next(last: Position) -> Position:
    """Milliseconds and a count, as Redis has it: so ids grow over a restart, too, and clients
    that come back are not taken for ones that are ahead of us."""
    now = time.time_ns() // 1_000_000
    return (now, 0) if now > last[0] else (last[0], last[1] + 1)


@final
class MemoryBroker(Broker):
    """Keeps everything in memory, and notifies the hub at once."""

    def __init__(self, settings: RoomSettings, hub: Hub) -> None:
        super().__init__(settings, hub)
        self._rooms: OrderedDict[str, _Room] = OrderedDict()  # longest untouched first
        self._listening: set[str] = set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.hub.connected(True)
        task_status.started()
        while True:
            await trio.sleep(max(self.settings.keep / 10, 0.1))
            self._forget()

    def listen(self, room: str) -> None:
        self._listening.add(room)
        self.hub.resumed(room)

    def unlisten(self, room: str) -> None:
        self._listening.discard(room)

    async def publish(self, room: str, data: str | bytes) -> Position:
        await trio.lowlevel.checkpoint_if_cancelled()
        kept = self._touch(room)
        if not self.settings.history:
            entry = Entry(BEGINNING, BEGINNING, Message(room, data))
        else:
            position = _next(kept.last)
            entry = Entry(position, kept.last, Message(room, data, show_id(position)))
            kept.last = position
            kept.log.append(entry)
        if room in self._listening:
            self.hub.arrived(room, entry)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return entry.position

    async def after(self, room: str, position: Position, count: int) -> Sequence[Entry]:
        await trio.lowlevel.checkpoint()
        kept = self._rooms.get(room)
        if kept is None:
            return []
        return [entry for entry in kept.log if entry.position > position][:count]

    async def newest(self, room: str, count: int) -> Sequence[Entry]:
        await trio.lowlevel.checkpoint()
        kept = self._rooms.get(room)
        return [] if kept is None or not count else list(kept.log)[-count:]

    async def enter(self, room: str, members: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        self._touch(room).present.update(dict.fromkeys(members))
        self.hub.stirred(room)

    async def leave(self, room: str, members: Sequence[str]) -> None:
        present = self._touch(room).present
        for member in members:
            present.pop(member, None)
        self.hub.stirred(room)
        await trio.lowlevel.checkpoint()

    async def members(self, room: str) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        kept = self._rooms.get(room)
        return [] if kept is None else list(kept.present)

    def _touch(self, room: str) -> _Room:
        kept = self._rooms.get(room)
        if kept is None:
            kept = self._rooms[room] = _Room(self.settings.history)
        kept.touched = trio.current_time()
        self._rooms.move_to_end(room)
        return kept

    def _forget(self) -> None:
        """Drop the rooms in which nothing happened for `keep` seconds."""
        before = trio.current_time() - self.settings.keep
        old = []
        for room, kept in self._rooms.items():
            if kept.touched > before:
                break
            if not kept.present:
                old.append(room)
        for room in old:
            del self._rooms[room]
