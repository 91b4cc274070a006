"""What a stock loop that polls less and checks less still does."""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import socket
import time
from collections.abc import Iterator

import pytest

from tornado_trio.interop.host_loop import POLL_EVERY, call_soon_of, poll_sparingly


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


def test_call_soon_keeps_the_order_and_the_context(loop: asyncio.AbstractEventLoop) -> None:
    said: list[object] = []
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    loop.call_soon(said.append, 1)
    call_soon_of(loop)(lambda: said.append(variable.get()), context=context)
    loop.call_soon(said.append, 3)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert said == [1, "inside", 3]


def test_a_closed_loop_takes_no_more() -> None:
    loop = asyncio.SelectorEventLoop()
    call_soon = call_soon_of(loop)
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        call_soon(print, context=contextvars.copy_context())


def test_loops_that_look_at_callbacks_see_them(loop: asyncio.AbstractEventLoop) -> None:
    class Mine(asyncio.SelectorEventLoop):
        def call_soon(self, *args: object, **kwargs: object) -> asyncio.Handle:
            raise LookupError("seen")

    mine = Mine()
    try:
        with pytest.raises(LookupError):
            call_soon_of(mine)(print, context=contextvars.copy_context())
    finally:
        mine.close()
    loop.set_debug(True)
    assert call_soon_of(loop) == loop.call_soon
