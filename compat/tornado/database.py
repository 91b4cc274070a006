"""`tornado.database`, as Tornado 2 had it: since Tornado 3 it is a package, `torndb`.

Importing this succeeds without it, so that a program starts; what it asks for comes from `torndb`.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        torndb = importlib.import_module("torndb")
    except ImportError as error:
        raise AttributeError(
            f"tornado.database.{name}: tornado.database has been the package torndb since "
            "Tornado 3; install it, or use another driver"
        ) from error
    return getattr(torndb, name)
