"""SIGTERM and SIGINT for one process that serves: the first drains, the second cuts.

Knows signals and `Service.stop`, `cut`. Must not know sockets or other processes.

The handlers are our own, not trio's: they act while the loop is busy, too, so that a second
Ctrl-C ends a process whose loop is blocked.
"""

from __future__ import annotations

import faulthandler
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import trio

from .lifetime import Service

__all__ = ["StopSignals"]

logger = logging.getLogger("tornado_trio.service")

STDERR = 2  # the descriptor: sys.stderr may be anything
CUT_WITHIN = 1.0  # seconds from the second signal to the end of the process


class StopSignals:
    """Counts the signals that ask a process to end, and passes them to its `Service`.

    A process that is still running a second after the second signal (its loop is blocked, or it
    waits for a thread) is ended by faulthandler, which prints the stacks of its threads on stderr.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers or (signal.SIGTERM, signal.SIGINT)
        self.received: list[signal.Signals] = []
        self._acted_on = 0
        self._token: trio.lowlevel.TrioToken | None = None
        self._service: Service | None = None

    @property
    def cut_by(self) -> signal.Signals | None:
        """The second signal, if there was one."""
        return self.received[1] if len(self.received) > 1 else None

    @contextmanager
    def installed(self) -> Iterator[StopSignals]:
        """The handlers are in place in the block. Off the main thread nothing is done."""
        before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in self._numbers:
                before[number] = signal.signal(number, self._handle)
        try:
            yield self
        finally:
            for number, handler in before.items():
                # None: it was not Python's.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            if self.received:
                faulthandler.cancel_dump_traceback_later()

    def attach(self, service: Service) -> None:
        """Pass signals to `service` from now on. Called in the run."""
        self._token, self._service = trio.lowlevel.current_trio_token(), service
        self._act()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received.append(signal.Signals(number))
        if len(self.received) > 1:
            faulthandler.dump_traceback_later(CUT_WITHIN, exit=True, file=STDERR)
        if self._token is not None:
            try:
                self._token.run_sync_soon(self._act)
            except trio.RunFinishedError:
                return  # it has ended: nothing is left to stop

    def _act(self) -> None:
        service = self._service
        assert service is not None
        while self._acted_on < len(self.received):
            number = self.received[self._acted_on]
            self._acted_on += 1
            if self._acted_on == 1:
                busy = sum(server.statistics()["connections"] for server in service.servers)
                logger.info("%s: stopping; open connections: %d", number.name, busy)
                faulthandler.dump_traceback_later(service.patience, exit=True, file=STDERR)
                service.stop()
            elif self._acted_on == 2:
                logger.warning("%s again: cutting what is under way", number.name)
                faulthandler.dump_traceback_later(CUT_WITHIN, exit=True, file=STDERR)
                service.cut()
