"""What a newcomer from another framework writes: refused where it stands, with the remedy."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from tornado_trio import api, web
from tornado_trio.client.websocket import open_websocket
from tornado_trio.testing import memory_server
from tornado_trio.websocket import WebSocket


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ({"status_code": 201}, r"api\.Status\(201\)"),
        ({"response_model": int}, "the return annotation"),
        ({"dependencies": []}, r"api\.Depends"),
        ({"include_in_schema": False}, "hidden=True"),
        ({"tag": "x"}, "one of tags, summary"),
    ],
)
def test_arguments_of_other_decorators(argument: dict[str, Any], remedy: str) -> None:
    app: api.Application[None] = api.Application()
    with pytest.raises(TypeError, match=f"get\\(\\) has no argument .*{remedy}"):
        app.get("/x", **argument)


@pytest.mark.parametrize("path", ["/x/{id", "/x/{id:[0-9]+}", "/x/<id>", "/x/<int:id>", "/{}"])
def test_parts_of_other_templates(path: str) -> None:
    app: api.Application[None] = api.Application()
    with pytest.raises(ValueError, match=r"is no part; write \{name\}, or \{name:int\}"):
        app.get(path)


@pytest.mark.parametrize("path", ["/x/{id:int}", r"/x/(?P<id>[0-9]{3})", r"/(?P<id>a{1,2})", "/x"])
def test_parts_that_are_some(path: str) -> None:
    app: api.Application[None] = api.Application()
    app.get(path)


def test_a_decorator_without_its_call() -> None:
    app: Any = api.Application()

    async def home() -> None: ...

    with pytest.raises(TypeError, match=r"as in @app\.get\('/things'\)"):
        app.get(home)


@pytest.mark.parametrize("status", [200, 399, 600, "404"])
def test_a_problem_is_an_error(status: Any) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        api.Problem(status)
    with pytest.raises(ValueError, match="from 400 to 599"):
        api.raises(status)


@pytest.mark.parametrize("status", [99, 404, "201"])
def test_the_status_of_an_answer(status: Any) -> None:
    with pytest.raises(ValueError, match="from 200 to 399"):
        api.Status(status)


class Thing(msgspec.Struct):
    name: str


app: api.Application[None] = api.Application()


@app.get("/forgotten")
async def forgotten() -> Thing:  # type: ignore[return]
    Thing("x")


@app.get("/forgotten/list")
async def forgotten_list() -> list[Thing]:  # type: ignore[return]
    [Thing("x")]


@app.get("/none")
async def none() -> Thing | None:
    return None


@app.get("/any")
async def anything() -> Any: ...


@app.get("/nothing")
async def nothing() -> None: ...


async def test_a_return_that_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    """Not a 204 that the document does not have."""
    async with memory_server(app) as server, server.client() as client:
        for path in ("/none", "/any", "/nothing"):
            assert (await client.get(path)).status == 204
        with caplog.at_level(logging.CRITICAL, "tornado.application"):
            assert (await client.get("/forgotten/list")).status == 500
        caplog.clear()
        assert (await client.get("/forgotten")).status == 500
    assert "forgotten returned None, and promises Thing: a `return` is missing" in caplog.text


# --- websockets as functions ---------------------------------------------------------------


class Ask(msgspec.Struct):
    number: int


sockets: api.Application[None] = api.Application()
router = api.Router()


@sockets.websocket("/squares/{times:int}")
async def squares(peer: api.Conversation[Ask, int], times: int) -> None:
    async for ask in peer:
        await peer.send(ask.number**times)


@router.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    await ws.send(ws.request.query_arguments["name"][0].decode())


sockets.include(router, "/v1")


async def test_functions_hold_conversations() -> None:
    async with memory_server(sockets) as server, server.client() as client:
        async with open_websocket("/squares/3", client=client) as ws:
            await ws.send('{"number": 2}')
            assert await ws.receive() == "8"
            await ws.send('{"number": "two"}')
            await ws.wait_closed()
            assert ws.close_code == 1008
        async with open_websocket("/v1/echo?name=ann", client=client) as ws:
            assert await ws.receive() == "ann"


def test_functions_that_can_hold_none() -> None:
    app: api.Application[None] = api.Application()

    def plain(ws: WebSocket) -> None: ...

    async def other(ws: int) -> None: ...

    async def more(ws: WebSocket, things: dict[str, int]) -> None: ...

    for function, message in (
        (plain, "`async def`"),
        (other, "first parameter is an `api.Conversation"),
        (more, "parameter 'things' is of a body"),
    ):
        with pytest.raises(api.SignatureError, match=f"test_api_mistakes.py:[0-9]+: .*{message}"):
            app.websocket("/ws")(function)

    @app.get("/both")
    async def both() -> None: ...

    async def talk(ws: WebSocket) -> None: ...

    with pytest.raises(api.SignatureError, match="a websocket needs another path"):
        app.websocket("/both")(talk)


async def test_an_odd_status_of_a_handler(caplog: pytest.LogCaptureFixture) -> None:
    """Told at the line that has it, once."""

    class Raises(web.RequestHandler):
        async def get(self) -> None:
            raise web.HTTPError("404")  # type: ignore[arg-type]

    class Sets(web.RequestHandler):
        async def get(self) -> None:
            self.set_status("404")  # type: ignore[arg-type]

    app = web.Application([("/raises", Raises), ("/sets", Sets)])
    async with memory_server(app) as server, server.client() as client:
        for path in ("/raises", "/sets"):
            caplog.clear()
            assert (await client.get(path)).status == 500
            [record] = [each for each in caplog.records if each.exc_info]
            assert "is an int, not '404'" in str(record.exc_info and record.exc_info[1])
