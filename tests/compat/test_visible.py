"""trio's tools see the handlers of Tornado's programs, whatever these wait for."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import gc
from typing import Any

import pytest
import trio
from tornado import httpserver, ioloop, iostream, testing, web, websocket


class Sleeps(web.RequestHandler):
    async def get(self) -> None:
        await self.deeper()

    async def deeper(self) -> None:
        for _ in range(2):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)


class Natively(Sleeps):
    async def deeper(self) -> None:
        await trio.sleep(0.4)


class Talks(websocket.WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await asyncio.sleep(0.4)
        self.close()


UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x80abcd"
)


@pytest.mark.parametrize(
    ("path", "rest", "function"),
    [
        ("/sleeps", b"\r\n", "deeper"),
        ("/natively", b"\r\n", "deeper"),
        ("/talks", UPGRADE, "_receive_frame_loop"),
    ],
)
def test_a_handler_that_waits(path: str, rest: bytes, function: str) -> None:
    async def main() -> None:
        rules: list[Any] = [("/sleeps", Sleeps), ("/natively", Natively), ("/talks", Talks)]
        sock, port = testing.bind_unused_port()
        server = httpserver.HTTPServer(web.Application(rules))
        server.add_socket(sock)
        stream = iostream.IOStream(__import__("socket").socket())
        await stream.connect(("127.0.0.1", port))
        await stream.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode() + rest)
        await asyncio.sleep(0.2)
        named = [
            task
            for task in gc.get_objects()
            if type(task) is trio.lowlevel.Task and task.name.startswith(f"GET {path} #")
        ]
        assert len(named) == 1, named
        found = [frame.f_code.co_name for frame, _ in named[0].iter_await_frames()]
        assert function in found, found
        await stream.read_until(b"\r\n\r\n")
        stream.close()
        server.stop()
        await server.close_all_connections()

    loop = ioloop.IOLoop(make_current=False)
    try:
        loop.run_sync(main, timeout=10)
    finally:
        loop.close(all_fds=True)
