"""Ctrl-C in a trio run that steps coroutines in callbacks. Knows frames, signals, module names.

trio raises KeyboardInterrupt only inside its tasks: that may be between two steps of a driver,
where it must not be, and it leaves out code that callbacks run. So our handler first checks whether
the program's own code is running. If so, that is interrupted, as in upstream (it may be in an
endless loop). In our, trio's or asyncio's code, the runner of the loop is notified instead, and
raises it between two steps: a plain trio run in its main task, an asyncio loop out of
`run_forever`, which leaves its tasks as they are, as in upstream.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from . import trio_internals

Tell = Callable[[int, FrameType | None], object]
Handler = Tell | int

# What must not be interrupted half-way: it would lose a wake-up, a result, or the interrupt.
# weakref's callbacks are here since the interpreter drops what they raise.
_MACHINERY = frozenset(
    ("tornado_trio", "tornado", "trio", "outcome", "sniffio", "asyncio", "selectors")
    + ("uvloop", "weakref", "_weakrefset")
)


def in_program(frame: FrameType | None) -> bool:
    """Whether the innermost frame outside the standard library belongs to the program.

    Code marked by `trio.lowlevel.enable_ki_protection` does not count.
    """
    while frame is not None:
        if frame.f_code.co_name == "__del__":  # what it raises is dropped, too
            return False
        module = frame.f_globals.get("__name__") or ""
        package = module.partition(".")[0]
        if package in _MACHINERY or trio_internals.is_ki_protected(frame.f_code):
            return False
        if package not in sys.stdlib_module_names:
            return True
        frame = frame.f_back
    return False


class SigintHandler:
    """The process's handler of SIGINT from `installed` to `uninstall`, in front of trio's.

    `is_turned` says whether the loop is running: if not, nothing would end the run soon.
    `told` is set from the notification of the runner (`tell`) until that has raised it, and resets
    it.
    """

    def __init__(self, tell: Tell, restore: Handler, is_turned: Callable[[], bool]) -> None:
        self._tell = tell
        self._restore = restore
        self._is_turned = is_turned
        self.told = False

    @classmethod
    def installed(
        cls,
        is_turned: Callable[[], bool],
        *,
        tell: Tell | None = None,
        restore: Handler | None = None,
    ) -> SigintHandler | None:
        """Install a new one; None if the program has its own, or outside the main thread.

        `tell` is trio's own if None; `restore`, what `uninstall` puts in place, too.
        """
        present = signal.getsignal(signal.SIGINT)
        module = getattr(present, "__module__", None) or ""
        if not callable(present) or module.partition(".")[0] != "trio" or not _in_main_thread():
            return None
        handler = cls(tell or present, present if restore is None else restore, is_turned)
        signal.signal(signal.SIGINT, handler)
        return handler

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.told or not self._is_turned() or in_program(frame):
            # Already notified: a second Ctrl-C means not to wait for the unwinding.
            raise KeyboardInterrupt
        self.told = True
        self._tell(signum, None)  # no frame: it may not raise here, whatever it thinks

    def uninstall(self) -> None:
        """Restore the previous handler. Does nothing outside the main thread, where it is not
        allowed."""
        present: object = signal.getsignal(signal.SIGINT)
        if present is self and _in_main_thread():
            signal.signal(signal.SIGINT, self._restore)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
