"""How requests end in Tornado's programs: one error path, and responses seen to break off."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import logging
from typing import Any

import pytest
import trio
from tornado import httpserver, web
from tornado.iostream import IOStream, StreamClosedError
from tornado.testing import AsyncHTTPTestCase, ExpectLog, bind_unused_port, gen_test

from .test_httpserver import in_loop, serving


class Half(web.RequestHandler):
    """Begins a response of unknown length, and then."""

    async def get(self, how: str) -> None:
        self.write("half")
        await self.flush()
        await asyncio.sleep(0.01)
        if how == "raises":
            raise ValueError("row 2 is broken")
        if how == "error":
            raise web.HTTPError(409)
        if how == "cancelled":
            raise asyncio.CancelledError
        if how == "child":
            self.nursery.start_soon(self.fail)
            await asyncio.sleep(10)
        if how == "late":
            await asyncio.sleep(10)

    async def fail(self) -> None:
        raise KeyError


class Late(Half):
    request_timeout = 0.1


class Page(web.RequestHandler):
    def write_error(self, status_code: int, **kwargs: Any) -> None:
        cause = kwargs["cause"].value if "cause" in kwargs else "none"
        self.finish(f"our page {status_code} {cause}")


class Slow(Page):
    async def get(self) -> None:
        await asyncio.sleep(30)


class TimedOut(Slow):
    request_timeout = 0.1


class InAGroup(Page):
    async def get(self, how: str) -> None:
        async def fail() -> None:
            await asyncio.sleep(0)
            raise web.HTTPError(404)

        if how == "taskgroup":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await asyncio.sleep(5)
        elif how == "nursery":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 5)
                raise web.HTTPError(404)
        else:
            self.nursery.start_soon(fail)
            await asyncio.sleep(5)


APP = web.Application(
    [
        ("/half/(.*)", Half),
        ("/half-(late)", Late),
        ("/slow", Slow),
        ("/timed-out", TimedOut),
        ("/group/(.*)", InAGroup),
    ]
)


@pytest.mark.parametrize("path", ["/half/raises", "/half/error", "/half/cancelled", "/half/child",
                                  "/half-late"])  # fmt: skip
def test_a_response_that_breaks_off_has_no_last_chunk(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with serving(APP) as (_, connect):
            stream = await connect()
            await stream.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            got = await stream.read_until_close()
            assert got.endswith(b"\r\n\r\n4\r\nhalf\r\n")

    in_loop(test)()
    access = [each.getMessage() for each in caplog.records if each.name == "tornado.access"]
    assert len(access) <= 1


class FailuresTest(AsyncHTTPTestCase):
    def get_app(self) -> web.Application:
        return APP

    def body(self, path: str) -> bytes:
        response = self.fetch(path)
        return b"%d %s" % (response.code, response.body)

    def test_groups(self) -> None:
        for how in ("taskgroup", "nursery"):
            assert self.body(f"/group/{how}") == b"404 our page 404 none"
        assert self.body("/group/child") == b"404 our page 404 child failed"

    def test_a_deadline(self) -> None:
        with ExpectLog("tornado.general", ".*took longer than it may"):
            assert self.body("/timed-out") == b"503 our page 503 request deadline"

    @gen_test
    async def test_a_drain(self) -> None:
        server = httpserver.HTTPServer(APP)
        sock, port = bind_unused_port()
        server.add_socket(sock)
        answer = asyncio.ensure_future(
            self.http_client.fetch(f"http://127.0.0.1:{port}/slow", raise_error=False)
        )
        await asyncio.sleep(0.1)
        with ExpectLog("tornado.general", ".*shutting down|drain: 1 requests cancelled"):
            await server.drain(0.1)
        response = await answer
        assert (response.code, response.body) == (503, b"our page 503 drain")


class Raises(Page):
    async def get(self) -> None:
        raise LookupError


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"errors": {LookupError: 410}}, 410), ({"errors": ["a"]}, 500), ({"errors": {}}, 500)],
)
def test_errors(settings: Any, code: int, caplog: pytest.LogCaptureFixture) -> None:
    """What a program of Tornado's calls so is its own setting, and stays one."""
    app = web.Application([("/", Raises)], **settings)
    assert app.settings["errors"] == settings["errors"]

    async def test() -> None:
        async with serving(app) as (_, connect):
            stream: IOStream = await connect()
            await stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await stream.read_until(b"\r\n")).startswith(b"HTTP/1.1 %d " % code)

    in_loop(test)()


def test_a_client_that_leaves_is_recorded_once(caplog: pytest.LogCaptureFixture) -> None:
    """With Tornado's policy the handler runs on, and its line is Tornado's."""
    caplog.set_level(logging.INFO, "tornado")

    class Waits(web.RequestHandler):
        async def get(self) -> None:
            begun.set()
            await asyncio.sleep(0.2)
            ended.set()

    begun, ended = asyncio.Event(), asyncio.Event()

    async def test() -> None:
        async with serving(web.Application([("/", Waits)])) as (_, connect):
            stream = await connect()
            await stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun.wait()
            stream.close()
            await ended.wait()
            await asyncio.sleep(0.1)

    try:
        in_loop(test)()
    except StreamClosedError:
        pass
    access = [each.getMessage() for each in caplog.records if each.name == "tornado.access"]
    assert len(access) == 1 and access[0].startswith("200 GET / ")
