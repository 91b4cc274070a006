"""What a stock asyncio loop does at a lower price while it hosts us.

`poll_sparingly`: asyncio polls its selector in every turn, which is a system call and a dozen
function calls: 0.6 us of a turn of 2.2 in which one callback runs. While callbacks are ready there
is no need to poll, so here it polls every 100 us at most. I/O is noticed that much later, or one
turn later where a turn takes longer. A loop without ready callbacks polls as usual, and so does one
beside other threads. A turn that does not poll, and in which no timer is due, only calls back,
which spares 0.2 us.

`handles_ahead`: callbacks of `call_soon` that have not run yet.

`keep_from_within`: a loop that runs within a turn of its guest does not call the guest's reader.

`tell_of_runs`: a notification when a loop is about to run.

`woken_by_signals`: what a signal handler asks of a loop that waits is done at once.

`skip_debug_checks`: `call_soon` in one frame of three, 8 % of a turn; `get_debug` without a frame,
8 % of a Future that is made, resolved and awaited.

`call_again_of`: a handle that has run is scheduled once more, which spares making one: 5 % of a
turn.

Knows the selectors of the standard library, and what is private in asyncio's loops (`_selector`,
`_ready`, `_scheduled`, `_closed`, `_debug`, `_clock_resolution`, `_run_once`, `_check_running`,
`_csock`, `_signal_handlers`) and their handles (`_run`, `_cancelled`, `_when`). Loops without them
(uvloop's), or with a selector of another kind (Windows' proactor), are left as they are.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import signal
import threading
from asyncio import Handle
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakMethod, ref

if TYPE_CHECKING:
    from .host import FutureLoop

__all__ = [
    "POLL_EVERY",
    "call_again_of",
    "handles_ahead",
    "hide_turns",
    "keep_from_within",
    "poll_sparingly",
    "skip_debug_checks",
    "tell_of_runs",
    "woken_by_signals",
]

#: What `select` returns.
Selected = Sequence[tuple[selectors.SelectorKey, int]]

POLL_EVERY = 100e-6  # seconds between polls while callbacks are ready


def poll_sparingly(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop` poll every `POLL_EVERY` seconds while it has callbacks to run, and the process no
    other thread. Idempotent.

    In the turns between, it only calls back: unless it turns or tells the time in a way of its own,
    is in debug mode, or a program replaces asyncio's turns (nest_asyncio does).
    """
    selector = getattr(loop, "_selector", None)
    kind: Any = type(selector)
    if kind.__module__ == selectors.__name__ and isinstance(selector, selectors.BaseSelector):
        # Its class, not a wrapper: a wrapper would cost more than it saves, and other code
        # (the loop's own, debuggers) expects the selector that it made.
        selector.__class__ = _sparing(kind)
        _turn_sparingly(loop, selector)


class _Turned(Protocol):
    """What a loop turns; `withhold` is asked what of the events a loop within its turn gets."""

    turning: bool

    def withhold(self, events: Selected) -> Selected: ...


def _turn_sparingly(loop: Any, selector: Any) -> None:
    if not all(_is_asyncios(getattr(loop, name, None)) for name in ("_run_once", "time")):
        return
    ready, resolution = loop._ready, loop._clock_resolution
    asyncios = type(loop)._run_once
    itself: Callable[[], Any] = ref(loop)

    def run_once() -> None:
        loop = itself()
        timers = loop._scheduled
        if (
            not ready
            or monotonic() >= selector._next_poll
            or (timers and timers[0]._when < loop.time() + resolution)
            or loop._debug
            or type(loop)._run_once is not asyncios
        ):
            type(loop)._run_once(loop)
            return
        # Those that are ready now: what they add waits for the next turn.
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    loop._run_once = run_once


def hide_turns(error: BaseException) -> None:
    """Take `run_once` out of the traceback of what ended a loop: people know asyncio's."""
    entries = []
    entry = error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    kept = None
    for entry in reversed(entries):
        code = entry.tb_frame.f_code
        if code.co_name != "run_once" or code.co_filename != __file__:
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    error.__traceback__ = kept


def keep_from_within(loop: asyncio.AbstractEventLoop, turned: _Turned) -> None:
    """Have `turned` decide about events while it is turning.

    A reader's callback has one context, which cannot be entered again inside of itself.
    """
    selector = getattr(loop, "_selector", None)
    if hasattr(type(selector), "turned"):
        setattr(selector, "turned", ref(turned))  # noqa: B010 - of a class made at run time


