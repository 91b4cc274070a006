"""`WebSocketHandler`: handshake among the handler's other duties, and the conversation."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tornado_trio.client import Network
from tornado_trio.client.websocket import WebSocketRefused, open_websocket
from tornado_trio.net.memory import MemoryStream, memory_stream_pair
from tornado_trio.server import Server
from tornado_trio.web import Application, HTTPError, WebSocketHandler
from tornado_trio.websocket import ConnectionClosed, WebSocket, WebSocketOptions

OPTIONS = WebSocketOptions(ping_interval=None)


class Echo(WebSocketHandler):
    subprotocols = ("v2", "v1")

    async def prepare(self) -> None:
        await trio.sleep(1)
        if self.get_argument("user", "me") != "me":
            raise HTTPError(401)
        self.set_header("X-Prepared", "yes")
        self.set_cookie("seen", "1")

    async def open(self, ws: WebSocket, room: str) -> None:
        await ws.send(f"welcome to {room}")
        async for message in ws:
            if message == "boom":
                raise ZeroDivisionError
            await ws.send(message)


@asynccontextmanager
async def network(**settings: Any) -> AsyncIterator[Network]:
    server = Server(Application([("/(.*)", Echo)], websocket_options=OPTIONS, **settings))
    async with trio.open_nursery() as nursery:

        async def dial(host: str, port: int) -> MemoryStream:
            client, stream = memory_stream_pair()
            nursery.start_soon(server.handle, stream)
            return client

        yield Network(dial=dial)
        nursery.cancel_scope.cancel()


async def test_conversation(autojump_clock: Any) -> None:
    async with network() as net:
        async with open_websocket(
            "ws://a.test/hall", network=net, options=OPTIONS, subprotocols=["v1", "v2"]
        ) as ws:
            assert ws.subprotocol == "v2"
            assert ws.request.headers["X-Prepared"] == "yes"
            assert "seen=1" in ws.request.headers["Set-Cookie"]
            assert "Content-Type" not in ws.request.headers
            assert await ws.receive() == "welcome to hall"
            await ws.send(b"bytes" * 1000)
            assert await ws.receive() == b"bytes" * 1000
        assert ws.close_code == 1000


async def test_errors_close_with_1011(autojump_clock: Any, caplog: Any) -> None:
    async with network() as net:
        async with open_websocket("ws://a.test/x", network=net, options=OPTIONS) as ws:
            await ws.receive()
            await ws.send("boom")
            with pytest.raises(ConnectionClosed):
                await ws.receive()
            assert ws.close_code == 1011
        await trio.sleep(1)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("x?user=you", {}, 401),
        ("x", {"Origin": "http://b.test"}, 403),
        ("x", {"Origin": "http://a.test", "Sec-Fetch-Site": "cross-site"}, 403),
        ("x", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("x", {"Sec-WebSocket-Version": "8"}, 426),
        ("x", {"Sec-WebSocket-Extensions": ";"}, 400),
    ],
)
async def test_refused(
    autojump_clock: Any, caplog: Any, path: str, headers: dict[str, str], status: int
) -> None:
    caplog.set_level(logging.ERROR)
    async with network() as net:
        with pytest.raises(WebSocketRefused) as caught:
            async with open_websocket(
                f"ws://a.test/{path}", network=net, headers=tuple(headers.items())
            ):
                raise AssertionError("not reached")
    assert caught.value.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://a.test"},
        {"Origin": "https://trusted.test"},
        {"Origin": "http://proxied.test", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_origins_that_may(autojump_clock: Any, headers: dict[str, str]) -> None:
    async with network(trusted_origins=["https://trusted.test"]) as net:
        async with open_websocket(
            "ws://a.test/x", network=net, options=OPTIONS, headers=tuple(headers.items())
        ) as ws:
            assert await ws.receive() == "welcome to x"


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"Origin": "http://a.test"}, []),
        ({"Origin": "http://b.test", "Sec-Fetch-Site": "same-origin"}, []),
        ({"Origin": "http://b.test"}, ["http://b.test"]),
        ({"Origin": "http://a.test", "Sec-Fetch-Site": "same-site"}, ["http://a.test"]),
    ],
)
async def test_only_other_origins_are_checked(
    autojump_clock: Any, monkeypatch: Any, headers: dict[str, str], asked: list[str]
) -> None:
    """So that an override need not repeat what is allowed to every handler."""
    found: list[str] = []
    monkeypatch.setattr(Echo, "check_origin", lambda self, origin: not found.append(origin))
    async with network() as net:
        async with open_websocket(
            "ws://a.test/x", network=net, options=OPTIONS, headers=tuple(headers.items())
        ) as ws:
            assert await ws.receive() == "welcome to x"
    assert found == asked
