"""Ctrl-C while the thread's trio run is a guest. Knows frames, signals and module names.

trio raises KeyboardInterrupt right where a task of its own happens to be, which must not be
between two steps of a driver, and only there, which leaves out the callbacks of the host
loop. So while there is a guest its handler asks: is the program's own code running?
Then it is interrupted, as upstream's would be (it may be in a loop without end). In our,
trio's or asyncio's code trio is told instead, and ends the run from its main task.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

# What must not be interrupted half-way: it would lose a wake-up, a result, or the interrupt.
# weakref's callbacks are here since the interpreter drops what they raise.
_MACHINERY = frozenset(
    ("tornado_trio", "tornado", "trio", "outcome", "sniffio", "asyncio", "selectors")
    + ("uvloop", "weakref", "_weakrefset")
)


def in_program(frame: FrameType | None) -> bool:
    """Whether the innermost frame that is not merely the standard library's is a program's."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":  # what it raises is dropped, too
            return False
        module = frame.f_globals.get("__name__") or ""
        package = module.partition(".")[0]
        if package in _MACHINERY:
            return False
        if package not in sys.stdlib_module_names:
            return True
        frame = frame.f_back
    return False


class SigintHandler:
    """The process's handler of SIGINT from `install` to `uninstall`.

    `tell_trio` is trio's own handler, `is_turned` says whether the host loop is running: if
    not, nothing would end the run soon.
    """

    def __init__(self, tell_trio: Callable[..., object], is_turned: Callable[[], bool]) -> None:
        self._tell_trio = tell_trio
        self._is_turned = is_turned
        self._told = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self._told or not self._is_turned() or in_program(frame):
            # Told before: whoever presses Ctrl-C twice does not want to wait for the unwinding.
            raise KeyboardInterrupt
        self._told = True
        self._tell_trio(signum, frame)

    def install(self) -> None:
        signal.signal(signal.SIGINT, self)

    def uninstall(self) -> None:
        """Put Python's own handler back. Nothing is done off the main thread, which may not."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGINT) is self:
            signal.signal(signal.SIGINT, signal.default_int_handler)
