"""What is written in one turn may share packets; nothing is kept back while a handler waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from tornado_trio import web
from tornado_trio.exchange import Exchange
from tornado_trio.net.memory import MemoryStream
from tornado_trio.net.stream import Stream
from tornado_trio.server import ServerOptions
from tornado_trio.server.exchange import Http1Exchange
from tornado_trio.testing import memory_server
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the server's streams are written to: what is kept back ends with a push or a write."""
    seen: list[str] = []

    def write(self: Stream, data: bytes) -> bool:
        if bytes(data) != GET:
            seen.append("write")
        return Stream.write(self, data)

    def write_more(self: Stream, data: bytes) -> bool:
        seen.append("more")
        return Stream.write(self, data)

    monkeypatch.setattr(MemoryStream, "write", write, raising=False)
    monkeypatch.setattr(MemoryStream, "write_more", write_more, raising=False)
    monkeypatch.setattr(MemoryStream, "push", lambda self: seen.append("push"), raising=False)
    return seen


async def _three(exchange: Exchange, wait: Callable[[], Awaitable[object]]) -> None:
    exchange.write_headers(OK, HTTPHeaders())
    for _ in range(3):
        await exchange.write(b"x")
    await wait()
    await exchange.write(b"x")
    await exchange.finish()


async def test_the_first_chunk_of_a_turn_goes_at_once_the_others_before_a_wait(
    events: list[str],
) -> None:
    async def app(exchange: Exchange) -> None:
        await _three(exchange, trio.lowlevel.checkpoint)

    async with memory_server(app) as server:
        assert (await server.request(GET)).body == b"xxxx"
    assert events == ["write", "write", "more", "more", "push", "write", "write"]


async def test_each_wait_of_a_handler_begins_a_new_turn(events: list[str]) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.write_headers(OK, HTTPHeaders())
        for _ in range(3):
            await exchange.write(b"x")
            await trio.lowlevel.checkpoint()
        await exchange.finish()

    async with memory_server(app) as server:
        await server.request(GET)
    assert "more" not in events


async def test_children_keep_nothing_back(events: list[str]) -> None:
    """Their waits are not seen, so what they write goes at once."""

    async def app(exchange: Exchange) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_three, exchange, trio.lowlevel.checkpoint)

    async with memory_server(app) as server:
        assert (await server.request(GET)).body == b"xxxx"
    assert "more" not in events


async def test_a_body_with_a_length_is_pushed_at_its_end(events: list[str]) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "3"}))
        for _ in range(3):
            await exchange.write(b"x")
        await exchange.finish()

    async with memory_server(app) as server:
        assert (await server.request(GET)).body == b"xxx"
    assert events == ["write", "write", "more", "more", "push"]


async def test_a_host_says_when_a_turn_is_over(events: list[str]) -> None:
    soon: list[Callable[[], object]] = []

    def call_soon(function: Callable[[], object]) -> bool:
        soon.append(function)
        return True

    async def app(exchange: Exchange) -> None:
        assert isinstance(exchange, Http1Exchange)
        exchange.write_headers(OK, HTTPHeaders())
        for _ in range(2):
            await exchange.write(b"x")
        soon.pop()()
        await exchange.write(b"x")
        await exchange.finish()

    async with memory_server(app, ServerOptions(call_soon=call_soon)) as server:
        assert (await server.request(GET)).body == b"xxx"
    assert events == ["write", "write", "more", "push", "write", "write"]
    assert len(soon) == 1


async def test_a_host_that_cannot_say_so_keeps_nothing_back(events: list[str]) -> None:
    async def app(exchange: Exchange) -> None:
        await _three(exchange, trio.lowlevel.checkpoint)

    async with memory_server(app, ServerOptions(call_soon=lambda _: False)) as server:
        assert (await server.request(GET)).body == b"xxxx"
    assert "more" not in events


async def test_a_handler_that_only_flushes_starves_nobody_and_can_be_cancelled() -> None:
    ended = trio.Event()

    class Endless(web.RequestHandler):
        async def get(self) -> None:
            try:
                while True:
                    self.write(b"x" * 100)
                    await self.flush()
            finally:
                ended.set()

    async with memory_server(web.Application([("/", Endless)])) as server:
        client = await server.connect()
        await client.send(GET)
        for _ in range(50):  # each round this task gets its turn, whoever is faster
            assert await client.stream.read_some()
            await trio.lowlevel.checkpoint()
        assert not ended.is_set()
        client.stream.close()
        await ended.wait()
