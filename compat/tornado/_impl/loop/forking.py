"""The parent of `fork_processes`: children by number, their restarts, and signals.

Knows fork and signals. Not to be imported where there is no fork.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from tornado._impl.generation import report_and_die
from tornado.log import gen_log

if sys.platform == "win32":
    raise ImportError("Windows has no fork")

__all__ = ["Parent"]

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Parent:
    """The children of `fork_processes`, and the signals that end the parent while it waits.

    SIGTERM and SIGHUP, where the program left them alone, go to the children; the parent dies of
    them when the last child has ended, so that waiting for it waits for all. A handler
    of the program's own is left in place; if it ends the parent by an exception (`sys.exit`), the
    children get a SIGTERM before. Ctrl-C is everybody's: a terminal tells the children too.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._children: dict[int, int] = {}
        self._before: dict[int, Any] = {}
        self._ended_by: int | None = None

    def start(self, number: int) -> bool:
        """Fork child `number`. True in the child, which knows nothing of this any more."""
        if self._ended_by:
            return False
        # No signal may arrive while there is a child that has not been recorded, nor to a child
        # that still has its parent's handlers.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            pid = _fork_child()
            if pid is None:
                self._restore()
                return True
            self._children[pid] = number
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def watch(self, max_restarts: int) -> int | None:
        """Wait, and start again who died; None when all have ended. A number: in that child."""
        restarts = 0
        while self._children:
            pid, status = os.wait()
            if pid not in self._children:
                continue
            number = self._children.pop(pid)
            if self._ended_by or not _died(number, pid, status):
                continue
            restarts += 1
            if restarts > max_restarts:
                raise RuntimeError("Too many child restarts, giving up")
            if self.start(number):
                return number
        return None

    def __enter__(self) -> Parent:
        # Only there may handlers be set.
        main = threading.current_thread() is threading.main_thread()
        for number in (signal.SIGTERM, signal.SIGHUP) if main else ():
            handler = signal.getsignal(number)
            if handler is signal.SIG_DFL or handler is report_and_die:
                self._before[number] = handler
                signal.signal(number, self._pass_on)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        if os.getpid() != self._pid:
            return
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            self._tell(signal.SIGTERM)
            try:
                while self._children:
                    self._children.pop(os.wait()[0], None)
            except ChildProcessError:
                pass  # the exception came between a child's end and our note of it
        self._restore()
        if self._ended_by:
            signal.raise_signal(self._ended_by)

    def _pass_on(self, number: int, frame: object) -> None:
        self._ended_by = number
        self._tell(number)

    def _tell(self, number: int) -> None:
        for pid in list(self._children):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # it has ended, and its turn to be waited for has not come

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _died(number: int, pid: int, status: int) -> bool:
    if os.WIFSIGNALED(status):
        gen_log.warning(
            "child %d (pid %d) killed by signal %d, restarting", number, pid, os.WTERMSIG(status)
        )
        return True
    if os.WEXITSTATUS(status) != 0:
        gen_log.warning(
            "child %d (pid %d) exited with status %d, restarting",
            number, pid, os.WEXITSTATUS(status),
        )  # fmt: skip
        return True
    gen_log.info("child %d (pid %d) exited normally", number, pid)
    return False


def _fork_child() -> int | None:
    """The child's pid, in the parent; None in the child."""
    _flush_standard_streams()
    pid = os.fork()
    if pid:
        return pid
    _reseed_random()
    return None


def _flush_standard_streams() -> None:
    # Text not yet written would be written by each child again.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is none, or it is closed: nothing to repeat


def _reseed_random() -> None:
    # The children would otherwise draw the same numbers.
    if "random" in sys.modules:
        sys.modules["random"].seed(os.urandom(16))
