"""Programs as modules to test in this process, and as processes of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tornado.options import options

import compat  # noqa: F401 (first: it makes `tornado` ours)

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
FOUND = Path(__file__).parent / "found"


def load(path: str | Path) -> ModuleType:
    """An example as a module, imported once (options may be defined once only)."""
    path = EXAMPLES / path
    name = "example_" + "_".join(path.relative_to(ROOT).with_suffix("").parts)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with own_options():
            spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


@contextlib.contextmanager
def own_options() -> Iterator[None]:
    """Let a program define options that another one has defined, in the same process."""
    state = vars(options)
    before, state["_options"] = state["_options"], {}
    try:
        yield
    finally:
        state["_options"] |= before


def get(url: str, seconds: float = 20) -> str:
    """The page at `url`, once its server listens. An error page is a page."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                page: str = answer.read().decode()
                return page
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def command(path: str | Path, *args: str, overlay: bool = True) -> list[str]:
    launcher = ["-m", "compat"] if overlay else []
    return [sys.executable, *launcher, str(EXAMPLES / path), *args]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(path: str | Path, *args: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """A program to its end."""
    return subprocess.run(
        command(path, *args),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
    )


@contextlib.contextmanager
def running(
    path: str | Path, *args: str, overlay: bool = True, cwd: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A program in a session of its own: what it forks ends with the block, too."""
    process = subprocess.Popen(
        command(path, *args, overlay=overlay),
        env=environment(),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
