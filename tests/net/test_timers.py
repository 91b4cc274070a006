"""`Timers`: who is called, when, and what is left of those taken back."""

from __future__ import annotations

import contextvars
import weakref
from typing import Any

import pytest
import trio

from tornado_trio.net.timers import Timers


async def test_in_the_order_of_their_times(autojump_clock: Any) -> None:
    called: list[tuple[str, float]] = []
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        timers = Timers(nursery)

        def note(name: str) -> Any:
            return lambda: called.append((name, trio.current_time() - begin))

        timers(20, note("late"))
        timers(10, note("one"))
        timers(10, note("other"))  # of the same time, in their order
        timers(5, lambda: timers(2, note("set by another")))
        await trio.sleep(1)
        timers(0.5, note("earliest"))  # before what it sleeps for
        timers(0, note("now"))
    # The nursery ends with the last timer: its task does, too.
    assert [name for name, _ in called] == [
        "now",
        "earliest",
        "set by another",
        "one",
        "other",
        "late",
    ]
    assert [at for _, at in called] == pytest.approx([1, 1.5, 7, 10, 10, 20])
    assert repr(timers) == "<Timers, 0 set>"


async def test_taken_back(autojump_clock: Any) -> None:
    called: list[int] = []
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        timers = Timers(nursery)
        made = [timers(number, lambda n=number: called.append(n)) for number in range(1, 201)]
        await trio.lowlevel.checkpoint()
        for timer in made:
            if timer[0] - begin not in (7, 150):
                timer()
                timer()  # once is enough
        assert repr(timers) == "<Timers, 2 set>"
        assert len(timers._heap) < 80  # most of the others are gone, and what they would call
        await trio.sleep(10)
        assert called == [7]
        made[6]()  # it has been called: nothing to take back
        assert repr(timers) == "<Timers, 1 set>"
    assert called == [7, 150]
    assert trio.current_time() - begin == pytest.approx(150)


async def test_the_task_ends_with_the_last_and_begins_again(autojump_clock: Any) -> None:
    called: list[str] = []
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        timers = Timers(nursery)
        timer = timers(1000, lambda: called.append("never"))
        await trio.sleep(1)
        assert [task.name for task in nursery.child_tasks] == ["timers"]
        timer()
        timers(3, lambda: called.append("at once again"))
        await trio.sleep(5)
        assert not nursery.child_tasks
        timers(3, lambda: called.append("again"))
    assert called == ["at once again", "again"]
    assert trio.current_time() - begin == pytest.approx(9)


async def test_a_failure_is_logged_and_no_one_elses(autojump_clock: Any, caplog: Any) -> None:
    called: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        timers = Timers(nursery)
        timers(1, fail)
        timers(1, lambda: called.append("other"))
    assert called == ["other"]
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


async def test_nothing_is_timed_without_a_nursery(autojump_clock: Any) -> None:
    called: list[str] = []
    timers = Timers()
    timers(1, lambda: called.append("without"))
    async with trio.open_nursery() as nursery:
        timers.start_in(nursery)
        timers(1, lambda: called.append("with"))
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    await trio.sleep(5)
    timers(1, lambda: called.append("after its end"))
    await trio.sleep(5)
    assert called == []


async def test_nothing_is_called_once_it_is_cancelled(autojump_clock: Any) -> None:
    """Though what times something may live on for a while, in a shield."""
    called: list[str] = []
    async with trio.open_nursery() as nursery:
        before, after = Timers(nursery), Timers(nursery)
        before(1, lambda: called.append("set before"))
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(2)
            for timers in (before, after):
                timers(0, lambda: called.append("set after"))
                await trio.sleep(1)
    assert called == []


async def test_neither_the_first_context_nor_what_was_called_is_kept(autojump_clock: Any) -> None:
    class Request:
        def due(self) -> None:
            seen.append(current.get(None))

    seen: list[Any] = []
    current: contextvars.ContextVar[Request] = contextvars.ContextVar("current")

    def ask(timers: Timers) -> weakref.ref[Request]:
        request = Request()
        current.set(request)
        timers(1, request.due)
        return weakref.ref(request)

    async with trio.open_nursery() as nursery:
        timers = Timers(nursery)
        timers(100, lambda: None)
        gone = contextvars.copy_context().run(ask, timers)
        await trio.sleep(2)
        assert gone() is None and seen == [None]
        nursery.cancel_scope.cancel()


async def test_many_at_once_let_others_run(autojump_clock: Any) -> None:
    turns: list[int] = []
    called: list[int] = []

    async def other() -> None:
        await trio.sleep(1)
        while len(called) < 1000:
            await trio.lowlevel.checkpoint()
            turns.append(len(called))

    async with trio.open_nursery() as nursery:
        timers = Timers(nursery)
        for number in range(1000):
            timers(1, lambda n=number: called.append(n))
        nursery.start_soon(other)
    assert called == list(range(1000))
    assert len(turns) > 10
