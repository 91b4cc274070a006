"""SIGINT and SIGTERM while a service is ending: a second signal cuts the drain.

Knows signals. Must not know what is interrupted, and changes nothing of what they do besides:
the handlers that were there are called, too.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import trio

__all__ = ["second_signal"]

_NUMBERS = (signal.SIGINT, signal.SIGTERM)

# What to call, while something in this process ends; what our handler stands before.
_told: list[tuple[trio.lowlevel.TrioToken, Callable[[], object]]] = []
_before: dict[int, Any] = {}


@contextmanager
def second_signal(interrupt: Callable[[], object]) -> Iterator[None]:
    """Have `interrupt` called, in this run, if SIGINT or SIGTERM comes while the block runs.

    Only from the main thread, where signals are handled. A signal left to the system's default,
    or ignored, stays so: the first of these ends the process faster than anything here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    entry = (trio.lowlevel.current_trio_token(), interrupt)
    if not _told:
        _install()
    _told.append(entry)
    try:
        yield
    finally:
        _told.remove(entry)
        if not _told:
            _remove()


def _install() -> None:
    for number in _NUMBERS:
        handler = signal.getsignal(number)
        if callable(handler):
            _before[number] = handler
            signal.signal(number, _handle)


def _remove() -> None:
    for number, handler in _before.items():
        if signal.getsignal(number) is _handle:  # the program may have restored it itself
            signal.signal(number, handler)
    _before.clear()


def _handle(number: int, frame: FrameType | None) -> None:
    for token, interrupt in _told:
        try:
            token.run_sync_soon(interrupt)
        except trio.RunFinishedError:
            pass  # there is nothing left to interrupt
    handler = _before.get(number)
    if handler is not None:
        handler(number, frame)
