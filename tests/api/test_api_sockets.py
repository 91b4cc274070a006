"""Websockets of typed messages."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from tornado_trio import api, web
from tornado_trio.client import Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.net import MemoryNetwork
from tornado_trio.testing import memory_server


class Ask(msgspec.Struct):
    number: Annotated[int, msgspec.Meta(ge=0)]


class Answer(msgspec.Struct):
    square: int


class Squares(api.Socket[Ask, Answer]):
    async def talk(self, peer: api.Conversation[Ask, Answer], *args: Any, **path: Any) -> None:
        async for ask in peer:
            await peer.send(Answer(ask.number**2 + path["plus"]))


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ("{", 1007, "Input data was truncated"),
        ('{"number": "x"}', 1008, "Expected `int`, got `str` - at `$.number`"),
        ('{"number": -1}', 1008, "Expected `int` >= 0 - at `$.number`"),
        (b"\xff", 1007, ""),
    ],
)
async def test_messages_are_values(message: Any, code: int, reason: str) -> None:
    app: api.Application[None] = api.Application([("/{plus:int}", Squares)])
    network = MemoryNetwork()
    async with memory_server(app, network=network, host="a.test"):
        net = Network(dial=network.connect)
        async with open_websocket("ws://a.test/5", network=net) as ws:
            await ws.send('{"number": 4}')
            assert await ws.receive() == '{"square":21}'
            await ws.send(b'{"number": 3}')
            assert await ws.receive() == '{"square":14}'
            await ws.send(message)
            assert [each async for each in ws] == []
            assert ws.close_code == code
            assert reason in (ws.close_reason or "")


def test_what_cannot_be_is_refused_when_it_is_made() -> None:
    with pytest.raises(api.SignatureError, match="Thing"):

        class Thing:
            pass

        class Wrong(api.Socket[Thing, int]):
            pass

    class Empty(api.Socket[int, int]):
        pass

    with pytest.raises(TypeError, match="has no `async def talk"):
        web.Application([("/", Empty)])
