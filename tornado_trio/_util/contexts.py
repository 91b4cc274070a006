"""Running something in another context than the present one. Knows contextvars, nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import Context, copy_context
from typing import Any

__all__ = ["Apart", "run_in"]


def run_in(context: Context, function: Callable[..., Any], *args: Any) -> Any:
    """Call `function(*args)` in `context`; directly, where `context` has been entered already.

    A context cannot be entered twice (`Context.run` raises RuntimeError), and who tells a
    request of something (that its client left) does not know whether the request itself does.
    """
    try:
        context.run(int)
    except RuntimeError:
        return function(*args)
    return context.run(function, *args)


class Apart:
    """Awaits something in a copy of the present context, as a task of its own would.

    What it sets is not seen by who comes after it. Costs a call per step, where a task costs
    a turn of the loop.
    """

    __slots__ = ("_awaitable",)

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, Any]:
        run = copy_context().run
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
