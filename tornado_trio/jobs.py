"""Background jobs of a service: restarted when they fail, or called at intervals.

Knows trio and the log. Must not know servers or processes: a job is a task in a nursery of the
program, and ends with it.

```python
async with trio.open_nursery() as nursery:
    supervise(nursery, consume, name="consumer", critical=True)
    supervise(nursery, partial(every, 60, clean_up), name="clean-up")
    await serve(app, 8888)
```

With several workers, each runs its own jobs. A job for only one of them checks the number of
`service.current_service()`. For times of the day use a library (`croniter`).
"""

from __future__ import annotations

import inspect
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NoReturn

import trio

from ._util.mistakes import explain_asyncio
from ._util.records import dataclass

__all__ = ["Backoff", "Job", "JobState", "every", "jobs", "supervise"]

logger = logging.getLogger("tornado_trio.jobs")

KEPT = 100  # jobs that have failed for good, and are still listed

JobState = Literal["running", "waiting", "ended", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a failed job waits before it is started again."""

    #: Seconds after the first failure.
    first: float = 0.5
    #: Each further wait is so many times the last one.
    factor: float = 2.0
    #: Seconds; no wait is longer, but for the jitter.
    longest: float = 60.0
    #: A random part of each wait is added, at most this one: many that failed together shall
    #: not come back together.
    jitter: float = 0.1
    #: Give up after so many failures in a row; None: never.
    attempts: int | None = None
    #: A job that ran for so many seconds begins anew with the first wait.
    reset_after: float = 60.0

    def delay(self, failures: int) -> float | None:
        """Seconds to wait after this many failures in a row; None: stop restarting."""
        if self.attempts is not None and failures >= self.attempts:
            return None
        if failures <= 1 or self.factor <= 1:
            wait = self.first
        else:
            # Its logarithm first: the power itself would overflow after a night of failures.
            most = math.log(max(self.longest / self.first, 1), self.factor) if self.first else 0
            wait = self.first * self.factor ** min(failures - 1, most)
        wait = min(wait, self.longest)
        return wait * (1 + self.jitter * random.random())


class Job:
    """A supervised job, as `supervise` returns it.

    Attributes:
      name: for logs and pages.
      critical: the service ends if it fails for good.
      state: "running"; "waiting", to be started again; "ended", it returned; "failed", for good;
        "cancelled", with its nursery or by `cancel`.
      starts: how often it was started.
      failures: how often it failed, in all.
      error: its last failure; None: it never failed.
      since: when it came into its state, `time.time()`.
      next_start: when it will be started again, `time.time()`; None: it is not waiting.
    """

    def __init__(self, name: str, critical: bool) -> None:
        self.name = name
        self.critical = critical
        self.state: JobState = "running"
        self.starts = 0
        self.failures = 0
        self.error: Exception | None = None
        self.since = time.time()
        self.next_start: float | None = None
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        return f"<Job {self.name} {self.state}, {self.starts} starts, {self.failures} failures>"

    def cancel(self) -> None:
        """End it, in whatever state it is. Idempotent."""
        self._scope.cancel()

    @property
    def healthy(self) -> bool:
        """Whether it is running or has ended without an error."""
        return self.state in ("running", "ended")

    def statistics(self) -> dict[str, Any]:
        """The attributes, for inspection pages; the error as text."""
        error = self.error
        return {
            "name": self.name,
            "critical": self.critical,
            "state": self.state,
            "starts": self.starts,
            "failures": self.failures,
            "error": None if error is None else f"{type(error).__name__}: {error}",
            "since": self.since,
            "next_start": self.next_start,
        }

    def _enter(self, state: JobState, wait: float | None = None) -> None:
        self.state, self.since = state, time.time()
        self.next_start = None if wait is None else self.since + wait


_jobs: trio.lowlevel.RunVar[list[Job]] = trio.lowlevel.RunVar("jobs")


def jobs() -> list[Job]:
    """The jobs of this trio run: running, waiting, and those that failed last."""
    return list(_registered())


def _registered() -> list[Job]:
    try:
        return _jobs.get()
    except LookupError:
        registered: list[Job] = []
        _jobs.set(registered)
        return registered


def supervise(
    nursery: trio.Nursery,
    fn: Callable[..., Awaitable[object]],
    *args: Any,
    name: str | None = None,
    restart: Backoff | None = Backoff(),  # noqa: B008 - frozen
    critical: bool = False,
) -> Job:
    """Run `fn(*args)` in a task of `nursery`; a failure is logged, and `fn` is started again.

    Args:
      nursery: owns the job; cancelling it cancels the job.
      fn: an async function. When it returns, the job has ended.
      name: for logs and pages; by default the function's.
      restart: how long to wait before; None: never start again.
      critical: if the job is not restarted any more, its error ends the nursery, and so the
        service; otherwise the error is logged.

    Returns: the job; its state may be read at any time.
    Raises: TypeError if `fn` is not a function (but a coroutine, say).
    """
    shown = name or _name_of(fn)
    if inspect.isawaitable(fn) or not callable(fn):
        if inspect.iscoroutine(fn):
            fn.close()
        raise TypeError(
            f"supervise takes an async function, to call it again, and not {shown}: "
            "supervise(nursery, fn, *args), or partial(fn, ...)"
        )
    job = Job(shown, critical)
    nursery.start_soon(_supervised, job, fn, args, restart, name=f"job {shown}")
    _registered().append(job)
    return job


def _name_of(fn: Any) -> str:
    while hasattr(fn, "func"):  # a partial; of `every`, it is what is called
        inner = fn.args[1] if fn.func is every and len(fn.args) > 1 else fn.func
        fn = inner
    name = getattr(fn, "__qualname__", None)
    return name if isinstance(name, str) else repr(fn)


async def _supervised(
    job: Job,
    fn: Callable[..., Awaitable[object]],
    args: tuple[Any, ...],
    restart: Backoff | None,
) -> None:
    try:
        with job._scope:
            await _run_again_and_again(job, fn, args, restart)
        if job._scope.cancelled_caught:
            job._enter("cancelled")
    except trio.Cancelled:
        job._enter("cancelled")
        raise
    finally:
        _forget(job)


async def _run_again_and_again(
    job: Job,
    fn: Callable[..., Awaitable[object]],
    args: tuple[Any, ...],
    restart: Backoff | None,
) -> None:
    in_a_row = 0
    while True:
        job._enter("running")
        job.starts += 1
        began = trio.current_time()
        try:
            await fn(*args)
        except Exception as error:
            explain_asyncio(error, f"job {job.name}")
            job.failures += 1
            job.error = error
            if restart is not None and trio.current_time() - began >= restart.reset_after:
                in_a_row = 0
            in_a_row += 1
            delay = None if restart is None else restart.delay(in_a_row)
            if delay is None:
                _give_up(job, error)
                return
            logger.error(
                "job %s failed; it is started again in %.1f s", job.name, delay, exc_info=error
            )
        else:
            job._enter("ended")
            return
        job._enter("waiting", delay)
        await trio.sleep(delay)


def _give_up(job: Job, error: Exception) -> None | NoReturn:
    job._enter("failed")
    if job.critical:
        error.add_note(f"in the critical job {job.name}, which ends the service")
        raise error
    logger.error("job %s failed, and is not started again", job.name, exc_info=error)
    return None


def _forget(job: Job) -> None:
    """What has ended is of no interest any more; of what failed, the last ones are."""
    registered = _registered()
    failed = [other for other in registered if other.state == "failed"]
    if job.state != "failed":
        registered.remove(job)
    elif len(failed) > KEPT:
        registered.remove(failed[0])


async def every(
    seconds: float,
    fn: Callable[..., Awaitable[object]],
    *args: Any,
    jitter: float = 0.0,
    overlap: bool = False,
) -> NoReturn:
    """Await `fn(*args)` now, and again every `seconds`, counted from start to start.

    Args:
      seconds: from one call to the next.
      fn: an async function. Its exceptions propagate: see `supervise`.
      jitter: each call, the first too, is late by a random time up to this, in seconds, so that
        workers do not all do it at once.
      overlap: start the next call even if the previous one is still running; by default calls that
        come due meanwhile are skipped.

    Cancellation: at any time; the call under way is cancelled.
    """
    if not seconds > 0:
        raise ValueError(f"every needs a positive number of seconds, not {seconds!r}")
    if overlap:
        async with trio.open_nursery() as nursery:

            async def begin() -> None:
                nursery.start_soon(fn, *args)

            await _tick(seconds, begin, (), jitter)
    await _tick(seconds, fn, args, jitter)


async def _tick(
    seconds: float, fn: Callable[..., Awaitable[object]], args: tuple[Any, ...], jitter: float
) -> NoReturn:
    due = trio.current_time()
    while True:
        await trio.sleep_until(due + jitter * random.random())
        await fn(*args)
        missed = max(0.0, trio.current_time() - due) // seconds
        due += seconds * (1 + missed)
