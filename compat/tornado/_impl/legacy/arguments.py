"""Arguments that releases before 5 or 6 had between those of today.

Knows no part of Tornado: any layer may let its functions be called as they were.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["once_at"]

P = ParamSpec("P")
T = TypeVar("T")


def once_at(
    position: int, name: str, is_it: Callable[[Any], bool]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let the argument `name` be given where it was once, at `position` (`self` counts).

    What `is_it` recognizes there is passed by name, and those that follow move up. Otherwise
    it would take the place of an argument that the caller gives by its name:
    `fetch(request, callback, raise_error=False)`.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        call: Any = function

        @functools.wraps(function)
        def as_then(*args: P.args, **kwargs: P.kwargs) -> T:
            if len(args) > position and is_it(args[position]):
                kwargs[name] = args[position]
                return call(*args[:position], *args[position + 1 :], **kwargs)  # type: ignore[no-any-return]
            return function(*args, **kwargs)

        return as_then

    return decorate
