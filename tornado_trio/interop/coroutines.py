"""What may be said of coroutines before anything runs them: no trio here, and nothing of a loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

__all__ = ["as_coroutine", "drives_itself", "undriven"]

if TYPE_CHECKING:
    from .host import Coro
    from .trio_internals import Sent, Trap

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])

#: Code of such functions -> which of their coroutines; None: all.
_undriven: dict[object, Callable[[Coro], bool] | None] = {}


def undriven(function: F, which: Callable[[Coro], bool] | None = None) -> F:
    """Mark an async function whose trio tasks await trio only, or drive what they run.

    It saves them a call per step. `which` decides it for a coroutine that has not begun, if that
    depends on the function's arguments.
    """
    _undriven[function.__code__] = which
    return function


def drives_itself(coro: Coro) -> bool:
    """Whether it is one of a function so marked."""
    code = getattr(coro, "cr_code", None)
    if code not in _undriven:
        return False
    which = _undriven[code]
    return which is None or which(coro)


def as_coroutine(awaitable: Awaitable[T]) -> Coroutine[Trap, Sent, T]:
    """Something with `send` and `throw` that runs `awaitable`."""
    if isinstance(awaitable, Coroutine):
        return awaitable
    return _await(awaitable)


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable
