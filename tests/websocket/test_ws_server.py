from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import Exchange
from tornado_trio.net.memory import MemoryStream, memory_stream_pair
from tornado_trio.server import Server
from tornado_trio.testing import memory_server
from tornado_trio.websocket import HandshakeError, WebSocketOptions, accept
from tornado_trio.wire.websocket import WebSocketProtocol
from tornado_trio.wire.websocket.frames import CLOSE, TEXT, encode_frame

KEY = base64.b64encode(b"0123456789abcdef").decode()
seen: list[Any] = []


async def echo(exchange: Exchange) -> None:
    options = WebSocketOptions(ping_interval=None)
    try:
        async with accept(
            exchange, options=options, subprotocols=["v2", "v1"], headers={"X-More": "1"}
        ) as ws:
            seen.append(ws)
            async for message in ws:
                await ws.send(message)
    except HandshakeError as error:
        seen.append(error)


@asynccontextmanager
async def connected(app: Any = echo) -> AsyncIterator[MemoryStream]:
    seen.clear()
    server = Server(app)
    client, stream = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handle, stream)
        yield client
        client.close()
        nursery.cancel_scope.cancel()


def request(start: str = "GET / HTTP/1.1", key: str = KEY, **fields: str) -> bytes:
    lines = {
        "Host": "a.test",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    lines.update({name.replace("_", "-"): value for name, value in fields.items()})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{start}\r\n{head}\r\n".encode("latin-1")


async def exchange_heads(stream: MemoryStream, data: bytes) -> tuple[str, str]:
    stream.write(data)
    with trio.fail_after(5):
        head = (await stream.read_until(b"\r\n\r\n")).decode()
    start, _, rest = head.partition("\r\n")
    return start, rest.lower()


async def test_upgrade_and_echo(autojump_clock: Any) -> None:
    async with connected() as stream:
        # A frame sent along with the request is not lost.
        start, head = await exchange_heads(
            stream,
            request(
                Sec_WebSocket_Protocol="v1, v2",
                Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits",
                Origin="http://a.test",
            )
            + encode_frame(TEXT, b"early", mask=True),
        )
        assert start == "HTTP/1.1 101 Switching Protocols"
        assert "sec-websocket-protocol: v2\r\n" in head
        assert "sec-websocket-extensions: permessage-deflate" in head
        assert "x-more: 1\r\n" in head
        assert "content-length" not in head and "transfer-encoding" not in head
        protocol = WebSocketProtocol(client=True)
        stream.write(encode_frame(TEXT, b"two", mask=True))
        events: list[Any] = []
        while len(events) < 2:
            protocol.receive(await stream.read_some())
            while (event := protocol.next_event()) is not None:
                events.append(event)
        assert events == [(TEXT, "early"), (TEXT, "two")]
        assert seen[0].subprotocol == "v2"
        stream.write(protocol.send_close(1000))
        protocol.receive(await stream.read_some())
        assert protocol.next_event() == (CLOSE, (1000, ""))
        assert await stream.read_some() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("GET / HTTP/1.0"), 400),
        (request("POST / HTTP/1.1", Content_Length="0"), 405),
        (request(Upgrade="h2c"), 400),
        (request(Connection="keep-alive"), 400),
        (request(Sec_WebSocket_Version="8"), 426),
        (request(key="x"), 400),
        (request(Sec_WebSocket_Extensions="permessage-deflate; ;"), 400),
        (request(Sec_WebSocket_Extensions="\xe9"), 400),
        (request(Origin="http://b.test"), 403),
        (request(Origin="null"), 403),
        (request(Sec_WebSocket_Origin="http://b.test"), 403),
    ],
)
async def test_refused(autojump_clock: Any, data: bytes, status: int) -> None:
    async with connected() as stream:
        start, head = await exchange_heads(stream, data)
        assert int(start.split()[1]) == status
        assert ("sec-websocket-version: 13" in head) is (status == 426)
        assert isinstance(seen[0], HandshakeError)


