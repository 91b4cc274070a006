"""Server-sent events of a handler: `async with self.events() as send`.

Knows a handler's output and its exchange; the format is `wire.server_events`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from ..escape import to_unicode
from ..wire.server_events import ServerEvent, encode_comment, encode_event

if TYPE_CHECKING:
    from .answers import AnswerMethods

__all__ = ["EventSender", "event_stream"]


class EventSender:
    """Sends events: `await send(data, event="price", id="7")`.

    Attributes:
      last_id: the `Last-Event-ID` that a reconnecting client sends, or None.
    """

    def __init__(self, handler: AnswerMethods) -> None:
        self._handler: Any = handler
        self.last_id: str | None = handler.request.headers.get("Last-Event-ID")
        self._sent_at = trio.current_time()

    async def __call__(
        self,
        data: Any,
        *,
        event: str | None = None,
        id: str | int | None = None,
        retry: float | None = None,
    ) -> None:
        """Send an event. Text is sent as it is, other data as `json` would.

        `retry`: seconds after which the client may connect again. ValueError for a line end in
        `event` or `id`. Waits for a client that reads slowly.
        Cancellation: the event is on its way, whole.
        """
        if not isinstance(data, str):
            data = to_unicode(self._handler._encode_json(data))
        await self._send(encode_event(data, event, None if id is None else str(id), retry))

    async def comment(self, text: str = "") -> None:
        """Send a comment, which clients skip."""
        await self._send(encode_comment(text))

    def _send(self, data: bytes) -> Any:
        self._sent_at = trio.current_time()
        self._handler.write(data)
        return self._handler.flush()

    async def _keep_alive(self, heartbeat: float) -> None:
        while True:
            await trio.sleep_until(self._sent_at + heartbeat)
            if trio.current_time() >= self._sent_at + heartbeat:
                # Not waited for: a client that reads nothing meets `Timeouts.write`.
                self._send(encode_comment())


@asynccontextmanager
async def event_stream(
    handler: AnswerMethods, heartbeat: float | None, retry: float | None, last: ServerEvent | None
) -> AsyncIterator[EventSender]:
    """See `AnswerMethods.events`."""
    handler.set_header("Content-Type", "text/event-stream")
    if "Cache-Control" not in handler._headers:
        handler.set_header("Cache-Control", "no-store")
    handler.set_header("X-Accel-Buffering", "no")  # nginx would collect them
    send = EventSender(handler)
    if retry is not None:
        handler.write(encode_event(None, retry=retry))
    await handler.flush()
    exchange: Any = handler.request.connection
    draining = False

    def end() -> None:
        nonlocal draining
        draining = True
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            if heartbeat is not None:
                nursery.start_soon(send._keep_alive, heartbeat)
            if handler.request.method == "HEAD":
                nursery.cancel_scope.cancel()  # the fields are all there is
            exchange.set_drain_callback(end)
            yield send
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None  # the block's own: our task raises nothing
        raise
    finally:
        exchange.set_drain_callback(None)
    if draining and last is not None and handler.request.method != "HEAD":
        await send(last.data, event=last.event, retry=last.retry)
