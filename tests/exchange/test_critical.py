"""Blocks that are not cut, and the answer that follows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from tornado_trio import web
from tornado_trio.errors import DeadlineError
from tornado_trio.limits import Timeouts
from tornado_trio.server import ServerOptions
from tornado_trio.testing import MemoryServer, RawClient, memory_server

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Saves(web.RequestHandler):
    seen: list[str] = []

    async def get(self) -> None:
        async with web.critical(timeout=10):
            await trio.sleep(5)
            self.seen.append("saved")
        await trio.sleep(1)  # what the answer needs
        self.write("saved")
        await self.flush()
        await trio.sleep(1)
        self.write(" and told")


async def nothing(server: MemoryServer, client: RawClient) -> None:
    pass


async def drain(server: MemoryServer, client: RawClient) -> None:
    await server.server.drain(1, 20)


async def half_close(server: MemoryServer, client: RawClient) -> None:
    await client.stream.send_eof()


@pytest.mark.parametrize("happens", [nothing, drain, half_close])
async def test_a_block_that_ended_well_is_followed_by_the_answer(
    happens: Callable[[MemoryServer, RawClient], Awaitable[None]], autojump_clock: MockClock
) -> None:
    options = ServerOptions(timeouts=Timeouts(request=2))
    async with memory_server(web.Application([("/", Saves)]), options) as server:
        client = await server.connect()
        await client.send(GET)
        await trio.sleep(0.5)
        await happens(server, client)
        response = await client.response()
        assert (response.code, response.body) == (200, b"saved and told")


async def test_not_if_the_client_has_gone(autojump_clock: MockClock) -> None:
    events = []

    class Handler(web.RequestHandler):
        async def get(self) -> None:
            async with web.critical(timeout=10):
                await trio.sleep(5)
                events.append("saved")
            events.append("not reached")

        def on_finish(self) -> None:
            events.append(f"{trio.current_time():.0f}")

    async with memory_server(web.Application([("/", Handler)])) as server:
        client = await server.connect()
        began = trio.current_time()
        await client.send(GET)
        await trio.sleep(1)
        client.stream.close()
        await trio.sleep(20)
    assert events == ["saved", f"{began + 5:.0f}"]


async def test_not_for_longer_than_its_time(autojump_clock: MockClock) -> None:
    class Handler(web.RequestHandler):
        async def get(self) -> None:
            async with web.critical(timeout=10):
                await trio.sleep(5)
            await trio.sleep(100)

    options = ServerOptions(timeouts=Timeouts(request=2))
    async with memory_server(web.Application([("/", Handler)]), options) as server:
        began = trio.current_time()
        assert (await server.get("/")).code == 503
        assert 10 <= trio.current_time() - began < 11


async def test_not_after_a_block_that_failed(autojump_clock: MockClock) -> None:
    seen = []

    class Handler(web.RequestHandler):
        async def get(self) -> None:
            try:
                async with web.critical(timeout=10):
                    await trio.sleep(5)
                    raise KeyError
            except KeyError:
                seen.append("failed")
                await trio.sleep(1)
                seen.append("not reached")

    options = ServerOptions(timeouts=Timeouts(request=2))
    async with memory_server(web.Application([("/", Handler)]), options) as server:
        assert (await server.get("/")).code == 503
    assert seen == ["failed"]


async def test_a_block_that_takes_too_long(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    class Handler(web.RequestHandler):
        async def get(self) -> None:
            try:
                async with web.critical(timeout=10):
                    await trio.sleep(20)
            except DeadlineError:
                seen.append("told")
                raise

    async with memory_server(web.Application([("/", Handler)])) as server:
        began = trio.current_time()
        assert (await server.get("/")).code == 500
        assert trio.current_time() - began == pytest.approx(10, abs=1)
        # Its request's time is up, too: that it is not told any more.
    options = ServerOptions(timeouts=Timeouts(request=2))
    async with memory_server(web.Application([("/", Handler)]), options) as server:
        assert (await server.get("/")).code == 503
    assert seen == ["told"]


async def test_of_a_child_it_holds_the_child(autojump_clock: MockClock) -> None:
    """The request itself is cancelled when it is time."""
    seen = []

    class Handler(web.RequestHandler):
        async def child(self) -> None:
            async with web.critical(timeout=10):
                await trio.sleep(5)
                seen.append("saved")

        async def get(self) -> None:
            self.nursery.start_soon(self.child)
            try:
                await trio.sleep(100)
            finally:
                seen.append("cancelled")

    options = ServerOptions(timeouts=Timeouts(request=2))
    async with memory_server(web.Application([("/", Handler)]), options) as server:
        assert (await server.get("/")).code == 503
    assert seen == ["cancelled", "saved"]


async def test_outside_of_a_request(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as scope:
        async with web.critical(timeout=5):
            await trio.sleep(2)
        raise AssertionError("not reached")
    assert scope.cancelled_caught
