"""`drive`: one coroutine, driven by one trio task, that may await trio and asyncio alike.

Knows trio's traps and asyncio's future protocol; knows nothing of loops, HTTP or Tornado.

A coroutine yields one of two things when it waits: a trap of trio's, which is passed
through to trio, or an object of asyncio's future protocol (`_asyncio_future_blocking`).
For the latter the trio task parks and the future's done-callback resumes the coroutine. Where that
happens:

    trio's slice  : the task was resumed by trio's run loop (after a trap of trio's).
    borrowed step : the future's callback steps the coroutine itself, in the name of the
                    parked task, the way trio's run loop would. Coroutines that await only
                    futures thus never pass trio's scheduler, and resume in the order in
                    which their futures were resolved, as on asyncio.

Exactly one party resumes a parked task: `_waiting` names the future it waits for; the
done-callback or the abort function clears it, whichever comes first.

The driver is also what `asyncio.current_task()` returns inside the coroutine: a duck-typed
Task, good for `asyncio.timeout`, `wait_for`, `TaskGroup` and their like.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, NoReturn, TypeVar

import outcome
import trio

from .._util.stepping import Stepper
from .cancelled import as_both
from .coroutines import as_coroutine
from .current import current_task, enter_task, leave_task
from .host import Coro, FutureLoop, Host
from .trio_internals import (
    BORROW,
    Abort,
    CancelShieldedCheckpoint,
    RaiseCancel,
    Sent,
    Task,
    Trap,
    WaitTaskRescheduled,
    abort_wait,
    cancelled_scope,
    deliver_cancel,
    is_parked,
    park,
    set_abort,
)

T = TypeVar("T")

Awaited = Any  # an object of asyncio's future protocol
Step = Callable[[Any], object]  # the `send` or `throw` of a coroutine
DoneCallback = Callable[[Any], object]

SUCCEEDED = trio.lowlevel.Abort.SUCCEEDED
FAILED = trio.lowlevel.Abort.FAILED
NEXT_TURN: Awaited = object()  # what a coroutine waits for that yielded None (asyncio.sleep(0))


#: `__class__` of the stand-in for a task: read by `isinstance`, at no cost elsewhere.
as_task = property(lambda self: asyncio.Task)


class Driver:
    """One coroutine being driven; inside it, the current asyncio task.

    `value` and `error` hold the result once `finished`. `identity` is its current task while it
    runs: the driver itself, or a task that the program's loop has made for it. Programs may set
    attributes on it.
    """

    __class__ = as_task
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_call_soon",
        "_coro",
        "_guest",
        "_inner",
        "_loop",
        "_park",
        "_raise_cancel",
        "_resume_with",
        "_notified_scope",
        "_waiting",
        "error",
        "finished",
        "identity",
        "task",
        "value",
    )

    # What few need is no slot: most coroutines never wait, and each of these set in `__init__`
    # would cost them 2 % of all that driving them costs.
    _inner_abort: Abort | None = None  # only where we may not read it off the task
    _must_cancel = False
    _cancel_message: object = None
    _cancel_requests = 0
    _name: str | None = None
    _was_cancelled = False
    _callbacks: list[tuple[DoneCallback, contextvars.Context]] | None = None
    _asyncio_future_blocking = False  # asyncio's mark of what may be awaited

    def __init__(
        self, coro: Coro, task: Task, loop: FutureLoop, guest: Host, park: Trap = None
    ) -> None:
        self._coro = coro
        self.task = task
        self.identity: object = self
        self._loop = loop  # an asyncio loop, or the stand-in of a plain trio run
        self._call_soon: Callable[..., object] = loop.call_soon
        self._guest = guest  # who wakes the trio run when a task of it becomes runnable
        self._park = park  # the trap to park on; made when first needed
        self._inner = False  # parked in a trap of trio's that the coroutine yielded
        self._waiting: Awaited = None
        self._resume_with: tuple[Step, object] | None = None
        self._raise_cancel: RaiseCancel | None = None
        # The cancelled scope for which a wait for asyncio has already been cut.
        self._notified_scope: trio.CancelScope | None = None
        self.finished = False
        self.value: Any = None
        self.error: BaseException | None = None

    # --- stepping --------------------------------------------------------------
    def advance(self, method: Step, argument: object) -> Trap:
        """Run the coroutine to its next wait; returns the trap to park on, None when it has
        finished."""
        loop, identity = self._loop, self.identity
        enter_task(loop, identity)
        try:
            yielded = method(argument)
        except BaseException as exc:
            # Everything, so that cancellation and interrupts reach the task that waits for us.
            self._end_with(exc)
            return None
        finally:
            leave_task(loop, identity)
        return self._wait_for(yielded)

    def _end_with(self, exc: BaseException) -> None:
        self.finished = True
        self.identity = None  # no cycle is left to the garbage collector
        if self._callbacks is not None and not self._loop.is_closed():
            for callback, context in self._callbacks:
                self._loop.call_soon(callback, self, context=context)
        if type(exc) is StopIteration:
            self.value = exc.value
            return
        self.error = exc
        if isinstance(exc, asyncio.CancelledError):
            # Kept: the error itself is passed to the code that waits for the coroutine.
            self._was_cancelled = True

    def _wait_for(self, yielded: Awaited) -> Trap:
        """The trap to park on until what the coroutine yielded is done."""
        if yielded is None:
            return self._wait_a_turn()
        if getattr(yielded, "_asyncio_future_blocking", None) is True:
            if yielded.get_loop() is self._loop and yielded is not self.identity:
                yielded._asyncio_future_blocking = False
                yielded.add_done_callback(self._wake, context=self.task.context)
                self._waiting = yielded
                if self._must_cancel and yielded.cancel():
                    self._must_cancel = False
                return self._park or self._make_park()
            problem = f"awaits {yielded!r}, which belongs to another loop"
        elif not hasattr(yielded, "_asyncio_future_blocking"):
            return self._wait_for_trap(yielded)
        else:
            problem = f"yielded {yielded!r} instead of awaiting it"
        return self.advance(self._coro.throw, RuntimeError(f"{self!r} {problem}"))

    def _wait_a_turn(self) -> Trap:
        self._waiting = NEXT_TURN
        self._call_soon(self._next_turn, context=self.task.context)
        return self._park or self._make_park()

    def _wait_for_trap(self, trap: Trap) -> Trap:
        if self._must_cancel and type(trap) is WaitTaskRescheduled:
            # Cancelled while it ran: withdraw the wait before trio resumes it. (Never
            # throw into a wait of trio's that was not aborted: a nursery, say, would
            # lose count of its children.)
            if trap.abort_func(self._raise_cancelled_error) is SUCCEEDED:
                self.task.custom_sleep_data = None
                cancelled = outcome.capture(self._raise_cancelled_error)
                return self.advance(self._coro.send, cancelled)
        self._inner = True
        if not BORROW and type(trap) is WaitTaskRescheduled:
            self._inner_abort = trap.abort_func
            if self.task.custom_sleep_data is None:
                self.task.custom_sleep_data = self  # trio clears it when it wakes the task
            return WaitTaskRescheduled(self._abort_inner)
        return trap

    def _make_park(self) -> Trap:
        park = self._park = WaitTaskRescheduled(self._abort)
        return park

    def first_step(self) -> tuple[Step, object]:
        """What to `advance` with where no result is awaited: nothing, or a cancellation."""
        if self._must_cancel:
            return self._coro.throw, self._cancelled_error()
        return self._coro.send, None

    def resume(self, result: Sent) -> Trap:
        """Continue in trio's slice with the outcome trio sends; returns as `advance` does."""
        if self._inner:
            self._inner = False
            if not BORROW:
                self._inner_abort = None
            return self.advance(self._coro.send, result)
        if self.finished:
            return None
        if self._resume_with is not None:
            method, argument = self._resume_with
            self._resume_with = None
            return self.advance(method, argument)
        return self.advance(self._coro.throw, as_both(result.error))

    # --- waking: called by the loop that hosts the futures -----------------------
    def _next_turn(self) -> None:
        if self._waiting is NEXT_TURN:
            self._waiting = None
            if self._must_cancel:
                self._go_on(self._coro.throw, self._cancelled_error())
            else:
                self._go_on(self._coro.send, None)

    def _wake(self, future: Awaited) -> None:
        if self._waiting is not future:
            return
        self._waiting = None
        try:
            future.result()
        except BaseException as exc:
            # As asyncio does: whatever the future holds is thrown into who awaits it.
            error: BaseException = exc
        else:
            self._raise_cancel = None
            if not self._must_cancel:
                self._go_on(self._coro.send, None)
                return
            error = self._cancelled_error()
        self._wake_with(error)

    def _wake_with(self, error: BaseException) -> None:
        if self._raise_cancel is not None:
            # trio cancelled us, and what we waited for has unwound by now.
            raise_cancel, self._raise_cancel = self._raise_cancel, None
            if isinstance(error, asyncio.CancelledError):
                cancelled: Sent = outcome.capture(raise_cancel)
                error = as_both(cancelled.error)
                self._notified_scope = cancelled_scope(self.task)
        if self._must_cancel and not isinstance(error, asyncio.CancelledError):
            error = self._cancelled_error()
        if self._must_cancel:
            self._must_cancel = False
        self._go_on(self._coro.throw, error)

    def _step_later(self, method: Step, argument: object) -> None:
        """Step in the task's next slice: where trio's insides are not as we know them."""
        self._resume_with = (method, argument)
        self._guest.reschedule(self.task)

    def _borrowed_step(self, method: Step, argument: object) -> None:
        """Step in the name of the parked task, as trio's run loop does in its slice."""
        task = self.task
        loop = self._loop
        identity = self.identity
        guest = self._guest
        dispatcher = guest.dispatcher  # the trio task that is running us, if one is
        run_mark, library_mark = guest.marks
        library_mark["name"] = "trio"
        run_mark["task"] = task
        set_abort(task, None)
        trap: Trap = None
        enter_task(loop, identity)
        try:
            # `advance`, without the call: this is every step.
            try:
                yielded = method(argument)
            except BaseException as exc:
                leave_task(loop, identity)
                self._end_with(exc)
            else:
                leave_task(loop, identity)
                trap = self._wait_a_turn() if yielded is None else self._wait_for(yielded)
        finally:
            if dispatcher is None:
                library_mark["name"] = None
                del run_mark["task"]
            else:
                run_mark["task"] = dispatcher
        if type(trap) is WaitTaskRescheduled:
            if park(task, trap.abort_func):
                guest.expect_wake()
                deliver_cancel(task)
        elif trap is None:
            self._finish_borrowed()
        elif trap is CancelShieldedCheckpoint:
            guest.reschedule(task)
        else:
            self._inner = False
            error = TypeError(f"a driven coroutine yielded {trap!r}, which neither library knows")
            self._step_later(self._coro.throw, error)

    _go_on = _borrowed_step if BORROW else _step_later

    def _finish_borrowed(self) -> None:
        self._guest.reschedule(self.task)

    def _abort(self, raise_cancel: RaiseCancel) -> trio.lowlevel.Abort:
        """trio cancels the parked task: cancel what it waits for, then raise `Cancelled`.

        Once for each scope, as asyncio cancels: so `finally` may await asyncio, and `TaskGroup`
        its tasks. (Waits of trio's are cut by trio, as often as they are tried, and our own for
        sockets likewise. In a plain trio run all is cut: what would end a wait for a Future
        there is cancelled, too.)
        """
        waiting = self._waiting
        if waiting is None:
            return SUCCEEDED if self._resume_with is None else FAILED
        scope = None
        # On a closed loop nothing would act on it, and callbacks cannot be scheduled.
        closed = self._loop.is_closed()
        asyncios = waiting is NEXT_TURN or isinstance(waiting, asyncio.Future)
        if asyncios and self._guest.dispatcher is None and not closed:
            scope = cancelled_scope(self.task)
            if scope is not None and scope is self._notified_scope:
                return FAILED
        if waiting is not NEXT_TURN:
            if not closed:
                waiting.cancel()
                if not waiting.done():
                    # An asyncio task (or a gather of some) that needs time to unwind: its
                    # owner waits for it.
                    self._raise_cancel = raise_cancel
                    return FAILED
            waiting.remove_done_callback(self._wake)
        self._waiting = None
        self._notified_scope = scope
        return SUCCEEDED

    # --- asyncio.Task, as far as its users look ---------------------------------
    def cancel(self, msg: object = None) -> bool:
        """Throw `asyncio.CancelledError` into the coroutine at its current or next wait."""
        if self.finished:
            return False
        self._cancel_requests += 1
        self._cancel_message = msg
        waiting = self._waiting
        if waiting is not None and waiting is not NEXT_TURN:
            if waiting.cancel(msg=msg):
                return True
        self._must_cancel = True  # thrown at the next wait, unless the present one takes it
        if self._inner:
            self._abort_trap()
        return True

    def _abort_trap(self) -> None:
        """Have a wait of trio's raise `CancelledError`, as trio would `Cancelled`."""
        if BORROW:
            if is_parked(self.task):
                self._guest.expect_wake()
                abort_wait(self.task, self._raise_cancelled_error)
            return
        if self.task.custom_sleep_data is None:
            return  # woken already: thrown at the next wait
        abort, self._inner_abort = self._inner_abort, None
        if abort is not None and abort(self._raise_cancelled_error) is SUCCEEDED:
            self._guest.reschedule(self.task, outcome.capture(self._raise_cancelled_error))

    def _abort_inner(self, raise_cancel: RaiseCancel) -> trio.lowlevel.Abort:
        abort, self._inner_abort = self._inner_abort, None
        result: trio.lowlevel.Abort = abort(raise_cancel) if abort is not None else FAILED
        return result

    def _cancelled_error(self) -> asyncio.CancelledError:
        self._must_cancel = False
        message = self._cancel_message
        return asyncio.CancelledError() if message is None else asyncio.CancelledError(message)

    _make_cancelled_error = _cancelled_error  # for `asyncio.gather`

    def _raise_cancelled_error(self) -> NoReturn:
        raise self._cancelled_error()

    def cancelling(self) -> int:
        return self._cancel_requests

    def uncancel(self) -> int:
        if self._cancel_requests:
            self._cancel_requests -= 1
        return self._cancel_requests

    def done(self) -> bool:
        return self.finished

    def cancelled(self) -> bool:
        return self._was_cancelled

    def result(self) -> Any:
        """What the coroutine returned or raised.

        An exception of a spawned coroutine is kept only if a done-callback was added.
        """
        if not self.finished:
            raise asyncio.InvalidStateError("Result is not set.")
        if self.error is not None:
            raise self.error
        return self.value

    def exception(self) -> BaseException | None:
        if not self.finished:
            raise asyncio.InvalidStateError("Exception is not set.")
        if self._was_cancelled and self.error is not None:
            raise self.error
        return self.error

    def add_done_callback(
        self, callback: DoneCallback, *, context: contextvars.Context | None = None
    ) -> None:
        """Have the loop call `callback(self)` once the coroutine has ended."""
        if context is None:
            context = contextvars.copy_context()
        if self.finished:
            self._loop.call_soon(callback, self, context=context)
        elif self._callbacks is None:
            self._callbacks = [(callback, context)]
        else:
            self._callbacks.append((callback, context))

    def remove_done_callback(self, callback: DoneCallback) -> int:
        """Remove a callback; returns how many times it was registered."""
        callbacks = self._callbacks or []
        kept = [entry for entry in callbacks if entry[0] != callback]
        if self._callbacks is not None:
            self._callbacks = kept
        return len(callbacks) - len(kept)

    def __await__(self) -> Generator[object, None, Any]:
        if not self.finished:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    def get_loop(self) -> FutureLoop:
        return self._loop

    def get_coro(self) -> Coro | None:
        return self._coro

    def get_context(self) -> contextvars.Context:
        context: contextvars.Context = self.task.context
        return context

    def get_name(self) -> str:
        return self._name if self._name is not None else str(self.task.name)

    def set_name(self, value: object) -> None:
        self._name = str(value)

    def get_stack(self, *, limit: int | None = None) -> list[types.FrameType]:
        frame = getattr(self._coro, "cr_frame", None)
        return [frame] if frame is not None else []

    def __repr__(self) -> str:
        state = "finished" if self.finished else "waiting" if self._waiting else "running"
        return f"<Driver {state} coro={self._coro!r}>"


