"""asyncio and trio in one thread: trio as a guest of an asyncio loop, coroutines that await both.

The only place of the package that imports asyncio. Names are imported on first use: what a loop
needs to be there, and what it needs to run, are loaded at different times.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .coroutines import undriven
    from .driver import Driver, drive
    from .guest import Guest
    from .hosted import run_with_asyncio
    from .scope import LoopScope

_HOMES = {
    "Driver": "driver",
    "Guest": "guest",
    "LoopScope": "scope",
    "drive": "driver",
    "run_with_asyncio": "hosted",
    "undriven": "coroutines",
}

__all__ = ["Driver", "Guest", "LoopScope", "drive", "run_with_asyncio", "undriven"]


def __getattr__(name: str) -> object:
    try:
        module = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value: object = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
