"""`tornado.autoreload`: watching from an IOLoop."""

import compat  # noqa: F401  isort: skip

import logging
import os
from pathlib import Path

import pytest
from tornado import autoreload, gen
from tornado.ioloop import IOLoop


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    changes = iter([None, None, "a.py"])
    monkeypatch.setattr(autoreload, "_reload", lambda: found.append(1))
    monkeypatch.setattr(autoreload, "fit_change", lambda changed: next(changes, None))
    monkeypatch.setattr(autoreload, "_reload_attempted", False)
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


def test_programs_set_hooks_and_leave_files_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloaded: list[object] = []
    monkeypatch.setattr("tornado_trio.autoreload.reload", reloaded.append)
    monkeypatch.setattr(autoreload, "_reload_attempted", False)
    hooks = [lambda: None]
    monkeypatch.setattr(autoreload, "_reload_hooks", hooks)
    watched, ignored = tmp_path / "page.html", tmp_path / "ignored.html"
    times: dict[str, float] = {}
    check_file = autoreload._check_file
    for path in (watched, ignored):
        path.write_text("1")
        autoreload._watched_files.add(str(path))
    try:
        autoreload._reload_on_update(times)
        assert times[str(watched)] == watched.stat().st_mtime
        monkeypatch.setattr(
            autoreload,
            "_check_file",
            lambda times, path: None if "ignored" in path else check_file(times, path),
        )
        os.utime(ignored, (1, 1))
        autoreload._reload_on_update(times)
        assert reloaded == []
        monkeypatch.setattr(autoreload, "_reload_attempted", True)
        os.utime(watched, (1, 1))
        autoreload._reload_on_update(times)
        assert reloaded == []
        monkeypatch.setattr(autoreload, "_reload_attempted", False)
        autoreload._reload_on_update(times)
        assert reloaded == [hooks]
        assert autoreload._reload_attempted
    finally:
        autoreload._watched_files -= {str(watched), str(ignored)}


def test_children_of_fork_processes_do_not_replace_themselves(
    reloads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoreload, "task_id", lambda: 1)
    for _ in range(4):
        autoreload._reload_on_update({})
    assert reloads == []
