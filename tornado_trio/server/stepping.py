"""The rest of a handler whose first step was run by hand. Knows coroutines, and whom to tell
that a turn is over."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exchange import Http1Exchange

__all__ = ["rest_of"]


@types.coroutine
def rest_of(
    coro: Coroutine[Any, Any, Any], trap: Any, exchange: Http1Exchange
) -> Generator[Any, Any, None]:
    """Go on with a coroutine that has yielded `trap` to trio."""
    try:
        while True:
            if exchange._turn:
                exchange.turn_over()
            try:
                result = yield trap
            except BaseException as exc:  # GeneratorExit too: the coroutine must unwind
                trap = coro.throw(exc)
            else:
                trap = coro.send(result)
    except StopIteration:
        return
