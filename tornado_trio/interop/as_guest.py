"""`run_as_guest`: run a function in trio, from a task of asyncio's.

A trio run is the guest of its loop, one for all callers, and the function a task of it that may
await both. Knows loops and their scopes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

import trio

from .scope import LoopScope

__all__ = ["run_as_guest"]

_scopes: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopScope] = WeakKeyDictionary()


async def run_as_guest(async_fn: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Await `async_fn(*args)` in trio. Raises what it raises.

    Cancellation: it is cancelled, and waited for.
    """
    loop = asyncio.get_running_loop()
    scope = _scopes.get(loop)
    if scope is None or (scope.guest is not None and not scope.active):
        scope = _scopes[loop] = LoopScope(loop)
    ended: asyncio.Future[None] = loop.create_future()
    within = trio.CancelScope()

    async def main() -> None:
        error: BaseException | None = None
        try:
            with within:
                await async_fn(*args)
        except trio.Cancelled:
            error = asyncio.CancelledError()
            raise
        except BaseException as failed:
            error = failed
        finally:
            if not ended.done():
                if error is not None:
                    ended.set_exception(error)
                else:
                    ended.set_result(None)

    scope.start_soon(main, name=async_fn)
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        if ended.done():
            raise
        scope.call(within.cancel)
        await asyncio.wait([ended])
        raise
