"""What applications want open around the requests that they answer.

An application, a router or a rule's target says so by a method `lifespans()`: functions that make
async context managers. Hosts enter them before the first request. Knows neither.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

__all__ = ["Lifespan", "lifespans_of", "running"]

#: Makes what is entered before the first request, and left after the last.
Lifespan: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]


def lifespans_of(app: Any) -> list[Lifespan]:
    """Those of an application, or of anything else; each once."""
    find = None if isinstance(app, type) else getattr(app, "lifespans", None)
    return list(dict.fromkeys(find())) if callable(find) else []


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """Inside of the block the lifespans of `app` run. Raises what entering one raises.

    Cancellation: those that were entered are left.
    """
    async with AsyncExitStack() as stack:
        for lifespan in lifespans_of(app):
            await stack.enter_async_context(lifespan())
        yield
