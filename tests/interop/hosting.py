"""Runs a coroutine as a trio task that is a guest of asyncio, without anything of compat."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from tornado_trio.interop import LoopScope


class Spawned(asyncio.Future):  # type: ignore[type-arg]
    """The outcome of a coroutine given to a scope's workers; `driver` once it has begun."""

    driver: Any = None

    def began(self, driver: Any) -> None:
        self.driver = driver

    def ended(self, value: Any, error: BaseException | None) -> None:
        if self.done():
            pass  # the test's loop is being shut down
        elif error is None:
            self.set_result(value)
        elif isinstance(error, (asyncio.CancelledError, trio.Cancelled)):
            self.cancel()
        else:
            self.set_exception(error)


def spawn(scope: LoopScope, coroutine: Any) -> Spawned:
    """Begin `coroutine` on the next turn of the scope's loop."""
    result = Spawned(loop=scope.loop)
    scope.loop.call_soon(
        scope.spawn, coroutine, contextvars.copy_context(), result.ended, result.began
    )
    return result


def run_hosted(
    async_fn: Callable[..., Awaitable[Any]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Any:
    """`async_fn(scope)` in a trio task, hosted by a fresh asyncio loop; its result."""

    async def main() -> Any:
        scope = LoopScope(asyncio.get_running_loop())
        return await spawn(scope, async_fn(scope))

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())
