"""Ctrl-C ends a program at once, wherever it happens to be: `interrupted.py` in a child."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
