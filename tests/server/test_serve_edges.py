"""`serve` behind a proxy that speaks the PROXY protocol, and with certificates by name."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trustme

from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import App, Exchange, ResponseStartLine
from tornado_trio.net import (
    Certificate,
    ProxyProtocol,
    ServerTls,
    Stream,
    client_context,
    open_tcp_listeners,
    open_tcp_stream,
    start_tls,
)
from tornado_trio.net.socket_stream import SocketStream
from tornado_trio.server.serve import serve
from tornado_trio.wire.headers import HTTPHeaders

LINE = b"PROXY TCP4 198.51.100.7 203.0.113.9 4000 443\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def who(exchange: Exchange) -> None:
    body = f"{exchange.protocol} {exchange.remote_ip}".encode()
    head = HTTPHeaders({"Content-Length": str(len(body))})
    exchange.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), head, body)
    exchange.finish()


async def ask(stream: Stream) -> bytes:
    async with stream:
        await stream.send_all(REQUEST)
        return (await stream.read_until_close()).rpartition(b"\r\n\r\n")[2]


async def test_proxy_protocol(caplog: pytest.LogCaptureFixture) -> None:
    async with trio.open_nursery() as nursery:

        async def start(task_status: trio.TaskStatus[object]) -> None:
            proxy = ProxyProtocol(["127.0.0.1"])
            await serve(who, 0, host="127.0.0.1", proxy=proxy, task_status=task_status, grace=1)

        (listener,) = await nursery.start(start)
        port = listener.address[1]
        stream = await open_tcp_stream("127.0.0.1", port)
        await stream.send_all(LINE)
        assert await ask(stream) == b"http 198.51.100.7"
        stream = await open_tcp_stream("127.0.0.1", port)
        try:
            assert await ask(stream) == b""  # a trusted peer has to send a header
        except StreamClosedError:
            pass  # closing with bytes unread resets the connection, which says the same
        assert "no PROXY protocol header" in caplog.text
        nursery.cancel_scope.cancel()


async def test_proxy_protocol_and_tls(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("localhost", "other.example"):
        path = tmp_path / f"{name}.pem"
        ca.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
    tls = ServerTls(
        Certificate(certfile=tmp_path / "localhost.pem"),
        by_name={"other.example": Certificate(certfile=tmp_path / "other.example.pem")},
    )
    async with trio.open_nursery() as nursery:

        async def start(task_status: trio.TaskStatus[object]) -> None:
            proxy = ProxyProtocol(["127.0.0.1"])
            await serve(
                who, 0, host="127.0.0.1", proxy=proxy, tls=tls, task_status=task_status, grace=1
            )

        (listener,) = await nursery.start(start)
        context = client_context(ca_file=tmp_path / "ca.pem")
        for name in ("localhost", "other.example"):
            plain = await open_tcp_stream("127.0.0.1", listener.address[1])
            await plain.send_all(LINE)
            stream = await start_tls(plain, context, server_hostname=name)
            assert await ask(stream) == b"https 198.51.100.7"
        nursery.cancel_scope.cancel()


async def test_cancelled_before_it_began() -> None:
    """`started` does nothing then, and a shield that waits for it would never end."""
    listeners = open_tcp_listeners(0, "127.0.0.1")
    with trio.fail_after(1):
        with trio.move_on_after(0) as scope:
            await serve(who, listeners=listeners)
    assert scope.cancelled_caught and listeners[0].closed


async def waits(exchange: Exchange) -> None:
    await trio.lowlevel.checkpoint()
    await who(exchange)


@pytest.mark.parametrize("app", [who, waits])
async def test_a_connection_not_yet_accepted_is_served_by_the_drain(app: App) -> None:
    for _ in range(20):  # trio shuffles what is ready
        async with trio.open_nursery() as nursery:
            [listener] = await nursery.start(partial(serve, app, 0, host="127.0.0.1", grace=5))
            # Nothing else runs in between.
            client = socket.create_connection(listener.address)
            client.sendall(REQUEST)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                assert await ask_no_more(SocketStream(client)) == b"http 127.0.0.1"


async def ask_no_more(stream: Stream) -> bytes:
    async with stream:
        return (await stream.read_until_close()).rpartition(b"\r\n\r\n")[2]
