"""A program for Tornado: upstream's runs it as it is, this project by `python -m compat`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

import tornado.web
import tornado.websocket


class Hello(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.write("Hello, world")


class Json(tornado.web.RequestHandler):
    async def get(self, name: str, number: str) -> None:
        query = self.get_argument("q", "")
        agent = self.request.headers.get("User-Agent", "")
        self.write({"name": name, "n": int(number), "q": query, "ua": agent})


class Echo(tornado.web.RequestHandler):
    async def post(self) -> None:
        self.write(json.loads(self.request.body))


class Upload(tornado.web.RequestHandler):
    async def post(self) -> None:
        self.write(str(len(self.request.body)))


class Download(tornado.web.RequestHandler):
    async def get(self, size: str) -> None:
        self.write(bytes(int(size)))


class Route(tornado.web.RequestHandler):
    async def get(self, number: str) -> None:
        self.write(number)


class Socket(tornado.websocket.WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


async def main() -> None:
    logging.getLogger("tornado.access").disabled = True
    routes = [(rf"/route{i}/(\d+)", Route) for i in range(int(os.environ.get("ROUTES", "0")))]
    app = tornado.web.Application(
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
    app.listen(int(sys.argv[1]), address="127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
