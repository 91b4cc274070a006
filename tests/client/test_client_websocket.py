from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tornado_trio.client import ClientTimeouts, InvalidRequest, Network, RequestTimeout, open_client
from tornado_trio.client.websocket import WebSocketRefused, open_websocket
from tornado_trio.exchange import Exchange, ResponseStartLine
from tornado_trio.net.memory import MemoryStream, memory_stream_pair
from tornado_trio.server import Server
from tornado_trio.websocket import HandshakeError, WebSocketOptions, accept
from tornado_trio.wire.headers import HTTPHeaders
from tornado_trio.wire.websocket.handshake import accept_value

OPTIONS = WebSocketOptions(ping_interval=None)


async def echo(exchange: Exchange) -> None:
    try:
        async with accept(exchange, options=OPTIONS, subprotocols=["v1"]) as ws:
            await ws.send(exchange.headers.get("X-Who", "nobody"))
            async for message in ws:
                await ws.send(message)
    except HandshakeError:
        return


@asynccontextmanager
async def network(app: Any = echo) -> AsyncIterator[Network]:
    server = Server(app)
    async with trio.open_nursery() as nursery:

        async def dial(host: str, port: int) -> MemoryStream:
            client, stream = memory_stream_pair()
            nursery.start_soon(server.handle, stream)
            return client

        yield Network(dial=dial)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("compress", [True, False])
async def test_session(autojump_clock: Any, compress: bool) -> None:
    from dataclasses import replace

    options = OPTIONS if compress else replace(OPTIONS, deflate=None)
    async with network() as net:
        async with open_websocket(
            "ws://a.test/x",
            network=net,
            options=options,
            subprotocols=["v0", "v1"],
            headers=[("X-Who", "me")],
        ) as ws:
            assert ws.subprotocol == "v1"
            assert await ws.receive() == "me"
            for message in ("a" * 1000, b"b" * 100_000):
                await ws.send(message)
                assert await ws.receive() == message
            assert ("Sec-WebSocket-Extensions" in ws.request.headers) is compress
        assert ws.close_code == 1000


async def test_with_a_client_of_ones_own(autojump_clock: Any) -> None:
    async with network() as net, open_client(network=net) as client:
        async with (
            open_websocket("WS://a.test/1", client=client, options=OPTIONS) as one,
            open_websocket("ws://a.test/2", client=client, options=OPTIONS) as two,
        ):
            for ws in (one, two):
                assert await ws.receive() == "nobody"


async def test_refused(autojump_clock: Any) -> None:
    async with network() as net:
        with pytest.raises(WebSocketRefused) as caught:
            async with open_websocket(
                "ws://a.test/", network=net, headers=[("Origin", "http://b.test")]
            ):
                raise AssertionError("not reached")
        assert caught.value.status == 403
        assert caught.value.body.startswith(b"Cross origin")
        assert caught.value.response.status == 403


async def test_not_a_websocket_server(autojump_clock: Any) -> None:
    async def liar(exchange: Exchange) -> None:
        from tornado_trio.exchange import ResponseStartLine
        from tornado_trio.wire.headers import HTTPHeaders

        headers = HTTPHeaders({"Upgrade": "websocket", "Connection": "Upgrade"})
        headers["Sec-WebSocket-Accept"] = "wrong"
        await exchange.write_headers(ResponseStartLine("HTTP/1.1", 101, "Switching"), headers)
        exchange.detach().close()

    async with network(liar) as net:
        with pytest.raises(WebSocketRefused, match="Accept"):
            async with open_websocket("ws://a.test/", network=net):
                raise AssertionError("not reached")


async def test_silent_server(autojump_clock: Any) -> None:
    async def silent(exchange: Exchange) -> None:
        await trio.sleep_forever()

    async with network(silent) as net:
        with pytest.raises(RequestTimeout):
            async with open_websocket(
                "ws://a.test/", network=net, timeouts=ClientTimeouts(first_byte=3)
            ):
                raise AssertionError("not reached")


async def test_bad_url() -> None:
    with pytest.raises(InvalidRequest):
        async with open_websocket("http://a.test/"):
            raise AssertionError("not reached")


async def test_what_the_block_raises_arrives_as_it_is(autojump_clock: Any) -> None:
    async with network() as net:
        with pytest.raises(ZeroDivisionError):
            async with open_websocket("ws://a.test/", network=net, options=OPTIONS):
                raise ZeroDivisionError


async def test_sockets_of_a_client_share_their_timers(autojump_clock: Any) -> None:
    """Each peer that answers no ping is found out; one task does it, and ends with the last."""

    async def silent(exchange: Exchange) -> None:
        key = exchange.headers["Sec-WebSocket-Key"]
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_value(key),
        }
        line = ResponseStartLine("HTTP/1.1", 101, "Switching Protocols")
        exchange.write_headers(line, HTTPHeaders(fields))
        streams.append(exchange.detach())
        await trio.sleep_forever()

    async def converse(interval: float) -> None:
        options = WebSocketOptions(ping_interval=interval, ping_timeout=5)
        async with open_websocket("ws://a.test/x", client=client, options=options) as ws:
            await ws.wait_closed()
            ended.append((trio.current_time() - begin, ws.close_code))

    streams: list[Any] = []
    ended: list[tuple[float, int | None]] = []
    begin = trio.current_time()
    async with network(silent) as net, open_client(network=net) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(converse, 10)
            nursery.start_soon(converse, 30)
            await trio.sleep(1)
            assert repr(client.timers) == "<Timers, 2 set>"
        assert repr(client.timers) == "<Timers, 0 set>"
    assert ended == [(pytest.approx(15), 1011), (pytest.approx(35), 1011)]
