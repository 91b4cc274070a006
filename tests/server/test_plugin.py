"""The fixtures that programs use for their tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from tornado_trio.exchange import Exchange
from tornado_trio.net import MemoryNetwork
from tornado_trio.testing import MemoryServer

from .apps import hello, reply

MemoryServe = Callable[..., Awaitable[MemoryServer]]


async def test_two_servers_on_one_network(
    memory_serve: MemoryServe,
    memory_network: MemoryNetwork,
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


async def test_a_host_of_asyncio(asyncio_host: None, autojump_clock: MockClock) -> None:
    """Both libraries may be awaited, and a scope cuts either; trio's clock jumps still."""
    with trio.move_on_after(3600):
        await trio.sleep_forever()
    assert trio.current_time() == 3600
    with trio.CancelScope() as scope:
        asyncio.get_running_loop().call_later(0.01, scope.cancel)
        await asyncio.sleep(60)
    assert scope.cancelled_caught


async def test_whose_loop_it_is(host: str) -> None:
    """As the parametrisation of this folder says."""
    if host == "asyncio":
        assert asyncio.get_running_loop().is_running()
    else:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
