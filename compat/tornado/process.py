"""`tornado.process`: several processes serving one port, and child processes with streams.

Knows fork, signals and pipes. Must not know HTTP.
"""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado import iostream
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.loop import exit_watch
from tornado._impl.names import handing_on
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.log import gen_log

CalledProcessError = subprocess.CalledProcessError

_task_id: int | None = None


def cpu_count() -> int:
    """How many processors this machine has."""
    return os.cpu_count() or 1


def fork_processes(num_processes: int | None, max_restarts: int | None = None) -> int:
    """Fork children and supervise them; returns in each child, with its number.

    A child that dies (of a signal, or with a status other than 0) is restarted with the same
    number. The parent never returns: it exits when all children have exited with status 0. A
    SIGTERM to it ends the children, and then the parent.

    Args:
      num_processes: None or 0: one per processor.
      max_restarts: how many restarts in all (100 by default) before giving up:
        RuntimeError.

    NotImplementedError where there is no fork (Windows).

    No IOLoop may exist yet: its descriptors and threads do not survive a fork.
    """
    global _task_id
    if not hasattr(os, "fork"):
        raise NotImplementedError("this system has no fork: start the processes by other means")
    from tornado._impl.loop.forking import Parent

    if max_restarts is None:
        max_restarts = 100
    if _task_id is not None:
        raise AssertionError("fork_processes in a child of fork_processes")
    if not num_processes or num_processes <= 0:
        num_processes = cpu_count()
    gen_log.info("Starting %d processes", num_processes)
    with Parent() as parent:
        for number in range(num_processes):
            if parent.start(number):
                _task_id = number
                return number
        restarted = parent.watch(max_restarts)
        if restarted is not None:
            _task_id = restarted
            return restarted
    # All ended well, and there is no server in this process to go on with. exit() and not
    # _exit(): the program's own clean-up runs.
    sys.exit(0)


def task_id() -> int | None:
    """This child's number, from 0; None if the process is not one of `fork_processes`."""
    return _task_id


class Subprocess:
    """`subprocess.Popen` whose pipes are streams and whose end is an event.

    The arguments are Popen's, and `stdin`, `stdout`, `stderr` may be `Subprocess.STREAM`:
    the attribute of that name is then a `PipeIOStream`. A stream that is no longer needed
    should be closed.
    """

    STREAM = object()

    #: Process id -> those whose end is waited for; programs end them all when they stop.
    #: (Weakly: what watches a process keeps it.)
    _waiting: weakref.WeakValueDictionary[int, Subprocess] = weakref.WeakValueDictionary()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        io_loop = kwargs.pop("io_loop", None)
        self.io_loop: Any = IOLoop.current() if io_loop is None else checked_loop(io_loop)
        ours: dict[str, int] = {}  # ends of pipes that become our streams
        theirs: list[int] = []
        try:
            for name in ("stdin", "stdout", "stderr"):
                if kwargs.get(name) is Subprocess.STREAM:
                    kwargs[name], ours[name] = _pipe(name)
                    theirs.append(kwargs[name])
            self.proc = subprocess.Popen(*args, **kwargs)
        except BaseException:
            for fd in (*ours.values(), *theirs):
                os.close(fd)
            raise
        for fd in theirs:
            os.close(fd)
        self.pid = self.proc.pid
        self.returncode: int | None = None
        self.stdin: Any = self.proc.stdin
        self.stdout: Any = self.proc.stdout
        self.stderr: Any = self.proc.stderr
        # Found in this module first: there programs put a kind of their own.
        kind = globals().get("PipeIOStream") or iostream.PipeIOStream
        for name, fd in ours.items():
            setattr(self, name, kind(fd, io_loop=io_loop))
        self._exit_callback: Callable[[int], Any] | None = None

    def set_exit_callback(self, callback: Callable[[int], Any]) -> None:
        """Call `callback(returncode)` on the loop when the process has ended.

        The code is negative after a signal, as in the `subprocess` module.
        """
        self._exit_callback = callback
        Subprocess._waiting[self.pid] = self
        exit_watch.watch(self.pid, self.io_loop, self._ended)

    def wait_for_exit(self, raise_error: bool = True) -> Any:
        """A Future of the return code.

        With `raise_error` it fails with `CalledProcessError` if that is not 0.
        """
        future = Future()

        def ended(code: int) -> None:
            if future.done():
                return  # cancelled
            if code != 0 and raise_error:
                future.set_exception(CalledProcessError(code, "unknown"))
            else:
                future.set_result(code)

        self.set_exit_callback(ended)
        return future

    @classmethod
    def initialize(cls, io_loop: Any = None) -> None:
        """Prepare for `set_exit_callback`. Not needed any more: the kernel reports the end of each
        child without a SIGCHLD handler, in any thread."""

    @classmethod
    def uninitialize(cls) -> None:
        """Undo `initialize`."""

    def _ended(self, status: int | None) -> None:
        code = self.proc.poll() if status is None else os.waitstatus_to_exitcode(status)
        self.returncode = 0 if code is None else code
        # Popen must know too, or it would wait for the child again and warn.
        self.proc.returncode = self.returncode
        Subprocess._waiting.pop(self.pid, None)
        callback, self._exit_callback = self._exit_callback, None
        if callback is not None:
            callback(self.returncode)


def _pipe(name: str) -> tuple[int, int]:
    """The child's end and ours."""
    read, write = os.pipe()
    return (read, write) if name == "stdin" else (write, read)


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.process")
