"""A process of `crowd.py`: `crowd_server.py PORT URL PREFIX`; paths name rooms to join."""

from __future__ import annotations

import sys

import trio

from tornado_trio import serve, web
from tornado_trio.rooms import Rooms
from tornado_trio.websocket import WebSocket, WebSocketOptions


class Live(web.WebSocketHandler):
    websocket_options = WebSocketOptions(ping_interval=None, deflate=None)

    async def open(self, ws: WebSocket, room: str) -> None:
        rooms: Rooms = self.settings["rooms"]
        async with rooms.join(room, ws):
            await ws.send("joined")
            await ws.wait_closed()


class Members(web.RequestHandler):
    def get(self) -> None:
        self.write({"members": self.settings["rooms"].statistics().listeners})


async def main(port: int, url: str, prefix: str) -> None:
    async with Rooms(url, prefix=prefix, history=5000, timeout=30) as rooms:
        app = web.Application([(r"/live/(\w+)", Live), (r"/members", Members)], rooms=rooms)
        await serve(app, port, host="127.0.0.1")


if __name__ == "__main__":
    try:
        trio.run(main, int(sys.argv[1]), sys.argv[2], sys.argv[3])
    except* KeyboardInterrupt:
        pass
