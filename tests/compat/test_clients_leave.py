"""Clients that leave while their handlers wait: told once, and nothing of theirs is kept."""

from __future__ import annotations

import compat  # noqa: F401 - first: makes `tornado` ours  isort: skip

import asyncio
import os
from typing import Any

import pytest
from tornado import gen, web
from tornado.httpserver import HTTPServer

from tests.platforms import HAS_EPOLL, WITHOUT_EPOLL, needs_epoll

from .test_httpserver import ask, both, in_loop, serving

CLIENTS = 40
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET10 = b"GET / HTTP/1.0\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


def held() -> int:
    """Descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


async def until(condition: Any) -> None:
    async def watch() -> None:
        while not condition():  # noqa: ASYNC110 - of the kernel, which tells nobody
            await asyncio.sleep(0.005)

    await asyncio.wait_for(watch(), 10)


class Base(web.RequestHandler):
    """Waits for `over`; says when it begins, and when its client leaves."""

    def initialize(self, state: Any) -> None:
        self.state = state

    def on_connection_close(self) -> None:
        self.state.left += 1

    async def wait(self) -> None:
        self.state.begun += 1
        await self.state.over.wait()


class Native(Base):
    async def get(self) -> None:
        await self.wait()
        self.write("late")

    post = get


class Generator(Base):
    @gen.coroutine
    def get(self) -> Any:
        yield self.wait()
        self.write("late")

    post = get


class Began(Native):
    async def get(self) -> None:
        self.write("so far")
        await self.flush()
        await super().get()

    post = get


@web.stream_request_body
class Streamed(Native):
    async def prepare(self) -> None:
        await self.wait()

    def data_received(self, chunk: bytes) -> None:
        self.state.received += chunk


class Answered(Base):
    async def get(self) -> None:
        self.finish("early")
        await self.wait()

    post = get


class State:
    def __init__(self) -> None:
        self.begun = self.left = 0
        self.received = b""
        self.over = asyncio.Event()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
@both
@pytest.mark.parametrize("request_", [GET, GET10, POST], ids=["get", "1.0", "post"])
@pytest.mark.parametrize("handler", [Native, Generator, Began, Streamed, Answered])
@in_loop
async def test_their_descriptors_are_given_back(
    kind: type[HTTPServer], request_: bytes, handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if handler is Streamed and request_ is POST and not HAS_EPOLL:
        pytest.skip(WITHOUT_EPOLL)  # an unread body
    state = State()
    app = web.Application([("/", handler, {"state": state})])
    async with serving(app, kind) as (_, connect):
        await ask(await connect(), b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        before = held()
        streams = [await connect() for _ in range(CLIENTS)]
        for stream in streams:
            await stream.write(request_)
        await until(lambda: state.begun == CLIENTS)
        for stream in streams:
            stream.close()
        await until(lambda: held() <= before)
        if handler is not Answered:
            await until(lambda: state.left == CLIENTS)
        assert not state.over.is_set()
        state.over.set()
        await asyncio.sleep(0.01)
        assert state.left == (0 if handler is Answered else CLIENTS)
    assert "Uncaught exception" not in caplog.text


@needs_epoll
@both
@in_loop
async def test_the_body_that_a_client_left_behind_is_received(kind: type[HTTPServer]) -> None:
    state = State()
    app = web.Application([("/", Streamed, {"state": state})])
    async with serving(app, kind) as (_, connect):
        stream = await connect()
        await stream.write(POST)
        await until(lambda: state.begun == 1)
        stream.close()
        await until(lambda: state.left == 1)
        state.over.set()
        if kind is HTTPServer:
            await until(lambda: state.received == b"body")
