"""Jobs: restarted, given up, called again and again; and what can be read of them."""

from __future__ import annotations

import logging
import time
from functools import partial

import pytest
import trio
import trio.testing

from tornado_trio.jobs import KEPT, Backoff, Job, every, jobs, supervise

STRICT = Backoff(first=1, factor=2, longest=10, jitter=0)


def test_backoff_grows_to_its_longest() -> None:
    assert [STRICT.delay(n) for n in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]
    assert STRICT.delay(10_000) == 10
    assert Backoff(first=1, jitter=0, attempts=3).delay(2) == 2
    assert Backoff(attempts=3).delay(3) is None
    assert Backoff(first=2, factor=1, jitter=0).delay(99) == 2
    assert Backoff(first=0, jitter=0).delay(99) == 0
    waits = {Backoff(first=10, jitter=0.5).delay(1) for _ in range(50)}
    assert len(waits) > 1 and all(wait is not None and 10 <= wait <= 15 for wait in waits)


async def test_a_failing_job_is_started_again(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    times: list[float] = []

    async def consume(queue: str) -> None:
        assert queue == "orders"
        times.append(trio.current_time())
        if len(times) < 4:
            raise KeyError(len(times))
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        job = supervise(nursery, consume, "orders", name="consumer", restart=STRICT)
        assert jobs() == [job]
        await trio.sleep(0.5)
        assert (job.state, job.starts, job.failures, repr(job.error)) == (
            "waiting", 1, 1, "KeyError(1)",
        )  # fmt: skip
        assert job.next_start is not None and job.next_start - time.time() < 2
        assert not job.healthy
        await trio.sleep(20)
        assert times == [0, 1, 3, 7]
        assert (job.state, job.starts, job.failures) == ("running", 4, 3)
        assert job.healthy
        assert job.statistics()["error"] == "KeyError: 3"
        nursery.cancel_scope.cancel()
    assert job.state == "cancelled"  # type: ignore[comparison-overlap]
    assert jobs() == []
    assert [record.getMessage() for record in caplog.records] == [
        f"job consumer failed; it is started again in {wait:.1f} s" for wait in (1, 2, 4)
    ]
    assert all(record.exc_info for record in caplog.records)


async def test_a_job_that_ran_well_for_long_begins_anew(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    times: list[float] = []

    async def job() -> None:
        times.append(trio.current_time())
        await trio.sleep(100)
        raise OSError

    async with trio.open_nursery() as nursery:
        supervise(nursery, job, restart=STRICT)
        await trio.sleep(350)
        nursery.cancel_scope.cancel()
    assert times == [0, 101, 202, 303]


async def test_a_job_that_ends_is_done() -> None:
    async def once() -> None:
        pass

    async with trio.open_nursery() as nursery:
        job = supervise(nursery, once)
    assert (job.state, job.starts) == ("ended", 1)
    assert job.name == "test_a_job_that_ends_is_done.<locals>.once"
    assert jobs() == []


async def test_giving_up(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def bad() -> None:
        raise KeyError("mine")

    async with trio.open_nursery() as nursery:
        job = supervise(nursery, bad, name="bad", restart=Backoff(attempts=3))
        at_once = supervise(nursery, bad, name="at once", restart=None)
    assert (job.state, job.failures) == ("failed", 3)
    assert (at_once.state, at_once.failures) == ("failed", 1)
    assert jobs() == [job, at_once] or jobs() == [at_once, job]
    assert "job at once failed, and is not started again" in caplog.text


async def test_a_critical_job_ends_its_nursery(caplog: pytest.LogCaptureFixture) -> None:
    async def bad() -> None:
        raise KeyError("mine")

    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            supervise(nursery, bad, name="bad", restart=None, critical=True)
            await trio.sleep_forever()
    [error] = caught.value.exceptions
    assert isinstance(error, KeyError)
    assert error.__notes__ == ["in the critical job bad, which ends the service"]


async def test_cancelling_one_job(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        job = supervise(nursery, trio.sleep_forever)
        await trio.sleep(1)
        job.cancel()
    assert job.state == "cancelled"
    assert jobs() == []


async def test_few_of_those_that_failed_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def bad() -> None:
        raise KeyError

    async with trio.open_nursery() as nursery:
        for _ in range(KEPT + 20):
            supervise(nursery, bad, restart=None)
    assert len(jobs()) == KEPT


async def test_what_is_no_function_is_refused() -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(TypeError, match="takes an async function"):
            supervise(nursery, every(1, trio.sleep_forever))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="and not 7"):
            supervise(nursery, 7)  # type: ignore[arg-type]


async def test_asyncio_in_a_job_is_explained(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio

    async with trio.open_nursery() as nursery:
        supervise(nursery, asyncio.sleep, 1, name="sleeper", restart=None)
    assert "tornado_trio.run(main, asyncio=True)" in caplog.text


async def test_every(autojump_clock: trio.testing.MockClock) -> None:
    times: list[float] = []

    async def tick(takes: float) -> None:
        times.append(trio.current_time())
        await trio.sleep(takes)

    with trio.move_on_after(35):
        await every(10, tick, 1)
    assert times == [0, 10, 20, 30]  # from start to start
    times.clear()
    begin = trio.current_time()
    with trio.move_on_after(65):
        await every(10, tick, 25)
    assert [t - begin for t in times] == [0, 30, 60]  # those in between are left out
    times.clear()
    begin = trio.current_time()
    with trio.move_on_after(35):
        await every(10, tick, 25, overlap=True)
    assert [t - begin for t in times] == [0, 10, 20, 30]


async def test_every_with_jitter(autojump_clock: trio.testing.MockClock) -> None:
    times: list[float] = []

    async def tick() -> None:
        times.append(trio.current_time())

    with trio.move_on_after(1000):
        await every(10, tick, jitter=5)
    assert len(times) in (99, 100)
    assert all(0 <= time - 10 * index <= 5 for index, time in enumerate(times))
    assert len({time - 10 * index for index, time in enumerate(times)}) > 50


async def test_every_passes_on_what_fails() -> None:
    async def bad() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await every(1, bad)
    with pytest.raises(ValueError, match="positive"):
        await every(0, bad)


async def test_a_periodic_job_has_the_name_of_what_is_called(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    async def clean_up() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError

    async with trio.open_nursery() as nursery:
        job: Job = supervise(nursery, partial(every, 60, clean_up), restart=STRICT)
        assert job.name.endswith("clean_up")
        await trio.sleep(130)
        assert calls == 4  # at 0, 60 (failed), 61, 121
        assert job.failures == 1
        nursery.cancel_scope.cancel()
