"""Which IOLoop is current: asyncio's idea of it, and trio's.

Loops enter themselves here. A new loop is made by the name of its class, since the classes are in
higher layers, and `tornado.ioloop` alone needs none of them.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any, Literal, overload

from tornado.util import import_object

from tornado_trio._util.late import in_trio_task, later

if TYPE_CHECKING:
    from tornado._impl.loop import of_run
    from tornado.ioloop import IOLoop

    from tornado_trio.interop import guest
else:
    guest = later("tornado_trio.interop.guest", globals())
    of_run = later("tornado._impl.loop.of_run", globals())

__all__ = ["MAKERS", "current_loop", "loops", "thread_loop"]

#: asyncio loop -> its IOLoop
loops: dict[Any, IOLoop] = {}

MAKERS = {
    "of asyncio": "tornado.platform.asyncio.AsyncIOMainLoop",
    "of trio": "tornado._impl.loop.trio_loop.make_loop_of_run",
}


@overload
def current_loop(instance: Literal[True] = True) -> IOLoop: ...


@overload
def current_loop(instance: bool) -> IOLoop | None: ...


def current_loop(instance: bool = True) -> IOLoop | None:
    """See `IOLoop.current`."""
    loop = asyncio._get_running_loop()
    if loop is None:
        if in_trio_task():
            found = of_run.loop_of_run.get()
            if found is None and instance and guest.current_guest() is None:
                found = import_object(MAKERS["of trio"])()
            if found is not None:
                return found
        loop = thread_loop(instance)
        if loop is None:
            return None
    current = loops.get(loop)
    if current is None and instance:
        current = import_object(MAKERS["of asyncio"])()
    return current


def thread_loop(create: bool) -> Any:
    """The asyncio loop set for this thread; made and set if there is none and we may."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            if not create:
                return None
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop
