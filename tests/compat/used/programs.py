"""How the small programs of this folder are run: in a loop, or in a process of an old release."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from tests.python import python


def old_program(code: str, generation: str = "4.5") -> None:
    """Run `code` for an old release, in a process of its own, which must say nothing."""
    ended = python("-c", "import compat\n" + code, TORNADO_TRIO_GENERATION=generation)
    assert (ended.returncode, ended.stderr) == (0, "")


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 30))

    return run


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event tells."""
    while not condition():  # noqa: ASYNC110 - as the name says
        await asyncio.sleep(0.001)


class Site:
    """A server of one application, in the running loop: `async with Site(handlers) as site`."""

    def __init__(
        self, handlers: Any, server: type[HTTPServer] = HTTPServer, **settings: Any
    ) -> None:
        self.app = (
            handlers
            if isinstance(handlers, tornado.web.Application)
            else tornado.web.Application(handlers, **settings)
        )
        self.server = server(self.app)

    async def __aenter__(self) -> Site:
        listener, self.port = bind_unused_port()
        self.server.add_socket(listener)
        self.client = AsyncHTTPClient(force_instance=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.client.close()
        self.server.stop()
        await self.server.close_all_connections()

    async def fetch(self, path: str = "/", **options: Any) -> HTTPResponse:
        url = f"http://127.0.0.1:{self.port}{path}"
        return await self.client.fetch(url, raise_error=False, **options)


def answer(
    handler: type[tornado.web.RequestHandler], path: str = "/", **options: Any
) -> HTTPResponse:
    """What a server with one handler answers."""

    async def main() -> HTTPResponse:
        async with Site([("/.*", handler)], cookie_secret="secret" * 6) as site:
            return await site.fetch(path, **options)

    return asyncio.run(asyncio.wait_for(main(), 30))
