"""Functions over websockets: what they take of the request that opened the conversation."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
import trio

from tornado_trio import api
from tornado_trio.client.websocket import WebSocketRefused, open_websocket
from tornado_trio.testing import memory_server
from tornado_trio.websocket import WebSocket

EVENTS: list[str] = []


@asynccontextmanager
async def connected(app: Any, path: str, **options: Any) -> AsyncIterator[WebSocket]:
    async with memory_server(app) as server, server.client() as client:
        async with open_websocket(path, client=client, **options) as ws:
            yield ws


async def refusal(app: Any, path: str, **options: Any) -> tuple[int, Any]:
    with pytest.raises(WebSocketRefused) as caught:
        async with connected(app, path, **options):
            pass
    response = caught.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status, json.loads(caught.value.body)


async def session(
    user: Annotated[str, api.Header("X-User")], limit: int = 5
) -> AsyncIterator[dict[str, Any]]:
    EVENTS.append("open")
    try:
        async with trio.open_nursery() as nursery:  # which must enclose the conversation's
            nursery.start_soon(trio.sleep_forever)
            yield {"user": user, "limit": limit}
            nursery.cancel_scope.cancel()
    except BaseException as error:
        EVENTS.append(type(error).__name__)
        raise
    finally:
        EVENTS.append("close")


def refuse() -> str:
    raise api.Problem(409, "full")


app: api.Application[None] = api.Application()


@app.websocket("/values/{room}/{number:int}")
async def values(
    peer: api.Conversation[str, Any],
    room: str,
    number: int,
    agent: Annotated[str, api.Header("X-Agent")],
    theme: Annotated[str, api.Cookie()] = "light",
    tags: Annotated[list[int], api.Query()] = [],  # noqa: B006
    deep: bool = False,
) -> None:
    await peer.send([room, number, agent, theme, tags, deep])


@app.websocket("/session")
async def held(ws: WebSocket, db: Annotated[dict[str, Any], api.Depends(session)]) -> None:
    EVENTS.append("talk")
    await ws.send(f"{db['user']} {db['limit']}")
    if await ws.receive() == "fail":
        raise ZeroDivisionError


@app.websocket("/secret")
async def secret(ws: WebSocket, token: Annotated[str, api.Bearer()]) -> None:
    await ws.send(token)


async def test_values_of_the_request() -> None:
    fields = [("X-Agent", "a"), ("Cookie", "theme=dark")]
    async with connected(app, "/values/hall/3?tags=1&tags=2&deep=true", headers=fields) as ws:
        assert await ws.receive() == '["hall",3,"a","dark",[1,2],true]'
    async with connected(app, "/values/hall/3", headers=fields[:1]) as ws:
        assert await ws.receive() == '["hall",3,"a","light",[],false]'


async def test_what_does_not_fit_is_422_before_the_handshake() -> None:
    status, problem = await refusal(app, "/values/hall/3?tags=x&deep=maybe")
    assert status == 422
    assert [(each["source"], each["pointer"]) for each in problem["errors"]] == [
        ("header", "X-Agent"), ("query", "tags"), ("query", "deep"),
    ]  # fmt: skip
    EVENTS.clear()
    status, problem = await refusal(app, "/session?limit=x", headers=[("X-User", "u")])
    assert status == 422 and EVENTS == []
    status, _ = await refusal(app, "/secret")
    assert status == 401
    async with connected(app, "/secret", headers=[("Authorization", "Bearer t")]) as ws:
        assert await ws.receive() == "t"


async def test_dependencies_are_open_for_as_long_as_the_conversation() -> None:
    EVENTS.clear()
    async with connected(app, "/session?limit=7", headers=[("X-User", "u")]) as ws:
        assert await ws.receive() == "u 7"
        assert EVENTS == ["open", "talk"]
        await ws.send("bye")
        assert [each async for each in ws] == [] and ws.close_code == 1000
    assert EVENTS == ["open", "talk", "close"]


async def test_dependencies_see_what_the_conversation_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    EVENTS.clear()
    with caplog.at_level(logging.ERROR):
        async with connected(app, "/session", headers=[("X-User", "u")]) as ws:
            await ws.receive()
            await ws.send("fail")
            assert [each async for each in ws] == [] and ws.close_code == 1011
    assert EVENTS == ["open", "talk", "ExceptionGroup", "close"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [
        ZeroDivisionError
    ]


async def test_a_page_of_elsewhere_opens_no_dependency() -> None:
    EVENTS.clear()
    fields = [("X-User", "u"), ("Origin", "http://evil.example")]
    status, _ = await refusal(app, "/session", headers=fields)
    assert status == 403 and EVENTS == []


async def test_dependencies_may_refuse_and_be_replaced() -> None:
    table: api.Application[None] = api.Application()

    @table.websocket("/")
    async def talk(ws: WebSocket, place: Annotated[str, api.Depends(refuse)]) -> None:
        await ws.send(place)

    assert (await refusal(table, "/"))[0] == 409
    with table.overriding(refuse, lambda: "a seat"):
        async with connected(table, "/") as ws:
            assert await ws.receive() == "a seat"


def test_what_has_no_source() -> None:
    table: api.Application[None] = api.Application()

    async def body(ws: WebSocket, given: dict[str, int]) -> None: ...

    async def form(ws: WebSocket, given: Annotated[str, api.Form()]) -> None: ...

    async def path(ws: WebSocket) -> None: ...

    async def untyped(ws: WebSocket, token) -> None: ...  # type: ignore[no-untyped-def]

    for function, message in (
        (body, "'given' is of a body"),
        (form, "'given' is of a body"),
        (path, "no parameter for the path's {room}"),
        (untyped, "'token' has no annotation"),
    ):
        place = "/{room}" if function is path else "/"
        with pytest.raises(api.SignatureError, match=f"socket_functions.py:[0-9]+: .*{message}"):
            table.websocket(place)(function)
