"""The private names of trio that interop reads, and what happens when one is missing.

Knows trio's insides and nothing of ours. Everything else in the package uses trio's public
API only. Two things are bought here, each with a fallback on public calls:

- `BORROW`: a task of trio's that waits for an asyncio future is stepped right in the
  future's callback instead of being rescheduled (about 8 µs less per wait: one turn of
  trio's scheduler and one of the host's). Without it, `trio.lowlevel.reschedule`.
- `poll_descriptor`: the host loop watches trio's own epoll (or kqueue) descriptor, so that
  an idle guest needs no thread (a thread round trip costs 50-100 µs per wake-up).
  Without it, `trio.lowlevel.start_guest_run` polls in a thread as documented.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from typing import Any

import trio
from sniffio import thread_local as _library

WaitTaskRescheduled: Any
CancelShieldedCheckpoint: Any


def _trap_of(coroutine: Any) -> Any:
    """What a blocking call of trio yields to its run loop (all traps are seen by yielding)."""
    trap = coroutine.send(None)
    coroutine.close()
    return trap


_wait = trio.lowlevel.wait_task_rescheduled(  # noqa: ASYNC105 - it is looked at, not run
    lambda _: trio.lowlevel.Abort.SUCCEEDED
)
WaitTaskRescheduled = type(_trap_of(_wait))
CancelShieldedCheckpoint = _trap_of(
    trio.lowlevel.cancel_shielded_checkpoint()  # noqa: ASYNC105 - the same
)

run_context: Any
try:
    from trio._core import _run

    run_context, _Task = _run.GLOBAL_RUN_CONTEXT, _run.Task
except (ImportError, AttributeError):  # a trio that moved its insides: public API only
    run_context = None
    BORROW = False
else:
    BORROW = (
        os.environ.get("TORNADO_TRIO_PUBLIC_ONLY") is None
        and all(
            hasattr(_Task, name)
            for name in (
                "_abort_func",
                "_cancel_points",
                "_cancel_status",
                "_attempt_abort",
                "_attempt_delivery_of_any_pending_cancel",
            )
        )
    )


try:
    from trio._core import _ki

    _ki_marks: Any = _ki._CODE_KI_PROTECTION_STATUS_WMAP
except (ImportError, AttributeError):
    _ki_marks = {}


def thread_marks() -> tuple[dict[str, Any], dict[str, Any]]:
    """What says in this thread which trio task runs (`task`), and which library (`name`).

    The dicts behind two thread-locals: setting and clearing both for each borrowed step
    costs 60 ns this way, 180 by attributes.
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


def cancelled_scope(task: Any) -> Any:
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


def poll_descriptor(runner: Any) -> int | None:
    """The descriptor that is readable when trio's I/O manager has events, if it has one."""
    io_manager = runner.io_manager
    for name in ("_epoll", "_kqueue"):
        poller = getattr(io_manager, name, None)
        if poller is not None:
            return int(poller.fileno())
    return None


def guest_state_of(guest_tick: Callable[[], object]) -> Any | None:
    """The guest's state behind the callback that `start_guest_run` hands to its host.

    Returns None unless it has all we drive it by: `unrolled_run_gen` (the run loop as a
    generator: sleeps are yielded, events are sent), `unrolled_run_next_send`,
    `done_callback`, and a runner with a pollable descriptor.
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
    return state if poll_descriptor(runner) is not None else None


def hooks_in_front(runner: Any, hooks: Any) -> bool:
    """Whether others' async generator hooks stand before trio's; they become its second.

    False too where trio does not show whom it hands generators on to.
    """
    current = sys.get_asyncgen_hooks()
    generators: Any = getattr(runner, "asyncgens", None)
    if current == hooks or not hasattr(generators, "prev_hooks"):
        return False
    generators.prev_hooks = current
    return True


def adopt_run(runner: Any) -> None:
    """Let a guest's run, begun in another thread, go on in this one."""
    if run_context is None or runner is None:
        raise RuntimeError("this release of trio cannot move a run to another thread")
    run_context.runner = runner


def forget_run() -> None:
    """The run this thread knew is elsewhere (or a forked parent's): a new one may be started."""
    if run_context is not None:
        run_context.__dict__.clear()
