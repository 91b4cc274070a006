"""`Budget`: steps in a row."""

from __future__ import annotations

import pytest
import trio

from tornado_trio._util.fairness import Budget


def test_spent() -> None:
    budget = Budget(3)
    assert [budget.spent() for _ in range(7)] == [False, False, True, False, False, True, False]
    budget.renew()
    assert [budget.spent() for _ in range(3)] == [False, False, True]


async def test_maybe_checkpoint() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    budget = Budget(5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(50):
            await budget.maybe_checkpoint()
        assert 8 <= turns <= 12
        nursery.cancel_scope.cancel()
        with pytest.raises(trio.Cancelled):
            await budget.maybe_checkpoint()
