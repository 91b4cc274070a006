"""Worker threads of the library's own work, apart from the program's.

trio runs 40 threads at a time for all `to_thread` calls together. A program that keeps
them busy must not stop names from being looked up and uploads from being stored, so each
kind of work here has its own number, per trio run.

trio's threads belong to the process, and stay idle for 10 seconds. A run that ends within a process
that continues (`asyncio.run` leaves no thread behind) has its own instead: `threads_of_run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, cast, final

from .late import later

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    import outcome
    import trio
else:
    outcome = later("outcome", globals())
    trio = later("trio", globals())

__all__ = ["FILES", "LOOKUPS", "Threads", "threads_of_run"]

_Ts = TypeVarTuple("_Ts")
_T = TypeVar("_T")


class _Pool:
    """Threads that end with a run, if they are idle then."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._busy = 0

    async def run(
        self,
        function: Callable[[], object],
        abandon_on_cancel: bool,
        limiter: trio.CapacityLimiter,
    ) -> object:
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor

            count = sum(kind.count for kind in (FILES, LOOKUPS))
            self._executor = ThreadPoolExecutor(count, "tornado_trio")
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
        abandoned = False

        def finished(future: Future[object]) -> None:  # in the thread
            try:
                token.run_sync_soon(over, future)
            except trio.RunFinishedError:
                pass  # the run is over: nothing waits for the result

        def over(future: Future[object]) -> None:
            self._busy -= 1
            limiter.release_on_behalf_of(function)  # held by one that was abandoned, too
            if not abandoned:
                trio.lowlevel.reschedule(task, outcome.capture(future.result))

        def abort(_: object) -> trio.lowlevel.Abort:
            nonlocal abandoned
            abandoned = abandon_on_cancel
            succeeded, failed = trio.lowlevel.Abort.SUCCEEDED, trio.lowlevel.Abort.FAILED
            return succeeded if abandoned else failed

        await limiter.acquire_on_behalf_of(function)
        self._busy += 1
        self._executor.submit(function).add_done_callback(finished)
        result: object = await trio.lowlevel.wait_task_rescheduled(abort)
        return result

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=not self._busy)


@cache
def _run_var(name: str) -> trio.lowlevel.RunVar[Any]:
    return trio.lowlevel.RunVar(f"tornado_trio_{name}")


@contextmanager
def threads_of_run() -> Iterator[None]:
    """For the duration of a trio run: it has its own threads, which end with it."""
    pool = _Pool()
    _run_var("pool").set(pool)
    try:
        yield
    finally:
        pool.close()


@final
class Threads:
    """At most `count` threads of one kind of work."""

    __slots__ = ("_name", "count")

    def __init__(self, name: str, count: int) -> None:
        self.count = count
        self._name = name

    async def run(
        self,
        function: Callable[[*_Ts], _T],
        *args: *_Ts,
        abandon_on_cancel: bool = False,
    ) -> _T:
        """What `function(*args)` returns or raises, called in a thread.

        Cancellation: waits for the call; with `abandon_on_cancel` the thread is left to finish and
        its result is dropped.
        """
        kept = _run_var(self._name)
        limiter: trio.CapacityLimiter | None = kept.get(None)
        if limiter is None:
            limiter = trio.CapacityLimiter(self.count)
            kept.set(limiter)
        pool: _Pool | None = _run_var("pool").get(None)
        if pool is None:
            return await trio.to_thread.run_sync(
                function, *args, abandon_on_cancel=abandon_on_cancel, limiter=limiter
            )
        call = copy_context().run
        result = await pool.run(lambda: call(function, *args), abandon_on_cancel, limiter)
        return cast(_T, result)


#: Reading, writing and hashing files.
FILES: Final = Threads("files", 16)
#: The system's resolver. One that does not answer holds its thread for 5 s and more.
LOOKUPS: Final = Threads("lookups", 40)
