"""`Guest`: the trio run of a thread, hosted by asyncio.

Knows trio's guest mode and asyncio's event loop interface; knows nothing of Tornado.

There can be one trio run per thread, and any number of asyncio loops used in turn. So the
guest belongs to the thread, and whichever of its loops is running turns it:

    Guest (thread)                       trio run: guest_main
      ├── LoopScope (asyncio loop A)       ├── nursery of A: its servers, coroutines, ...
      └── LoopScope (asyncio loop B)       └── nursery of B

The guest starts when a running loop first needs it and ends with its last scope. A loop that stops
freezes the guest; the next one to run continues it. A scope ends, its tasks cancelled and waited
for, when `aclose` is awaited, or when `asyncio.run` shuts its loop down (it notices by a registered
async generator).
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import outcome
import trio

from .._util.interrupts import interrupt_in
from .._util.threads import threads_of_run
from .._util.troubles import Trouble
from . import trio_internals
from .coroutines import drives_itself, undriven
from .driver import drive
from .host import Coro
from .host_loop import Selected, keep_from_within
from .sigint import SigintHandler
from .trio_internals import Events, GuestRun, Sent, Task

if TYPE_CHECKING:
    from .scope import LoopScope

log = logging.getLogger("tornado_trio.interop")

_PATIENCE = 1.0  # seconds that a thread waits for what another one is to do in its run
EXIT_GRACE = 2.0  # seconds that cancelled tasks may take to unwind at interpreter exit

_local = threading.local()


def current_guest() -> Guest | None:
    """The guest run of this thread, if there is one."""
    guest: Guest | None = getattr(_local, "guest", None)
    if guest is not None and not guest.is_here:
        # Its loop was taken to another thread and it went along: trio still thinks of it
        # as running here.
        _local.guest = None
        trio_internals.forget_run()
        guest._leave_sigint()
        return None
    return guest


class Guest:
    """The trio run of this thread, turned by its asyncio loops."""

    dispatcher = None  # futures' callbacks run outside of any trio task

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: trio.abc.Clock | None = None,
        instruments: Sequence[trio.abc.Instrument] = (),
    ) -> None:
        self.loop = loop  # the loop that turned us last
        # The thread, by what is its own as long as it lives: numbers are given out again.
        self._place = _local.__dict__
        self.marks = trio_internals.thread_marks()
        self.scopes: set[LoopScope] = set()
        self.root: trio.Nursery | None = None
        self.finished = False
        self._pending: deque[LoopScope] = deque()
        self._steps: deque[Callable[[], object]] = deque()
        self._run: GuestRun | None = None  # trio's run loop, where we may turn it ourselves
        self._watchers: list[asyncio.AbstractEventLoop] = []
        self._scheduled_on: asyncio.AbstractEventLoop | None = None
        self.turning = False
        self._owed = False  # a turn, since its time came within one
        self._sigint: SigintHandler | None = None
        self._interrupt: asyncio.Handle | None = None
        self.raised: BaseException | None = None  # what left the loop last by `raise_in_loop`
        self._timer: asyncio.TimerHandle | None = None
        self._timer_when = 0.0  # uvloop's handle does not tell where it is due at once
        self._timer_loop: asyncio.AbstractEventLoop | None = None
        _local.guest = self
        try:
            trio.lowlevel.start_guest_run(
                self._main,
                run_sync_soon_threadsafe=self._step_threadsafe,
                run_sync_soon_not_threadsafe=self._step,
                done_callback=self._done,
                host_uses_signal_set_wakeup_fd=True,
                clock=clock,
                instruments=[DriveNewTasks(self), *instruments],
            )
        except BaseException:
            _local.guest = None
            raise
        self._sigint = SigintHandler.installed(
            self._is_turned, tell=self._interrupt_loop, restore=signal.default_int_handler
        )
        self._hooks = sys.get_asyncgen_hooks()

    async def _main(self) -> None:
        with threads_of_run():
            async with trio.open_nursery() as root:
                self.root = root
                while self._pending:
                    root.start_soon(self._pending.popleft().run)
                await trio.sleep_forever()

    # --- scopes ------------------------------------------------------------------
    def add(self, scope: LoopScope) -> None:
        self.scopes.add(scope)
        for other in self.scopes:
            if other.loop.is_closed():
                other.cancel()
        if self.root is None:
            self._pending.append(scope)
        else:
            self.expect_wake()
            self.root.start_soon(scope.run)

    def discard(self, scope: LoopScope) -> None:
        self.scopes.discard(scope)
        if not self.scopes and self.root is not None:
            self.root.cancel_scope.cancel()

    # --- being turned ------------------------------------------------------------
    def host_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is running (or about to) and turns the guest from now on."""
        if not self.is_here:
            self._move_here(loop)
        self.loop = loop
        self._watch(loop)
        self._schedule()
        loop.call_soon(self._own_async_generators)

    def _move_here(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on in the calling thread, whose loop `loop` is from now on.

        Programs set a loop up in one thread (`run_sync`) and run it in another.
        """
        present = current_guest()
        if present is not None and present is not self and not present.end_if_left_behind():
            raise RuntimeError(
                f"{loop!r} has tasks from another thread, and this thread has tasks of its own "
                "already: close one of the loops first"
            )
        if any(scope.loop is not loop and scope.loop.is_running() for scope in self.scopes):
            raise RuntimeError(
                f"{loop!r} shares its tasks' trio run with a loop that is running in the thread "
                "it was made in; make it in the thread that runs it"
            )
        if self._run is None:
            raise RuntimeError("this release of trio cannot move a run to another thread")
        self._run.adopt()
        self._place = _local.__dict__
        self.marks = trio_internals.thread_marks()
        _local.guest = self

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the one that the run belongs to."""
        return self._place is _local.__dict__

    def call(self, function: Callable[[], object]) -> None:
        """Call `function()`, which acts on the run, from any thread; done when this returns.

        If the run is being turned in another thread, it is called there. This waits at most a
        second: after that, it is called when the other thread gets to it.
        """
        if self.is_here:
            function()
            return
        job = _Once(function)
        deadline = time.monotonic() + _PATIENCE
        if self.loop.is_running() or self._run is None:
            self.loop.call_soon_threadsafe(job)
        while self.loop.is_running() and time.monotonic() < deadline:
            if job.done.wait(0.005):
                return
        if self._run is not None and not self.loop.is_running():
            with self._run.lent():
                job()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._run is None:
            return
        # Not by loops that stand still as well: the kernel bounds how many may watch one
        # descriptor that itself watches (100 for our listening sockets).
        for other in [other for other in self._watchers if other is not loop]:
            if not other.is_running():  # it is, where a program has loops inside of loops
                self._watchers.remove(other)
                if not other.is_closed():
                    other.remove_reader(self._run.descriptor)
        if loop not in self._watchers:
            self._watchers.append(loop)
            keep_from_within(loop, self)
            loop.add_reader(self._run.descriptor, self._readable, loop)

    def _own_async_generators(self) -> None:
        """Put trio's hooks for async generators back in front of the running loop's.

        Each loop installs its own when it starts, in front of trio's, which hands on what
        was not begun in a task of trio. Without this, generators abandoned by our
        coroutines after a loop was stopped and started would be closed by asyncio.
        """
        if self._run is not None and self._run.hooks_in_front(self._hooks):
            sys.set_asyncgen_hooks(*self._hooks)

    def _schedule(self) -> None:
        loop = self.loop
        if self._scheduled_on is not loop and not loop.is_closed():
            self._scheduled_on = loop
            loop.call_soon(self._turn, loop)

    def expect_wake(self) -> None:
        """A task is about to become runnable: turn soon, and spare trio its wake-up call."""
        if self.turning or self._run is None:
            return
        self._run.expect_wake()
        if self._scheduled_on is not self.loop:
            self._schedule()

    def reschedule(self, task: Task, value: Sent = None) -> None:
        """`trio.lowlevel.reschedule`, at the price of no system call."""
        if not self.turning and self._run is not None:
            self._run.expect_wake()
            if self._scheduled_on is not self.loop:
                self._schedule()
        if value is None:
            trio.lowlevel.reschedule(task)
        else:
            trio.lowlevel.reschedule(task, value)

    def _step(self, step: Callable[[], object]) -> None:
        if self._run is None:
            self._run = GuestRun.of(step)
            if self._run is not None:
                self.host_on(self.loop)
                return
        self._steps.append(step)
        self._schedule()

    def _step_threadsafe(self, step: Callable[[], object]) -> None:
        # Only where trio polls in a thread of its own.
        self._steps.append(step)
        while True:
            try:
                self.loop.call_soon_threadsafe(self._turn, self.loop)
            except RuntimeError:
                # That loop was closed. The step waits in our queue for the next one.
                if self.loop.is_closed():
                    return
                time.sleep(0)  # `self.loop` is being replaced just now
            else:
                return

    def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.turning:
            self._owe(loop)
            return
        self.loop = loop
        assert self._run is not None
        self._turn(loop, self._run.events())

    def _turn(self, loop: asyncio.AbstractEventLoop, events: Events = ()) -> None:
        """One turn of trio's run loop."""
        if self._scheduled_on is loop:
            self._scheduled_on = None
        if self.finished:
            return
        if self.turning:
            self._owe(loop)
            return
        self.loop = loop
        self.turning = True
        try:
            if self._run is None:
                for _ in range(len(self._steps)):
                    self._steps.popleft()()
                if self._steps:
                    self._schedule()
            else:
                self._turn_run_loop(self._run, events)
        finally:
            self.turning = False
        if self._owed:
            self._owed = False
            if not self.finished:
                self._watch(self.loop)
                self._schedule()

    def _owe(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by a loop that a task of this very turn runs (nest_asyncio lets programs do so).

        asyncio's part of what that waits for goes on. Trio's cannot before the turn has ended.
        """
        if not self._owed:
            self._owed = True
            log.error(
                "%s runs the event loop that runs it (nest_asyncio?): until that returns, servers, "
                "clients and all other tasks of trio stand still. Use await there, in place of "
                f"run_until_complete {Trouble.NESTED_LOOP}",
                trio.lowlevel.current_task().name,
            )
        if self._run is not None and loop in self._watchers:
            # It would be called in each turn of that loop.
            self._watchers.remove(loop)
            loop.remove_reader(self._run.descriptor)

    def withhold(self, events: Selected) -> Selected:
        """What `loop` gets of these events of its selector, within a turn."""
        own = self._run.descriptor if self._run is not None else -1
        others = [each for each in events if each[0].fd != own]
        if len(others) < len(events):
            self._owe(self.loop)
        return others

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Turn now, in the calling callback of the host loop, until a new task has begun.

        So what is spawned first in a thread begins in the same turn of the host loop as
        what is spawned later.
        """
        if self._run is None or self.turning:
            return
        for _ in range(8):  # a nursery opens within 2 turns, a worker begins within 1
            if condition() or self.finished:
                break
            self._turn(self.loop)

    def _turn_run_loop(self, run: GuestRun, events: Events) -> None:
        sleep = run.turn(events)
        if run.ended is not None:
            self._done(run.ended)
        elif sleep <= 0:
            self._scheduled_on = self.loop
            self.loop.call_soon(self._turn_and_poll, self.loop)
        elif sleep < 86400:  # trio's word for "nothing to wake up for"
            self._set_timer(self.loop.time() + sleep)

    def _turn_and_poll(self, loop: asyncio.AbstractEventLoop) -> None:
        """As `_turn` where tasks are runnable already: look for I/O in passing."""
        if self.finished:
            self._scheduled_on = None
        elif self.turning:
            self._turn(loop)
        else:
            assert self._run is not None
            self._turn(loop, self._run.events())

    def _set_timer(self, when: float) -> None:
        timer = self._timer
        if timer is not None:
            # A timer that fires early costs a turn; one moved for each request costs more.
            alive = not timer.cancelled() and self._timer_loop is self.loop
            if alive and self._timer_when <= when:
                return
            timer.cancel()
        self._timer_loop = self.loop
        self._timer_when = when
        self._timer = self.loop.call_at(when, self._timer_fired, self.loop)

    def _timer_fired(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._scheduled_on is not loop:
            self._turn(loop)

    # --- the end -------------------------------------------------------------------
    def _is_turned(self) -> bool:
        return not self.finished and self.loop.is_running()

    def _interrupt_loop(self, signum: int, frame: object) -> None:
        """Ctrl-C while the machinery is at work: `run_forever` raises it next turn."""
        schedule = self.loop.call_soon_threadsafe
        schedule(self._interrupt_has_come)
        self._interrupt = schedule(signal.default_int_handler, signum, None)

    def _interrupt_has_come(self) -> None:
        assert self._sigint is not None
        self._sigint.told = False
        self._interrupt = None

    def raise_interrupt(self) -> None:
        """Raise a pending Ctrl-C that the loop stopped too early to raise, if there is one."""
        if self._interrupt is not None:
            self._interrupt.cancel()
            self._interrupt_has_come()
            raise KeyboardInterrupt

    def _leave_sigint(self) -> None:
        if self._sigint is not None:
            self._sigint.uninstall()

    def _done(self, result: outcome.Outcome[object]) -> None:
        self.finished = True
        self._leave_sigint()
        if _local.__dict__.get("guest") is self:
            _local.guest = None
        if self._run is not None:
            for loop in self._watchers:
                if not loop.is_closed():
                    loop.remove_reader(self._run.descriptor)
            self._watchers.clear()
            self._run.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for scope in list(self.scopes):
            scope.ended()
        self.scopes.clear()
        self.root = self._run = None
        if isinstance(result, outcome.Error):
            self.raise_in_loop(result.error)

    def raise_in_loop(self, error: BaseException) -> None:
        """Let the host loop's `run_forever` raise `error` (as asyncio does for SystemExit)."""
        found = interrupt_in(error)
        if found is not None:
            # trio's own frames are of no use in the traceback of a Ctrl-C.
            error = found.with_traceback(None)
            error.__cause__ = error.__context__ = None
        if self.loop.is_closed() or isinstance(self.loop, _NoLoop):
            log.error("the trio run ended with its loop closed", exc_info=error)
            return
        self.raised = error
        failed = self.loop.create_future()
        failed.set_exception(error)
        self.loop.call_soon(failed.result)

    def end_if_left_behind(self) -> bool:
        """End the run if all its loops were closed with tasks left and without notice."""
        if self.turning or not all(scope.loop.is_closed() for scope in self.scopes):
            return False
        if not self.run_to_the_end(EXIT_GRACE):
            self.abandon()
        return True

    def run_to_the_end(self, seconds: float) -> bool:
        """Cancel everything and turn without a loop: at interpreter exit, or all are closed."""
        if self.root is not None:
            self.root.cancel_scope.cancel()
        if self._run is None:
            return False
        deadline = time.monotonic() + seconds
        self.loop = _NoLoop()  # type: ignore[assignment]
        while self._run is not None and time.monotonic() < deadline:
            self._turn(self.loop, self._run.events(0.01))
        return self.finished

    def abandon(self) -> None:
        """Forget a run that would not end, without trio's warning about it."""
        self.finished = True
        self._leave_sigint()
        _local.guest = None
        if self._run is not None:
            self._run.abandon()


class DriveNewTasks(trio.abc.Instrument):
    """Has every task of the guest driven, so that children of nurseries may await asyncio too.

    Tasks that drive what they run themselves are left alone (`undriven`).
    """

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        if not drives_itself(task.coro):
            guest = self._guest
            driven: Coro = drive(task.coro, guest.loop, guest)
            task.coro = driven  # type: ignore[assignment]


class _Once:
    """A call that two parties may come to make; the second does nothing."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._taken = threading.Lock()
        self.done = threading.Event()

    def __call__(self) -> None:
        if self._taken.acquire(blocking=False):
            try:
                self._function()
            finally:
                self.done.set()


class _NoLoop:
    """Stands where the host loop was while the interpreter exits."""

    def is_closed(self) -> bool:
        return False

    def call_soon(self, *args: object, **kwargs: object) -> None:
        pass  # run_to_the_end turns in a loop of its own

    def call_at(self, when: float, *args: object) -> asyncio.TimerHandle:
        return asyncio.TimerHandle(when, lambda: None, (), self)  # type: ignore[arg-type]

    def time(self) -> float:
        return math.inf

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: object) -> None:
        pass  # nothing keeps these


def _at_exit() -> None:
    """A program that ends with its loops stopped, not closed: end their tasks first."""
    guest = current_guest()
    if guest is None or guest.finished:
        return
    for scope in list(guest.scopes):
        if not scope.loop.is_closed() and not scope.loop.is_running():
            try:
                scope.close(EXIT_GRACE)
            except (KeyboardInterrupt, SystemExit):
                break
            except Exception:
                log.exception("closing %r at exit", scope.loop)
    if not guest.finished and not guest.run_to_the_end(EXIT_GRACE):
        guest.abandon()


def _after_fork() -> None:
    """The child has no run: its parent's epoll descriptor must not be used or closed here."""
    guest = current_guest()
    if guest is not None:
        _local.guest = None
        guest.finished = True
        guest._leave_sigint()
        trio_internals.forget_run()
        _inherited.append(guest)


_inherited: list[Guest] = []  # kept alive, so that trio does not warn of an abandoned run

atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

undriven(Guest._main)
