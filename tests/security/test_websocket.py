"""WebSocket handshakes and frames from hostile peers. See tests/test_advisories.py."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
import trio

from tests.client.servers import Peer
from tests.client.servers import serving as raw_serving
from tests.websocket.test_ws_server import connected, exchange_heads, request
from tornado_trio.client import Network
from tornado_trio.client.websocket import WebSocketRefused, open_websocket
from tornado_trio.wire.websocket.frames import TEXT, encode_frame


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("GET /" + "a" * 70_000 + " HTTP/1.1"), 414),
        (request(Cookie="a" * 70_000), 431),
        (request(**{f"X_{n}": "y" for n in range(300)}), 431),
        (request(Sec_WebSocket_Key="\x00"), 400),
        (request("GET / HTTP/1.1\r\nHost: b"), 400),
    ],
    ids=["target", "field", "fields", "NUL", "two Hosts"],
)
async def test_limits_of_the_handshake(autojump_clock: Any, data: bytes, status: int) -> None:
    """websockets 17.0: answered with the status that fits, before any handler runs."""
    async with connected() as stream:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, data)
                answer = await stream.read_until(b"\r\n\r\n")
                nursery.cancel_scope.cancel()
        assert int(answer.split()[1]) == status


@pytest.mark.parametrize(
    "fields",
    [
        {"Sec_WebSocket_Protocol": "\xe9\xff"},
        {"Sec_WebSocket_Protocol": "v1\xa0, \xe9"},
        {"Sec_WebSocket_Extensions": "\xe9; \xff=\xfe"},
        {"Sec_WebSocket_Version": "\xb9\xb3"},
        {"key": "\xe9" * 24},
        {"Origin": "http://\xe9.test"},
        {"Origin": "http://[::1"},
        {"Upgrade": "websock\xe9t"},
        {"Connection": "\xe9"},
        {"Sec_WebSocket_Protocol": "," * 5000},
        {"Sec_WebSocket_Extensions": "a," * 5000},
        {"Sec_WebSocket_Extensions": 'a;b="' + "\\" * 20_000},
    ],
)
async def test_odd_fields_crash_nothing(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, fields: dict[str, str]
) -> None:
    """Non-ASCII handshake fields crashed granian; long ones must cost linear time."""
    start_of_it = time.process_time()
    with caplog.at_level(logging.ERROR):
        async with connected() as stream:
            start, _ = await exchange_heads(stream, request(**fields))
    assert int(start.split()[1]) in (101, 400, 403, 426)
    assert not caplog.records and time.process_time() - start_of_it < 2


async def test_the_handshake_follows_no_redirect(autojump_clock: Any) -> None:
    """Whom a WebSocket's secrets are told is whom its URL names."""

    async def elsewhere(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 302 Found\r\nLocation: ws://b.test/\r\nContent-Length: 0\r\n\r\n"
        )
        await peer.request()

    async with raw_serving(elsewhere) as server:
        network = Network(dial=server.network.connect)
        secrets = [("Authorization", "x"), ("Cookie", "a=b"), ("Proxy-Authorization", "y")]
        with pytest.raises(WebSocketRefused) as caught:
            async with open_websocket("ws://a.test/", network=network, headers=secrets):
                raise AssertionError("not reached")
        assert caught.value.status == 302
        assert len(server.heads) == 1 and b"Host: a.test" in server.heads[0]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ws://a.test/x\r\nY: z", {}),
        ("ws://a.test/ HTTP/1.1\r\nY: z", {}),
        ("ws://a.test/", {"headers": [("X", "a\r\nY: z")]}),
        ("ws://a.test/", {"headers": [("X\r\nY", "z")]}),
        ("ws://a.test/", {"subprotocols": ["a\r\nY: z"]}),
    ],
)
async def test_handshakes_cannot_inject(
    autojump_clock: Any, url: str, options: dict[str, Any]
) -> None:
    """CVE-2020-35678, at the client's end."""

    async def refuse(peer: Peer) -> None:
        while await peer.request():
            await peer.send(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")

    async with raw_serving(refuse) as server:
        network = Network(dial=server.network.connect)
        with pytest.raises(ValueError):
            async with open_websocket(url, network=network, **options):
                raise AssertionError("not reached")
        assert not any(b"\nY:" in head for head in server.heads)


async def test_a_flood_of_messages_lets_others_run(autojump_clock: Any) -> None:
    """Starvation by small messages (Tornado 6.6.0), over the whole server."""
    async with connected() as stream:
        await exchange_heads(stream, request())
        count = 3000
        turns = 0
        done = trio.Event()

        async def others() -> None:
            nonlocal turns
            while not done.is_set():
                turns += 1
                await trio.lowlevel.checkpoint()

        async def flood() -> None:
            await stream.send_all(encode_frame(TEXT, b"x", mask=True) * count)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            nursery.start_soon(flood)
            received = 0
            with trio.fail_after(20):
                while received < count * 3:
                    received += len(await stream.read_some())
            done.set()
        assert turns > 20
