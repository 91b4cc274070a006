"""`Watchdog`: a thread that finds the code which blocks the loop for too long.

Knows threads, frames and trio's token. It asks the loop for a callback; if that takes too long, it
looks where the loop's thread is. This costs the loop one call per quarter of the bound. A step
shorter than 1.25 times the bound may go unnoticed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from typing import Any

import trio

from .._util.current import current_request
from .._util.troubles import Trouble
from ..interop.trio_internals import is_run_loop, task_of_step

__all__ = ["Watchdog"]

logger = logging.getLogger("tornado.general")

_LIBRARIES = frozenset(("trio", "tornado_trio", "tornado", "outcome", "asyncio", "selectors"))
KEPT = 50


class Watchdog:
    """Watches the run that `start` is called in.

    Args:
      seconds: for which a step may block the loop.

    Attributes:
      count: steps that took longer.
      blocks: the last of them, the newest last: time (seconds since 1970), where, request (its
        description, or None), seconds.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"a watchdog needs a time longer than 0 s, not {seconds!r}")
        self.seconds = seconds
        self.count = 0
        self.blocks: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<Watchdog {self.seconds} s, {self.count} steps took longer>"

    async def run(self) -> None:
        """`start`, and `stop` when it is cancelled."""
        self.start()
        try:
            await trio.sleep_forever()
        finally:
            self.stop()

    def start(self) -> None:
        """Begin, in the run and thread of the caller. Idempotent."""
        if self._thread is not None:
            return
        token, ident = trio.lowlevel.current_trio_token(), threading.get_ident()
        self._stop.clear()
        self._thread = threading.Thread(
            target=self._watch, args=(token, ident), name="watchdog", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop. Waits at most a second for the thread to end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)
            self._thread = None

    def _watch(self, token: trio.lowlevel.TrioToken, ident: int) -> None:
        while not self._stop.is_set():
            turned = threading.Event()
            asked = time.monotonic()
            try:
                token.run_sync_soon(turned.set)
            except trio.RunFinishedError:
                return
            if not turned.wait(self.seconds):
                found = _look(ident)
                while not turned.wait(0.05):
                    if self._stop.is_set():
                        return
                    found = found or _look(ident)
                if found is not None:
                    self._note(*found, time.monotonic() - asked)
            self._stop.wait(self.seconds / 4)

    def _note(self, where: str, request: str | None, seconds: float) -> None:
        self.count += 1
        self.blocks.append(
            {"time": time.time(), "where": where, "request": request, "seconds": seconds}
        )
        of = "" if request is None else f", {request}"
        logger.warning(
            f"the loop was held for %.0f ms by %s%s {Trouble.LOOP_HELD}",
            1000 * seconds,
            where,
            of,
        )


def _look(ident: int) -> tuple[str, str | None] | None:
    """Where the thread is, and in which request; None: in no step, it waits for events."""
    frame = sys._current_frames().get(ident)
    innermost, own = frame, None
    request = None
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if own is None and module.partition(".")[0] not in _LIBRARIES:
            own = frame
        if is_run_loop(frame):
            request = _request_of(task_of_step(frame))
            break
        if module == "asyncio.base_events" and frame.f_code.co_name == "_run_once":
            break
        frame = frame.f_back
    if frame is None or own is None or innermost is None:
        return None
    return f"{own.f_code.co_filename}:{own.f_lineno} in {own.f_code.co_qualname}", request


def _request_of(task: trio.lowlevel.Task | None) -> str | None:
    exchange = None if task is None else task.context.get(current_request)
    if exchange is None:
        return None
    method, target, _ = exchange.start_line
    path, mark, _ = target.partition("?")
    return f"request {exchange.request_id}: {method} {path}{'?…' if mark else ''}"
