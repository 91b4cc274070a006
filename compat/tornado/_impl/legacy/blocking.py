"""The watch for a blocked loop, as `tornado.ioloop` had it until Tornado 5.

Knows the interface of loops and SIGALRM; loaded when a program sets a threshold.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado._impl.generation import old_idiom
from tornado.log import gen_log

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop

__all__ = ["log_stack", "watch_blocking"]


class _Watch:
    """Winds SIGALRM's timer while the loop turns: it goes off when the loop does not."""

    def __init__(self, loop: IOLoop, seconds: float) -> None:
        self.loop = loop
        # Winding takes a turn of the loop each time; rarer ones make the alarm less exact.
        self.pause = seconds / 4
        self.limit = seconds + self.pause
        self.timeout: object = None

    def wind(self) -> None:
        _alarm_after(self.limit)
        self.timeout = self.loop.call_later(self.pause, self.wind)

    def end(self) -> None:
        _alarm_after(0)
        if self.timeout is not None:
            self.loop.remove_timeout(self.timeout)


def _alarm_after(seconds: float) -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


_watch: _Watch | None = None


def watch_blocking(
    loop: IOLoop, seconds: float | None, action: Callable[[int, Any], Any] | None
) -> None:
    """See `IOLoop.set_blocking_signal_threshold`."""
    global _watch
    old_idiom("set_blocking_signal_threshold")
    if sys.platform == "win32":
        gen_log.error("set_blocking_signal_threshold needs signal.setitimer")
        return
    if _watch is not None:
        _watch.end()
        _watch = None
    if seconds is None:
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL if action is None else action)
    watch = _watch = _Watch(loop, seconds)
    # The first turn winds it: until then the loop does not run, which is not being blocked.
    loop.add_callback(watch.wind)
    if "start" in vars(loop):  # from an earlier call
        return
    plain_start = loop.start

    def start() -> None:
        try:
            plain_start()
        finally:
            _alarm_after(0)

    loop.start = start  # type: ignore[method-assign, unused-ignore]


def log_stack(loop: IOLoop, frame: Any) -> None:
    """Log where the loop is blocked."""
    threshold = _watch.pause * 4 if _watch is not None and _watch.loop is loop else 0.0
    stack = "".join(traceback.format_stack(frame))
    gen_log.warning("IOLoop blocked for %f seconds in\n%s", threshold, stack)
