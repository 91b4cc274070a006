"""The private names of trio that interop uses, behind functions, with fallbacks if one is missing.

Knows trio's insides and nothing of ours. Everything else in the package uses trio's public
API only (tests/interop/test_trio_internals.py looks for what does not). Two things are bought
here, each with a fallback on public calls:

- `BORROW`: a task of trio's that waits for an asyncio future is stepped right in the
  future's callback instead of being rescheduled (about 8 µs less per wait: one turn of
  trio's scheduler and one of the host's). Without it, `trio.lowlevel.reschedule`.
- `GuestRun`: the host loop watches trio's own epoll (or kqueue) descriptor, so that
  an idle guest needs no thread (a thread round trip costs 50-100 µs per wake-up).
  Without it, `trio.lowlevel.start_guest_run` polls in a thread as documented.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

import outcome
import trio
from sniffio import thread_local as _library

from .._util.stepping import first_yield

Task = trio.lowlevel.Task
Trap = Any  # what a blocking call of trio yields to its run loop
Sent = Any  # the outcome that trio sends for a trap
Inside = Any  # an object of trio's, looked into
WaitTaskRescheduled: Trap
CancelShieldedCheckpoint: Trap


_wait = trio.lowlevel.wait_task_rescheduled(  # noqa: ASYNC105 - it is looked at, not run
    lambda _: trio.lowlevel.Abort.SUCCEEDED
)
WaitTaskRescheduled = type(first_yield(_wait))
CancelShieldedCheckpoint = first_yield(
    trio.lowlevel.cancel_shielded_checkpoint()  # noqa: ASYNC105 - the same
)

run_context: Inside
try:
    from trio._core import _run

    run_context, _Task = _run.GLOBAL_RUN_CONTEXT, _run.Task
except (ImportError, AttributeError):  # a trio that moved its insides: public API only
    run_context = None
    BORROW = False
else:
    BORROW = os.environ.get("TORNADO_TRIO_PUBLIC_ONLY") is None and all(
        hasattr(_Task, name)
        for name in (
            "_abort_func",
            "_cancel_points",
            "_cancel_status",
            "_attempt_abort",
            "_attempt_delivery_of_any_pending_cancel",
        )
    )


try:
    from trio._core import _ki

    _ki_marks: Inside = _ki._CODE_KI_PROTECTION_STATUS_WMAP
except (ImportError, AttributeError):
    _ki_marks = {}


#: The dicts behind two thread-locals of trio and sniffio.
Marks = tuple[dict[str, object], dict[str, object]]


def thread_marks() -> Marks:
    """This thread's records of the running trio task (`task`), and of the async library (`name`).

    Setting and clearing both for each borrowed step costs 60 ns this way, 180 by attributes.
    """
    return run_context.__dict__ if BORROW else {}, _library.__dict__


def is_ki_protected(code: types.CodeType) -> bool:
    """Whether functions of this code were marked so by `trio.lowlevel.enable_ki_protection`.

    False where trio does not keep its marks by code objects.
    """
    try:
        return bool(_ki_marks[code])
    except KeyError:
        return False


def _unknown(*_: object) -> None:
    raise RuntimeError("this release of trio keeps its tasks otherwise")


# --- a task of trio's, stepped by another than trio ------------------------------------------
# To step a parked task: `set_abort(task, None)`, let `thread_marks` name it, `park` it again.
RaiseCancel = Callable[[], NoReturn]  # what trio hands to an abort function
Abort = Callable[[RaiseCancel], trio.lowlevel.Abort]
#: set_abort(task, abort): what would cut the wait of `task` short; None while it runs. (A slot's
#: own method, in C: a function costs 50 ns more, and this is every step.)
set_abort: Callable[[Task, Abort | None], None]
set_abort = cast(Inside, _Task)._abort_func.__set__ if BORROW else _unknown


def park(task: Task, abort: Abort) -> bool:
    """Park `task` until `abort` or a reschedule; returns whether it is already cancelled.

    If it is, the host has to expect a wake-up, and then to `deliver_cancel`.
    """
    task._cancel_points += 1
    task._abort_func = abort
    cancelled: bool = task._cancel_status.effectively_cancelled
    return cancelled


def stay_parked(task: Task, abort: Abort) -> bool:
    """As `park`, for a task whose wait is replaced by another: not a new checkpoint."""
    task._abort_func = abort
    cancelled: bool = task._cancel_status.effectively_cancelled
    return cancelled


def deliver_cancel(task: Task) -> None:
    """Cancel the wait of a parked task whose scope is cancelled."""
    task._attempt_delivery_of_any_pending_cancel()


def is_parked(task: Task) -> bool:
    """Whether `task` waits, and may be woken or aborted."""
    return task._abort_func is not None


def abort_wait(task: Task, raise_error: Callable[[], object]) -> None:
    """Make the wait of a parked task raise what `raise_error` does, if it can be aborted."""
    task._attempt_abort(raise_error)


def cancel_status(task: Task) -> object:
    """Another object after `task` has entered or left a cancel scope; None if trio hides it."""
    return getattr(task, "_cancel_status", None)


def effective_deadline(task: Task) -> float:
    """When the scopes around `task` are cancelled, in trio's time; inf: never, or trio hides it."""
    ask = getattr(cancel_status(task), "effective_deadline", None)
    return float(ask()) if ask is not None else math.inf


