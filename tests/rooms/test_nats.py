"""Rooms over a NATS that goes away, stalls and comes back; and without asyncio."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.brokers import OwnNats
from tornado_trio.rooms import Message, Rooms, RoomsError, RoomsUnavailable


@pytest.fixture
def own(tmp_path: Path, asyncio_host: None) -> Iterator[OwnNats]:
    with OwnNats(tmp_path) as nats:
        yield nats


def rooms_at(nats: OwnNats, **options: Any) -> Rooms:
    return Rooms(nats.url, **{"history": 5000, "timeout": 15.0, "beat": 0.5, **options})


async def run(function: Any, *args: Any) -> None:
    await trio.to_thread.run_sync(partial(function, *args))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_loses_and_repeats_nothing(own: OwnNats, number: int) -> None:
    async with rooms_at(own) as here, rooms_at(own) as there:
        async with here.subscribe("a") as one, there.subscribe("a") as two, here.track("a", "ann"):
            sent: list[str] = []

            async def talk(name: str) -> None:
                sent.extend([await here.publish("a", f"{name}{n}") for n in range(150)])

            async def restart() -> None:
                await trio.sleep(0.05)
                await run(own.stop, number)
                await trio.sleep(0.3)
                await run(own.start)

            with trio.fail_after(45):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(talk, "x")
                    nursery.start_soon(talk, "y")
                    nursery.start_soon(restart)
                for messages in (one, two):
                    heard = [await anext(messages) for _ in range(300)]
                    assert [message.id for message in heard] == sorted(
                        sent, key=lambda id: tuple(map(int, id.split("-")))
                    )
                    for name in "xy":
                        mine = [m.data for m in heard if str(m.data).startswith(name)]
                        assert mine == [f"{name}{n}" for n in range(150)]
                    assert not any(message.missed for message in heard)
                for _ in range(100):
                    if await there.present("a"):
                        break
                    await trio.sleep(0.1)
                assert await there.present("a") == {"ann": ({},)}


async def test_publishing_says_that_nobody_is_there(own: OwnNats) -> None:
    async with rooms_at(own, timeout=0.5) as here, rooms_at(own, local_when_away=True) as there:
        async with there.subscribe("a") as messages:
            await run(own.stop)
            with pytest.raises(RoomsUnavailable, match=f"nats://127.0.0.1:{own.port}"):
                await here.publish("a", "x")
            await run(own.start)
            with trio.fail_after(20):
                last = await there.publish("a", "y")
                assert await anext(messages) == Message("a", "y", last)


async def test_nobody_there(asyncio_host: None) -> None:
    with pytest.raises(RoomsUnavailable, match="no rooms at nats://127.0.0.1:1") as caught:
        async with Rooms("nats://me:sesame@127.0.0.1:1", timeout=0.3):
            raise AssertionError("not reached")
    assert "sesame" not in str(caught.value)


async def test_other_settings_are_taken_over(own: OwnNats) -> None:
    async with rooms_at(own, history=3) as here:
        for n in range(5):
            await here.publish("a", str(n))
        assert [m.data for m in await here.history("a")] == ["2", "3", "4"]
    async with rooms_at(own, history=5) as here:
        await here.publish("a", "5")
        assert [m.data for m in await here.history("a")] == ["2", "3", "4", "5"]


async def test_without_asyncio_it_says_what_is_missing(nats_url: str) -> None:
    with pytest.raises(RoomsError, match=r"tornado_trio.run\(main, asyncio=True\)"):
        async with Rooms(nats_url):
            raise AssertionError("not reached")


def test_prefixes() -> None:
    pytest.importorskip("nats")
    with pytest.raises(ValueError, match="letters, digits"):
        Rooms("nats://127.0.0.1", prefix="a.b")
