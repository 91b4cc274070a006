"""`watch_life`: finding workers that hang, or never become ready. Knows `WorkerProcess`."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import NoReturn

import trio

from .process import WorkerProcess

if sys.platform == "win32":
    raise ImportError("Windows passes no descriptors")

__all__ = ["watch_life"]

logger = logging.getLogger("tornado_trio.service")

LOOK_EVERY = 1.0  # seconds between looks at the workers' signs of life
LATE = 30.0  # seconds after which a worker that is not ready is wondered about
ABORT_WITHIN = 1.0  # seconds that SIGABRT gets to show where a worker hangs


async def watch_life(
    alive: Callable[[], Iterable[WorkerProcess]], reap: Callable[[], object], longest: float
) -> NoReturn:
    """Kill each worker whose last sign of life is older than `longest` seconds (0: none).

    Args:
        alive: returns the current workers.
        reap: called at each check, too: SIGCHLD reports ended workers, except those that ended
            before it was handled.
    """
    pause = min(LOOK_EVERY, longest / 2) if longest else LOOK_EVERY
    while True:
        before = time.monotonic()
        await trio.sleep(pause)
        reap()
        if time.monotonic() - before > pause + LOOK_EVERY:
            continue  # all of us were stopped (Ctrl-Z, say): they get time for a sign of life
        for worker in alive():
            _wonder_about(worker)
            if longest and worker.silent_for > longest and not worker.aborted:
                await _abort(worker)


def _wonder_about(worker: WorkerProcess) -> None:
    if not worker.settled.is_set() and worker.age > LATE and not worker.late:
        worker.late = True
        logger.warning(
            "worker %d (pid %d) has not called serve() for %.0f s",
            worker.number, worker.pid, worker.age,
        )  # fmt: skip


async def _abort(worker: WorkerProcess) -> None:
    worker.aborted = True
    logger.critical(
        "worker %d (pid %d) has not answered for %.0f s: killed. It hangs here:",
        worker.number, worker.pid, worker.silent_for,
    )  # fmt: skip
    worker.kill(signal.SIGABRT)
    with trio.move_on_after(ABORT_WITHIN):
        await worker.dead.wait()
    worker.kill()
