"""The application of the corpus: what a server, ours or another, is asked in tests/asgi."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tornado_trio import web
from tornado_trio.asgi import AsgiApp
from tornado_trio.exchange import HTTPHeaders
from tornado_trio.limits import Limits
from tornado_trio.websocket import WebSocket

#: Larger than what is read into memory to be sent.
LARGE = Path(__file__).parents[1] / "upstream" / "api" / "tornado-6.6.1.json"


def note(text: str) -> None:
    """For the test that started the process."""
    print(f"note: {text}", flush=True)


class Hello(web.RequestHandler):
    async def get(self) -> None:
        self.write("hello " + self.get_argument("name", "world"))

    async def post(self) -> None:
        self.write(self.request.body)


class Where(web.RequestHandler):
    def get(self, rest: str) -> None:
        request = self.request
        self.write(
            {"path": request.path, "query": request.query, "rest": rest, "ip": request.remote_ip}
        )


@web.stream_request_body
class Upload(web.RequestHandler):
    """Read as it comes."""

    async def post(self) -> None:
        size = 0
        async for chunk in self.request.connection.body():
            size += len(chunk)
        self.write(str(size))


class Chunks(web.RequestHandler):
    """Each chunk leaves before the next is made."""

    async def get(self) -> None:
        for number in range(3):
            self.write(f"{number}\n")
            await self.flush()
            await trio.sleep(0.02)


class Big(web.RequestHandler):
    def get(self) -> None:
        self.write(b"x" * 3_000_000)


class Slow(web.RequestHandler):
    async def get(self) -> None:
        note("slow began")
        try:
            await trio.sleep(60)
        except trio.Cancelled:
            note("slow cancelled")
            raise


class Late(web.RequestHandler):
    request_timeout = 0.1

    async def get(self) -> None:
        await trio.sleep(60)


class Breaks(web.RequestHandler):
    """Fails in the middle of its response."""

    async def get(self) -> None:
        self.write("a part")
        await self.flush()
        raise RuntimeError("in the middle")


class Bug(web.RequestHandler):
    def get(self) -> None:
        raise ValueError("a bug")

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.finish(f"own page {status_code}")


class Unchanged(web.RequestHandler):
    def get(self) -> None:
        self.set_header("Etag", '"a"')
        self.set_status(304)


class Hints(web.RequestHandler):
    async def get(self) -> None:
        hints = HTTPHeaders({"Link": "</a.css>; rel=preload"})
        await self.request.connection.send_informational(103, "Early Hints", hints)
        self.write("hinted")


class Children(web.RequestHandler):
    async def get(self) -> None:
        done: list[int] = []

        async def child(number: int) -> None:
            await trio.sleep(0.01)
            done.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(child, number)
        self.write(str(sorted(done)))


@web.stream_request_body
class Unread(web.RequestHandler):
    """Leaves its body unread."""

    async def post(self) -> None:
        note("unread began")
        try:
            await trio.sleep(60)
        except trio.Cancelled:
            note("unread cancelled")
            raise


class Download(web.RequestHandler):
    async def get(self) -> None:
        await self.send_file(LARGE)


class Echo(web.WebSocketHandler):
    subprotocols = ("chat",)

    async def open(self, ws: WebSocket) -> None:
        async for message in ws:
            if message == "close":
                await ws.close(4000, "asked to")
                break
            if message == "fail":
                raise OSError("the program's own")
            await ws.send(message)
        note(f"echo ended {ws.close_code}")


application = web.Application(
    [
        ("/", Hello),
        ("/where/(.*)", Where),
        ("/upload", Upload),
        ("/chunks", Chunks),
        ("/big", Big),
        ("/slow", Slow),
        ("/late", Late),
        ("/breaks", Breaks),
        ("/bug", Bug),
        ("/unchanged", Unchanged),
        ("/hints", Hints),
        ("/children", Children),
        ("/unread", Unread),
        ("/download", Download),
        ("/echo", Echo),
        ("/data/(.*)", web.StaticFileHandler, {"path": str(LARGE.parent)}),
        ("/files/(.*)", web.StaticFileHandler, {"path": os.path.dirname(__file__)}),
    ]
)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    note("up")
    yield
    note("down")


app = AsgiApp(application, lifespan=lifespan, limits=Limits(max_body_size=10_000_000))

if __name__ == "__main__":
    from tornado_trio import run

    run(application, port=int(sys.argv[1]))
