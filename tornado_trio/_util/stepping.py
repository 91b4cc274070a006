"""Stepping a coroutine by hand, visibly to tools that follow `await` chains.

A coroutine that is stepped (`send`, `throw`) by something other than an `await` is not awaited by
anything, so tools that follow `cr_await` stop there. A `Stepper` closes the gap: awaited instead of
the coroutine, it looks like the coroutine. Knows coroutines, nothing else.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

__all__ = ["Stepper", "first_yield"]


def first_yield(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it yields first; it goes no further. So the traps of trio's blocking calls are seen."""
    yielded = coroutine.send(None)
    coroutine.close()
    return yielded


class Stepper:
    """What is awaited while `coro` is stepped: subclasses have `__next__`, `send` and `throw`.

    Attributes:
      cr_frame, cr_await: the coroutine's, as `trio.lowlevel.Task.iter_await_frames` reads them.
    """

    __slots__ = ("stepped",)

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.stepped: Any = coro

    @property
    def cr_frame(self) -> Any:
        return _one_of(self.stepped, "cr_frame", "gi_frame")

    @property
    def cr_await(self) -> Any:
        return _one_of(self.stepped, "cr_await", "gi_yieldfrom")


def _one_of(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)


def _stackscope_install_glue_() -> None:
    """stackscope calls it, when it first looks at a stack: see its documentation."""
    import stackscope

    @stackscope.unwrap_stackitem.register(Stepper)
    def unwrap(stepper: Stepper) -> Any:
        return stepper.stepped
