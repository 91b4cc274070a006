"""`run_as_guest`: run a function in trio, from an asyncio task.

A trio run is the guest of its loop, one for all callers, and the function runs in one of its tasks,
which may await both. Knows loops and their scopes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import trio

from .guest import current_guest
from .scope import LoopScope

__all__ = ["bridged", "run_as_guest"]

T = TypeVar("T")

_scopes: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopScope] = WeakKeyDictionary()


def bridged(async_fn: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """Wrap `async_fn`, which awaits trio, so that asyncio tasks may await it too.

    For functions passed to asyncio programs, which may call them from new tasks. Returned as it is
    where no asyncio loop hosts the trio run.
    """
    if current_guest() is None:
        return async_fn

    async def call(*args: Any) -> T:
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            return await run_as_guest(async_fn, *args)
        return await async_fn(*args)

    return call


async def run_as_guest(async_fn: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Await `async_fn(*args)` in trio. Returns and raises what it does.

    Cancellation: it is cancelled, and waited for.
    """
    loop = asyncio.get_running_loop()
    scope = _scopes.get(loop)
    if scope is None or (scope.guest is not None and not scope.active):
        scope = _scopes[loop] = LoopScope(loop)
    ended: asyncio.Future[T] = loop.create_future()
    within = trio.CancelScope()

    async def main() -> None:
        error: BaseException | None = asyncio.CancelledError()  # unless it finishes
        result: Any = None
        try:
            with within:
                result = await async_fn(*args)
                error = None
        except trio.Cancelled:
            raise
        except BaseException as failed:
            error = failed
        finally:
            if not ended.done():
                if error is not None:
                    ended.set_exception(error)
                else:
                    ended.set_result(result)

    scope.start_soon(main, name=async_fn)
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        if ended.done():
            raise
        scope.call(within.cancel)
        await asyncio.wait([ended])
        raise