@types.coroutine
def run_driver(
    coro: Coroutine[Trap, Sent, T],
    loop: FutureLoop,
    guest: Host,
    *,
    listed: bool = False,
    identity: object = None,
) -> Generator[Trap, Sent, T]:
    """Drive `coro` in the current trio task; its result, or its exception.

    `listed`: `asyncio.all_tasks()` includes it once it waits. `identity`: the current task
    meanwhile.
    """
    if current_task(loop) is not None:
        # This task is driven already, so `coro` may await what it likes.
        result: T = yield from coro
        return result
    task: Task = trio.lowlevel.current_task()
    driver = Driver(coro, task, loop, guest)
    if identity is not None:
        driver.identity = identity
    else:
        identity = driver
    # `advance`, without the calls: most coroutines that are driven end in their first step.
    enter_task(loop, identity)
    try:
        yielded = coro.send(None)
    except BaseException as exc:
        leave_task(loop, identity)
        driver._end_with(exc)
        trap = None
    else:
        leave_task(loop, identity)
        trap = driver._wait_for(yielded)
    if trap is not None:
        if listed:
            asyncio._register_task(driver)  # type: ignore[arg-type]
        yield from _Driven(coro, driver, trap)
    # No cycle is left to the garbage collector.
    driver._park = driver._coro = None  # type: ignore[assignment]
    error = driver.error
    if error is not None:
        if driver._callbacks is None:
            driver.error = None
        try:
            raise error
        finally:
            del error  # no cycle through the traceback
    value: T = driver.value
    return value


