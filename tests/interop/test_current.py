"""The current task, also where asyncio knows no loop but the one that runs (Python 3.14)."""

from __future__ import annotations

import asyncio

import pytest

from tests.python import python
from tornado_trio.interop.current import for_any_loop

# As 3.14 has them: one place per thread, for the loop that runs there.
STRICT = """
import asyncio
from asyncio import tasks

current = []

def enter_task(loop, task):
    if asyncio._get_running_loop() is not loop:
        raise RuntimeError(f"{loop!r} is not the running loop")
    assert not current
    current.append(task)

def leave_task(loop, task):
    if asyncio._get_running_loop() is not loop:
        raise RuntimeError(f"{loop!r} is not the running loop")
    assert current.pop() is task

def current_task(loop=None):
    running = asyncio._get_running_loop()
    if loop is None and running is None:
        raise RuntimeError("no running event loop")
    return current[-1] if current and (loop is None or loop is running) else None
"""

PATCH = """
tasks._enter_task, tasks._leave_task = enter_task, leave_task
tasks.current_task = asyncio.current_task = current_task
"""

PROGRAM = """
import compat, trio
from tornado import gen, queues
from tornado_trio.interop import current as ours

assert ours.enter_task is not enter_task

async def main():
    async with compat.open_loop():
        queue = queues.Queue(1)

        async def produce():
            for number in range(3):
                await queue.put(number)
                await trio.sleep(0)
                await gen.sleep(0)

        @gen.coroutine
        def consume():
            got = []
            while len(got) < 3:
                got.append((yield queue.get()))
            return got

        produced = gen.convert_yielded(produce())
        with trio.fail_after(5):
            print(await consume())
            await produced

trio.run(main)
"""


def strict() -> dict[str, object]:
    names: dict[str, object] = {}
    exec(STRICT, names)
    return names


def test_a_loop_that_does_not_run_has_a_current_task() -> None:
    names = strict()
    enter, leave, current = for_any_loop(
        names["enter_task"], names["leave_task"], names["current_task"]
    )
    stand_in, task = object(), object()
    assert current(stand_in) is None
    enter(stand_in, task)
    assert current(stand_in) is task and current(object()) is None
    with pytest.raises(RuntimeError, match="is being run"):
        enter(stand_in, object())
    leave(stand_in, task)
    assert current(stand_in) is None
    with pytest.raises(RuntimeError, match="not the running loop"):
        leave(stand_in, task)


def test_the_loop_that_runs_is_asyncios_affair() -> None:
    names = strict()
    enter, leave, current = for_any_loop(
        names["enter_task"], names["leave_task"], names["current_task"]
    )

    async def main() -> None:
        loop, task = asyncio.get_running_loop(), object()
        enter(loop, task)
        assert current(loop) is task and names["current"] == [task]
        leave(loop, task)
        assert names["current"] == []

    asyncio.run(main())


def test_a_plain_trio_run() -> None:
    ended = python("-W", "error", "-c", STRICT + PATCH + PROGRAM)
    assert (ended.stdout, ended.stderr) == ("[0, 1, 2]\n", "")
