"""The fixtures that programs use for their tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from tornado_trio.exchange import Exchange
from tornado_trio.net import MemoryNetwork
from tornado_trio.testing import MemoryServer
from tornado_trio.testing.plugin import memory_network, memory_serve  # noqa: F401

from .apps import hello, reply

MemoryServe = Callable[..., Awaitable[MemoryServer]]


async def test_two_servers_on_one_network(
    memory_serve: MemoryServe,  # noqa: F811
    memory_network: MemoryNetwork,  # noqa: F811
    autojump_clock: MockClock,
) -> None:
    async def slow(exchange: Exchange) -> None:
        await trio.sleep(1000)
        reply(exchange, b"slow")

    first = await memory_serve(hello, host="first.local")
    second = await memory_serve(slow, host="second.local", port=8080)
    assert (await first.get("/")).body == b"hello"
    assert (await second.get("/")).body == b"slow"
    stream = await memory_network.connect("first.local", 80)
    await stream.send_all(b"GET / HTTP/1.0\r\n\r\n")
    assert (await stream.read_until_close()).endswith(b"hello")
