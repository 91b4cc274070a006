"""Spawned coroutines that let the loop turn, again and again."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import weakref
from typing import Any

import pytest
import trio

from tornado_trio.interop import LoopScope
from tornado_trio.interop.host_loop import skip_debug_checks

from .hosting import run_hosted, spawn


@pytest.fixture(params=["stock", "light"])
def factory(request: pytest.FixtureRequest) -> Any:
    """Makes loops whose handles are made anew each time, or called again."""

    def make() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        if request.param == "light":
            skip_debug_checks(loop)
        return loop

    return make


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="trio's scheduler decides the order then"
)
def test_coroutines_that_let_the_loop_turn_take_turns(factory: Any) -> None:
    said: list[tuple[str, int]] = []

    async def work(name: str) -> None:
        for number in range(4):
            said.append((name, number))
            await asyncio.sleep(0)

    async def body(scope: LoopScope) -> None:
        await asyncio.gather(*(spawn(scope, work(name)) for name in "ab"))

    run_hosted(body, loop_factory=factory)
    assert said == [(name, number) for number in range(4) for name in "ab"]


def test_a_turn_after_waits_of_other_kinds(factory: Any) -> None:
    async def body(scope: LoopScope) -> str:
        loop, variable = asyncio.get_running_loop(), contextvars.ContextVar[str]("variable")
        variable.set("mine")
        for _ in range(2):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
            await trio.lowlevel.checkpoint()
        await asyncio.sleep(0)
        return variable.get()

    assert run_hosted(body, loop_factory=factory) == "mine"


def test_a_wait_for_a_turn_is_cut(factory: Any) -> None:
    async def body(scope: LoopScope) -> list[str]:
        said = []
        with trio.CancelScope() as cancel_scope:
            await asyncio.sleep(0)
            cancel_scope.cancel()
            await asyncio.sleep(0)
            said.append("not cut")
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        try:
            while True:  # noqa: ASYNC110 - it is what is tested
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            said.append("cancelled")
        await asyncio.sleep(0)
        return said

    assert run_hosted(body, loop_factory=factory) == ["cancelled"]


def test_nothing_waits_for_the_collector(factory: Any) -> None:
    class Thing:
        pass

    async def work(thing: Thing) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def body(scope: LoopScope) -> None:
        gc.collect()
        gc.disable()
        try:
            thing = Thing()
            reference = weakref.ref(thing)
            await spawn(scope, work(thing))
            del thing
            await asyncio.sleep(0)
            assert reference() is None
        finally:
            gc.enable()

    run_hosted(body, loop_factory=factory)
