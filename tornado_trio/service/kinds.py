"""What `run` accepts: an application, a `main`, an exchange function, or a factory of one.

Recognises them by type and signature, and common mistakes. Starts nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ..server.serve import serve
from ..web.application import Application
from ..web.handler import RequestHandler
from .errors import CannotStart

__all__ = ["Main", "main_of"]

Main = Callable[[], Awaitable[object]]

WANTED = (
    "an Application, an async function without arguments, an async function of an exchange, "
    "or a function that returns one of these"
)


def main_of(target: Any, name: str | None = None, *, factories: bool = True) -> Main:
    """An async function without arguments that serves `target`.

    Args:
        target: what was given to `run`, or found by its name.
        name: its name in messages.
        factories: call a plain function, and use what it returns.

    Raises:
        CannotStart: it cannot be run; says what it is, and the remedy.
    """
    shown = name or _shown(target)
    if inspect.iscoroutine(target):
        target.close()
        raise CannotStart(f"{shown} is a coroutine: give the function, without calling it", 2)
    if inspect.isclass(target):
        raise CannotStart(_wrong_class(target, shown), 2)
    if isinstance(target, Application):
        if refusal := getattr(target, "_native_refusal", None):
            raise CannotStart(f"{shown}: {refusal}", 2)
        return partial(serve, target)
    if isinstance(target, (list, tuple)):
        raise CannotStart(f"{shown} is a list of rules: give Application({shown})", 2)
    if not callable(target):
        raise CannotStart(f"{shown} is {_kind(target)}, which cannot be run: give {WANTED}", 2)
    required = _required(target)
    if _is_async(target):
        if required == 0:
            main: Main = target
            return main
        if required == 1:
            return partial(serve, target)
        raise CannotStart(f"{shown} takes {required} arguments: give {WANTED}", 2)
    if factories and required == 0:
        made = target()
        if made is None:
            raise CannotStart(
                f"{shown} is a function that returned nothing: give {WANTED}. A classic "
                "main() that starts its own loop is for `tornado-trio run`",
                2,
            )
        return main_of(made, f"{shown}()", factories=False)
    raise CannotStart(f"{shown} is {_kind(target)}, which cannot be run: give {WANTED}", 2)


def _shown(target: Any) -> str:
    name = getattr(target, "__qualname__", None)
    return name if isinstance(name, str) else _kind(target)


def _kind(target: Any) -> str:
    kind = type(target).__name__
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _wrong_class(target: type, shown: str) -> str:
    if issubclass(target, RequestHandler):
        return f"{shown} is a handler class: give Application([(r'/', {target.__name__})])"
    return f"{shown} is a class: give {WANTED}"


def _is_async(target: Any) -> bool:
    if inspect.iscoroutinefunction(target):
        return True
    return inspect.iscoroutinefunction(getattr(target, "__call__", None))  # noqa: B004


def _required(target: Any) -> int:
    """How many arguments it must be called with."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return -1  # a built-in that does not say
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.default is p.empty and p.kind in kinds for p in parameters)
