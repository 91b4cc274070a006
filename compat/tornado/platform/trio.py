"""`tornado.platform.trio`: access to the trio run of an IOLoop.

    start_soon(async_fn, *args)   a background trio task, owned by the loop
    run_task(coroutine)           a coroutine as a trio task; a Future of its result
    drive(awaitable)              inside a trio task: await anything, trio's or asyncio's
    open_loop()                   in a plain `trio.run`: an IOLoop with structured lifetime

Everything but `drive` may be called from any code in the loop's thread, before `start()` too.
Ours: Tornado has no such module.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from tornado._impl.loop.tasks import TaskFuture, drive, run_task, start_soon

if TYPE_CHECKING:
    from tornado._impl.loop.trio_loop import TrioIOLoop

__all__ = ["TaskFuture", "drive", "open_loop", "run_task", "start_soon"]


def open_loop() -> AbstractAsyncContextManager[TrioIOLoop]:
    """`async with open_loop() as io_loop:` in a plain trio run; see `TrioIOLoop`."""
    from tornado._impl.loop import trio_loop  # few programs have a plain trio run

    return trio_loop.open_loop()
