"""Telling a loop that a child process has ended. Knows pidfds and, where there are none,
a thread that waits.

No SIGCHLD handler: it would work in the main thread only, and reap other children as well.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

Ended = Callable[["int | None"], Any]


def watch(pid: int, io_loop: Any, ended: Ended) -> None:
    """Call `ended(status)` on the loop when the child `pid` has ended, and reap it.

    `status` is as of waitpid; None if it was reaped elsewhere.
    """
    try:
        fd: int = os.pidfd_open(pid)  # type: ignore[attr-defined, unused-ignore]
    except (AttributeError, OSError):
        # Not Linux, an old kernel, or gone without a trace: the last, waitpid will tell.
        _watch_by_thread(pid, io_loop, ended)
        return

    def readable(_fd: Any, _events: int) -> None:
        io_loop.remove_handler(fd)
        os.close(fd)
        _run(io_loop, ended, _reap(pid, 0))

    io_loop.add_handler(fd, readable, io_loop.READ)


def _watch_by_thread(pid: int, io_loop: Any, ended: Ended) -> None:
    def wait() -> None:
        status = _reap(pid, 0)
        io_loop.add_callback(ended, status)

    threading.Thread(target=wait, name=f"waitpid-{pid}", daemon=True).start()


def _reap(pid: int, options: int) -> int | None:
    try:
        return os.waitpid(pid, options)[1]
    except ChildProcessError:
        return None


def _run(io_loop: Any, ended: Ended, status: int | None) -> None:
    # On a turn of its own: an error in the program's callback is then a callback's error,
    # and not one of the loop's handler.
    io_loop.add_callback(ended, status)
