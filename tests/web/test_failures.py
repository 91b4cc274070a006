"""Which answer an exception is, out of whatever it comes; and what an application maps it to."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tornado_trio import web
from tornado_trio.client import Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.exchange import FINISH, Cause
from tornado_trio.testing import memory_server
from tornado_trio.websocket import WebSocket

from .support import fetch, get

# --- out of nurseries ------------------------------------------------------------------


async def in_a_nursery(handler: web.RequestHandler, error: Exception) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 5)
        raise error


async def in_a_child(handler: web.RequestHandler, error: Exception) -> None:
    async def child() -> None:
        raise error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)


async def deep(handler: web.RequestHandler, error: Exception) -> None:
    async def child() -> None:
        await in_a_child(handler, error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)


async def in_a_child_of_the_request(handler: web.RequestHandler, error: Exception) -> None:
    async def child() -> None:
        await trio.sleep(1)
        raise error

    handler.nursery.start_soon(child)
    await trio.sleep(10)


async def deep_in_a_child_of_the_request(handler: web.RequestHandler, error: Exception) -> None:
    async def child() -> None:
        await deep(handler, error)

    handler.nursery.start_soon(child)
    await trio.sleep(10)


async def as_a_group(handler: web.RequestHandler, error: Exception) -> None:
    raise ExceptionGroup("of a TaskGroup", [ExceptionGroup("in another", [error])])


PLACES = [
    in_a_nursery,
    in_a_child,
    deep,
    in_a_child_of_the_request,
    deep_in_a_child_of_the_request,
    as_a_group,
]


def raising(
    place: Callable[[web.RequestHandler, Exception], Any], error: Exception, hook: str = "get"
) -> type[web.RequestHandler]:
    async def method(self: web.RequestHandler) -> None:
        await place(self, error)

    return type("Handler", (web.RequestHandler,), {hook: method, "get": method})


@pytest.mark.parametrize("hook", ["get", "prepare"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_group_of_one_answer_is_that_answer(
    place: Any, hook: str, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    response = await get(raising(place, web.HTTPError(404, "no such thing"), hook))
    assert response.code == 404
    assert "no such thing" in caplog.text and "Traceback" not in caplog.text
    response = await get(raising(place, web.MissingArgumentError("a"), hook))
    assert response.code == 400

    finishing = raising(place, web.Finish("bye"), hook)
    response = await get(finishing)
    assert (response.code, response.body) == (200, b"bye")


@pytest.mark.parametrize("place", PLACES)
async def test_one_failure_in_a_group_is_500(
    place: Any, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    assert (await get(raising(place, KeyError("bug")))).code == 500
    assert caplog.text.count("KeyError: 'bug'") == 1


async def test_a_mixed_group_is_500_and_every_member_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    members: list[Exception] = [web.HTTPError(404, "first"), KeyError("second")]

    class Handler(web.RequestHandler):
        async def get(self) -> None:
            raise ExceptionGroup("mixed", members)

    assert (await get(Handler)).code == 500
    assert "first" in caplog.text and "KeyError: 'second'" in caplog.text
    members[:] = [web.HTTPError(404, "first"), web.HTTPError(403, "second")]
    caplog.clear()
    assert (await get(Handler)).code == 500
    assert "HTTP 404" in caplog.text and "HTTP 403" in caplog.text


async def test_a_failing_child_after_the_answer_is_only_logged(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    class Handler(web.RequestHandler):
        async def get(self) -> None:
            self.nursery.start_soon(self.fail)
            self.write("answer")

        async def fail(self) -> None:
            await trio.sleep(1)
            raise web.HTTPError(404)

    async with memory_server(web.Application([("/", Handler)])) as server:
        assert (await server.get("/")).body == b"answer"
        await trio.sleep(5)
    assert "in a child of" in caplog.text


# --- what an application maps ----------------------------------------------------------


class Missing(LookupError):
    pass


class Busy(Exception):
    pass


class Page(web.RequestHandler):
    def set_default_headers(self) -> None:
        self.set_header("X-Page", "1")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish(f"page of {type(kwargs['exc_info'][1]).__name__}")


def busy(handler: web.RequestHandler, error: BaseException) -> None:
    handler.set_status(429)
    handler.set_header("Retry-After", "5")
    handler.write(f"{error}, later")


class Raises(web.RequestHandler):
    error: Exception = ValueError()
    finished: list[int] = []

    async def get(self) -> None:
        self.write("lost")
        await trio.lowlevel.checkpoint()
        raise self.error

    def on_finish(self) -> None:
        self.finished.append(self.get_status())


def mapping(error: Exception) -> web.Application:
    errors = {LookupError: 404, Busy: busy, ArithmeticError: Page}
    kind = type("Handler", (Raises,), {"error": error})
    return web.Application([("/", kind)], errors=errors)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (LookupError("x"), 404, b"404: Not Found"),
        (Missing("x"), 404, b"404: Not Found"),
        (KeyError("x"), 404, b"404: Not Found"),
        (Busy("busy"), 429, b"busy, later"),
        (ZeroDivisionError(), 500, b"page of ZeroDivisionError"),
        (ValueError(), 500, b"500: Internal"),
        (web.HTTPError(403), 403, b"403: Forbidden"),
    ],
)
async def test_errors(
    error: Exception,
    status: int,
    body: bytes,
    grouped: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Raises.finished.clear()
    caplog.set_level(logging.INFO, "tornado")
    response = await fetch(mapping(ExceptionGroup("", [error]) if grouped else error), "/")
    assert response.code == status and body in response.body and b"lost" not in response.body
    assert response.headers.get("X-Page") == ("1" if b"page" in body else None)
    access = [each.getMessage() for each in caplog.records if each.name == "tornado.access"]
    assert len(access) == 1 and access[0].startswith(f"{status} GET / ")
    assert len(Raises.finished) == 1
    if status == 404:
        assert "404 GET / (127.0.0.1): " in caplog.text and "Traceback" not in caplog.text


async def test_errors_of_functions_routers_and_constructors() -> None:
    """Whatever has no handler yet is answered with the application's own page."""

    async def function(exchange: Any) -> None:
        raise Missing("here")

    class Unmade(web.RequestHandler):
        def initialize(self) -> None:
            raise web.HTTPError(402)

    app = web.Application([("/f", function), ("/i", Unmade)], errors={Missing: 410})
    assert (await fetch(app, "/f")).code == 410
    assert (await fetch(app, "/i")).code == 402


