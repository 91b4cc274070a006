"""Trio's private names: in one file, and there behind verbs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from tornado_trio.interop import trio_internals

ROOT = Path(__file__).parent.parent.parent
PRIVATE = re.compile(
    r"\btrio\._|\b(?:_abort_func|_cancel_points|_cancel_status|_attempt_\w+|unrolled_run_\w+"
    r"|guest_tick_scheduled|main_task_outcome|io_manager|asyncgens|GLOBAL_RUN_CONTEXT)\b"
)


def test_nothing_else_uses_them() -> None:
    files = [*ROOT.glob("tornado_trio/**/*.py"), *ROOT.glob("compat/**/*.py")]
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        if path.name != "trio_internals.py"
        for name in PRIVATE.findall(path.read_text())
    }
    assert found == set()


@pytest.mark.skipif(not trio_internals.BORROW, reason="the way without them")
async def test_a_task_taken_up_and_parked() -> None:
    """`park` says whether the task is cancelled; `deliver_cancel` then ends its wait."""
    task = trio.lowlevel.current_task()
    said = []

    def abort(_: object) -> trio.lowlevel.Abort:
        return trio.lowlevel.Abort.SUCCEEDED

    async def step_it() -> None:
        while not trio_internals.is_parked(task):
            await trio.lowlevel.checkpoint()
        trio_internals.set_abort(task, None)
        assert not trio_internals.is_parked(task)
        said.append(trio_internals.park(task, abort))
        scope.cancel()  # what is parked is cancelled at once

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            assert trio_internals.cancelled_scope(task) is None
            inside = trio_internals.cancel_status(task)
            nursery.start_soon(step_it)
            with pytest.raises(trio.Cancelled):
                await trio.lowlevel.wait_task_rescheduled(abort)
            assert trio_internals.cancelled_scope(task) is scope
            assert trio_internals.cancel_status(task) is inside
    assert trio_internals.cancel_status(task) is not inside
    assert said == [False]
