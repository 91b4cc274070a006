"""Noticing changes, and replacing the process."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.python import python
from tornado_trio import autoreload


def touch(path: Path, text: str) -> None:
    """Write, with a modification time no clock resolution can hide."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(autoreload, "_watched_files", set())
    monkeypatch.setattr(autoreload, "_reload_hooks", [])
    monkeypatch.setattr(autoreload, "_attempted", False)
    path = tmp_path / "watched.py"
    touch(path, "a = 1")
    autoreload.watch(str(path))
    return path


def test_a_change_is_seen_once(watched: Path) -> None:
    watcher = autoreload.Watcher()
    assert watcher.changed() == []
    touch(watched, "a = 2")
    assert watcher.changed() == [str(watched)]
    assert watcher.changed() == []


def test_a_replaced_file_is_seen_when_it_is_back(watched: Path) -> None:
    watcher = autoreload.Watcher()
    watcher.changed()
    modified = watched.stat().st_mtime_ns
    watched.unlink()
    assert watcher.changed() == []
    watched.write_text("a = 3")
    os.utime(watched, ns=(modified + 10**9, modified + 10**9))
    assert watcher.changed() == [str(watched)]


def test_loaded_modules_are_watched() -> None:
    watcher = autoreload.Watcher()
    watcher.changed()
    assert autoreload.__file__ in watcher._modified
    assert "files=" in repr(watcher)


def test_syntax_errors_are_waited_for(watched: Path, caplog: pytest.LogCaptureFixture) -> None:
    watcher = autoreload.Watcher()
    watcher.changed()
    with caplog.at_level(logging.INFO, "tornado.general"):
        touch(watched, "a = (")
        assert autoreload.find_change(watcher) is None
        assert "cannot be loaded" in caplog.messages[-1]
        assert autoreload.find_change(watcher) is None
        touch(watched, "a = 4")
        assert autoreload.find_change(watcher) == str(watched)
        assert "restarting" in caplog.messages[-1]


async def test_reload_on_change(
    watched: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.abc.Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran: list[object] = []

    def broken() -> None:
        raise ZeroDivisionError

    def execv(path: str, command: list[str]) -> None:
        ran.append(command)
        raise OSError("no exec here")

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(subprocess, "Popen", ran.append)
    monkeypatch.setattr(os, "_exit", lambda status: (_ for _ in ()).throw(SystemExit(status)))
    autoreload.add_reload_hook(broken)
    autoreload.add_reload_hook(lambda: ran.append("hook"))

    async def edit() -> None:
        await trio.sleep(1.2)
        touch(watched, "a = 5")

    with pytest.raises(BaseExceptionGroup) as raised:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edit)
            nursery.start_soon(autoreload.reload_on_change)
    assert raised.group_contains(SystemExit)
    command = autoreload.restart_command()
    assert ran == ["hook", command, command]
    assert command[0] == sys.executable
    assert autoreload.reload_attempted()
    assert "Exception in reload hook" in caplog.text


def test_restart_keeps_options_and_arguments(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os, sys\n"
        "from tornado_trio import autoreload\n"
        "print(sys.argv, sys.flags.optimize, __spec__ and __spec__.name)\n"
        "sys.argv[:] = ['changed']\n"
        "if 'AGAIN' not in os.environ:\n"
        "    os.environ['AGAIN'] = '1'\n"
        "    autoreload.reload()\n"
    )
    for command in (["-O", "app.py", "x"], ["-O", "-m", "app", "x"]):
        ended = python(*command, cwd=tmp_path)
        first, second = ended.stdout.splitlines()
        assert first == second, ended.stderr
        assert "'x'] 1" in first


def test_wrapper_survives_a_broken_program(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("a = (")
    # The wait for a change is cut short: it is what we want to have reached.
    (tmp_path / "wrap.py").write_text(
        "import sys\n"
        "from tornado_trio import autoreload\n"
        "def wait():\n"
        "    print(sorted(autoreload._watched_files))\n"
        "    sys.exit(7)\n"
        "autoreload.wait = wait\n"
        "autoreload.main(sys.argv[1:])\n"
    )
    ended = python("wrap.py", "broken.py", cwd=tmp_path)
    assert ended.returncode == 7, ended.stderr
    assert str(tmp_path / "broken.py") in ended.stdout
    assert "uncaught exception" in ended.stderr

    (tmp_path / "fine.py").write_text("import sys; print(sys.argv); sys.exit(0)")
    ended = python("wrap.py", "--until-success", "fine.py", "-x", cwd=tmp_path)
    assert ended.returncode == 0
    assert ended.stdout == "['fine.py', '-x']\n"
    assert python("wrap.py", "fine.py", cwd=tmp_path).returncode == 7


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 1, "is required"),
        (["-c", "1"], 1, "no source"),
        (["nowhere.py"], 2, "can't open file"),
        (["--help"], 0, "--until-success"),
    ],
)
def test_wrapper_usage(tmp_path: Path, arguments: list[str], status: int, text: str) -> None:
    ended = python("-m", "tornado_trio.autoreload", *arguments, cwd=tmp_path)
    assert ended.returncode == status
    assert text in ended.stdout + ended.stderr
