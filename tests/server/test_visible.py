"""trio's own tools see handlers that wait: their frames, and which request they answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import stackscope
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tornado_trio import web
from tornado_trio.client import Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.server.handler_task import place_of
from tornado_trio.testing import memory_server
from tornado_trio.websocket import WebSocket


class Waits(web.RequestHandler):
    async def get(self) -> None:
        await self.deeper()

    async def deeper(self) -> None:
        await trio.sleep(60)


class Later(Waits):
    """Its first wait is over."""

    async def get(self) -> None:
        for _ in range(3):
            await trio.sleep(0.1)
        async with trio.open_nursery():
            await self.deeper()


class Talks(web.WebSocketHandler):
    async def open(self, ws: WebSocket) -> None:
        await self.deeper(ws)

    async def deeper(self, ws: WebSocket) -> None:
        await ws.receive()


APP = web.Application([("/waits", Waits), ("/later", Later), ("/talks", Talks)])


def tasks(root: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield root
    for nursery in root.child_nurseries:
        for child in nursery.child_tasks:
            yield from tasks(child)


def named(name: str) -> trio.lowlevel.Task:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    [task] = [task for task in tasks(root) if task.name.startswith(name)]
    return task


def functions(task: trio.lowlevel.Task) -> list[str]:
    return [frame.f_code.co_name for frame, _ in task.iter_await_frames()]


@pytest.mark.parametrize("path", ["/waits", "/later"])
async def test_a_handler_that_waits(path: str, autojump_clock: MockClock) -> None:
    async with memory_server(APP) as server:
        client = await server.connect()
        await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await trio.sleep(5)
        task = named(f"GET {path} #")
        assert re.fullmatch(rf"GET {path} #[0-9a-f]{{6}}", task.name)
        found = functions(task)
        assert found[found.index("get") :][:2] == ["get", "deeper"] and "sleep" in found
        text = str(stackscope.extract(task))
        assert re.search(r"\.get in .*\.deeper in .*sleep", text, re.S)
        assert re.fullmatch(r"waits in .*test_visible\.py:\d+ in deeper", place_of(task))
        await client.response()
        await wait_all_tasks_blocked()
        assert not task.name.startswith("GET")
        assert "get" not in functions(task)


async def test_a_conversation() -> None:
    async with memory_server(APP) as server:
        network = Network(dial=server.network.connect)
        async with open_websocket("ws://test.local/talks", network=network) as ws:
            await wait_all_tasks_blocked()
            task = named("GET /talks #")
            assert functions(task)[-5:-3] == ["open", "deeper"] or "deeper" in functions(task)
            assert "deeper in" in str(stackscope.extract(task))
            await ws.send("bye")


async def test_what_is_left_of_a_drain_is_named(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async def stuck(exchange: object) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    async with memory_server(stuck) as server:
        client = await server.connect()
        await client.send(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        await trio.sleep(1)
        await server.server.drain(1, 2)
    [line] = [message for message in caplog.messages if "does not end" in message]
    assert re.search(
        r"request [0-9a-f-]{15}: GET /stuck \(127.0.0.1\), [0-9.]+ s, "
        r"waits in .*test_visible\.py:\d+ in stuck",
        line,
    )
