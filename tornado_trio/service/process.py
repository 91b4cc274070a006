"""`WorkerProcess`: one worker as its parent sees it. Knows processes, the channel and a row."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import trio

from ..autoreload import restart_command
from .board import Board
from .channel import Message, answer, messages, say
from .errors import CannotStart
from .place import VARIABLE, Place

if sys.platform == "win32":
    raise ImportError("Windows passes no descriptors")

__all__ = ["WorkerProcess", "check_restartable"]

logger = logging.getLogger("tornado_trio.service")

# What the service manager said to the parent is not for its children.
_MANAGERS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS")
Bind = Callable[[Message], list[socket.socket]]


def check_restartable() -> None:
    """Raises CannotStart if there is no command line to run again."""
    words = sys.orig_argv[1:]
    if not words or words[-1] == "-" or sys.argv[:1] == [""]:
        raise CannotStart(
            "workers are the program started again: run it from a file, with -m, "
            "or by tornado-trio serve",
            2,
        )


class WorkerProcess:
    """A started worker. `attend` is its task; the rest is called by the parent.

    Attributes:
      number: from 1; a worker and the one that replaces it have the same.
      state: "starting", "running" (its loop runs), "ready", "stopping" or "dead".
      status: its exit status once it is dead, negative: the signal that ended it.
      failure: its reason for not starting.
      patience: seconds that its shutdown may take.
      inspection: the socket for inspection queries, if enabled.
    """

    def __init__(self, number: int, board: Board, bind: Bind, *, inspected: bool = False) -> None:
        self.number = number
        self.state = "starting"
        self.status: int | None = None
        self.failure: Message | None = None
        self.patience = 60.0
        self.ready_message: Message | None = None
        self.settled = trio.Event()  # it is ready, or dead
        self.leaving = trio.Event()  # it has begun to end, or is dead
        self.dead = trio.Event()
        self.started = time.monotonic()
        self.aborted = False
        self.late = False  # it was said that it does not get ready
        self.told_to_stop = False
        self.left_by_itself = False  # a SIGTERM that was not ours
        self._bind = bind
        self._board = board
        try:
            self.row = board.take()
        except IndexError:
            raise CannotStart("a worker cannot be started: there are too many") from None
        self._control, control = socket.socketpair()
        self._broker, broker = socket.socketpair()
        fds = [control, broker]
        self.inspection: socket.socket | None = None
        if inspected:
            self.inspection, theirs = socket.socketpair()
            fds.append(theirs)
        place = Place(
            number=number,
            row=self.row.index,
            control=control.fileno(),
            broker=broker.fileno(),
            board=board.fd,
            inspection=theirs.fileno() if inspected else -1,
        )
        environ = {name: value for name, value in os.environ.items() if name not in _MANAGERS}
        environ[VARIABLE] = place.as_text()
        try:
            self._popen = self._start(environ, (*(sock.fileno() for sock in fds), board.fd))
        except OSError as error:
            self._control.close()
            self._broker.close()
            board.give_back(self.row)
            if self.inspection is not None:
                self.inspection.close()
            raise CannotStart(f"a worker cannot be started: {error}") from None
        finally:
            for sock in fds:
                sock.close()
        self.pid = self._popen.pid

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.number} pid {self.pid} {self.state}>"

    @staticmethod
    def _start(environ: Mapping[str, str], fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(restart_command(), env=environ, pass_fds=fds)

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    # --- tasks -----------------------------------------------------------------------------
    async def attend(self, told: Callable[[WorkerProcess, Message], object]) -> None:
        """Answer the worker's requests, and pass on its messages, until it is dead."""
        control = trio.socket.from_stdlib_socket(self._control)
        broker = trio.socket.from_stdlib_socket(self._broker)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answer, broker)
            async for message in messages(control):
                self._note(message)
                told(self, message)
            await self.dead.wait()
            nursery.cancel_scope.cancel()
        control.close()
        broker.close()

    async def _answer(self, broker: trio.socket.SocketType) -> None:
        async for question in messages(broker):
            try:
                sockets = self._bind(question)
            except CannotStart as error:
                answer(self._broker, {"error": str(error), "status": error.status}, [])
            else:
                answer(self._broker, {}, sockets)

    def _note(self, message: Message) -> None:
        match message["op"]:
            case "running" if self.state == "starting":
                self.state = "running"
            case "ready" if self.state in ("starting", "running"):
                self.state = "ready"
                self.ready_message = message
                self.settled.set()
            case "stopping":
                self.state = "stopping"
                self.left_by_itself = not self.told_to_stop
                self.leaving.set()
            case "failed":
                self.failure = message
        self.patience = message.get("patience", self.patience)

    def reap(self) -> bool:
        """Check whether it has ended; True if it has just been found dead."""
        if self.state == "dead" or self._popen.poll() is None:
            return False
        self.status = self._popen.returncode
        self.state = "dead"
        self._board.give_back(self.row)
        self.dead.set()
        self.leaving.set()
        self.settled.set()
        return True

    @property
    def silent_for(self) -> float:
        """Seconds since its last sign of life; 0 while it starts, and once it is dead."""
        beat = self.row.beat
        if self.state in ("starting", "dead") or not beat:
            return 0.0
        return time.monotonic() - beat

    # --- orders ------------------------------------------------------------------------------
    def stop(self, within: float | None = None) -> None:
        """Stop it: it drains, and is cut after `within` seconds."""
        self.told_to_stop = True
        self.say(op="stop", within=within)
        if self.state == "starting":
            self.kill(signal.SIGTERM)  # it may import for long before it reads what we say

    def cut(self) -> None:
        """End it at once."""
        self.say(op="cut")

    def say(self, **message: Any) -> None:
        """Send it a message; ignored if it has gone."""
        say(self._control, message)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it is alive."""
        self._popen.send_signal(number)

    @property
    def end(self) -> str:
        """How it ended, in words."""
        assert self.status is not None
        if self.status < 0:
            try:
                return f"was killed by {signal.Signals(-self.status).name}"
            except ValueError:
                return f"was killed by signal {-self.status}"
        return f"ended with status {self.status}"
