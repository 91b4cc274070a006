"""`examples/chat_cluster`: one room in several processes."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import asyncio
import json
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

from tests.ports import free_port
from .programs import get, running
from .redis_room import URL, redis_server, room

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
        self.present = event.get("present", self.present)
        self.heard += event.get("messages", [])

    async def gone(self) -> None:
        """Until the server has ended it."""
        while await asyncio.wait_for(self.socket.read_message(), 10) is not None:
            pass

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
    newcomer = await Member().come(ports[0])
    assert await newcomer.until(42, present=4) == await first.until(42, present=4)
    late.socket.close()
    newcomer.socket.close()
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


def test_a_process_dies(room: str) -> None:
    ports = [free_port(), free_port()]
    common = (f"--room={room}", f"--redis={URL}", "--processes=1", "--logging=error", "--beat=0.3")
    with running(PROGRAM, f"--port={ports[1]}", *common):
        get(f"http://127.0.0.1:{ports[1]}/")
        with running(PROGRAM, f"--port={ports[0]}", *common) as dying:
            get(f"http://127.0.0.1:{ports[0]}/")
            asyncio.run(_death(ports, dying))
        # One that is started later has heard it all.
        with running(PROGRAM, f"--port={ports[0]}", *common):
            page = get(f"http://127.0.0.1:{ports[0]}/")
            assert page.index("one") < page.index("two") < page.index("three")


async def _death(ports: list[int], dying: subprocess.Popen[str]) -> None:
    first, second = await Member().come(ports[0]), await Member().come(ports[1])
    await first.say("Ada", "one")
    await first.until(1, present=2)
    await second.until(1, present=2)
    dying.kill()
    await first.gone()
    await second.until(1, present=1)  # nobody said so: it is noticed
    await second.say("Grace", "two")
    # Whose process died comes back to another one, and has missed nothing.
    again = await Member().come(ports[1], cursor=first.heard[-1]["id"])
    assert await again.until(1, present=2) == ["two"]
    await again.say("Ada", "three")
    assert await second.until(3, present=2) == ["one", "two", "three"]


def test_redis_dies(tmp_path: Path) -> None:
    """It is waited for; what it forgot meanwhile comes in no one's way."""
    port, redis_port = free_port(), free_port()
    arguments = (f"--port={port}", "--processes=1", f"--redis=redis://127.0.0.1:{redis_port}/0")
    with ExitStack() as first_life:
        first_life.enter_context(redis_server(redis_port, tmp_path))
        with running(PROGRAM, *arguments, "--room=r"):
            get(f"http://127.0.0.1:{port}/")
            asyncio.run(_redis_dies(port, redis_port, tmp_path, first_life))


async def _redis_dies(port: int, redis_port: int, folder: Path, first_life: ExitStack) -> None:
    member = await Member().come(port)
    await member.say("Ada", "one")
    await member.until(1, present=1)
    first_life.close()
    with redis_server(redis_port, folder):
        late = await _say_when_it_works(port, "two", cursor=member.heard[0]["id"])
        assert {message["text"] for message in late.heard} == {"two"}


async def _say_when_it_works(port: int, text: str, cursor: int) -> Member:
    while True:
        member = await Member().come(port, cursor)
        await member.say("Ada", text)
        with suppress(TimeoutError, TypeError):  # lost, or refused: None is no JSON
            while not member.heard:
                await asyncio.wait_for(member.hear(), 1)
            return member
        member.socket.close()
