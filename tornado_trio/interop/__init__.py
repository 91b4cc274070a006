"""asyncio and trio in one thread: trio as a guest of an asyncio loop, coroutines that await both.

The only place of the package that imports asyncio.
"""

from .driver import Driver, drive
from .guest import Guest, undriven
from .hosted import run_with_asyncio
from .scope import LoopScope

__all__ = ["Driver", "Guest", "LoopScope", "drive", "run_with_asyncio", "undriven"]
