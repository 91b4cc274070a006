"""`in_trio`: run a function in trio, whatever the server runs in.

Under a trio server it is awaited as it is. Under an asyncio server a trio run is the guest of its
loop (`interop`), one for all requests, and the function a task of it that may await both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import trio

if TYPE_CHECKING:
    from ..interop.scope import LoopScope

__all__ = ["in_trio"]

_scopes: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopScope] = WeakKeyDictionary()


async def in_trio(async_fn: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Await `async_fn(*args)` in trio. Raises what it raises.

    Cancellation: it is cancelled, and waited for.
    """
    if _in_trio_task():
        await async_fn(*args)
        return
    loop = asyncio.get_running_loop()
    scope = _scopes.get(loop)
    if scope is None or (scope.guest is not None and not scope.active):
        from ..interop.scope import LoopScope

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


def _in_trio_task() -> bool:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    # A guest's tasks are no tasks of asyncio's.
    return True
