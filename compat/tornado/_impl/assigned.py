"""Module variables that programs assign, where the value lives elsewhere.

`tornado.locale._supported_locales = ...`: assigning to a module runs no code of its own, unless
the module's class has a property of the name. Knows no module in particular.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

__all__ = ["assignable", "attribute"]


def assignable(
    module: str, name: str, read: Callable[[], Any], write: Callable[[Any], object]
) -> None:
    """Let `module` have a variable `name` that is read and written by functions.

    Deleting it gives it the value back that it had before: `unittest.mock.patch` ends so.
    """
    found = sys.modules[module]
    kind = type(found)
    if kind is types.ModuleType:
        kind = found.__class__ = type("module", (types.ModuleType,), {})
    before: list[Any] = []

    def assign(_: object, value: Any) -> None:
        before[:] = [read()]
        write(value)

    def delete(_: object) -> None:
        if not before:
            raise AttributeError(f"{module}.{name} cannot be deleted; assign something to it")
        write(before.pop())

    setattr(kind, name, property(lambda _: read(), assign, delete))


def attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """How to read and write the attribute `name` of `owner`."""
    return (lambda: getattr(owner, name)), (lambda value: setattr(owner, name, value))
