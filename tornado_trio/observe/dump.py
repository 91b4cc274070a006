"""SIGUSR1: the task tree of this process to stderr. Knows signals, trio's token and the tree.

If stackscope is installed, its full dump; otherwise ours, frames included.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import trio

from .inspector import Inspector
from .text import tree_text

__all__ = ["dump_on_signal", "dump_text"]


def dump_text(inspector: Inspector) -> str:
    """The tree of the current run, frames included, as text."""
    text = tree_text([inspector.state(frames=True)])
    try:
        import stackscope
    except ImportError:
        return text
    root = trio.lowlevel.current_root_task()
    if root is None:
        return text
    return text + str(stackscope.extract(root, recurse_child_tasks=True))


async def dump_on_signal(inspector: Inspector) -> None:
    """Dump the caller's run on SIGUSR1, until this is cancelled.

    Does nothing outside the main thread, where there is no such signal, or if the program handles
    it itself.
    """
    number = getattr(signal, "SIGUSR1", None)
    main = threading.current_thread() is threading.main_thread()
    if number is None or not main or signal.getsignal(number) is not signal.SIG_DFL:
        return
    token = trio.lowlevel.current_trio_token()

    def show() -> None:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, dump_text(inspector).encode())

    def handle(number: int, frame: Any) -> None:
        try:
            token.run_sync_soon(show)
        except trio.RunFinishedError:
            return  # there is no tree any more

    signal.signal(number, handle)
    try:
        await trio.sleep_forever()
    finally:
        if signal.getsignal(number) is handle:
            signal.signal(number, signal.SIG_DFL)
