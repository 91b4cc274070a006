"""`tornado.process`: several processes serving one port, and child processes with streams.

Knows fork, signals and pipes. Must not know HTTP.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado._impl.generation import report_and_die
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.loop import exit_watch
from tornado._impl.names import handing_on
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.iostream import PipeIOStream
from tornado.log import gen_log

CalledProcessError = subprocess.CalledProcessError

_task_id: int | None = None


def cpu_count() -> int:
    """How many processors this machine has."""
    return os.cpu_count() or 1


def fork_processes(num_processes: int | None, max_restarts: int | None = None) -> int:
    """Fork children and watch over them; returns in each child, with its number.

    A child that dies (of a signal, or with a status other than 0) is started again, with
    the same number. The parent never returns: it exits when all children have ended well. A
    SIGTERM to it ends the children, and then the parent.

    Args:
      num_processes: None or 0: one per processor.
      max_restarts: how many restarts in all (100 by default) before giving up:
        RuntimeError.

    No IOLoop may exist yet: its descriptors and threads do not survive a fork.
    """
    if max_restarts is None:
        max_restarts = 100
    if _task_id is not None:
        raise AssertionError("fork_processes in a child of fork_processes")
    if not num_processes or num_processes <= 0:
        num_processes = cpu_count()
    gen_log.info("Starting %d processes", num_processes)
    parent = _Parent()
    with parent:
        for number in range(num_processes):
            if parent.start(number):
                return number
        restarted = parent.watch(max_restarts)
        if restarted is not None:
            return restarted
    # All ended well, and there is no server in this process to go on with. exit() and not
    # _exit(): the program's own clean-up runs.
    sys.exit(0)


class _Parent:
    """The children of `fork_processes`, and the signals that end the parent while it waits.

    SIGTERM and SIGHUP, where the program left them alone, go to the children; the parent dies of
    them when the last child has ended, so that whoever waits for it has waited for all. A handler
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
        pid = None if self._ended_by else _fork_child(number)
        if pid is None and os.getpid() != self._pid:
            self._restore()
            return True
        if pid is not None:
            self._children[pid] = number
            if self._ended_by:  # it came while we forked
                _send(pid, self._ended_by)
        return False

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

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only there may handlers be set
        for number in (signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler is signal.SIG_DFL or handler is report_and_die:
                self._before[number] = handler
                signal.signal(number, self._pass_on)

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        if os.getpid() != self._pid:
            return
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            self._tell(signal.SIGTERM)
            while self._children:
                self._children.pop(os.wait()[0], None)
        self._restore()
        if self._ended_by:
            signal.raise_signal(self._ended_by)

    def _pass_on(self, number: int, frame: object) -> None:
        if os.getpid() == self._pid:
            self._ended_by = number
            self._tell(number)
        else:  # a child, too young to have restored its own
            self._restore()
            signal.raise_signal(number)

    def _tell(self, number: int) -> None:
        for pid in list(self._children):
            _send(pid, number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended, and its turn to be waited for has not come


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


def _fork_child(number: int) -> int | None:
    """The child's pid, in the parent; None in the child."""
    global _task_id
    _flush_standard_streams()
    pid = os.fork()
    if pid:
        return pid
    _reseed_random()
    _task_id = number
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
        for name, fd in ours.items():
            setattr(self, name, PipeIOStream(fd, io_loop=io_loop))
        self._exit_callback: Callable[[int], Any] | None = None

    def set_exit_callback(self, callback: Callable[[int], Any]) -> None:
        """Call `callback(returncode)` on the loop when the process has ended.

        The code is negative after a signal, as in the `subprocess` module.
        """
        self._exit_callback = callback
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
        """Prepare for `set_exit_callback`. Not needed any more: the kernel tells us of each
        child by itself, without a SIGCHLD handler, in any thread."""

    @classmethod
    def uninitialize(cls) -> None:
        """Undo `initialize`."""

    def _ended(self, status: int | None) -> None:
        code = self.proc.poll() if status is None else os.waitstatus_to_exitcode(status)
        self.returncode = 0 if code is None else code
        # Popen must know too, or it would wait for the child again and warn.
        self.proc.returncode = self.returncode
        callback, self._exit_callback = self._exit_callback, None
        if callback is not None:
            callback(self.returncode)


def _pipe(name: str) -> tuple[int, int]:
    """The child's end and ours."""
    read, write = os.pipe()
    return (read, write) if name == "stdin" else (write, read)


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.process")
