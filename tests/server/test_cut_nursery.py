"""A handler with a nursery of its own is cut like any other; a protected block is not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tornado_trio import web
from tornado_trio.errors import DeadlineError
from tornado_trio.testing import memory_server


class Nested(web.RequestHandler):
    ended: list[str] = []

    async def get(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 60)
                await trio.sleep(60)
        finally:
            self.ended.append("cut")

    @web.timeout(1)
    async def post(self) -> None:
        await self.get()


async def test_deadline(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    app = web.Application([("/", Nested)], log_function=lambda handler: None)
    async with memory_server(app) as server:
        response = await server.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert response.code == 503
    assert "Traceback" not in caplog.text


async def test_client_gone(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    Nested.ended.clear()
    app = web.Application([("/", Nested)], log_function=lambda handler: None)
    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await trio.sleep(1)
        client.stream.close()
        with trio.fail_after(30):
            while not Nested.ended:  # noqa: ASYNC110 (the handler has no event for it)
                await trio.sleep(0.1)
    assert "Traceback" not in caplog.text


async def test_critical(autojump_clock: MockClock) -> None:
    async with web.critical(timeout=5):
        await trio.sleep(1)
    with pytest.raises(DeadlineError):
        async with web.critical(timeout=5):
            await trio.sleep(6)
    with pytest.raises(ValueError):
        async with web.critical(timeout=5):
            raise ValueError
    with trio.move_on_after(1) as scope:
        async with web.critical(timeout=5):
            await trio.sleep(2)
        await trio.sleep(1)
    assert scope.cancelled_caught
