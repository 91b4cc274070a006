"""One room in this process: its broker's messages, in order, exactly once and without gaps.

Knows the broker's log and its `Listener`s. Must not know how a broker works, nor websockets.

The broker's notifications may be lost, repeated or late. Every entry names the one before it: an
entry that does not follow the last one is read, with all before it, from the log instead.

    state       when                                       what arrives
    OPENING     the broker does not notify us yet          -
    CATCHING_UP it does (again): the log is being read     only notes that there is more to read
    LIVE        we are at the end of the log               is passed on, if it follows
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol, final

import trio

from .broker import Broker
from .messages import BEGINNING, Entry, Position, RoomsUnavailable

__all__ = ["Channel", "Listener"]

# Entries read from the log at once.
_BATCH = 256
# Seconds between tries to read the log of a broker that tells us but does not answer.
_PAUSE = 0.5


class State(Enum):
    """See the table above."""

    OPENING = "opening"
    CATCHING_UP = "catching up"
    LIVE = "live"


class Listener(Protocol):
    """Receives each entry. Must not wait; may remove itself."""

    def take(self, entry: Entry) -> None:
        """The next entry of the room."""
        ...


@final
class Channel:
    """The state of one room in this process.

    Attributes:
      position: of the last entry passed on; every listener has received it.
      ready: set while the broker notifies this process of the room.
    """

    __slots__ = (
        "_again", "_broker", "_gate", "_history", "_moved", "_spawn", "_state", "_tail",
        "listeners", "position", "ready", "room",
    )  # fmt: skip

    def __init__(self, room: str, broker: Broker, spawn: Callable[..., Any], history: int) -> None:
        self.room = room
        self.position: Position | None = None  # until the log was asked for the first time
        self.ready = trio.Event()
        self.listeners: dict[Listener, None] = {}
        self._broker = broker
        self._spawn = spawn
        self._history = history
        self._state = State.OPENING
        self._again = False
        self._gate = trio.Semaphore(4)  # readers of the log at a time
        self._tail: deque[Entry] = deque(maxlen=history)
        self._moved = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<Channel {self.room!r} {self._state.value}, {len(self.listeners)} listeners>"

    @property
    def keeps(self) -> bool:
        """Whether there is a log to catch up from."""
        return self._history > 0

    # --- the broker's telling ---------------------------------------------------------
    def resumed(self) -> None:
        """The broker notifies us from now on. What was published meanwhile is in the log."""
        if not self._history:
            self.position = BEGINNING
            self._state = State.LIVE
            self.ready.set()
        elif self._state is State.CATCHING_UP:
            self._again = True
        else:
            self._state = State.CATCHING_UP
            self._spawn(self._catch_up)

    def arrived(self, entry: Entry) -> None:
        """The broker notified us of `entry`."""
        if not self._history:
            self._pass_on(entry)
        elif self._state is not State.LIVE:
            self._again = True  # it is read with the rest
        elif self._is_known(entry):
            return
        elif self.position is not None and entry.previous > self.position:
            self.resumed()  # some in between got lost
        else:
            self._keep(entry)

    def heard_here(self, entry: Entry) -> None:
        """A message of this process only: passed on, not kept."""
        self._pass_on(entry)

    def _is_known(self, entry: Entry) -> bool:
        assert self.position is not None
        if entry.position > self.position:
            return False
        # The first entry of a log that was begun anew, by a clock that is behind the old one,
        # is no old one.
        return entry.previous != BEGINNING or any(e.position == entry.position for e in self._tail)

    def _keep(self, entry: Entry) -> None:
        self.position = entry.position
        self._tail.append(entry)
        self._pass_on(entry)
        if self._moved:
            self._moved.unpark_all()

    def _pass_on(self, entry: Entry) -> None:
        for listener in tuple(self.listeners):
            listener.take(entry)

    async def _catch_up(self) -> None:
        while True:
            self._again = False
            try:
                more = await self._read_on()
            except RoomsUnavailable:
                await trio.sleep(_PAUSE)
                continue
            if not more and not self._again:
                # Nothing was awaited since the log was found to be at its end.
                self._state = State.LIVE
                self.ready.set()
                return

    async def _read_on(self) -> bool:
        """Pass on what the log has after our position; False: it has no more."""
        if self.position is None:
            newest = await self._broker.newest(self.room, 1)
            self.position = newest[-1].position if newest else BEGINNING
            return False
        entries = await self._broker.after(self.room, self.position, _BATCH)
        for entry in entries:
            if entry.previous != self.position:
                entry = entry.after_a_loss()
            self._keep(entry)
        return len(entries) == _BATCH

    @property
    def _here(self) -> Position:
        """Our position, once we are ready."""
        assert self.position is not None
        return self.position

    # --- for those who are behind -------------------------------------------------------
    async def after(self, position: Position) -> Sequence[Entry]:
        """The entries between `position` and ours; none if they are equal.

        The first one is marked if some before it are lost. Raises `RoomsUnavailable`.
        """
        await self.ready.wait()
        start = position
        if position > self._here and not await self._is_behind(position):
            start = BEGINNING  # it belongs to a log that is gone
        here = self._here
        if position == here or not self._history:
            return ()
        tail = self._tail
        if tail and tail[0].previous <= start < here:
            at = bisect_right(tail, start, key=lambda entry: entry.position)
            found: Sequence[Entry] = [tail[i] for i in range(at, min(at + _BATCH, len(tail)))]
        else:
            async with self._gate:
                entries = await self._broker.after(self.room, start, _BATCH)
            found = [entry for entry in entries if entry.position <= self._here]
        if found and found[0].previous != position and position != BEGINNING:
            found = [found[0].after_a_loss(), *found[1:]]
        return found

    async def _is_behind(self, position: Position) -> bool:
        """Whether the log has `position`, and only this process has not received it yet: another
        was notified sooner. Then waits until it has."""
        newest = await self._broker.newest(self.room, 1)
        if not newest or newest[-1].position < position:
            return False
        self.resumed()
        while self._here < position:
            await self._moved.park()
        return True

    async def newest(self, count: int) -> Sequence[Entry]:
        """The last `count` entries up to our position. Raises `RoomsUnavailable`."""
        await self.ready.wait()
        if len(self._tail) >= count:
            return list(self._tail)[-count:]
        async with self._gate:
            entries = await self._broker.newest(self.room, count)
        return [entry for entry in entries if entry.position <= self._here]
