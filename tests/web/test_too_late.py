"""Changes of the head after it was sent: they reach nobody, and the log says where they are."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tornado_trio.client.websocket import open_websocket
from tornado_trio.testing import memory_server
from tornado_trio.web import Application, RequestHandler, WebSocketHandler

from .support import get

CHANGES = {
    "set_header": lambda self: self.set_header("X-A", "secret"),
    "add_header": lambda self: self.add_header("X-A", "secret"),
    "clear_header": lambda self: self.clear_header("X-First"),
    "set_status": lambda self: self.set_status(500),
    "set_cookie": lambda self: self.set_cookie("a", "secret"),
}


def handler(function: Any) -> type[RequestHandler]:
    class Handler(RequestHandler):
        async def get(self) -> None:
            await function(self)

    return Handler


@pytest.mark.parametrize("end", ["flush", "finish"])
@pytest.mark.parametrize("method", CHANGES)
async def test_the_line_is_named_once(
    caplog: pytest.LogCaptureFixture, method: str, end: str
) -> None:
    async def late(self: RequestHandler) -> None:
        self.set_header("X-First", "kept")
        self.write("x")
        await (self.flush() if end == "flush" else self.finish())
        CHANGES[method](self)
        self.set_header("X-Second", "told once")

    with caplog.at_level(logging.WARNING):
        response = await get(handler(late))
    assert response.code == 200 and response.headers["X-First"] == "kept"
    assert "X-A" not in response.headers and "Set-Cookie" not in response.headers
    [message] = [record.getMessage() for record in caplog.records]
    line = CHANGES[method].__code__.co_firstlineno
    assert message.startswith("GET / (")
    assert f"): {method}() has no effect at {__file__}:{line} in " in message
    assert "secret" not in message


async def test_what_changes_nothing_is_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    async def streams(self: RequestHandler) -> None:
        self.set_status(202)
        await self.flush()
        self.set_status(202)
        self.clear_header("X-Never")
        self.write("x")

    with caplog.at_level(logging.WARNING):
        assert (await get(handler(streams))).code == 202
    assert caplog.records == []


async def test_a_head_that_could_not_be_sent_may_be_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An error page follows one that the wire refused."""

    async def wrong(self: RequestHandler) -> None:
        self.set_header("Content-Length", "x")
        self.write("x")
        await self.flush()

    with caplog.at_level(logging.WARNING):
        assert (await get(handler(wrong))).code == 500
    assert not [each for each in caplog.records if "no effect" in each.getMessage()]


async def test_a_cookie_in_a_conversation(caplog: pytest.LogCaptureFixture) -> None:
    class Talk(WebSocketHandler):
        async def open(self, ws: Any, *args: Any, **kwargs: Any) -> None:
            self.set_cookie("a", "b")

    async with memory_server(Application([("/", Talk)])) as server, server.client() as client:
        with caplog.at_level(logging.WARNING):
            async with open_websocket("/", client=client) as ws:
                assert [each async for each in ws] == []
    [record] = caplog.records
    assert f": set_cookie() has no effect at {__file__}:" in record.getMessage()