def skip_debug_checks(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop` do without the questions of debug mode, unless it is in it. Idempotent.

    `set_debug(True)` gives it back its own methods. Not for loops that have such methods of their
    own: a subclass's, or those of a program that has wrapped asyncio's.
    """
    if not all(_is_asyncios(getattr(loop, name, None)) for name in _OF_DEBUG) or loop.get_debug():
        return
    append = loop._ready.append  # type: ignore[attr-defined]  # it is a stock one
    # No cycle: a loop is freed, or warns that it is open, at once.
    itself: Callable[[], Any] = ref(loop)

    def call_soon(
        callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        loop = itself()
        if loop is None:  # who kept this function is told what a closed loop says
            raise RuntimeError("Event loop is closed")
        if loop._closed or loop._debug:
            # asyncio's own says so; and whoever kept this function is in debug mode, too.
            checked: Handle = type(loop).call_soon(loop, callback, *args, context=context)
            return checked
        handle = Handle(callback, args, loop, context)
        append(handle)
        return handle

    def set_debug(enabled: bool) -> None:
        loop = itself()
        if loop is None:
            return  # as of a closed one: nothing asks any more
        if enabled:
            if loop.call_soon is call_soon:
                del loop.call_soon
            if loop.get_debug is bool:
                del loop.get_debug
        type(loop).set_debug(loop, enabled)

    replaced: Any = loop
    replaced.call_soon = call_soon
    replaced.get_debug = bool  # `bool()` is False, and a call of C
    replaced.set_debug = set_debug


def _is_asyncios(method: Any) -> bool:
    code = getattr(getattr(method, "__func__", None), "__code__", None)
    return code is not None and code.co_filename == _BASE_EVENTS


_OF_DEBUG = ("call_soon", "get_debug", "set_debug")
_BASE_EVENTS = asyncio.BaseEventLoop.run_forever.__code__.co_filename


def call_again_of(loop: FutureLoop) -> Callable[[Handle], object] | None:
    """What schedules a handle that `loop.call_soon` returned, and that has run, once more.

    None for loops that are not asyncio's, and those that check each callback.
    """
    ready = getattr(loop, "_ready", None)
    if not isinstance(loop, asyncio.BaseEventLoop) or type(ready) is not deque:
        return None
    if getattr(loop, "get_debug", None) is not bool:
        return None
    append = ready.append

    def call_again(handle: Handle) -> None:
        if loop._closed:  # type: ignore[attr-defined]
            loop.call_soon(handle._run)  # which says so
        append(handle)

    return call_again


def tell_of_runs(loop: Any, about_to_run: Callable[[], object]) -> None:
    """Have a method called whenever `loop` is about to run, whichever code runs it.

    It is not kept alive. Does nothing for a loop without such a hook.
    """
    # The check is over before the loop runs: so no frame of ours is in a program's traceback.
    name = "_check_running" if hasattr(loop, "_check_running") else "run_forever"
    tell, itself = WeakMethod(about_to_run), ref(loop)
    # (Not by a look into `__dict__`: it would be made, and each attribute of the loop cost more
    # from then on: 10 % of a turn, before Python 3.13.)
    present = getattr(loop, name)
    own = None if getattr(present, "__func__", None) is getattr(type(loop), name) else present

    def told_first() -> None:
        told, loop = tell(), itself()
        if told is not None and not loop.is_running():  # type: ignore[union-attr]
            told()
        if own is not None:
            own()
        else:
            getattr(type(loop), name)(loop)

    try:
        setattr(loop, name, told_first)
    except AttributeError:
        pass  # `IOLoop.start` tells, too; only who runs the loop by other means does not


def woken_by_signals(loop: Any) -> Callable[[], None]:
    """Have signals end the waits of `loop`, which is about to run here. The result ends that.

    A handler of `signal.signal` runs within the wait, which then goes on: what the handler added by
    `call_soon`, or that it stopped the loop, was noticed at the next event. asyncio is woken only
    for signals of `add_signal_handler`. Does nothing in other threads than the main one, which
    signals do not reach, for loops that are woken anyway, and where the program has a descriptor
    of its own for this (`signal.set_wakeup_fd`).
    """
    end = getattr(loop, "_csock", None)  # of the pair by which threads wake the loop
    if end is None or threading.current_thread() is not threading.main_thread():
        return _nothing
    descriptor = end.fileno()
    before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    if before != -1:
        # A program's, asyncio's or trio's; of these only a program's might have warned.
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        return _nothing

    def no_more() -> None:
        present = signal.set_wakeup_fd(-1)
        if present != descriptor or getattr(loop, "_signal_handlers", None):
            signal.set_wakeup_fd(present)  # the program's, or asyncio's by now

    return no_more


def _nothing() -> None:
    pass


def handles_ahead(loop: FutureLoop, callback: Callable[..., object]) -> list[Any]:
    """The handle of each call of `callback` that is still to come by `loop.call_soon`."""
    handles = tuple(getattr(loop, "_ready", ()))
    return [handle for handle in handles if getattr(handle, "_callback", None) == callback]


@functools.cache
def _sparing(kind: Any) -> Any:
    real_select = kind.select

    class Sparing(kind):  # type: ignore[misc]
        _next_poll = 0.0
        turned: ref[_Turned] | None = None

        def select(self, timeout: float | None = None) -> Selected:
            if timeout == 0:
                now = monotonic()
                if now < self._next_poll:
                    return ()
                # A poll lets go of the interpreter for a moment, and that begins the wait of other
                # threads for it anew: so seldom, they would not get it for seconds.
                self._next_poll = now + POLL_EVERY if threading.active_count() == 1 else now
            events: Selected = real_select(self, timeout)
            if events and self.turned is not None:
                turned = self.turned()
                if turned is not None and turned.turning:
                    return turned.withhold(events)
            return events

    Sparing.__name__ = Sparing.__qualname__ = f"Sparing{kind.__name__}"
    return Sparing
