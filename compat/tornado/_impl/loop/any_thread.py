"""`AnyThreadEventLoopPolicy`: asyncio gives up policies (deprecated in 3.14, gone in 3.16)."""

from __future__ import annotations

import asyncio
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from asyncio import DefaultEventLoopPolicy


class AnyThreadEventLoopPolicy(DefaultEventLoopPolicy):
    """An event loop policy that makes a loop for any thread that asks. Deprecated.

    asyncio's own makes one in the main thread only; `asyncio.run` needs neither.
    """

    def get_event_loop(self) -> asyncio.AbstractEventLoop:
        try:
            loop: asyncio.AbstractEventLoop = super().get_event_loop()
        except RuntimeError:
            loop = self.new_event_loop()
            self.set_event_loop(loop)
        return loop
