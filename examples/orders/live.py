"""Followers of what happens to orders, by server-sent events and by websocket: part of
examples/orders."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import trio

from tornado_trio import web
from tornado_trio.websocket import WebSocket, WebSocketOptions

from .state import State


def state_of(handler: web.RequestHandler) -> State:
    application: Any = handler.application
    state: State = application.state
    return state


class Events(web.RequestHandler):
    async def get(self) -> None:
        """Those since `Last-Event-ID`, then each as it comes, until the service ends."""
        feed = state_of(self).feed
        async with self.events(retry=1) as send:
            text = send.last_id or ""
            number = min(int(text), feed.last) if text.isascii() and text.isdigit() else feed.last
            while not feed.closed:
                for event in await feed.after(number):
                    number = event.number
                    # No faster than the client reads.
                    await send({"order": event.order, "status": event.status}, id=number)


class Live(web.WebSocketHandler):
    """The same by websocket; a client that says an order's number hears of that one only."""

    websocket_options = WebSocketOptions(max_message_size=100)

    async def open(self, ws: WebSocket) -> None:
        state = state_of(self)
        wanted: set[int] = set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell, ws, state, wanted)
            async for message in ws:
                if isinstance(message, str) and message.isascii() and message.isdigit():
                    wanted.add(int(message))
            nursery.cancel_scope.cancel()

    async def _tell(self, ws: WebSocket, state: State, wanted: set[int]) -> None:
        number = state.feed.last
        while not state.feed.closed:
            for event in await state.feed.after(number):
                number = event.number
                if not wanted or event.order in wanted:
                    await ws.send(json.dumps(dataclasses.asdict(event)))