def cancelled_scope(task: Task) -> trio.CancelScope | None:
    """The outermost cancelled scope around `task`; None where trio does not show it."""
    found, status = None, task._cancel_status if BORROW else None
    while status is not None:
        try:
            if status._scope.cancel_called:
                found = status._scope
            status = status._parent if status.parent_cancellation_is_visible_to_us else None
        except AttributeError:
            return None
    return found


Events = object  # what an I/O manager of trio's makes of them


# --- frames, for those who look on from another thread -------------------------------------------
def is_run_loop(frame: types.FrameType) -> bool:
    """Whether it is trio's run loop."""
    module = frame.f_globals.get("__name__")
    return module == "trio._core._run" and frame.f_code.co_name in ("unrolled_run", "run")


def task_of_step(frame: types.FrameType) -> Task | None:
    """The task whose step the run loop of this frame runs. (Its local name; else not known.)"""
    task = frame.f_locals.get("task")
    return task if isinstance(task, Task) else None


# --- a guest's run loop -----------------------------------------------------------------------
class GuestRun:
    """The run loop of a guest, turned by its host itself.

    `expect_wake()` spares trio its wake-up call: a task is about to become runnable, and the
    host is going to turn. `ended` is the outcome of the run, once it has one.
    """

    __slots__ = ("_generator", "_runner", "descriptor", "ended", "expect_wake")

    def __init__(self, state: Inside, descriptor: int) -> None:
        self._generator = state.unrolled_run_gen  # sleeps are yielded, events are sent
        self._runner = state.runner
        # A duplicate, so that it stays ours to unregister when trio has closed its own.
        self.descriptor = os.dup(descriptor)
        self.ended: outcome.Outcome[object] | None = None
        self.expect_wake = functools.partial(setattr, self._runner, "guest_tick_scheduled", True)

    @classmethod
    def of(cls, guest_tick: Callable[[], object]) -> GuestRun | None:
        """The run behind the callback that `start_guest_run` hands to its host.

        None unless it has everything needed to drive it, a pollable descriptor included.
        """
        if os.environ.get("TORNADO_TRIO_PUBLIC_ONLY") is not None:
            return None
        state = getattr(guest_tick, "__self__", None)
        if not isinstance(guest_tick, types.MethodType) or state is None:
            return None
        names = ("unrolled_run_gen", "unrolled_run_next_send", "runner", "done_callback")
        if not all(hasattr(state, name) for name in names):
            return None
        runner = state.runner
        if not all(hasattr(runner, n) for n in ("guest_tick_scheduled", "main_task_outcome")):
            return None
        descriptor = poll_descriptor(runner)
        return None if descriptor is None else cls(state, descriptor)

    def turn(self, events: Events = ()) -> float:
        """One turn; seconds until the next is due. `ended` is set if it was the last."""
        library, _library.name = _library.name, "trio"
        try:
            sleep: float = self._generator.send(events)
        except StopIteration:
            self.ended = self._runner.main_task_outcome
            return 0.0
        except BaseException as exc:
            # Whatever it was, the run is over: report it to those who wait for its end.
            self.ended = outcome.Error(exc)
            return 0.0
        finally:
            _library.name = library
        self._runner.guest_tick_scheduled = sleep <= 0
        return sleep

    def events(self, seconds: float = 0) -> Events:
        """The I/O events that arrive within the timeout; for `turn`."""
        events: Events = self._runner.io_manager.get_events(seconds)
        return events

    def hooks_in_front(self, hooks: object) -> bool:
        """Whether other async generator hooks are installed in front of trio's; they become trio's
        fallback.

        Also False where trio does not show its fallback hooks.
        """
        current = sys.get_asyncgen_hooks()
        generators: Inside = getattr(self._runner, "asyncgens", None)
        if current == hooks or not hasattr(generators, "prev_hooks"):
            return False
        generators.prev_hooks = current
        return True

    def adopt(self) -> None:
        """Continue the run, begun in another thread, in this one."""
        if run_context is None:
            raise RuntimeError("this release of trio cannot move a run to another thread")
        run_context.runner = self._runner

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Let the calling thread act on the run while no thread turns it."""
        own = dict(run_context.__dict__)
        self.adopt()
        try:
            yield
        finally:
            run_context.__dict__.clear()
            run_context.__dict__.update(own)

    def abandon(self) -> None:
        """Close a run that would not end, without trio's warning about it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            self._generator.close()

    def close(self) -> None:
        """Release its resources. The descriptor must no longer be watched."""
        os.close(self.descriptor)
        self._generator = self._runner = None  # no cycle through trio's own


def poll_descriptor(runner: Inside) -> int | None:
    """The descriptor that is readable when trio's I/O manager has events, if it has one."""
    for name in ("_epoll", "_kqueue"):
        poller = getattr(runner.io_manager, name, None)
        if poller is not None:
            return int(poller.fileno())
    return None


def forget_run() -> None:
    """This thread's run now belongs to another thread (or a forked parent): a new one may be
    started."""
    if run_context is not None:
        run_context.__dict__.clear()