async def test_an_answer_that_fails_itself(caplog: pytest.LogCaptureFixture) -> None:
    def fails(handler: web.RequestHandler, error: BaseException) -> None:
        raise KeyError("in the answer")

    kind = type("Handler", (Raises,), {"error": Busy()})
    response = await fetch(web.Application([("/", kind)], errors={Busy: fails}), "/")
    assert response.code == 500 and "in the answer" in caplog.text


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ({"KeyError": 404}, "'KeyError' is no class of exceptions"),
        ({KeyError: 42}, "KeyError is a status from 300 to 599, not 42"),
        ({KeyError: True}, "not True"),
        ({KeyError: "404"}, "a handler class or a function, not '404'"),
        ({KeyError: in_a_child}, "in_a_child, is `async def`"),
    ],
)
def test_errors_that_cannot_work(errors: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        web.Application([], errors=errors)


# --- conversations and streams whose peer leaves -----------------------------------------


class Talks(web.WebSocketHandler):
    async def tick(self, ws: WebSocket) -> None:
        while True:
            await ws.send("tick")
            await trio.sleep(1)

    async def open(self, ws: WebSocket) -> None:
        await self.tick(ws)


class TalksInANursery(Talks):
    async def open(self, ws: WebSocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.tick, ws)
            while True:
                await ws.receive()


class TalksInItsOwn(Talks):
    async def open(self, ws: WebSocket) -> None:
        self.nursery.start_soon(self.tick, ws)
        async for _ in ws:
            pass


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("kind", [Talks, TalksInANursery, TalksInItsOwn])
async def test_a_peer_that_leaves_a_conversation_is_no_error(
    kind: type[Talks], how: str, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    caplog.set_level(logging.DEBUG, "tornado")
    async with memory_server(web.Application([("/", kind)])) as server:
        network = Network(dial=server.network.connect)
        async with open_websocket("ws://test.local/", network=network) as ws:
            await trio.sleep(2.5)
            if how == "reset":
                ws.abort()
        await trio.sleep(30)
        assert not server.server.connections
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []
    assert "Traceback" not in caplog.text


class FailsToOpen(web.WebSocketHandler):
    async def open(self, ws: WebSocket) -> None:
        raise KeyError("a bug")


async def test_an_error_in_open_is_logged_at_once(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """And not when the peer has answered the close frame."""
    async with memory_server(web.Application([("/", FailsToOpen)])) as server:
        client = await server.connect()
        await client.send(
            b"GET / HTTP/1.1\r\nHost: test.local\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await client.stream.read_until(b"\r\n\r\n")
        assert (await client.stream.read_some())[2:4] == (1011).to_bytes(2, "big")
        assert caplog.text.count("KeyError: 'a bug'") == 1
        await trio.sleep(60)
        assert not server.server.connections
    assert caplog.text.count("KeyError: 'a bug'") == 1


class Streams(web.RequestHandler):
    async def beat(self) -> None:
        while True:
            self.write(b"x" * 70_000)
            await self.flush()
            await trio.sleep(0.1)

    async def get(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.beat)
            await self.beat()


class StreamsOn(Streams):
    on_disconnect = FINISH


class StreamsInItsOwn(Streams):
    async def get(self) -> None:
        self.nursery.start_soon(self.beat)
        await self.beat()


@pytest.mark.parametrize("kind", [Streams, StreamsOn, StreamsInItsOwn])
async def test_a_client_that_leaves_a_stream_is_no_error(
    kind: type[Streams], caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    caplog.set_level(logging.DEBUG, "tornado")
    async with memory_server(web.Application([("/", kind)])) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.stream.read_until(b"xxx", max_bytes=10_000_000)
        client.stream.close()
        await trio.sleep(30)
        assert not server.server.connections
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []
    assert "Traceback" not in caplog.text


async def test_the_cause_is_told_with_the_childs_error(autojump_clock: MockClock) -> None:
    told = []

    class Handler(web.RequestHandler):
        async def get(self) -> None:
            await in_a_child_of_the_request(self, KeyError("bug"))

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            told.append((status_code, kwargs["cause"], kwargs["exc_info"][0]))
            self.finish("sorry")

    assert (await get(Handler)).body == b"sorry"
    assert told == [(500, Cause.CHILD_FAILED, KeyError)]
