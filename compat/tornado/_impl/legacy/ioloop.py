"""`PollIOLoop`, the loop of `tornado.ioloop` until Tornado 5 (reached through it)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornado.platform.asyncio import AsyncIOLoop

__all__ = ["PollIOLoop"]


class PollIOLoop(AsyncIOLoop):
    """The name of the usual loop before Tornado 5. `time_func` is the clock of `time()`."""

    def initialize(  # type: ignore[override]
        self, impl: Any = None, time_func: Callable[[], float] | None = None, **kwargs: Any
    ) -> None:
        if time_func is not None:
            self.time = time_func  # type: ignore[method-assign]
        super().initialize(**kwargs)
