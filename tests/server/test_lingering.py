"""Handlers that go on after their response: their clients do not wait for them."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tornado_trio.exchange import Exchange
from tornado_trio.limits import Limits
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server

from .apps import reply
from .test_structure import GET, GET10, Serve, both


class Lingers:
    """Answers, before or after its first wait, and goes on for a minute."""

    def __init__(self, *, wait_first: bool) -> None:
        self.wait_first = wait_first
        self.begun = self.ended = 0

    async def __call__(self, exchange: Exchange) -> None:
        self.begun += 1
        if self.wait_first:
            await trio.sleep(0.001)
        reply(exchange, b"answer")
        await trio.sleep(60)
        self.ended += 1


@both
@pytest.mark.parametrize("wait_first", [False, True])
async def test_the_next_request_is_served_at_once(
    serve: Serve, wait_first: bool, autojump_clock: MockClock
) -> None:
    app = Lingers(wait_first=wait_first)
    async with serve(app) as (_, connect):
        client = await connect()
        began = trio.current_time()
        for _ in range(5):
            assert (await client.request(GET)).body == b"answer"
        assert trio.current_time() - began < 10
        assert (app.begun, app.ended) == (5, 0)
        await trio.sleep(100)
        assert app.ended == 5
        assert (await client.request(GET)).body == b"answer"


@both
@pytest.mark.parametrize("wait_first", [False, True])
async def test_pipelined_requests_are_served_in_order(
    serve: Serve, wait_first: bool, autojump_clock: MockClock
) -> None:
    app = Lingers(wait_first=wait_first)
    async with serve(app) as (_, connect):
        client = await connect()
        began = trio.current_time()
        await client.send(GET * 4)
        for _ in range(4):
            assert (await client.response()).body == b"answer"
        assert trio.current_time() - began < 10


@both
@pytest.mark.parametrize("wait_first", [False, True])
async def test_a_connection_that_ends_is_closed_at_once(
    serve: Serve, wait_first: bool, autojump_clock: MockClock
) -> None:
    app = Lingers(wait_first=wait_first)
    async with serve(app) as (_, connect):
        client = await connect()
        began = trio.current_time()
        await client.send(GET10)
        assert (await client.rest()).endswith(b"answer")
        assert trio.current_time() - began < 10


async def test_the_drain_waits_for_the_handler_and_ends_it(autojump_clock: MockClock) -> None:
    app = Lingers(wait_first=False)
    async with memory_server(app) as handle:
        server, client = handle.server, await handle.connect()
        await client.request(GET)
        await client.request(GET)
        began = trio.current_time()
        report = await server.drain(5, 1)
        assert report.cancelled == 2
        assert 5 <= trio.current_time() - began < 10
        assert app.ended == 0


async def test_connections_are_counted_however_their_handlers_linger(
    autojump_clock: MockClock,
) -> None:
    options = ServerOptions(limits=Limits(max_connections=1))
    async with memory_server(Lingers(wait_first=False), options) as server:
        first, second = await server.connect(), await server.connect()
        for _ in range(2):
            assert (await first.request(GET)).body == b"answer"
        await trio.sleep(100)  # both handlers have ended
        await second.send(GET)
        with trio.move_on_after(10) as scope:
            await second.stream.wait_readable()
        assert scope.cancelled_caught
        first.stream.close()
        assert (await second.response()).body == b"answer"
        await trio.sleep(100)
        assert repr(server.server.limiter) == "<ConnectionLimiter 1 of 1>"
