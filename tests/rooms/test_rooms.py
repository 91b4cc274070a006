"""What is promised of rooms, whatever carries them."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.rooms.conftest import Places
from tornado_trio.rooms import (
    Message,
    Rooms,
    RoomsError,
    RoomsUnavailable,
    SlowConsumer,
    SlowSubscriber,
    Subscription,
)


async def take(messages: Subscription, count: int) -> list[Message]:
    with trio.fail_after(10):
        return [await anext(messages) for _ in range(count)]


def said(messages: list[Message]) -> list[str | bytes]:
    return [message.data for message in messages]


async def test_all_in_a_room_hear_all_in_order(places: Places) -> None:
    async with places() as (here, there):
        async with here.subscribe("a") as one, there.subscribe("a") as two:
            async with there.subscribe("b") as other:
                ids = [await here.publish("a", str(n)) for n in range(20)]
                ids.append(await there.publish("a", b"\x00\xff"))
                await here.publish("b", "elsewhere")
                heard = await take(one, 21)
                assert heard == await take(two, 21)
                assert said(heard) == [*map(str, range(20)), b"\x00\xff"]
                assert [message.id for message in heard] == ids and len(set(ids)) == 21
                assert not any(message.missed for message in heard)
                assert {message.room for message in heard} == {"a"}
                assert said(await take(other, 1)) == ["elsewhere"]


async def test_from_two_sides_at_once_there_is_one_order(places: Places) -> None:
    async with places() as (here, there):
        async with here.subscribe("a") as one, there.subscribe("a") as two:

            async def talk(rooms: Rooms, name: str) -> None:
                for n in range(50):
                    await rooms.publish("a", f"{name}{n}")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(talk, here, "h")
                nursery.start_soon(talk, there, "t")
            heard = said(await take(one, 100))
            assert heard == said(await take(two, 100))
            for name in "ht":
                mine = [data for data in heard if str(data).startswith(name)]
                assert mine == [f"{name}{n}" for n in range(50)]


async def test_who_comes_back_misses_nothing(places: Places) -> None:
    async with places() as (here, there):
        async with here.subscribe("a") as messages:
            await here.publish("a", "1")
            (last,) = await take(messages, 1)
        for n in range(2, 30):
            await there.publish("a", str(n))
        async with there.subscribe("a", since=last.id) as messages:
            await here.publish("a", "30")
            heard = await take(messages, 29)
            assert said(heard) == [str(n) for n in range(2, 31)]
            assert not any(message.missed for message in heard)
        async with there.subscribe("a", since=heard[-1].id) as messages:
            await here.publish("a", "31")
            assert await take(messages, 1) == [Message("a", "31", (await here.history("a"))[-1].id)]


@pytest.mark.parametrize("since", ["0", "", "nonsense", "99999999999999-0", "1-1"])
async def test_who_was_away_too_long_is_told(places: Places, since: str) -> None:
    async with places(history=5) as (here, there):
        for n in range(9):
            await here.publish("a", str(n))
        async with there.subscribe("a", since=since) as messages:
            heard = await take(messages, 5)
            assert said(heard) == list("45678")
            # From the beginning of what there is, nothing is missing.
            assert [message.missed for message in heard] == [since != "0"] + 4 * [False]
            await here.publish("a", "9")
            assert said(await take(messages, 1)) == ["9"]


async def test_the_last_ones_first(places: Places) -> None:
    async with places(history=5) as (here, there):
        async with there.subscribe("a", last=3) as empty:
            for n in range(9):
                await here.publish("a", str(n))
            assert said(await take(empty, 9)) == list("012345678")
        async with there.subscribe("a", last=3) as messages:
            await here.publish("a", "9")
            heard = await take(messages, 4)
            assert said(heard) == list("6789") and not any(m.missed for m in heard)
        async with there.subscribe("a", last=99) as messages:
            assert said(await take(messages, 5)) == list("56789")
        assert said(await here.history("a", 2)) == ["8", "9"]
        assert said(await here.history("a")) == list("56789")
        assert await here.history("a", 0) == [] and await here.history("nobody") == []


async def test_without_a_history(places: Places) -> None:
    async with places(history=0) as (here, there):
        async with there.subscribe("a", since="5-5", last=3) as messages:
            assert await here.publish("a", "x") == ""
            heard = await take(messages, 1)
            assert heard == [Message("a", "x", "", missed=heard[0].missed)]
            assert heard[0].missed  # what came after 5-5 nobody knows
            await here.publish("a", "y")
            assert await take(messages, 1) == [Message("a", "y")]
        assert await here.history("a") == []


async def test_rooms_are_forgotten(places: Places) -> None:
    async with places(keep=1) as (here, there):
        await here.publish("a", "x")
        assert said(await there.history("a")) == ["x"]
        for _ in range(50):
            if not await there.history("a"):
                break
            await trio.sleep(0.2)
        assert await there.history("a") == []


# --- those who do not keep up -------------------------------------------------------------


async def test_slow_ones_read_the_history_later(places: Places) -> None:
    async with places() as (here, there):
        async with there.subscribe("a", size=3) as messages:
            for n in range(50):
                await here.publish("a", str(n))
            heard = await take(messages, 50)
            assert said(heard) == [*map(str, range(50))]
            assert not any(message.missed for message in heard)


async def test_too_slow_for_the_history_is_told(places: Places) -> None:
    async with places(history=5) as (here, there):
        async with there.subscribe("a", size=3) as messages:
            for n in range(20):
                await here.publish("a", str(n))
            await trio.sleep(0.3)
            heard = await take(messages, 8)
            assert said(heard) == ["0", "1", "2", "15", "16", "17", "18", "19"]
            assert [m.missed for m in heard] == 3 * [False] + [True] + 4 * [False]


async def test_the_oldest_are_dropped_and_counted(places: Places) -> None:
    async with places() as (here, there):
        drop = SlowConsumer.DROP_OLDEST
        async with there.subscribe("a", size=3, slow_consumer=drop) as messages:
            for n in range(9):
                await here.publish("a", str(n))
            await trio.sleep(0.3)
            heard = await take(messages, 3)
            assert said(heard) == ["6", "7", "8"] and messages.dropped == 6
            assert [m.missed for m in heard] == [True, False, False]


async def test_the_slow_one_is_closed(places: Places) -> None:
    async with places() as (here, there):
        close = SlowConsumer.CLOSE
        async with there.subscribe("a", size=3, slow_consumer=close) as messages:
            for n in range(9):
                await here.publish("a", str(n))
            await trio.sleep(0.3)
            with pytest.raises(SlowSubscriber, match="more than 3 messages"):
                await anext(messages)
            with pytest.raises(SlowSubscriber):
                await anext(messages)


async def test_slow_ones_without_a_history(places: Places) -> None:
    async with places(history=0) as (here, there):
        async with there.subscribe("a", size=2) as messages:
            for n in range(5):
                await here.publish("a", str(n))
            await trio.sleep(0.3)
            assert said(await take(messages, 2)) == ["0", "1"] and messages.dropped == 3
            await here.publish("a", "5")
            (heard,) = await take(messages, 1)
            assert heard == Message("a", "5", missed=True)


async def test_cancelled_while_it_waits_nothing_is_lost(places: Places) -> None:
    async with places() as (here, there):
        async with there.subscribe("a", size=2) as messages:
            for n in range(40):
                with trio.move_on_after(0.0001 * (n % 3)):
                    await anext(messages)
                await here.publish("a", str(n))
            heard = 0
            with trio.move_on_after(0.5):
                async for message in messages:
                    heard += 1
                    assert not message.missed
            assert message.data == "39" and heard > 0


# --- presence ---------------------------------------------------------------------------------


async def test_who_is_there(places: Places) -> None:
    async with places() as (here, there):
        assert await here.present("a") == {}
        async with there.changes("a") as changes, here.track("a", "ann", {"tab": 1}):
            with trio.fail_after(5):
                seen: dict[str, Any] = {}
                while seen != {"ann": ({"tab": 1},)}:
                    seen = dict((await anext(changes)).present)
                async with there.track("a", "ann", {"tab": 2}), there.track("b", "bob"):
                    change = await anext(changes)
                    assert change.joined == {"ann": ({"tab": 2},)} and not change.left
                    tabs = (await here.present("a"))["ann"]
                    assert sorted(meta["tab"] for meta in tabs) == [1, 2]
                    assert await here.present("b") == {"bob": ({},)}
                change = await anext(changes)
                assert change.left == {"ann": ({"tab": 2},)} and not change.joined
                assert change.present == {"ann": ({"tab": 1},)}
        assert await there.present("a") == {}


async def test_they_stay_as_long_as_they_are_there(places: Places) -> None:
    async with places(beat=0.1) as (here, there):
        async with here.track("a", "ann"):
            for _ in range(10):
                await trio.sleep(0.1)
                assert await there.present("a") == {"ann": ({},)}


async def test_slow_watchers_get_fewer_and_larger_changes(places: Places) -> None:
    async with places() as (here, there):
        async with there.changes("a") as changes:
            with trio.fail_after(5):
                assert (await anext(changes)).present == {}
                async with here.track("a", "ann"), here.track("a", "bob"):
                    async with here.track("a", "cid"):
                        await trio.sleep(0.2)
                    await trio.sleep(0.3)
                    seen: set[str] = set()
                    while seen != {"ann", "bob"}:
                        seen = set((await anext(changes)).present)


async def test_cancelled_members_say_goodbye(places: Places) -> None:
    async with places() as (here, there):
        with trio.CancelScope() as scope:
            async with here.track("a", "ann"):
                assert await there.present("a")
                scope.cancel()
                await trio.sleep(1)
        assert await there.present("a") == {}


async def test_members_that_are_refused(places: Places) -> None:
    async with places(1) as (here,):
        with pytest.raises(ValueError, match="JSON"):
            async with here.track("a", "ann", {"x": object()}):
                raise AssertionError("not reached")
        with pytest.raises(ValueError, match="of 4096 bytes"):
            async with here.track("a", "ann", {"x": "y" * 5000}):
                raise AssertionError("not reached")


# --- use and misuse -----------------------------------------------------------------------


async def test_what_is_refused(places: Places) -> None:
    async with places(1, max_message_size=10) as (here,):
        with pytest.raises(ValueError, match="11 bytes, more than 10"):
            await here.publish("a", "é" + "x" * 9)
        with pytest.raises(TypeError, match="str or bytes, not dict"):
            await here.publish("a", {})
        for name in ("", "x" * 501, 5):
            with pytest.raises(ValueError, match="a room's name"):
                await here.publish(name, "x")
        with pytest.raises(ValueError, match="one message or more"):
            async with here.subscribe("a", size=0):
                raise AssertionError("not reached")
        with pytest.raises(RuntimeError, match="open already"):
            await here.__aenter__()
    with pytest.raises(RoomsError, match="not open"):
        await here.publish("a", "x")


@pytest.mark.parametrize("name", ["a{b}c", "}{", "spaces and é", "*", "a.b>c", "x" * 500, "{}"])
async def test_names_of_rooms(places: Places, name: str) -> None:
    async with places() as (here, there):
        async with there.subscribe(name) as messages, here.track(name, "ann"):
            await here.publish(name, "x")
            assert said(await take(messages, 1)) == ["x"]
            assert await there.present(name) == {"ann": ({},)}


async def test_their_end_is_the_end_of_what_listens(places: Places) -> None:
    ended = []

    async def listen(rooms: Rooms, task_status: trio.TaskStatus[None]) -> None:
        async with rooms.subscribe("a") as messages:
            task_status.started()
            ended.extend([message.data async for message in messages])
        ended.append("end")

    async def watch(rooms: Rooms, task_status: trio.TaskStatus[None]) -> None:
        async with rooms.changes("a") as changes:
            task_status.started()
            async for _ in changes:
                pass
        ended.append("end")

    async with trio.open_nursery() as nursery:
        async with places(1) as (here,):
            await nursery.start(listen, here)
            await nursery.start(watch, here)
            await here.publish("a", "x")
            await trio.sleep(0.2)
    assert sorted(map(str, ended)) == ["end", "end", "x"]


async def test_what_the_block_raises_comes_out_as_it_is(places: Places) -> None:
    with pytest.raises(KeyError):
        async with places(1):
            raise KeyError("mine")


async def test_rooms_nobody_is_in_are_no_longer_listened_to(places: Places) -> None:
    async with places(1) as (here,):
        async with here.subscribe("a"):
            assert here.statistics().rooms == here.statistics().listeners == 1
        assert here.statistics().rooms == 1
        for _ in range(30):
            if not here.statistics().rooms:
                break
            await trio.sleep(0.5)
        assert not here.statistics().rooms
        async with here.subscribe("a") as messages:
            await here.publish("a", "x")
            assert said(await take(messages, 1)) == ["x"]
        assert here.statistics().connected and here.statistics().published == 1


def test_urls() -> None:
    for url in ("http://a", "redis", "//x"):
        with pytest.raises(ValueError, match="rooms meet at redis://"):
            Rooms(url)
    with pytest.raises(ValueError, match="not negative"):
        Rooms(history=-1)


async def test_no_broker_there(redis_url: str) -> None:
    with pytest.raises(RoomsUnavailable, match="no rooms at redis://127.0.0.1:1/0") as caught:
        async with Rooms("redis://:sesame@127.0.0.1:1/0", timeout=0.3):
            raise AssertionError("not reached")
    assert "sesame" not in str(caught.value)
