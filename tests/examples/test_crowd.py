"""`examples/crowd.py`: several processes that meet in a Redis of their own."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import websocket_connect

from .programs import free_port, get, running


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("there is no redis-server here")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    )
    try:
        time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_processes_hear_each_other(redis: int) -> None:
    ports = [free_port(), free_port()]
    arguments = [(f"--port={port}", f"--redis_port={redis}", "--logging=error") for port in ports]
    with running("crowd.py", *arguments[0]), running("crowd.py", *arguments[1]):
        for port in ports:
            assert "Crowd" in get(f"http://127.0.0.1:{port}/")
        asyncio.run(_talk(ports))


async def _talk(ports: list[int]) -> None:
    async def hear(member: Any) -> Any:
        return json.loads(await asyncio.wait_for(member.read_message(), 5))

    first, second = [await websocket_connect(f"ws://127.0.0.1:{port}/room") for port in ports]
    await asyncio.sleep(0.2)  # until both are members: their `open` asks Redis first
    await first.write_message("hello <b>")
    said = {"text": "hello <b>", "process": ports[0]}
    assert await hear(first) == said
    assert await hear(second) == said
    await second.write_message("good evening")
    assert (await hear(first))["process"] == ports[1]
    assert (await hear(second))["text"] == "good evening"
    late = await websocket_connect(f"ws://127.0.0.1:{ports[0]}/room")
    assert [(await hear(late))["text"] for _ in range(2)] == ["hello <b>", "good evening"]
    for member in (first, second, late):
        member.close()
        assert await member.read_message() is None
