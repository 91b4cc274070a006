"""`tornado.autoreload`: watching from an IOLoop."""

import compat  # noqa: F401  isort: skip

import logging

import pytest
from tornado import autoreload, gen
from tornado.ioloop import IOLoop

import tornado_trio.autoreload


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    changes = iter([None, "a.py"])
    monkeypatch.setattr(autoreload, "_reload", lambda: found.append(1))
    monkeypatch.setattr(autoreload, "find_change", lambda watcher: next(changes, None))
    monkeypatch.setattr(tornado_trio.autoreload, "_attempted", False)
    autoreload._io_loops.clear()
    return found


@pytest.mark.parametrize("old_order", [False, True])
def test_start_looks_at_intervals(reloads: list[int], old_order: bool) -> None:
    async def main() -> None:
        if old_order:
            autoreload.start(IOLoop.current(), 1)
        else:
            autoreload.start(check_time=1)
        autoreload.start(check_time=1)
        await gen.sleep(0.05)

    loop = IOLoop(make_current=False)
    loop.run_sync(main)
    loop.close()
    assert reloads == [1]


def test_a_second_loop_is_worth_a_warning(
    reloads: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    loops = [IOLoop(make_current=False), IOLoop(make_current=False)]
    with caplog.at_level(logging.WARNING, "tornado.general"):
        for loop in loops:
            loop.run_sync(lambda: autoreload.start())
    for loop in loops:
        loop.close()
    assert "more than once" in caplog.text
