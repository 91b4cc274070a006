"""What the other programs here do, natively."""

from __future__ import annotations

import json
import logging
import os
import sys

import trio

from tornado_trio import serve, web
from tornado_trio.websocket import WebSocket, WebSocketOptions


class Hello(web.RequestHandler):
    async def get(self) -> None:
        self.write("Hello, world")


class Json(web.RequestHandler):
    async def get(self, name: str, number: str) -> None:
        query = self.get_argument("q", "")
        agent = self.request.headers.get("User-Agent", "")
        self.write({"name": name, "n": int(number), "q": query, "ua": agent})


class Echo(web.RequestHandler):
    async def post(self) -> None:
        self.write(json.loads(self.request.body))


class Upload(web.RequestHandler):
    async def post(self) -> None:
        self.write(str(len(self.request.body)))


class Download(web.RequestHandler):
    async def get(self, size: str) -> None:
        self.write(bytes(int(size)))


class Route(web.RequestHandler):
    async def get(self, number: str) -> None:
        self.write(number)


class Socket(web.WebSocketHandler):
    websocket_options = WebSocketOptions(deflate=None, ping_interval=None)  # as the others

    async def open(self, ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)


logging.getLogger("tornado.access").disabled = True
routes = [(rf"/route{i}/(\d+)", Route) for i in range(int(os.environ.get("ROUTES", "0")))]
app = web.Application(
    [
        *routes,
        (r"/", Hello),
        (r"/json/(\w+)/(\d+)", Json),
        (r"/echo", Echo),
        (r"/upload", Upload),
        (r"/download/(\d+)", Download),
        (r"/socket", Socket),
    ]
)


async def main() -> None:
    await serve(app, int(sys.argv[1]), host="127.0.0.1")


if __name__ == "__main__":
    trio.run(main)
