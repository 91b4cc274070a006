"""The rest of a coroutine whose first step was run by hand. Knows coroutines only."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any

__all__ = ["rest_of"]


@types.coroutine
def rest_of(coro: Coroutine[Any, Any, Any], trap: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that has yielded `trap` to trio."""
    try:
        while True:
            try:
                result = yield trap
            except BaseException as exc:  # GeneratorExit too: the coroutine must unwind
                trap = coro.throw(exc)
            else:
                trap = coro.send(result)
    except StopIteration:
        return
