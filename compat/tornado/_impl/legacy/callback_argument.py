"""`callback=` in the call of a coroutine, as Tornado had it until 6.

Knows contexts and the current loop; loaded when a coroutine is first called so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tornado._impl.generation import before, old_idiom
from tornado._impl.legacy.contexts import wrap
from tornado._impl.loop.current import current_loop

__all__ = ["take_callback"]


def take_callback(func: Callable[..., Any], kwargs: dict[str, Any], future: Any) -> None:
    """Take the `callback=` of a call of a coroutine function, which gets the result.

    Until Tornado 6 every coroutine had this argument. Now a function that has one of its own,
    or takes any keyword, is given it; with the switch of generations it is as it was.
    """
    if not before(6) and _takes_callback(func):
        return
    old_idiom("callback= argument of a coroutine")
    callback = wrap(kwargs.pop("callback"))
    if callback is not None:
        current_loop().add_future(future, lambda done: callback(done.result()))


def _takes_callback(func: Callable[..., Any]) -> bool:
    parameters = inspect.signature(func).parameters.values()
    return any(p.name == "callback" or p.kind is p.VAR_KEYWORD for p in parameters)
