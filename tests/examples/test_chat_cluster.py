"""`examples/chat_cluster`: one room in several processes."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import asyncio
import json
import time
from typing import Any

from tornado.websocket import websocket_connect

from .programs import free_port, get, running
from .redis_room import URL, room

__all__ = ["room"]
PROGRAM = "chat_cluster/cluster.py"


class Member:
    """A browser, for the server."""

    async def come(self, port: int, cursor: int = 0) -> "Member":
        url = f"ws://127.0.0.1:{port}/live?cursor={cursor}"
        self.socket = await websocket_connect(url)
        self.present = 0
        self.heard: list[dict[str, Any]] = []
        return self

    async def say(self, name: str, text: str) -> None:
        await self.socket.write_message(json.dumps({"name": name, "text": text}))

    async def hear(self) -> None:
        event = json.loads(await asyncio.wait_for(self.socket.read_message(), 10))
        self.present = event["present"]
        self.heard += event.get("messages", [])

    async def until(self, messages: int, present: int) -> list[str]:
        deadline = time.monotonic() + 10
        while len(self.heard) < messages or self.present != present:
            assert time.monotonic() < deadline, (self.heard, self.present)
            await self.hear()
        numbers = [message["id"] for message in self.heard]
        assert numbers == sorted(set(numbers))
        return [message["text"] for message in self.heard]


def test_two_processes(room: str) -> None:
    ports = [free_port(), free_port()]
    common = (f"--room={room}", f"--redis={URL}", "--processes=1", "--logging=error")
    with (
        running(PROGRAM, f"--port={ports[0]}", *common),
        running(PROGRAM, f"--port={ports[1]}", *common),
    ):
        for port in ports:
            assert "It is quiet in here." in get(f"http://127.0.0.1:{port}/")
        asyncio.run(_talk(ports))
        # The page of either process shows what was said in both.
        assert "good evening" in get(f"http://127.0.0.1:{ports[0]}/")


async def _talk(ports: list[int]) -> None:
    first, second = await Member().come(ports[0]), await Member().come(ports[1])
    await first.until(0, present=2)
    await second.until(0, present=2)
    await first.say("Ada", "hello <b>")
    await second.until(1, present=2)
    await second.say("Grace", "good evening")
    for member in (first, second):
        assert await member.until(2, present=2) == ["hello <b>", "good evening"]
    # Both at once: one order for all.
    await asyncio.gather(*(who.say("x", f"{n}") for n in range(20) for who in (first, second)))
    assert await first.until(42, present=2) == await second.until(42, present=2)
    late = await Member().come(ports[1], cursor=second.heard[-2]["id"])
    assert len(await late.until(1, present=3)) == 1
    late.socket.close()
    await first.until(42, present=2)
    first.socket.close()
    await second.until(42, present=1)
    second.socket.close()


def test_processes_on_one_port(room: str) -> None:
    port = free_port()
    with running(PROGRAM, f"--port={port}", f"--room={room}", f"--redis={URL}", "--processes=2"):
        get(f"http://127.0.0.1:{port}/")
        asyncio.run(_crowd(port))


async def _crowd(port: int) -> None:
    members = [await Member().come(port) for _ in range(8)]
    for number, member in enumerate(members):
        await member.say("x", f"{number}")
    said = await members[0].until(8, present=8)
    assert sorted(said) == [f"{number}" for number in range(8)]
    for member in members[1:]:
        assert await member.until(8, present=8) == said
        member.socket.close()
    members[0].socket.close()
