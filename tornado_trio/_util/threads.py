"""Worker threads of the library's own work, apart from the program's.

trio runs 40 threads at a time for all `to_thread` calls together. A program that keeps
them busy must not stop names from being looked up and uploads from being stored, so each
kind of work here has its own number, per trio run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple, final

import trio

__all__ = ["FILES", "LOOKUPS", "Threads"]

_Ts = TypeVarTuple("_Ts")
_T = TypeVar("_T")


@final
class Threads:
    """At most `count` threads of one kind of work."""

    __slots__ = ("_limiter", "count")

    def __init__(self, name: str, count: int) -> None:
        self.count = count
        self._limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar(name)

    async def run(
        self,
        function: Callable[[*_Ts], _T],
        *args: *_Ts,
        abandon_on_cancel: bool = False,
    ) -> _T:
        """What `function(*args)` returns or raises, called in a thread.

        Cancellation: waits for the call; with `abandon_on_cancel` the thread goes on alone
        and its result is dropped.
        """
        try:
            limiter = self._limiter.get()
        except LookupError:
            limiter = trio.CapacityLimiter(self.count)
            self._limiter.set(limiter)
        return await trio.to_thread.run_sync(
            function, *args, abandon_on_cancel=abandon_on_cancel, limiter=limiter
        )


#: Reading, writing and hashing files.
FILES: Final = Threads("tornado_trio_files", 16)
#: The system's resolver. One that does not answer holds its thread for 5 s and more.
LOOKUPS: Final = Threads("tornado_trio_lookups", 40)
