"""A service for `fifty_hosts.py`: a room over Redis by websocket, pages, and `/ready`.

    ROOMS=redis://127.0.0.1:6379/0 PREFIX=try: tornado-trio serve rooms_site.py:main --port 8001
"""

from __future__ import annotations

import json
import os

import trio

from tornado_trio import serve, web
from tornado_trio.rooms import Message, Rooms
from tornado_trio.service import Ready
from tornado_trio.websocket import WebSocket


def encode(message: Message) -> str:
    return json.dumps({"id": message.id, "text": message.data, "missed": message.missed})


class Live(web.WebSocketHandler):
    async def open(self, ws: WebSocket) -> None:
        last = self.get_query_argument("last", None)
        async with self.settings["rooms"].join("live", ws, since=last, encode=encode):
            async for _ in ws:
                pass


class Page(web.RequestHandler):
    async def get(self) -> None:
        await trio.sleep(0.01)
        self.write("a page")


async def main() -> None:
    async with Rooms(os.environ["ROOMS"], prefix=os.environ["PREFIX"]) as rooms:
        rules = [("/live", Live), ("/page", Page), ("/ready", Ready)]
        await serve(web.Application(rules, rooms=rooms), 8888)
