"""What `asyncio.all_tasks()` shows of coroutines that are not asyncio tasks.

Those that wait are registered, as asyncio's own are (`Workers.list`). Registering each one that
runs or is about to would cost every coroutine for what few programs use; so its registry gets an
iterator that finds the rest on demand:

- the running one, which may not have waited yet;
- those that were spawned and have not begun: `asyncio.run` cancels them, and they never begin.

Knows asyncio's registry of tasks, drivers, and the loops' queues by way of `tasks`.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from asyncio import tasks
from collections.abc import Iterator
from typing import Any, Protocol, cast

from .current import current_task
from .driver import Driver, as_task
from .host import Coro, FutureLoop

__all__ = ["Unbegun", "show_tasks_of"]


class Unbegun(asyncio.Future[Any]):
    """A coroutine that was spawned and has not begun, as its task. Cancelled, it never begins.

    It stands between the coroutine and its spawner: `begun` and `ended` are called instead of the
    callbacks it was spawned with, and forward to them.
    """

    __class__ = as_task

    def __init__(self, loop: Any, coro: Coro, on_done: Any, on_start: Any = None) -> None:
        super().__init__(loop=loop)
        self._coro = coro
        self._on_done = on_done
        self._on_start = on_start
        self._driver: Driver | None = None
        self._asked: tuple[object] | None = None  # the message of a cancellation

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        if self._driver is not None:
            return self._driver.cancel(msg)
        self._asked = (msg,)
        return True

    def begun(self, driver: Driver) -> None:
        self._driver = driver
        if self._on_start is not None:
            self._on_start(driver)
        if self._asked is not None:
            driver.cancel(*self._asked)

    def ended(self, value: Any, error: BaseException | None) -> None:
        self._driver = None
        if error is None:
            self.set_result(value)
        elif isinstance(error, asyncio.CancelledError):
            super().cancel()
        else:
            self.set_exception(error)
            self.exception()  # reported to the spawner
        self._on_done(value, error)

    def get_coro(self) -> Coro:
        return self._coro

    def get_name(self) -> str:
        return getattr(self._coro, "__qualname__", "Unbegun")


class _Queue(Protocol):
    """Whose coroutines have not begun: `tasks.TaskScope`."""

    @property
    def future_loop(self) -> FutureLoop: ...

    def unbegun(self) -> Iterator[Unbegun]: ...


_queues: weakref.WeakSet[_Queue] = weakref.WeakSet()


class _Record(weakref.WeakSet[Any]):
    """asyncio's record of the tasks that it did not make, and of ours."""

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        loop = asyncio._get_running_loop()
        running = None if loop is None else current_task(loop)
        if type(running) is not asyncio.Task and isinstance(running, asyncio.Task):
            yield running
        for queue in list(_queues):
            if queue.future_loop is loop or not queue.future_loop.is_running():
                yield from queue.unbegun()  # not of a loop that runs in another thread


def show_tasks_of(queue: _Queue) -> None:
    """Have `asyncio.all_tasks()` show what of `queue` has not begun; it is not kept alive."""
    record: Any = _record()
    if type(record) is weakref.WeakSet:
        # Its class, not another object: the interpreter's own functions hold on to this one.
        record.__class__ = _Record
    _queues.add(queue)


class _Probe:
    """Something to register."""


@functools.cache
def _record() -> object:
    """asyncio's record of tasks that it did not make; None where it keeps it otherwise.

    It has had three names, and none since Python 3.14. So something is registered, and whichever
    wants to know of its end is asked who that is.
    """
    probe: Any = _Probe()
    tasks._register_task(probe)
    try:
        [reference] = weakref.getweakrefs(probe)
        callback: Any = reference.__callback__  # a WeakSet's, whose default is a reference to it
        return cast(object, callback.__defaults__[0]())
    except (AttributeError, TypeError, ValueError):
        return None
    finally:
        tasks._unregister_task(probe)
