"""The environment of a parent process: a terminal, a container. Knows Unix."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    raise ImportError("Windows has other terminals, and no orphans")

__all__ = ["has_terminal", "is_first_process", "reap_orphans"]


def is_first_process() -> bool:
    """Whether orphans of the container become this process's children."""
    return os.getpid() == 1


def reap_orphans(workers: set[int]) -> None:
    """As the first process of a container: reap orphaned children."""
    if sys.platform != "linux":
        return
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in workers:
            return  # a worker: `reap` collects it, and the next check continues
        try:
            os.waitpid(found.si_pid, os.WNOHANG)
        except ChildProcessError:
            return


def has_terminal() -> bool:
    """Whether the process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
