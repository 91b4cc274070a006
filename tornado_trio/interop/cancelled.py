"""`as_both`: trio's cancellation, raised where a coroutine waits for asyncio.

Code that waits there is written for asyncio: `TaskGroup`, `wait_for` and programs' own `except
asyncio.CancelledError` clean up only when they see that exception. The cancelled scope, on the
other hand, catches only trio's own. So the coroutine gets an exception that is both.

Knows the two exceptions; knows nothing of drivers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import trio

_REASONS = ("source", "source_task", "reason")  # what trio 0.31 and later tell


class _Derivable:
    """First among bases, it answers for trio's, which does not like to be derived from."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        pass


class AwaitCancelled(_Derivable, asyncio.CancelledError, trio.Cancelled):  # type: ignore[misc]
    """A cancelled trio scope interrupts a wait for asyncio: `CancelledError` and `Cancelled`."""

    __str__ = trio.Cancelled.__str__
    __repr__ = BaseException.__repr__

    def __reduce__(self) -> Any:
        return trio.Cancelled.__reduce__(self)


def as_both(error: BaseException) -> BaseException:
    """`error`, unless it is trio's `Cancelled`: then an `AwaitCancelled` for the same reason."""
    if not isinstance(error, trio.Cancelled) or isinstance(error, AwaitCancelled):
        return error
    both = AwaitCancelled.__new__(AwaitCancelled)
    for name in _REASONS:
        if hasattr(error, name):
            setattr(both, name, getattr(error, name))
    return both.with_traceback(error.__traceback__)
