"""What is logged when a client goes away while it is being written to (see also test_lifecycle)."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import Exchange
from tornado_trio.net import memory_stream_pair
from tornado_trio.testing import memory_server
from tornado_trio.web import Application, RequestHandler, StaticFileHandler, on_disconnect

from .support import get


class Rows(RequestHandler):
    @on_disconnect("finish")
    async def get(self) -> None:
        while True:
            self.write(b"x" * 65536)
            await self.flush()
            await trio.sleep(1)


class NobodyReads(Rows):
    def initialize(self, ended: trio.Event) -> None:
        self.ended = ended

    def on_finish(self) -> None:
        self.ended.set()


async def test_leaving_in_the_middle_of_a_response_is_no_error(
    caplog: pytest.LogCaptureFixture, autojump_clock: object
) -> None:
    caplog.set_level(logging.INFO, "tornado")
    ended = trio.Event()
    async with memory_server(Application([("/", NobodyReads, {"ended": ended})])) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.stream.read_until(b"xxx", max_bytes=65536)
        client.stream.close()
        await ended.wait()
    assert [record.name for record in caplog.records] == ["tornado.access"]
    assert caplog.messages[0].startswith("200 GET / (")


async def test_a_stream_of_the_programs_own_is_not_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Gateway(RequestHandler):
        async def get(self) -> None:
            ours, theirs = memory_stream_pair()
            theirs.close()
            await ours.read_exactly(1)

    assert (await get(Gateway)).code == 500
    assert "Uncaught exception GET /" in caplog.text
    assert StreamClosedError.__name__ in caplog.text


async def test_nor_in_a_function(caplog: pytest.LogCaptureFixture) -> None:
    """The application's page answers it, as any other error of a function."""

    async def gateway(exchange: Exchange) -> None:
        raise StreamClosedError("of the program")

    async with memory_server(Application([("/", gateway)])) as server:
        answer = await server.get("/")
    assert answer.code == 500 and b"<html><title>500: Internal Server Error" in answer.body
    assert "StreamClosedError: of the program" in caplog.text


async def test_nor_in_what_a_static_file_is_read_from(caplog: pytest.LogCaptureFixture) -> None:
    class Stored(StaticFileHandler):
        def validate_absolute_path(self, root: str, absolute_path: str) -> str:
            return absolute_path

        @classmethod
        def get_content(cls, abspath: str, start: int | None = None, end: int | None = None) -> Any:
            raise StreamClosedError("of the store")

        def get_content_size(self) -> int:
            return 9

        def get_modified_time(self) -> None:
            return None

        @classmethod
        def get_version(cls, settings: dict[str, Any], path: str) -> str:
            return "1"

    async with memory_server(Application([("/(.*)", Stored, {"path": "x"})])) as server:
        assert (await server.get("/file")).code == 500
    assert "StreamClosedError: of the store" in caplog.text
