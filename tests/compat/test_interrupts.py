"""Ctrl-C ends a program at once, wherever it happens to be: `interrupted.py` in a child."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import compat  # noqa: F401  isort: skip

import pytest
from tornado.ioloop import IOLoop

from tests.children import ending

from ..python import ROOT, python

PROGRAM = Path(__file__).with_name("interrupted.py")
PUBLIC_ONLY = {"TORNADO_TRIO_PUBLIC_ONLY": "1"}


@pytest.mark.parametrize("environ", [{}, PUBLIC_ONLY], ids=["private", "public"])
@pytest.mark.parametrize(
    "place",
    ["callback", "timeout", "periodic", "asyncio", "trio", "generator", "handler", "run_sync"],
)
def test_a_busy_program_is_interrupted(place: str, environ: dict[str, str]) -> None:
    status, printed, errors = interrupt(place, environ)
    assert status == -signal.SIGINT
    assert printed == ""
    assert errors.endswith("KeyboardInterrupt\n")
    assert "abandoned" not in errors


def test_a_program_may_catch_the_interrupt_where_it_was_busy() -> None:
    assert interrupt("caught", {}) == (0, "went on\n", "")


@pytest.mark.parametrize("environ", [{}, PUBLIC_ONLY], ids=["private", "public"])
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_an_idle_program_is_interrupted_and_keeps_its_tasks(
    library: str, environ: dict[str, str]
) -> None:
    printed = "interrupted\nstill there\ncleaned up\n"
    assert interrupt("idle", environ, library) == (0, printed, "")


def test_a_busy_program_is_interrupted_in_a_plain_trio_run() -> None:
    assert interrupt("in_trio", {}) == (0, "", "")


@pytest.mark.parametrize("environ", [{}, PUBLIC_ONLY], ids=["private", "public"])
@pytest.mark.parametrize("hosting", ["often", "opened"])
def test_no_moment_swallows_an_interrupt(hosting: str, environ: dict[str, str]) -> None:
    ended = python("-m", "compat", PROGRAM, hosting, "100", **environ)
    assert ended.stdout == "100\n"
    # Fetches that were cancelled may log how they ended, as documented; nothing else may.
    assert "internal error" not in ended.stderr
    assert "abandoned" not in ended.stderr


def interrupt(place: str, environ: dict[str, str], *args: str) -> tuple[int, str, str]:
    """Status and output (after its "busy") of the program that is interrupted there."""
    with ending(
        subprocess.Popen(
            [sys.executable, "-m", "compat", PROGRAM, place, *args],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "busy\n"
            process.send_signal(signal.SIGINT)
            printed, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    return process.returncode, printed, errors


WOKEN: dict[str, Callable[[IOLoop], object]] = {
    "add_callback": lambda loop: loop.add_callback(loop.stop),
    "add_timeout": lambda loop: loop.add_timeout(timedelta(seconds=0.01), loop.stop),
    "call_later": lambda loop: loop.call_later(0, loop.stop),
    "stop": lambda loop: loop.stop(),
    "call_soon": lambda loop: asyncio.get_running_loop().call_soon(loop.stop),
}


@pytest.mark.parametrize("way", list(WOKEN))
def test_a_signal_handler_of_the_program_ends_an_idle_loop(way: str) -> None:
    """The handler runs within the loop's wait, which nothing else would end for a minute."""
    loop = IOLoop()
    late: list[str] = []
    loop.call_later(60, lambda: (late.append("late"), loop.stop()))
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: WOKEN[way](loop))
    # Sent when the loop waits: each of its turns before has something to run.
    selector: Any = getattr(loop.asyncio_loop, "_selector")  # noqa: B009 - a private name
    select = selector.select

    def sent_within(timeout: float | None = None) -> Any:
        if timeout is None or timeout > 1:
            me = threading.main_thread().ident
            assert me is not None
            threading.Timer(0.1, signal.pthread_kill, (me, signal.SIGUSR1)).start()
            selector.select = select
        return select(timeout)

    selector.select = sent_within
    try:
        loop.start()
    finally:
        signal.signal(signal.SIGUSR1, before)
        loop.close(all_fds=True)
    assert late == []


def test_what_signals_wake_is_given_back() -> None:
    loop = IOLoop()
    during: list[int] = []

    def look() -> None:
        during.append(signal.set_wakeup_fd(-1))
        signal.set_wakeup_fd(during[0])
        loop.stop()

    assert signal.set_wakeup_fd(-1) == -1
    loop.add_callback(look)
    loop.start()
    assert during[0] > 0
    assert signal.set_wakeup_fd(-1) == -1
    # The program's own stays; so does asyncio's, whose handlers it serves.
    mine, other = socket.socketpair()
    mine.setblocking(False)
    signal.set_wakeup_fd(mine.fileno())
    loop.add_callback(loop.stop)
    loop.start()
    assert signal.set_wakeup_fd(-1) == mine.fileno()
    mine.close()
    other.close()
    loop.add_callback(loop.asyncio_loop.add_signal_handler, signal.SIGUSR1, len, "")
    loop.add_callback(loop.stop)
    loop.start()
    kept = signal.set_wakeup_fd(-1)
    assert kept > 0
    signal.set_wakeup_fd(kept)
    loop.asyncio_loop.remove_signal_handler(signal.SIGUSR1)
    loop.close(all_fds=True)
    assert signal.set_wakeup_fd(-1) == -1
