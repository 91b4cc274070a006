"""`no_leaks` names what is left, and only that."""

from __future__ import annotations

import gc
import socket
import sys
from pathlib import Path
from typing import IO

import pytest
import trio

from tornado_trio.testing import Leaked, memory_server, no_leaks


async def app(exchange: object) -> None:
    raise AssertionError("never asked")


async def test_nothing_is_left_of_a_server(autojump_clock: trio.abc.Clock) -> None:
    async with no_leaks():
        async with memory_server(app):
            pass


async def sleeper() -> None:
    await trio.sleep_forever()


async def test_a_task_is_named_with_its_line(
    nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    with pytest.raises(Leaked, match=r"task .*sleeper, waits in .*test_leaks.py:\d+ in sleeper"):
        async with no_leaks():
            nursery.start_soon(sleeper)
    nursery.cancel_scope.cancel()


async def test_one_that_is_about_to_end_is_none(
    nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    async with no_leaks():
        nursery.start_soon(trio.sleep, 0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no list of descriptors")
async def test_a_descriptor_is_named(autojump_clock: trio.abc.Clock) -> None:
    with socket.socket() as sock:
        sock.close()
        with pytest.raises(Leaked, match="descriptor"):
            async with no_leaks():
                sock = socket.socket()
        sock.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no list of descriptors")
def test_around_a_whole_run(tmp_path: Path) -> None:
    """As around each test of this suite: see conftest."""
    with no_leaks():
        trio.run(trio.sleep, 0)
    file = None
    with pytest.raises(Leaked, match="left.txt"):
        with no_leaks(within=0.05):
            file = (tmp_path / "left.txt").open("w")
    file.close()


class Knot:
    """Holds itself, and a file: only a collection lets go of them."""

    def __init__(self, file: IO[str]) -> None:
        self.file, self.itself = file, self


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no list of descriptors")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_what_only_a_cycle_holds_is_no_leak(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    gc.disable()
    try:
        async with no_leaks():
            Knot((tmp_path / "held.txt").open("w"))
        with no_leaks():
            Knot((tmp_path / "held.txt").open("w"))
    finally:
        gc.enable()


async def test_few_collections(
    nursery: trio.Nursery, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One takes seconds where there is much."""
    collected: list[float] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(trio.current_time()))
    began = trio.current_time()
    with pytest.raises(Leaked):
        async with no_leaks(within=10):
            nursery.start_soon(sleeper)
    assert [round(at - began) for at in collected] == [0, 5, 10]
    collected.clear()
    async with no_leaks():
        pass
    assert not collected
    nursery.cancel_scope.cancel()


async def test_the_error_of_the_block_goes_first(
    nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with no_leaks():
            nursery.start_soon(sleeper)
            raise ZeroDivisionError
    nursery.cancel_scope.cancel()
