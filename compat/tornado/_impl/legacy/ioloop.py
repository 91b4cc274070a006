"""What `tornado.ioloop` had until Tornado 5: `PollIOLoop`, the watch for a blocked loop.

Knows the interface of loops and SIGALRM; reached through `tornado.ioloop`.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable
from typing import Any

from tornado._impl.generation import old_idiom
from tornado.ioloop import IOLoop
from tornado.log import app_log, gen_log
from tornado.platform.asyncio import AsyncIOLoop

__all__ = [
    "PollIOLoop",
    "becomes_current",
    "log_as_tornado",
    "log_stack",
    "watch_blocking",
]


class PollIOLoop(AsyncIOLoop):
    """The name of the usual loop before Tornado 5. `time_func` is the clock of `time()`."""

    def initialize(  # type: ignore[override]
        self, impl: Any = None, time_func: Callable[[], float] | None = None, **kwargs: Any
    ) -> None:
        if time_func is not None:
            self.time = time_func  # type: ignore[method-assign]
        super().initialize(**kwargs)


def becomes_current(make_current: bool | None) -> bool:
    """Whether a new loop becomes the thread's, by the rules before Tornado 6.2.

    The first one does, unless told otherwise; later ones do not, and cannot be told to.
    """
    if make_current is False:
        return False
    exists = IOLoop.current(instance=False) is not None
    if make_current and exists:
        raise RuntimeError("current IOLoop already exists")
    return not exists


def log_as_tornado(loop: Any, context: dict[str, Any]) -> None:
    """The exception handler of asyncio's loop before Tornado 5: such Futures were our own."""
    if "future" in context and "exception" in context:
        app_log.error(
            "%s: %r", context["message"], context["future"], exc_info=context["exception"]
        )
    else:
        loop.default_exception_handler(context)


# --- the watch ------------------------------------------------------------------------------
class _Watch:
    """Winds SIGALRM's timer while the loop turns: it goes off when the loop does not."""

    def __init__(self, loop: IOLoop, seconds: float) -> None:
        self.loop = loop
        # Winding takes a turn of the loop each time; rarer ones make the alarm less exact.
        self.pause = seconds / 4
        self.limit = seconds + self.pause
        self.timeout: object = None

    def wind(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self.limit)
        self.timeout = self.loop.call_later(self.pause, self.wind)

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.timeout is not None:
            self.loop.remove_timeout(self.timeout)


_watch: _Watch | None = None


def watch_blocking(
    loop: IOLoop, seconds: float | None, action: Callable[[int, Any], Any] | None
) -> None:
    """See `IOLoop.set_blocking_signal_threshold`."""
    global _watch
    old_idiom("set_blocking_signal_threshold")
    if not hasattr(signal, "setitimer"):
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
            signal.setitimer(signal.ITIMER_REAL, 0)

    loop.start = start  # type: ignore[method-assign]


def log_stack(loop: IOLoop, frame: Any) -> None:
    """Log where the loop is blocked."""
    threshold = _watch.pause * 4 if _watch is not None and _watch.loop is loop else 0.0
    stack = "".join(traceback.format_stack(frame))
    gen_log.warning("IOLoop blocked for %f seconds in\n%s", threshold, stack)
