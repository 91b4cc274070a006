"""Futures in a plain trio run, without anything of compat."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from tornado_trio.interop.driver import run_driver
from tornado_trio.interop.plain_host import PlainScope, StandInLoop


@asynccontextmanager
async def plain_scope() -> AsyncIterator[PlainScope]:
    scope = PlainScope(StandInLoop())
    async with trio.open_nursery() as nursery:
        await nursery.start(scope.run)
        yield scope
        nursery.cancel_scope.cancel()


async def test_callbacks_run_in_order_and_on_time(autojump_clock: trio.abc.Clock) -> None:
    async with plain_scope() as scope:
        loop, seen = scope.loop, []
        start = loop.time()
        loop.call_later(2, lambda: seen.append((3, loop.time() - start)))
        cancelled = loop.call_later(1, seen.append, "never")
        loop.call_soon(seen.append, 1)
        loop.call_soon(loop.call_soon, seen.append, 2)
        cancelled.cancel()
        await trio.sleep(3)
        assert seen == [1, 2, (3, 2)]


async def test_callbacks_from_another_thread() -> None:
    async with plain_scope() as scope:
        future = scope.loop.create_future()
        thread = threading.Thread(
            target=scope.loop.call_soon_threadsafe, args=(future.set_result, 3)
        )
        thread.start()

        async def waits() -> int:
            value: int = await future
            return value

        assert await run_driver(waits(), scope.loop, scope.host) == 3
        await trio.to_thread.run_sync(thread.join)


async def test_tasks_wait_for_the_nursery() -> None:
    """What was started before there is one begins with it, in order, in the starter's context."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    scope, seen = PlainScope(StandInLoop()), []

    async def task(number: int) -> None:
        seen.append((number, variable.get()))

    for number in (1, 2):
        variable.set(f"of {number}")
        scope.start_soon(task, number)
    assert scope.nursery is None
    async with trio.open_nursery() as nursery:
        await nursery.start(scope.run)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(seen) == [(1, "of 1"), (2, "of 2")]
        nursery.cancel_scope.cancel()
    assert scope.nursery is None


async def test_what_never_began_is_closed() -> None:
    """Coroutines whose turn to begin never comes are closed, and reported cancelled."""
    seen: list[object] = []

    async def never() -> None:
        raise AssertionError("it began")

    def ended(value: object, error: BaseException | None) -> None:
        seen.append(type(error))

    scope = PlainScope(StandInLoop())
    queued, direct = never(), never()
    scope.loop.call_soon(scope.spawn, queued, contextvars.copy_context(), ended)
    scope.spawn(direct, contextvars.copy_context(), ended)
    scope.loop.close()
    scope.ended()
    scope.forget_spawned()
    assert seen == [asyncio.CancelledError] * 2
    for coroutine in (queued, direct):
        with pytest.raises(RuntimeError, match="cannot reuse"):
            coroutine.send(None)
