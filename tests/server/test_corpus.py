"""The corpus of raw requests against the real server; each whole, then byte by byte."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tornado_trio.limits import Limits
from tornado_trio.server import ServerOptions
from tornado_trio.testing import MemoryServer, memory_server

from .apps import echo
from .corpus import Case, cases

LIMITS = Limits(max_body_size=1_000_000)
OPTIONS = ServerOptions(limits=LIMITS)
CASES = cases()
on_both_engines = pytest.mark.parametrize("engine", ["own", "h11"])


async def outcome(server: MemoryServer, data: bytes, step: int | None) -> tuple[list[int], bool]:
    """Statuses of the responses, and whether the server closed by itself."""
    client = await server.connect()
    received = b""
    closed = False

    async def read() -> None:
        nonlocal received, closed
        while data := await client.stream.read_some():
            received += data
        closed = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for start in range(0, len(data), step or len(data)):
            await client.send(data[start : start + (step or len(data))])
            if step is not None:
                await trio.testing.wait_all_tasks_blocked()
            if closed:
                break
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    await client.stream.send_eof()
    statuses = []
    rest = received
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), head
        status = int(head[9:12])
        statuses.append(status)
        if status != 100 and not (len(statuses) == 1 and data.startswith(b"HEAD")):
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            assert b"smuggled" not in rest[:length]
            rest = rest[length:]
    client.stream.close()
    return [status for status in statuses if status != 100], closed


@on_both_engines
@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
async def test_case(
    case: Case, engine: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _, data, statuses, closed = case
    options = ServerOptions(limits=LIMITS, engine=engine)
    async with memory_server(echo, options) as server:
        assert await outcome(server, data, None) == (statuses, closed)
        # One line at most for whatever a client does, beside those of its requests.
        lines = [record for record in caplog.records if record.name != "tornado.access"]
        assert len(lines) <= 1
        if len(data) < 2000:
            assert await outcome(server, data, 1) == (statuses, closed)
        else:
            assert await outcome(server, data, 3001) == (statuses, closed)


@on_both_engines
async def test_truncated_anywhere(engine: str, autojump_clock: MockClock) -> None:
    """Every prefix of some good requests, then the end of the stream: no response is made
    up, nothing is left behind."""
    whole = [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n",
    ]
    options = ServerOptions(limits=LIMITS, engine=engine)
    async with memory_server(echo, options) as server:
        for data in whole:
            for end in range(len(data)):
                client = await server.connect()
                await client.send(data[:end])
                await client.stream.send_eof()
                answer = await client.rest()
                assert answer[:12] in (b"", b"HTTP/1.1 400"), (end, answer)
        await trio.sleep(10)
        assert not server.server.connections


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 150
    assert len({case[0] for case in CASES}) == len(CASES)
