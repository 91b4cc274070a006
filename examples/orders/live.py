"""Followers of what happens to orders, by server-sent events and by websocket: part of
examples/orders."""

from __future__ import annotations

import dataclasses
import json

import trio

from tornado_trio import web
from tornado_trio.websocket import WebSocket, WebSocketOptions

from .handlers import Base
from .state import State

HEARTBEAT = 15.0  # seconds of silence, after which a comment keeps proxies from closing


class Events(Base):
    async def get(self) -> None:
        """Those since `Last-Event-ID`, then each as it comes, until the service ends."""
        feed = self.state.feed
        text = self.request.headers.get("Last-Event-ID", "")
        number = min(int(text), feed.last) if text.isascii() and text.isdigit() else feed.last
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.write("retry: 1000\n\n")
        await self.flush()
        while not feed.closed:
            with trio.move_on_after(HEARTBEAT) as silence:
                for event in await feed.after(number):
                    number = event.number
                    data = {"order": event.order, "status": event.status}
                    self.write(f"id: {number}\ndata: {json.dumps(data)}\n\n")
            if silence.cancelled_caught:
                self.write(": still here\n\n")
            await self.flush()  # no faster than the client reads


class Live(web.WebSocketHandler):
    """The same by websocket; a client that says an order's number hears of that one only."""

    websocket_options = WebSocketOptions(max_message_size=100)

    async def open(self, ws: WebSocket) -> None:
        state: State = self.settings["state"]
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
