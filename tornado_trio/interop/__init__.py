"""asyncio and trio in one thread: trio as a guest of an asyncio loop, coroutines that await both.

The only place of the package that imports asyncio. Names are imported on first use: what a loop
needs to be there, and what it needs to run, are loaded at different times.
"""

from typing import TYPE_CHECKING

from .._util.late import names_later

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

__getattr__, __dir__ = names_later(globals(), _HOMES)
