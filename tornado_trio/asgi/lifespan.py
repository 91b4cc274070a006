"""The lifespan of a mounted ASGI application, as events. Knows ASGI's messages about it only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import trio

from .outbox import message
from .types import AsgiApplication, Message, Receive, Scope, Send

__all__ = ["LifespanEvents"]

logger = logging.getLogger("tornado.general")

_SHUTDOWN: Final = 10.0  # seconds that an application has for it


class LifespanEvents:
    """The events between an application's lifespan and the server that runs it.

    Attributes:
      failure: why it did not start; None: it did, or has no lifespan.
      started: it can be served.
    """

    def __init__(
        self,
        app: AsgiApplication,
        state: dict[str, Any],
        bridge: Callable[[Receive, Send], tuple[Receive, Send]],
    ) -> None:
        self._app = app
        self._state = state
        self._bridge = bridge
        self._asked = False
        self._stop = trio.Event()
        self._stopped = trio.Event()
        # What it has opened is in use until the last request has ended, though the service has
        # been cancelled: `end` sets the deadline.
        self._shield = trio.CancelScope(shield=True)
        self.failure: str | None = None
        self.started = trio.Event()

    async def run(self) -> None:
        """Run until `end`, and its deadline at the latest."""
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            with self._shield:
                await self._app(scope, *self._bridge(self._receive, self._send))
        except Exception as error:
            if self.failure is None and self._asked:
                logger.error("the lifespan of %r failed", self._app, exc_info=error)
            # Not asked for anything: one that knows no lifespan raises (ASGI's own rule).
        finally:
            self.started.set()
            self._stopped.set()

    async def end(self) -> None:
        """Shut it down, within ten seconds; at once if it has not finished starting."""
        if not self.started.is_set() or self.failure is not None:
            self._shield.cancel()
        else:
            self._shield.deadline = trio.current_time() + _SHUTDOWN
        self._stop.set()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _SHUTDOWN) as patience:
            await self._stopped.wait()
        if patience.cancelled_caught:
            logger.error("%r did not shut down within %d s", self._app, _SHUTDOWN)
        self._shield.cancel()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return message("lifespan.startup")
        await self._stop.wait()
        return message("lifespan.shutdown")

    async def _send(self, each: Message) -> None:
        kind = each["type"]
        if kind == "lifespan.startup.failed":
            self.failure = each.get("message") or "its lifespan failed"
        elif kind == "lifespan.shutdown.failed":
            logger.error("%r did not shut down well: %s", self._app, each.get("message", ""))
        if kind.startswith("lifespan.startup"):
            self.started.set()
        else:
            self._stopped.set()
