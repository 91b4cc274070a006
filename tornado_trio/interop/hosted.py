"""`run_with_asyncio`: what `trio.run` does, on an asyncio loop. Both libraries may be awaited.

Knows `Guest` and `LoopScope`. The loop is new, runs for this one call, and is closed after it,
as with `asyncio.run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import outcome
import trio

from .guest import Guest
from .host_loop import poll_sparingly, skip_debug_checks
from .scope import LoopScope

__all__ = ["run_with_asyncio", "uvloop_factory"]

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def uvloop_factory() -> LoopFactory:
    """The factory of uvloop's loops. Raises ImportError if it is not installed."""
    from uvloop import new_event_loop

    factory: LoopFactory = new_event_loop
    return factory


def run_with_asyncio(
    async_fn: Callable[..., Awaitable[T]],
    *args: Any,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
    loop_factory: LoopFactory | None = None,
) -> T:
    """Run `async_fn(*args)` as the main task of a trio run that an asyncio loop hosts.

    It and every task below it may await trio and asyncio alike; a cancel scope cuts either.

    Args:
        clock, instruments: as for `trio.run`. The clock is for trio only: asyncio's timers follow
            the loop's.
        loop_factory: makes the loop; None: asyncio's own.

    Returns: what it returns. Raises what it raises; KeyboardInterrupt on Ctrl-C, as `trio.run`.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result: T = runner.run(_host(async_fn, args, clock, instruments))
        return result


async def _host(
    async_fn: Callable[..., Awaitable[T]],
    args: tuple[Any, ...],
    clock: trio.abc.Clock | None,
    instruments: Sequence[trio.abc.Instrument],
) -> T:
    loop = asyncio.get_running_loop()
    poll_sparingly(loop)
    skip_debug_checks(loop)
    scope = LoopScope(loop)
    Guest(loop, clock=clock, instruments=instruments)
    ended: asyncio.Future[outcome.Outcome[T]] = loop.create_future()

    async def main() -> None:
        result: outcome.Outcome[T] | None = None
        try:
            result = outcome.Value(await async_fn(*args))
        except trio.Cancelled:
            raise  # by `scope.aclose`: the result is no longer awaited
        except BaseException as error:
            result = outcome.Error(error)
        finally:
            if result is not None and not ended.done():
                ended.set_result(result)

    scope.start_soon(main, name=async_fn)
    try:
        result = await ended
    finally:
        await scope.aclose()
    return result.unwrap()
