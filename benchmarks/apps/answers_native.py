"""The server of answers.py, natively."""

from __future__ import annotations

import json
import logging
import sys

import trio

from tornado_trio import serve, web


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


def make_app() -> web.Application:
    logging.getLogger("tornado.access").disabled = True
    return web.Application([(r"/", Hello), (r"/json/(\w+)/(\d+)", Json), (r"/echo", Echo)])


async def main() -> None:
    await serve(make_app(), int(sys.argv[1]), host="127.0.0.1")


if __name__ == "__main__":
    trio.run(main)
