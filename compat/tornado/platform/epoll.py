"""`EPollIOLoop`, as programs of Tornado 4 and 5 configure it: a loop over epoll(7)."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

from tornado._impl.legacy.ioloop import PollIOLoop
from tornado._impl.names import handing_on


class EPollIOLoop(PollIOLoop):
    """The usual IOLoop; its asyncio loop waits with epoll(7)."""

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        if "asyncio_loop" not in kwargs:
            selector = selectors.EpollSelector()  # type: ignore[attr-defined, unused-ignore]
            kwargs["asyncio_loop"] = asyncio.SelectorEventLoop(selector)
        super().initialize(**kwargs)


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.platform.epoll")
