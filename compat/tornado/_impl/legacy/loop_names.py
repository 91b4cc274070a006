"""Attributes of Tornado 4's loops that programs read: selected by generation.

They show how much is left to do ("stop when nothing waits any more"), whether the loop runs, and
which one it is. They are views made on access: changing them has no effect, and is refused where
that can be detected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tornado._impl.loop.current import current_loop, loops, thread_loop

__all__ = ["CurrentLoop", "LoopNames"]


class LoopNames:
    """For an IOLoop over an asyncio loop."""

    asyncio_loop: asyncio.AbstractEventLoop
    closing: bool
    handlers: dict[int, tuple[Any, Any]]
    _thread_identity: int
    #: Set by tests to have the next `start` run; ours does anyway.
    _stopped = False

    def _clear_current_hook(self) -> None:
        """The thread has no loop then, whichever code made it (later, asyncio's stays)."""
        found: object = loops.get(thread_loop(False))
        if found is self:
            asyncio.set_event_loop(None)

    @property
    def _callbacks(self) -> tuple[Any, ...] | None:
        """What runs in the loop's next turn; None once the loop is closed."""
        if self.closing:
            return None
        waiting = getattr(self.asyncio_loop, "_ready", ())  # not every kind of loop tells
        return tuple(handle for handle in waiting if not handle.cancelled())

    @property
    def _timeouts(self) -> tuple[Any, ...] | None:
        """What waits for its time, the next first; None once the loop is closed."""
        if self.closing:
            return None
        waiting = getattr(self.asyncio_loop, "_scheduled", ())
        pending = (handle for handle in waiting if not handle.cancelled())
        return tuple(sorted(pending, key=asyncio.TimerHandle.when))

    @property
    def _running(self) -> bool:
        return self.asyncio_loop.is_running()

    @property
    def _handlers(self) -> Mapping[int, tuple[Any, Any]]:
        return MappingProxyType(self.handlers)

    @property
    def _closing(self) -> bool:
        return self.closing

    @property
    def _thread_ident(self) -> int | None:
        """The thread that runs the loop; None before there was one."""
        return self._thread_identity or None


class CurrentLoop:
    """`IOLoop._current`: its `instance` is the loop of the calling thread."""

    @property
    def instance(self) -> Any:
        return current_loop(instance=False)

    @instance.setter
    def instance(self, loop: Any) -> None:
        if loop is None:
            del self.instance
        else:
            loop.make_current()

    @instance.deleter
    def instance(self) -> None:
        loop = current_loop(instance=False)
        if loop is not None:
            loop.clear_current()
