"""Rooms over a Redis that goes away, forgets, stalls and comes back."""

from __future__ import annotations

import logging
import signal
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.brokers import OwnRedis
from tests.ports import free_port
from tornado_trio.rooms import Message, Rooms, RoomsUnavailable


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnRedis]:
    with OwnRedis(tmp_path) as redis:
        yield redis


def rooms_at(redis: OwnRedis, **options: Any) -> Rooms:
    return Rooms(redis.url, **{"history": 5000, "timeout": 15.0, "beat": 0.5, **options})


async def run(function: Any, *args: Any) -> None:
    await trio.to_thread.run_sync(partial(function, *args))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_loses_and_repeats_nothing(own: OwnRedis, number: int) -> None:
    """What was acknowledged before, during and after it is heard once and in order."""
    async with rooms_at(own) as here, rooms_at(own) as there:
        async with here.subscribe("a") as one, there.subscribe("a") as two:
            sent: list[str] = []

            async def talk(name: str) -> None:
                sent.extend([await here.publish("a", f"{name}{n}") for n in range(200)])

            async def restart() -> None:
                await trio.sleep(0.05)
                await run(own.stop, number)
                await trio.sleep(0.3)
                await run(own.start)

            with trio.fail_after(40):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(talk, "x")
                    nursery.start_soon(talk, "y")
                    nursery.start_soon(restart)
                for messages in (one, two):
                    heard = [await anext(messages) for _ in range(400)]
                    assert [message.id for message in heard] == sorted(
                        sent, key=lambda id: tuple(map(int, id.split("-")))
                    )
                    for name in "xy":
                        mine = [m.data for m in heard if str(m.data).startswith(name)]
                        assert mine == [f"{name}{n}" for n in range(200)]
                    assert not any(message.missed for message in heard)
            with trio.move_on_after(0.3):
                raise AssertionError(f"one more: {await anext(one)}")


async def test_a_redis_that_stalls(own: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that it carries out later, when nobody waits for them any more, do it once."""
    monkeypatch.setattr("tornado_trio.rooms.redis._SILENCE", 0.5)
    async with rooms_at(own) as here, rooms_at(own) as there:
        async with there.subscribe("a") as messages:
            await here.publish("a", "0")
            own.send(signal.SIGSTOP)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(here.publish, "a", "1")
                await trio.sleep(1.5)
                own.send(signal.SIGCONT)
            await here.publish("a", "2")
            with trio.fail_after(20):
                heard = [await anext(messages) for _ in range(3)]
            assert [message.data for message in heard] == ["0", "1", "2"]
            assert [m.data for m in await here.history("a")] == ["0", "1", "2"]


async def test_a_redis_that_forgets_everything(tmp_path: Path) -> None:
    with OwnRedis(tmp_path, forgetful=True) as own:
        async with rooms_at(own) as here, rooms_at(own) as there, here.track("a", "ann"):
            async with there.subscribe("a") as messages:
                await here.publish("a", "0")
                assert (await anext(messages)).data == "0"
                await run(own.stop)
                await run(own.start)
                last = await here.publish("a", "1")
                with trio.fail_after(20):
                    heard = await anext(messages)
                # Nobody can know what else was said meanwhile.
                assert heard == Message("a", "1", last, missed=heard.missed)
                for _ in range(100):
                    if await there.present("a"):
                        break
                    await trio.sleep(0.05)
                assert await there.present("a") == {"ann": ({},)}


async def test_publishing_says_that_nobody_is_there(
    own: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tornado_trio.rooms")
    async with rooms_at(own, timeout=0.3) as here:
        assert here.statistics().connected
        await run(own.stop)
        with pytest.raises(RoomsUnavailable, match=f"no answer from redis://127.0.0.1:{own.port}"):
            await here.publish("a", "x")
        with pytest.raises(RoomsUnavailable):
            await here.present("a")
        with pytest.raises(RoomsUnavailable, match="cannot listen to 'b'"):
            async with here.subscribe("b"):
                raise AssertionError("not reached")
        assert not here.statistics().connected
        await run(own.start)
        for _ in range(100):
            if here.statistics().connected:
                break
            await trio.sleep(0.05)
        await here.publish("a", "y")
    told = [record.message for record in caplog.records if record.name == "tornado_trio.rooms"]
    assert len(told) == 3 and "is away" in told[1] and told[0] == told[2] == "rooms: connected"


async def test_those_here_hear_all_the_same_if_asked(own: OwnRedis) -> None:
    await run(own.stop)
    async with rooms_at(own, timeout=0.2, local_when_away=True) as here:
        async with here.subscribe("a") as messages, here.track("a", "ann"):
            assert await here.publish("a", "only here") == ""
            assert await anext(messages) == Message("a", "only here")
            await run(own.start)
            with trio.fail_after(20):
                while not (last := await here.publish("a", "all")):
                    assert (await anext(messages)).id == ""
                assert await anext(messages) == Message("a", "all", last)
                assert await here.present("a") == {"ann": ({},)}


async def test_a_process_that_dies_is_no_longer_present(own: OwnRedis) -> None:
    async with rooms_at(own) as here:
        async with here.changes("a") as changes:
            with trio.fail_after(20):
                assert (await anext(changes)).present == {}
                async with trio.open_nursery() as nursery:

                    async def other() -> None:
                        async with rooms_at(own) as there, there.track("a", "ann"):
                            await trio.sleep_forever()

                    nursery.start_soon(other)
                    assert (await anext(changes)).joined == {"ann": ({},)}
                    async def say_nothing(*args: Any) -> None:
                        """As if killed: not even the farewell is sent."""

                    with pytest.MonkeyPatch.context() as patch:
                        patch.setattr("tornado_trio.rooms.redis.RedisBroker.leave", say_nothing)
                        nursery.cancel_scope.cancel()
                        await trio.lowlevel.checkpoint_if_cancelled()
                assert (await anext(changes)).left == {"ann": ({},)}


async def test_a_wrong_password_is_named_without_it(tmp_path: Path) -> None:
    with OwnRedis(tmp_path, "--requirepass", "other") as own:
        async with Rooms(own.url.replace("//", "//:other@")) as rooms:
            await rooms.publish("a", "x")
        with pytest.raises(RoomsUnavailable, match="WRONGPASS|password") as caught:
            async with Rooms(own.url.replace("//", "//:sesame@"), timeout=0.3):
                raise AssertionError("not reached")
    assert "sesame" not in str(caught.value) and "127.0.0.1" in str(caught.value)


async def test_a_cluster_by_sharded_pub_sub(tmp_path: Path) -> None:
    bus = str(free_port())  # else it is the port and 10000, which may be none
    with OwnRedis(tmp_path, "--cluster-enabled", "yes", "--cluster-port", bus) as own:
        import coredis

        async with coredis.Redis.from_url(own.url) as client:
            await client.cluster_addslotsrange([(0, 16383)])
            for _ in range(100):
                if (await client.cluster_info())["cluster_state"] == "ok":
                    break
                await trio.sleep(0.05)
        url = own.url.replace("redis://", "redis+cluster://").removesuffix("/0")
        prefix = uuid.uuid4().hex
        async with Rooms(url, prefix=prefix) as here, Rooms(url, prefix=prefix) as there:
            async with here.subscribe("a") as one, there.subscribe("b") as two:
                with trio.fail_after(20):
                    for n in range(5):
                        await there.publish("a", f"a{n}")
                        await here.publish("b", f"b{n}")
                    for name, messages in (("a", one), ("b", two)):
                        heard = [(await anext(messages)).data for _ in range(5)]
                        assert heard == [f"{name}{n}" for n in range(5)]
                    async with here.track("a", "ann"):
                        assert await there.present("a") == {"ann": ({},)}