class _Driven(Stepper):
    """The waits of a driven coroutine, one after the other, until it is finished."""

    __slots__ = ("_driver", "_trap")

    def __init__(self, coro: Coro, driver: Driver, trap: Trap) -> None:
        super().__init__(coro)
        self._driver = driver
        self._trap = trap

    def __iter__(self) -> _Driven:
        return self

    def __next__(self) -> Trap:
        trap, self._trap = self._trap, None
        return trap if trap is not None else self.send(None)

    def send(self, result: Sent) -> Trap:
        """From trio: the outcome of the wait. StopIteration: the coroutine is finished."""
        trap = self._driver.resume(result)
        if trap is None:
            raise StopIteration
        return trap

    def throw(self, *error: Any) -> Trap:
        """trio throws only for a trap it does not know: the coroutine's mistake. Or a signal
        handler raised, after the last step was done in a callback."""
        driver = self._driver
        exc = next(each for each in reversed(error) if isinstance(each, BaseException))
        if driver.finished:
            raise exc
        driver._inner = False
        trap = driver.advance(self.stepped.throw, exc)
        if trap is None:
            raise StopIteration
        return trap

    def close(self) -> None:
        """The task's own coroutine is closed: at the interpreter's exit, say."""
        if not self._driver.finished:
            self._driver._inner = False
            self._driver.advance(self.stepped.throw, GeneratorExit())


async def drive(awaitable: Awaitable[T], loop: FutureLoop, guest: Host) -> T:
    """Await anything, of trio or of asyncio, in a trio task.

    `loop` is the asyncio loop the coroutine's futures belong to, `guest` the trio run's host.

    Cancellation: cancelling the trio scope cancels the asyncio future being awaited, waits
    for it where it is a task, and raises `trio.Cancelled` in the coroutine.
    """
    return await run_driver(as_coroutine(awaitable), loop, guest)
