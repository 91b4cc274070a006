"""A room in one process: order and completeness of what a careless broker tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

from tornado_trio.rooms.broker import Broker, RoomSettings
from tornado_trio.rooms.channel import Channel
from tornado_trio.rooms.messages import (
    BEGINNING,
    Entry,
    Message,
    Position,
    RoomsUnavailable,
    parse_id,
    show_id,
)


def settings(history: int = 100) -> RoomSettings:
    return RoomSettings(
        prefix="t", history=history, keep=60, timeout=1, may_be_away=False, present_for=1
    )


class Careless(Broker):
    """Has a log; the test says what is told of it, when, and how often."""

    def __init__(self, kept: int = 100) -> None:
        super().__init__(settings(kept), None)  # type: ignore[arg-type]
        self.log: list[Entry] = []
        self.kept = kept
        self.away = 0
        self.reads = 0

    def add(self, *data: str, seconds: int = 1) -> list[Entry]:
        added = []
        for each in data:
            previous = self.log[-1].position if self.log else BEGINNING
            position = (seconds, max(previous[1] if previous[0] == seconds else 0, 0) + 1)
            added.append(Entry(position, previous, Message("r", each, show_id(position))))
            self.log.append(added[-1])
            del self.log[: -self.kept]
        return added

    async def after(self, room: str, position: Position, count: int) -> Sequence[Entry]:
        await self._read()
        return [entry for entry in self.log if entry.position > position][:count]

    async def newest(self, room: str, count: int) -> Sequence[Entry]:
        await self._read()
        return self.log[-count:]

    async def _read(self) -> None:
        self.reads += 1
        await trio.lowlevel.checkpoint()
        if self.away:
            self.away -= 1
            raise RoomsUnavailable("away")

    async def _none(self, *args: Any) -> Any:
        raise AssertionError("not asked for here")

    run = publish = enter = leave = members = _none  # type: ignore[assignment]

    def listen(self, room: str) -> None:
        raise AssertionError("not asked for here")

    unlisten = listen


class Ear:
    def __init__(self) -> None:
        self.heard: list[Message] = []

    def take(self, entry: Entry) -> None:
        self.heard.append(entry.message)

    @property
    def said(self) -> str:
        return " ".join(("!" if m.missed else "") + str(m.data) for m in self.heard)


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def channel_of(broker: Careless, nursery: trio.Nursery) -> tuple[Channel, Ear]:
    channel = Channel("r", broker, nursery.start_soon, broker.settings.history)
    ear = Ear()
    channel.listeners[ear] = None
    channel.resumed()
    await channel.ready.wait()
    return channel, ear


async def test_what_was_said_before_is_not_heard(nursery: trio.Nursery) -> None:
    broker = Careless()
    broker.add("a", "b")
    channel, ear = await channel_of(broker, nursery)
    for entry in broker.add("c", "d"):
        channel.arrived(entry)
    assert ear.said == "c d"
    assert broker.reads == 1


async def test_repeated_and_late_ones_are_left_out(nursery: trio.Nursery) -> None:
    broker = Careless()
    channel, ear = await channel_of(broker, nursery)
    a, b, c = broker.add("a", "b", "c")
    for entry in (a, a, b, a, c, b):
        channel.arrived(entry)
    assert ear.said == "a b c"


async def test_lost_ones_are_read_from_the_log(nursery: trio.Nursery) -> None:
    broker = Careless()
    channel, ear = await channel_of(broker, nursery)
    a, _b, _c, d = broker.add("a", "b", "c", "d")
    channel.arrived(a)
    channel.arrived(d)
    assert ear.said == "a"
    await settle()
    assert ear.said == "a b c d"
    (e,) = broker.add("e")
    channel.arrived(e)
    assert ear.said == "a b c d e"


async def test_what_arrives_while_the_log_is_read_comes_once(nursery: trio.Nursery) -> None:
    broker = Careless()
    channel, ear = await channel_of(broker, nursery)
    broker.add("a", "b")
    channel.resumed()
    await trio.lowlevel.checkpoint()
    for entry in broker.add("c", "d"):
        channel.arrived(entry)
    channel.resumed()
    await settle()
    assert ear.said == "a b c d"


async def test_a_connection_that_comes_back_brings_what_was_said(nursery: trio.Nursery) -> None:
    broker = Careless()
    channel, ear = await channel_of(broker, nursery)
    broker.add(*map(str, range(90)))
    channel.resumed()
    await settle()
    assert ear.said == " ".join(map(str, range(90)))


async def test_more_than_is_kept_is_missed_and_said_so(nursery: trio.Nursery) -> None:
    broker = Careless(kept=3)
    channel, ear = await channel_of(broker, nursery)
    (a,) = broker.add("a")
    channel.arrived(a)
    broker.add("b", "c", "d", "e")
    channel.resumed()
    await settle()
    assert ear.said == "a !c d e"


async def test_more_than_one_batch(nursery: trio.Nursery) -> None:
    broker = Careless(kept=1000)
    channel, ear = await channel_of(broker, nursery)
    broker.add(*map(str, range(700)))
    channel.resumed()
    await settle()
    assert ear.said == " ".join(map(str, range(700)))


async def test_a_broker_that_does_not_answer_is_asked_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    broker = Careless()
    channel, ear = await channel_of(broker, nursery)
    broker.away = 3
    broker.add("a")
    channel.resumed()
    await trio.sleep(5)
    assert ear.said == "a" and broker.away == 0


@pytest.mark.parametrize("seconds", [0, 2])
async def test_a_log_begun_anew_is_followed(nursery: trio.Nursery, seconds: int) -> None:
    """Whether its clock is ahead of the old one or behind it."""
    broker = Careless()
    channel, ear = await channel_of(broker, nursery)
    for entry in broker.add("a", "b"):
        channel.arrived(entry)
    broker.log.clear()
    for entry in broker.add("c", "d", seconds=seconds):
        channel.arrived(entry)
        channel.arrived(entry)
    assert ear.said == "a b c d"


async def test_those_who_are_behind_read_at_their_own_pace(nursery: trio.Nursery) -> None:
    broker = Careless(kept=4)
    channel, _ear = await channel_of(broker, nursery)
    entries = broker.add(*"abcdef")
    for entry in entries:
        channel.arrived(entry)
    reads = broker.reads

    async def after(position: Position) -> str:
        return " ".join(
            ("!" if e.message.missed else "") + str(e.message.data)
            for e in await channel.after(position)
        )

    assert await after(entries[3].position) == "e f"
    assert await after(entries[5].position) == ""
    assert broker.reads == reads  # of what this process has heard itself
    assert await after(entries[0].position) == "!c d e f"
    assert await after(BEGINNING) == "c d e f"
    assert [e.message.data for e in await channel.newest(2)] == ["e", "f"]


async def test_ahead_of_us_because_another_process_heard_first(nursery: trio.Nursery) -> None:
    broker = Careless()
    channel, ear = await channel_of(broker, nursery)
    a, b = broker.add("a", "b")
    channel.arrived(a)
    assert await channel.after(b.position) == ()  # waits until we have heard it, too
    assert ear.said == "a b"


async def test_ahead_of_a_log_that_was_lost(nursery: trio.Nursery) -> None:
    broker = Careless()
    broker.add("a", "b")
    channel, _ear = await channel_of(broker, nursery)
    found = await channel.after((99, 1))
    assert [(e.message.data, e.message.missed) for e in found] == [("a", True), ("b", False)]


async def test_without_a_history_everything_is_passed_on(nursery: trio.Nursery) -> None:
    channel, ear = await channel_of(Careless(kept=0), nursery)
    for data in "aab":
        channel.arrived(Entry(BEGINNING, BEGINNING, Message("r", data)))
    assert ear.said == "a a b"
    assert await channel.after((5, 5)) == ()


def test_ids() -> None:
    assert parse_id("12-3") == (12, 3) and parse_id("12") == (12, 0)
    assert show_id((12, 3)) == "12-3"
    for bad in ("", "-1", "1-", "a", "1-2-3", "1 ", "١", "9" * 20):
        assert parse_id(bad) is None
