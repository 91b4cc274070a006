"""`KQueueIOLoop`, as programs of Tornado 4 and 5 configure it: a loop over kqueue(2)."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

from tornado.platform.asyncio import AsyncIOLoop


class KQueueIOLoop(AsyncIOLoop):
    """The usual IOLoop; its asyncio loop waits with kqueue(2)."""

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        if "asyncio_loop" not in kwargs:
            kwargs["asyncio_loop"] = asyncio.SelectorEventLoop(
                selectors.KqueueSelector()  # type: ignore[attr-defined]
            )
        super().initialize(**kwargs)
