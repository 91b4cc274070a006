"""What fails under an ASGI server: the program's errors are reported, a client that left is none.

The server is played: what it says and when is the test's choice.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio

from tornado_trio import web
from tornado_trio.asgi import AsgiApp
from tornado_trio.errors import LimitError, StreamClosedError
from tornado_trio.exchange import Exchange, HTTPHeaders, ResponseStartLine
from tornado_trio.websocket import WebSocket, accept

CONNECT = {"type": "websocket.connect"}
LEFT = {"type": "websocket.disconnect", "code": 1006}
ANSWERS = {"websocket.http.response": {}}  # the extension: refusals have a status

Message = dict[str, Any]
Refuse = Callable[[Message], BaseException | None]


async def converse(
    app: Any,
    kind: str,
    *events: Message,
    refuse: Refuse = lambda message: None,
    after: float = 0.1,
    **scope: Any,
) -> list[Message]:
    """What `app` sent. Each event comes `after` the one before, an exception of `refuse` is what
    the server's `send` raises."""
    sent: list[Message] = []
    rest = iter(events)

    async def send(message: Message) -> None:
        await trio.lowlevel.checkpoint()
        error = refuse(message)
        if error is not None:
            raise error
        sent.append(message)

    async def receive() -> Message:
        for event in rest:
            await trio.sleep(after)
            return event
        await trio.sleep_forever()
        raise AssertionError

    scope = {
        **{"type": kind, "method": "GET", "path": "/", "http_version": "1.1", "headers": []},
        **{"server": ("a.test", 80), "query_string": b"", **scope},
    }
    with trio.fail_after(60):
        await AsgiApp(app)(scope, receive, send)
    return sent


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The exceptions that were logged as uncaught."""
    return [
        repr(record.exc_info[1])
        for record in caplog.records
        if record.exc_info and record.levelno >= logging.ERROR
    ]


def talking(talk: Callable[[WebSocket], Awaitable[object]]) -> list[Any]:
    """Three ways to have a websocket in which `talk` is the conversation."""

    async def function(exchange: Exchange) -> None:
        async with accept(exchange) as ws:
            await talk(ws)

    async def continued(exchange: Exchange) -> None:
        session = accept(exchange)
        ws = await session.__aenter__()

        async def then() -> None:
            try:
                await talk(ws)
            except BaseException as error:
                await session.__aexit__(type(error), error, error.__traceback__)
                raise
            await session.__aexit__(None, None, None)

        exchange.continue_with(then)

    class Handler(web.WebSocketHandler):
        async def open(self, ws: WebSocket) -> None:  # type: ignore[override]
            await talk(ws)

    return [function, continued, web.Application([("/", Handler)])]


WAYS = range(3)


@pytest.mark.parametrize("way", WAYS, ids=["function", "continued", "handler"])
@pytest.mark.parametrize(
    "error",
    [OSError("the disk"), ConnectionResetError("the database"), StreamClosedError("a stream")],
    ids=lambda error: type(error).__name__,
)
async def test_a_websockets_own_oserror_is_reported(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, way: int, error: OSError
) -> None:
    async def fail(ws: WebSocket) -> None:
        raise error

    sent = await converse(talking(fail)[way], "websocket", CONNECT)
    assert [each["type"] for each in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 1011
    assert errors(caplog) == [repr(error)]


@pytest.mark.parametrize("way", WAYS, ids=["function", "continued", "handler"])
@pytest.mark.parametrize("code", [1005, 1006, 4001])
@pytest.mark.parametrize("sends", [False, True], ids=["reads", "sends"])
async def test_a_peer_that_leaves_is_no_error(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, way: int, code: int, sends: bool
) -> None:
    ended: list[int | None] = []

    async def talk(ws: WebSocket) -> None:
        try:
            while True:
                await (ws.send("x" * 20_000) if sends else ws.receive())
                await trio.sleep(0.001)
        finally:
            ended.append(ws.close_code)

    await converse(
        talking(talk)[way], "websocket", CONNECT, {"type": "websocket.disconnect", "code": code}
    )
    assert ended == [4001 if code == 4001 else 1006]
    assert errors(caplog) == []


@pytest.mark.parametrize("way", WAYS, ids=["function", "continued", "handler"])
async def test_a_bug_after_the_peer_has_left_is_reported(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, way: int
) -> None:
    async def talk(ws: WebSocket) -> None:
        async for _ in ws:
            pass
        raise ValueError("a bug")

    await converse(talking(talk)[way], "websocket", CONNECT, LEFT)
    assert errors(caplog) == ["ValueError('a bug')"]


async def test_a_server_that_says_so_when_it_is_sent_to(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """OSError, as ASGI 2.4 has it, and no message of a disconnect yet."""

    async def talk(ws: WebSocket) -> None:
        while True:
            await ws.send("x" * 20_000)
            await trio.sleep(0.001)

    def gone(message: Message) -> BaseException | None:
        return OSError("gone") if message["type"] == "websocket.send" else None

    await converse(talking(talk)[0], "websocket", CONNECT, refuse=gone)
    assert errors(caplog) == []


async def test_cancelling_a_websocket_says_going_away(autojump_clock: Any) -> None:
    async def talk(ws: WebSocket) -> None:
        await ws.receive()

    sent: list[Message] = []

    def note(message: Message) -> None:
        sent.append(message)

    with trio.move_on_after(5) as scope:
        await converse(talking(talk)[0], "websocket", CONNECT, refuse=note)
    assert scope.cancelled_caught
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1001)


async def refused(exchange: Exchange) -> None:
    raise OSError("before the handshake")


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_request_without_host_is_a_bad_request(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    app = web.Application([("/", web.RequestHandler)])
    first = {"type": "http.request"} if kind == "http" else CONNECT
    sent = await converse(app, kind, first, server=None, extensions=ANSWERS)
    assert sent[0]["status"] == 400
    assert b"".join(each.get("body", b"") for each in sent) == b"Missing Host header"
    assert errors(caplog) == []
    if kind == "websocket":  # a server that has no way to say a status
        sent = await converse(app, kind, CONNECT, server=None)
        assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def test_a_handshake_that_fails_is_500(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sent = await converse(refused, "websocket", CONNECT, extensions=ANSWERS)
    assert sent[0]["status"] == 500
    sent = await converse(refused, "websocket", CONNECT)
    assert sent == [{"type": "websocket.close", "code": 1011, "reason": ""}]
    assert errors(caplog) == ["OSError('before the handshake')"] * 2


# --- HTTP --------------------------------------------------------------------------------


async def answer(exchange: Exchange, body: bytes = b"ok") -> None:
    headers = HTTPHeaders({"Content-Length": str(len(body))})
    exchange.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, body)
    await exchange.finish()


@pytest.mark.parametrize("error", [OSError("mine"), StreamClosedError("a stream"), ValueError("x")])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_functions_own_error_is_reported(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, error: Exception, when: str
) -> None:
    async def app(exchange: Exchange) -> None:
        if when == "after":
            await answer(exchange)
        raise error

    sent = await converse(app, "http", {"type": "http.request"})
    assert sent[0]["status"] == (500 if when == "before" else 200)
    assert errors(caplog) == [repr(error)]


async def test_a_limit_is_answered_and_no_error(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(exchange: Exchange) -> None:
        raise LimitError("too large")

    sent = await converse(app, "http", {"type": "http.request"})
    assert (sent[0]["status"], sent[1]["body"]) == (413, b"too large")
    assert errors(caplog) == []


@pytest.mark.parametrize("error", [None, ValueError("a bug")], ids=["quiet", "a bug"])
async def test_a_client_that_leaves_http(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    async def app(exchange: Exchange) -> None:
        try:
            await trio.sleep(60)
        except trio.Cancelled:
            if error is not None:
                raise error from None
            raise

    sent = await converse(app, "http", {"type": "http.request"}, {"type": "http.disconnect"})
    assert sent == []
    assert errors(caplog) == ([] if error is None else [repr(error)])


class Stream(web.RequestHandler):
    """Server-sent events, until the client has gone."""

    async def get(self) -> None:
        async with self.events() as send:
            while True:
                await send("x" * 1000)
                await trio.sleep(0.01)


async def pieces(exchange: Exchange) -> None:
    exchange.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders())
    while True:
        await exchange.write(b"x" * 1000)
        await trio.sleep(0.01)


@pytest.mark.parametrize("app", [web.Application([("/", Stream)]), pieces], ids=["sse", "function"])
@pytest.mark.parametrize(
    ("error", "warned"),
    [(OSError("gone"), []), (RuntimeError("not now"), ["http.response.body: not now"])],
    ids=["OSError", "RuntimeError"],
)
async def test_a_server_that_takes_no_more_of_a_response(
    autojump_clock: Any,
    caplog: pytest.LogCaptureFixture,
    app: Any,
    error: Exception,
    warned: list[str],
) -> None:
    taken: list[Message] = []

    def refuse(message: Message) -> BaseException | None:
        taken.append(message)
        return error if len(taken) > 3 else None

    sent = await converse(app, "http", {"type": "http.request"}, refuse=refuse)
    assert len(sent) == 3
    assert errors(caplog) == []
    own = [r for r in caplog.records if r.name == "tornado.general"]
    warnings = [r.getMessage() for r in own if r.levelno == logging.WARNING]
    assert [each.rpartition("not take ")[2] for each in warnings] == warned


async def bodies(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise StreamClosedError("where the content comes from")


async def test_a_handler_whose_own_stream_breaks(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Relay(web.RequestHandler):
        async def get(self) -> None:
            async for each in bodies(b"part"):
                self.write(each)

    sent = await converse(web.Application([("/", Relay)]), "http", {"type": "http.request"})
    assert sent[0]["status"] == 500
    assert errors(caplog) == ["StreamClosedError('where the content comes from')"]
