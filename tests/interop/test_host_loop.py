"""What a stock loop that polls less and checks less still does."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import selectors
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tornado_trio.interop.host_loop import (
    POLL_EVERY,
    call_again_of,
    poll_sparingly,
    skip_debug_checks,
)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.SelectorEventLoop()
    yield loop
    loop.close()


def polls(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The timeouts with which the kernel is really asked from now on."""
    asked: list[float | None] = []
    kind = type(loop._selector)  # type: ignore[attr-defined]
    real = kind.select

    def select(self: selectors.BaseSelector, timeout: float | None = None) -> object:
        asked.append(timeout)
        return real(self, timeout)

    monkeypatch.setattr(kind, "select", select)
    return asked


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' threads may still be there."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def test_a_busy_loop_polls_less_than_once_a_turn(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tornado_trio.interop import host_loop

    host_loop._sparing.cache_clear()  # made anew, over the counting one
    asked = polls(loop, monkeypatch)
    poll_sparingly(loop)
    monkeypatch.setattr(host_loop, "monotonic", lambda: 1000.0)
    loop.run_until_complete(turns(100))
    assert asked.count(0) == 1
    host_loop._sparing.cache_clear()


def test_beside_other_threads_it_polls_in_each_turn(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They get the interpreter by that."""
    from tornado_trio.interop import host_loop

    host_loop._sparing.cache_clear()
    asked = polls(loop, monkeypatch)
    poll_sparingly(loop)
    monkeypatch.setattr(host_loop, "monotonic", lambda: 1000.0)
    loop.run_until_complete(turns(100))
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    monkeypatch.setattr(host_loop, "monotonic", lambda: 2000.0)
    asked.clear()
    loop.run_until_complete(turns(100))
    assert asked.count(0) >= 100
    host_loop._sparing.cache_clear()


def test_polls_again_when_the_time_has_come(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tornado_trio.interop import host_loop

    host_loop._sparing.cache_clear()
    asked = polls(loop, monkeypatch)
    poll_sparingly(loop)
    now = 1000.0

    def clock() -> float:
        nonlocal now
        now += POLL_EVERY
        return now

    monkeypatch.setattr(host_loop, "monotonic", clock)
    loop.run_until_complete(turns(100))
    assert asked.count(0) >= 100
    host_loop._sparing.cache_clear()


def test_a_loop_that_never_rests_sees_its_sockets(loop: asyncio.AbstractEventLoop) -> None:
    poll_sparingly(loop)
    poll_sparingly(loop)  # once more does nothing more
    assert type(loop._selector).__mro__[2].__module__ == "selectors"  # type: ignore[attr-defined]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        seen = False

        def readable() -> None:
            nonlocal seen
            seen = True
            loop.remove_reader(ours)

        async def busy() -> None:
            loop.add_reader(ours, readable)
            theirs.send(b"x")
            end = time.monotonic() + 30
            while not seen and time.monotonic() < end:  # noqa: ASYNC110 - it must be busy
                await asyncio.sleep(0)

        loop.run_until_complete(busy())
        assert seen


def test_timers_and_other_threads_are_as_ever(loop: asyncio.AbstractEventLoop) -> None:
    poll_sparingly(loop)

    async def main() -> str:
        await asyncio.sleep(0.001)
        return await asyncio.to_thread(lambda: "from a thread")

    assert loop.run_until_complete(main()) == "from a thread"


def test_selectors_of_others_are_left_alone() -> None:
    class Mine(selectors.SelectSelector):
        pass

    loop = asyncio.SelectorEventLoop(Mine())
    try:
        poll_sparingly(loop)
        assert type(loop._selector) is Mine  # type: ignore[attr-defined]
    finally:
        loop.close()
    poll_sparingly(object())  # type: ignore[arg-type]


def test_timers_keep_their_place_among_callbacks(loop: asyncio.AbstractEventLoop) -> None:
    poll_sparingly(loop)
    said: list[str] = []

    def first() -> None:
        loop.call_later(0, said.append, "timer")
        loop.call_soon(second)

    def second() -> None:
        said.append("second")
        loop.call_soon(said.append, "third")
        loop.call_soon(said.append, "cancelled").cancel()
        loop.call_soon(lambda: loop.call_soon(loop.stop))

    loop.call_soon(first)
    loop.run_forever()
    assert said == ["second", "timer", "third"]


def test_turns_between_polls_only_call_back(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled: list[object] = []
    real = type(loop)._process_events  # type: ignore[attr-defined]

    def process_events(self: object, events: object) -> None:
        polled.append(events)
        real(self, events)

    monkeypatch.setattr(type(loop), "_process_events", process_events)
    poll_sparingly(loop)
    monkeypatch.setattr("tornado_trio.interop.host_loop.POLL_EVERY", 1e9)
    loop.call_later(1e9, print)
    loop.run_until_complete(turns(20))
    assert len(polled) < 5


def test_who_replaces_the_turns_of_asyncio_turns_the_loop(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll_sparingly(loop)
    loop.run_until_complete(turns(2))
    turned: list[object] = []
    real = type(loop)._run_once  # type: ignore[attr-defined]

    def run_once(self: object) -> None:
        turned.append(self)
        real(self)

    monkeypatch.setattr(type(loop), "_run_once", run_once, raising=False)
    loop.run_until_complete(turns(20))
    assert len(turned) > 20


def test_slow_callbacks_are_told_of_in_debug_mode(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    poll_sparingly(loop)
    loop.run_until_complete(turns(2))
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    loop.run_until_complete(turns(20))
    assert sum("Executing" in record.message for record in caplog.records) >= 20


def test_loops_that_turn_by_themselves_are_left_to_it() -> None:
    class Mine(asyncio.SelectorEventLoop):
        turned = 0

        def _run_once(self) -> None:
            self.turned += 1
            super()._run_once()  # type: ignore[misc]

    mine = Mine()
    try:
        poll_sparingly(mine)
        mine.run_until_complete(turns(20))
        assert mine.turned > 20
    finally:
        mine.close()


# --- debug mode ------------------------------------------------------------------------------
def test_call_soon_keeps_the_order_and_the_context(loop: asyncio.AbstractEventLoop) -> None:
    said: list[object] = []
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    loop.call_soon(said.append, 1)
    skip_debug_checks(loop)
    skip_debug_checks(loop)  # once more does nothing more
    loop.call_soon(lambda: said.append(variable.get()), context=context)
    loop.call_soon(lambda: said.append(variable.get()))
    loop.call_soon(said.append, 2).cancel()
    loop.call_soon(said.append, 3)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert said == [1, "inside", "outside", 3]


def test_a_handle_is_called_again(loop: asyncio.AbstractEventLoop) -> None:
    skip_debug_checks(loop)
    call_again = call_again_of(loop)
    assert call_again is not None
    said: list[str] = []
    first = loop.call_soon(said.append, "again")
    loop.call_soon(call_again, first)
    loop.call_soon(said.append, "between")
    loop.call_soon(lambda: loop.call_soon(loop.stop))
    loop.run_forever()
    assert said == ["again", "between", "again"]


def test_a_closed_loop_takes_no_more() -> None:
    loop = asyncio.SelectorEventLoop()
    skip_debug_checks(loop)
    call_again = call_again_of(loop)
    assert call_again is not None
    handle = loop.call_soon(print)
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)
    with pytest.raises(RuntimeError, match="closed"):
        call_again(handle)


def test_a_loop_that_is_gone_takes_no_more_either() -> None:
    loop = asyncio.SelectorEventLoop()
    skip_debug_checks(loop)
    call_soon, set_debug = loop.call_soon, loop.set_debug  # as by code that asked for them before
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
    set_debug(True)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        call_soon(print)


def test_debug_mode_gives_a_loop_its_methods_back(loop: asyncio.AbstractEventLoop) -> None:
    own = loop.call_soon, loop.get_debug
    skip_debug_checks(loop)
    kept = loop.call_soon  # as by code that asked for it before
    assert kept != own[0]
    loop.set_debug(False)
    assert loop.get_debug() is False
    assert loop.call_soon == kept
    loop.set_debug(True)
    assert (loop.call_soon, loop.get_debug) == own
    assert loop.get_debug() is True
    for call_soon in (loop.call_soon, kept):
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            call_soon(turns)
    assert asyncio.Future(loop=loop)._source_traceback  # type: ignore[attr-defined]
    assert call_again_of(loop) is None
    skip_debug_checks(loop)
    assert loop.call_soon == own[0]


def test_what_a_program_has_wrapped_stays_when_debug_mode_begins(
    loop: asyncio.AbstractEventLoop,
) -> None:
    skip_debug_checks(loop)
    seen: list[object] = []
    inner: Callable[..., asyncio.Handle] = loop.call_soon

    def call_soon(callback: Callable[..., object], *args: object, **kwargs: Any) -> asyncio.Handle:
        seen.append(callback)
        return inner(callback, *args, **kwargs)

    loop.call_soon = call_soon  # type: ignore[assignment]
    loop.set_debug(True)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert loop.stop in seen


def test_loops_that_look_at_callbacks_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(asyncio.SelectorEventLoop):
        def call_soon(self, *args: object, **kwargs: object) -> asyncio.Handle:
            raise LookupError("seen")

    mine = Mine()
    try:
        skip_debug_checks(mine)
        with pytest.raises(LookupError):
            mine.call_soon(print)
        assert call_again_of(mine) is None
    finally:
        mine.close()

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon", Mine.call_soon)
    wrapped = asyncio.SelectorEventLoop()
    try:
        skip_debug_checks(wrapped)
        with pytest.raises(LookupError):
            wrapped.call_soon(print)
    finally:
        wrapped.close()


def test_other_loops_are_left_alone() -> None:
    class Other:
        pass

    other = Other()
    skip_debug_checks(other)  # type: ignore[arg-type]
    assert vars(other) == {}
    assert call_again_of(other) is None  # type: ignore[arg-type]


def test_a_loop_is_freed_without_the_collector() -> None:
    loop = asyncio.SelectorEventLoop()
    poll_sparingly(loop)
    skip_debug_checks(loop)
    loop.run_until_complete(turns(3))
    loop.close()
    known = weakref.ref(loop)
    gc.disable()
    try:
        del loop
        assert known() is None
    finally:
        gc.enable()
