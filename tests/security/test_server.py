"""The server against clients that want too much of it. See tests/test_advisories.py."""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.server.apps import echo, hello, lines
from tornado_trio.exchange import Exchange
from tornado_trio.limits import Limits
from tornado_trio.server import ServerOptions
from tornado_trio.testing import MemoryServer, memory_server

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Neighbour:
    """Another task of the same loop: what it waited for a turn at the longest,
    in seconds of this process, and how many turns it had."""

    turns = 0
    longest = 0.0

    async def run(self) -> None:
        before = time.process_time()
        while True:
            await trio.lowlevel.checkpoint()
            now = time.process_time()
            self.longest = max(self.longest, now - before)
            self.turns += 1
            before = now


@asynccontextmanager
async def neighbour() -> AsyncIterator[Neighbour]:
    other = Neighbour()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.run)
        yield other
        nursery.cancel_scope.cancel()


async def ignore_body(exchange: Exchange) -> None:
    """Answers without looking at the body."""
    await hello(exchange)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n", id="one-byte chunks"),
        pytest.param(b"2000\r\n" + b"x" * 0x2000 + b"\r\n" + b"0\r\n\r\n", id="one chunk"),
    ],
)
async def test_a_body_does_not_keep_others_waiting(body: bytes) -> None:
    async with memory_server(echo) as server:
        client = await server.connect()
        client.stream.write(CHUNKED)
        async with neighbour() as other:
            with trio.fail_after(20):
                await client.send(body)
                response = await client.response()
        assert len(response.body) == len(b"POST / ") + body.count(b"x")
        assert other.turns > len(body) // 65536
        assert other.longest < 1


async def test_bodies_nobody_reads_do_not_either() -> None:
    """What is left unread is skipped within bounds: one read does not skip a million chunks."""
    body = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    async with memory_server(ignore_body) as server:
        client = await server.connect()
        async with neighbour() as other:
            with trio.move_on_after(20):
                client.stream.write(CHUNKED)
                client.stream.write(body[:60_000])
                assert (await client.response()).body == b"hello"
        assert other.longest < 1


async def test_pipelined_requests_do_not_either() -> None:
    """Every request's handler answers at once; the loop gets its turns all the same."""
    async with memory_server(hello) as server:
        client = await server.connect()
        count = 2000
        async with neighbour() as other:
            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(client.send, GET * count)
                    for _ in range(count):
                        assert (await client.response()).body == b"hello"
        assert other.turns > count // 100
        assert other.longest < 1


async def test_no_interim_response_for_http10() -> None:
    """RFC 9110 10.1.1: a client of HTTP/1.0 would take "100" for its answer."""
    head = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    async with memory_server(echo) as server:
        client = await server.connect()
        await client.send(head)
        await wait_all_tasks_blocked()
        await client.send(b"x")
        assert (await client.rest()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n",
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        CHUNKED + b"zz\r\n",
    ],
    ids=["control", "garbage", "NUL", "long line", "fields", "chunk"],
)
async def test_errors_say_that_the_connection_ends(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with memory_server(echo) as server:
        client = await server.connect()
        # What follows a framing error is never looked at.
        await client.send(data + GET)
        answer = await client.rest()
    head, _, _ = answer.partition(b"\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1 and head.startswith(b"HTTP/1.1 4")
    assert b"\r\nConnection: close" in head
    assert len(lines(caplog)) <= 1
    assert not any(char < " " for char in caplog.text.rstrip("\n").replace("\n", ""))


async def test_a_request_split_anywhere_is_bounded_all_the_same(
    autojump_clock: MockClock,
) -> None:
    """CVE-2026-54277: the limits of a line and of a head hold across reads."""
    limits = Limits(max_head_size=1000)
    for line in (b"GET /" + b"a" * 5000, b"GET / HTTP/1.1\r\nX: " + b"a" * 5000):
        async with memory_server(echo, ServerOptions(limits=limits)) as server:
            client = await server.connect()
            sent, answer = 0, None
            for at in range(0, len(line), 10):
                await client.send(line[at : at + 10])
                await wait_all_tasks_blocked()
                sent += 10
                if answer := client.stream.read_nowait():
                    break
                [connection] = server.server.connections
                assert connection.wire.buffered <= 1100
            assert answer and answer[9:12] in (b"414", b"431") and sent <= 1200


async def test_an_idle_connection_is_cheap(autojump_clock: MockClock) -> None:
    """Tornado 6.6.1 keeps 9.4 KB for each; the streams of this test are part of the figure."""
    count = 200

    async def used(server: MemoryServer) -> None:
        client = await server.connect()
        await client.request(GET)

    async with memory_server(hello) as server:
        for _ in range(20):
            await used(server)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(count):
                await used(server)
            await wait_all_tasks_blocked()
            size = (tracemalloc.get_traced_memory()[0] - before) / count
        finally:
            tracemalloc.stop()
        assert len(server.server.connections) == count + 20
    assert size < 20_000, size
