"""One application with every kind of answer, and a client that asks for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado_trio import api, web
from tornado_trio.testing import memory_server
from tornado_trio.testing.server import MemoryServer, RawResponse
from tornado_trio.web.calls import Middleware
from tornado_trio.websocket import WebSocket

TEXT = "the quick brown fox " * 200
#: Larger than what is read at once, so that the kernel sends it.
LARGE = b"".join(b"%07d\n" % number for number in range(40_000))

#: Path -> the status it is answered with.
KINDS = {
    "/handler": 200,
    "/static/small.txt": 200,
    "/static/large.txt": 200,
    "/socket": 101,
    "/broken": 500,
    "/none": 404,
    "/stream": 200,
    "/moved": 301,
    "/typed": 200,
    "/function": 200,
}
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


class Handler(web.RequestHandler):
    async def get(self) -> None:
        self.write(TEXT)

    async def post(self) -> None:
        self.write(self.request.body)


class Broken(web.RequestHandler):
    async def get(self) -> None:
        self.write("lost")
        raise RuntimeError("broken")


class Stream(web.RequestHandler):
    async def get(self) -> None:
        for number in range(5):
            self.write(f"{number} {TEXT}")
            await self.flush()


class Socket(web.WebSocketHandler):
    async def open(self, ws: WebSocket) -> None:
        await ws.send("hello")


async def function(exchange: Any) -> None:
    line = web.calls.ResponseStartLine("HTTP/1.1", 200, "OK")
    headers = exchange.headers.__class__({"Content-Type": "text/plain"})
    await exchange.write_headers(line, headers)
    await exchange.write(TEXT.encode())
    await exchange.finish()


def make_app(
    folder: Path, middleware: Sequence[Middleware], **settings: Any
) -> api.Application[None]:
    (folder / "small.txt").write_text(TEXT)
    (folder / "large.txt").write_bytes(LARGE)
    rules: list[Any] = [
        (r"/handler", Handler),
        (r"/broken", Broken),
        (r"/stream", Stream),
        (r"/socket", Socket),
        (r"/moved", web.RedirectHandler, {"url": "/handler"}),
        (r"/function", function),
    ]
    app: api.Application[None] = api.Application(
        rules, middleware=middleware, static_path=str(folder), **settings
    )

    @app.get("/typed")
    async def typed() -> dict[str, str]:
        return {"text": TEXT}

    return app


class Site:
    def __init__(self, server: MemoryServer) -> None:
        self._server = server

    async def fetch(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        body: bytes = b"",
    ) -> RawResponse:
        fields = {"Host": "shop.example", **(headers or {})}
        if path == "/socket":
            fields.update(UPGRADE)
        if body:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items()), "", ""]
        raw = await self._server.connect()
        raw.wire._upgrading = path == "/socket"
        return await raw.request("\r\n".join(lines).encode() + body, method)


@asynccontextmanager
async def site(
    folder: Path, middleware: Sequence[Middleware], **settings: Any
) -> AsyncIterator[Site]:
    async with memory_server(make_app(folder, middleware, **settings)) as server:
        yield Site(server)
