"""What loops did differently in old releases: selected by generation.

Knows which loop is current, and asyncio's exception handlers.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tornado._impl.loop.current import current_loop
from tornado.log import app_log

__all__ = ["StopsEarly", "becomes_current", "log_as_tornado"]


def becomes_current(make_current: bool | None) -> bool:
    """Whether a new loop becomes the thread's, by the rules before Tornado 6.2.

    The first one does, unless `make_current` is False; later ones do not, and True is an error for
    them.
    """
    if make_current is False:
        return False
    exists = current_loop(instance=False) is not None
    if make_current and exists:
        raise RuntimeError("current IOLoop already exists")
    return not exists


class StopsEarly:
    """A loop that was stopped before it was started returns at once, even when it is closed."""

    asyncio_loop: asyncio.AbstractEventLoop
    _stopped_early = False

    def start(self) -> None:
        if self._stopped_early:
            self._stopped_early = False
            return
        super().start()  # type: ignore[misc]

    def stop(self) -> None:
        if self.asyncio_loop.is_running():
            super().stop()  # type: ignore[misc]
        else:
            self._stopped_early = True


def log_as_tornado(loop: Any, context: dict[str, Any]) -> None:
    """The exception handler of asyncio's loop before Tornado 5: such Futures were our own."""
    if "future" in context and "exception" in context:
        app_log.error(
            "%s: %r", context["message"], context["future"], exc_info=context["exception"]
        )
    else:
        loop.default_exception_handler(context)
