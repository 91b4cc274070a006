"""Running code in another context than the current one. Knows contextvars, nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["InContext", "run_in"]


def run_in(context: Context, function: Callable[..., Any], *args: Any) -> Any:
    """Call `function(*args)` in `context`; directly, if `context` has already been entered.

    A context cannot be entered twice (`Context.run` raises RuntimeError), and code that notifies a
    request (of a disconnect, say) does not know whether it runs inside that request.
    """
    try:
        context.run(int)
    except RuntimeError:
        return function(*args)
    return context.run(function, *args)


class InContext:
    """Awaits something in `context`, step by step; for what would be a separate task elsewhere.

    Costs a call per step, where a task costs a turn of the loop.
    """

    __slots__ = ("_awaitable", "_context")

    def __init__(self, awaitable: Awaitable[Any], context: Context) -> None:
        self._awaitable = awaitable
        self._context = context

    def __await__(self) -> Generator[Any, Any, Any]:
        run = self._context.run
        steps = self._awaitable.__await__()
        try:
            trap = run(steps.send, None)
            while True:
                try:
                    value = yield trap
                except GeneratorExit:
                    run(steps.close)
                    raise
                except BaseException as error:
                    trap = run(steps.throw, error)
                else:
                    trap = run(steps.send, value)
        except StopIteration as stop:
            return stop.value