@pytest.mark.parametrize(
    "field",
    [
        "permessage-deflate; server_max_window_bits=99",
        "permessage-deflate; client_max_window_bits=abc",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; bogus=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "x-webkit-deflate-frame",
    ],
)
async def test_bad_offers_are_declined(autojump_clock: Any, field: str) -> None:
    async with connected() as stream:
        start, head = await exchange_heads(stream, request(Sec_WebSocket_Extensions=field))
        assert start.startswith("HTTP/1.1 101")
        assert "sec-websocket-extensions" not in head


async def test_parameter_without_value_is_honoured(autojump_clock: Any) -> None:
    async with connected() as stream:
        offer = "permessage-deflate; client_no_context_takeover"
        _, head = await exchange_heads(stream, request(Sec_WebSocket_Extensions=offer))
        assert "client_no_context_takeover" in head


async def test_odd_subprotocols(autojump_clock: Any) -> None:
    async with connected() as stream:
        start, head = await exchange_heads(stream, request(Sec_WebSocket_Protocol="\xe9, (), v1"))
        assert start.startswith("HTTP/1.1 101")
        assert "sec-websocket-protocol: v1" in head


@pytest.mark.parametrize("error", [ZeroDivisionError("0"), StreamClosedError("of the program")])
async def test_handler_fails(autojump_clock: Any, caplog: Any, error: Exception) -> None:
    """Also by what would mean that the peer has left, of its own connection."""

    async def broken(exchange: Exchange) -> None:
        async with accept(exchange) as ws:
            await ws.receive()
            raise error

    async with connected(broken) as stream:
        await exchange_heads(stream, request())
        stream.write(encode_frame(TEXT, b"x", mask=True))
        protocol = WebSocketProtocol(client=True)
        protocol.receive(await stream.read_some())
        event = protocol.next_event()
        assert event == (CLOSE, (1011, ""))
        stream.write(protocol.answer_close())
        assert await stream.read_some() == b""
        await trio.sleep(1)  # the handler's task ends after its stream
    assert [each.exc_info[1] for each in caplog.records if each.exc_info] == [error]


async def test_drain_says_goodbye(autojump_clock: Any, caplog: Any) -> None:
    ended: list[Any] = []

    async def app(exchange: Exchange) -> None:
        async with accept(exchange) as ws:
            async for _ in ws:
                pass
            ended.append((ws.close_code, trio.current_time()))

    server = Server(app)
    async with trio.open_nursery() as nursery:
        peers = [memory_stream_pair() for _ in range(2)]
        for client, stream in peers:
            nursery.start_soon(server.handle, stream)
            await exchange_heads(client, request())
        begin = trio.current_time()
        nursery.start_soon(server.drain, 60)
        polite, silent = (WebSocketProtocol(client=True) for _ in peers)
        for protocol, (client, _) in zip((polite, silent), peers, strict=True):
            protocol.receive(await client.read_some())
            assert protocol.next_event() == (CLOSE, (1001, ""))
        peers[0][0].write(polite.answer_close())
        assert await peers[0][0].read_some() == b""
    # The one that answers is gone at once, the silent one when the closing deadline passes.
    assert ended == [(1001, begin), (1001, begin + WebSocketOptions().close_timeout)]
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_nobody_else_reads_a_session_s_stream(autojump_clock: Any) -> None:
    """The server watches for clients that leave by reading; not once the stream is given away."""
    async with memory_server(echo) as server:
        client = await server.connect()
        await exchange_heads(client.stream, request())  # type: ignore[arg-type]
        for _ in range(20):
            await trio.sleep(1)
            client.stream.write(encode_frame(TEXT, b"hi", mask=b"\0\0\0\0"))
            with trio.fail_after(5):
                assert await client.stream.read_exactly(4) == b"\x81\x02hi"
