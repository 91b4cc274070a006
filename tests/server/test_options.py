"""What `ServerOptions` and `serve` offer: compression, proxies, TLS, logs."""

from __future__ import annotations

import gzip
import http.client
import logging
import ssl
import zlib
from dataclasses import replace

import pytest
import trio
import trustme
from trio.testing import MockClock

from tornado_trio.client import ClientLimits
from tornado_trio.errors import PeerError
from tornado_trio.exchange import Exchange, Finished
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.net import MemoryNetwork, open_tcp_stream
from tornado_trio.net.tls import open_tls_stream
from tornado_trio.server import DisconnectPolicy, Server, ServerOptions, serve
from tornado_trio.testing import RawClient, memory_server
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, echo, hello, reply

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes, fields: bytes = b"Content-Encoding: gzip\r\n") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n%b" % (
        len(body),
        fields,
        body,
    )


# --- compressed requests ---------------------------------------------------------------

INFLATE = ServerOptions(decompress_request=True, limits=Limits(max_body_size=100_000))


@pytest.mark.parametrize("coding", [b"gzip", b"GZIP", b"x-gzip"])
async def test_gzip_request(coding: bytes) -> None:
    seen = []

    async def app(exchange: Exchange) -> None:
        seen.append(dict(exchange.headers))
        await echo(exchange)

    async with memory_server(app, INFLATE) as server:
        client = await server.connect()
        data = gzip.compress(b"a" * 50_000) + gzip.compress(b"b")
        response = await client.request(post(data, b"Content-Encoding: " + coding + b"\r\n"))
        assert response.body == b"POST / " + b"a" * 50_000 + b"b"
        assert (await client.request(post(b"plain", b""))).body == b"POST / plain"
    assert "Content-Encoding" not in seen[0]
    assert seen[0]["X-Consumed-Content-Encoding"] == coding.decode()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (gzip.compress(bytes(1_000_000)), 413),
        (gzip.compress(b"a") + b"trailing garbage", 400),
        (gzip.compress(b"a" * 100)[:-5], 400),
        (b"not gzip", 400),
        (zlib.compress(b"a"), 400),
    ],
    ids=["bomb", "garbage after", "truncated", "plain", "zlib"],
)
async def test_bad_gzip_request(data: bytes, status: int) -> None:
    async with memory_server(echo, INFLATE) as server:
        assert (await server.request(post(data))).code == status


async def test_gzip_is_left_alone_unless_asked() -> None:
    data = gzip.compress(b"x")
    async with memory_server(echo) as server:
        assert (await server.request(post(data))).body == b"POST / " + data
    async with memory_server(echo, INFLATE) as server:
        response = await server.request(post(data, b"Content-Encoding: br\r\n"))
        assert response.body == b"POST / " + data


# --- proxies -------------------------------------------------------------------------------


async def whoami(exchange: Exchange) -> None:
    reply(exchange, f"{exchange.remote_ip} {exchange.protocol}".encode())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (b"", b"127.0.0.1 http"),
        (b"X-Real-Ip: 4.4.4.4\r\n", b"4.4.4.4 http"),
        (b"X-Real-Ip: ::1\r\n", b"::1 http"),
        (b"X-Real-Ip: 4.4.4.4<script>\r\n", b"127.0.0.1 http"),
        (b"X-Real-Ip: www.google.com\r\n", b"127.0.0.1 http"),
        (b"X-Real-Ip: ::1%<script>\r\n", b"127.0.0.1 http"),
        (b"X-Real-Ip: fe80::1%\r\n", b"127.0.0.1 http"),
        (b"X-Real-Ip: fe80::1%eth0\r\n", b"fe80::1%eth0 http"),
        (b"X-Real-Ip: 4.4.4.4%eth0\r\n", b"127.0.0.1 http"),
        (b"X-Real-Ip: [::1]\r\n", b"::1 http"),
        (b"X-Real-Ip: [4.4.4.4]\r\n", b"127.0.0.1 http"),
        (b"X-Forwarded-For: [2001:db8::1]:4711\r\n", b"2001:db8::1 http"),
        (b"X-Forwarded-For: [2001:db8::1]\r\n", b"2001:db8::1 http"),
        (b"X-Forwarded-For: 4.4.4.4:4711\r\n", b"4.4.4.4 http"),
        (b"X-Forwarded-For: 4.4.4.4:4711, 5.5.5.5:80\r\n", b"4.4.4.4 http"),
        (b"X-Forwarded-For: 4.4.4.4:x\r\n", b"127.0.0.1 http"),
        (b"X-Forwarded-For: [::1]x\r\n", b"127.0.0.1 http"),
        (b"X-Forwarded-For: 9.9.9.9, unknown\r\n", b"127.0.0.1 http"),
        (b"X-Forwarded-For: \r\n", b"127.0.0.1 http"),
        (b"X-Forwarded-For: 127.0.0.1, 4.4.4.4\r\n", b"4.4.4.4 http"),
        (b"X-Forwarded-For: 4.4.4.4, 5.5.5.5\r\n", b"4.4.4.4 http"),
        (b"X-Forwarded-For: 9.9.9.9, 4.4.4.4, 5.5.5.5, 5.5.5.5\r\n", b"4.4.4.4 http"),
        (b"X-Forwarded-For: 4.4.4.4\r\nX-Forwarded-For: 5.5.5.5\r\n", b"4.4.4.4 http"),
        (b"X-Scheme: https\r\n", b"127.0.0.1 https"),
        (b"X-Forwarded-Proto: HTTPS\r\n", b"127.0.0.1 https"),
        (b"X-Forwarded-Proto: http, https\r\n", b"127.0.0.1 https"),
        (b"X-Scheme: unknown\r\n", b"127.0.0.1 http"),
    ],
)
async def test_forwarded(fields: bytes, told: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"
    options = ServerOptions(xheaders=True, trusted_downstream=frozenset({"5.5.5.5"}))
    async with memory_server(whoami, options) as server:
        client = await server.connect()
        assert (await client.request(request)).body == told
        # Of this request only:
        assert (await client.request(GET)).body == b"127.0.0.1 http"
    async with memory_server(whoami) as server:
        assert (await server.request(request)).body == b"127.0.0.1 http"


async def test_protocol_of_a_silent_proxy() -> None:
    async with memory_server(whoami, ServerOptions(protocol="https")) as server:
        assert (await server.get()).body == b"127.0.0.1 https"


# --- the rest ---------------------------------------------------------------------------------


async def test_no_keep_alive() -> None:
    async with memory_server(hello, ServerOptions(keep_alive=False)) as server:
        client = await server.connect()
        response = await client.request(GET)
        assert response.headers["Connection"] == "close"
        assert await client.rest() == b""


async def test_access_log() -> None:
    lines = []

    def log(record: Finished) -> None:
        lines.append((record.target, record.status, record.bytes_out))

    async with memory_server(hello, ServerOptions(access_log=log)) as server:
        client = await server.connect()
        await client.request(GET)
        await client.request(b"POST /big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n")
        await client.rest()
    assert lines == [("/", 200, 5)]


async def test_own_refusal_and_closing_on_errors(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(error: PeerError) -> bytes:
        return b"HTTP/1.1 %d No\r\n\r\n" % error.status

    async def app(exchange: Exchange) -> None:
        raise KeyError

    async with memory_server(app, ServerOptions(refuse=refuse)) as server:
        client = await server.connect()
        await client.send(b"garbage\r\n\r\n")
        assert await client.rest() == b"HTTP/1.1 400 No\r\n\r\n"
        client = await server.connect()
        await client.send(GET)
        assert await client.rest() == b""


async def test_log_lines_carry_no_controls(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with memory_server(hello) as server:
        await server.request(b"GET /\x1b[31m\r\x07 HTTP/1.1\r\n\r\n")
    assert all(record.message.isprintable() for record in caplog.records)
    assert caplog.records


async def test_error_pages_quote_nothing_dangerous() -> None:
    async with memory_server(hello) as server:
        response = await server.request(b"GET /<script>\xe9 HTTP/1.1\r\n\r\n")
        assert response.code == 400
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.body.isascii()


async def test_error_pages_with_a_phrase_of_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http.client.responses, 400, "Ung\u00fcltig\r\nX: 1")
    async with memory_server(hello) as server:
        response = await server.request(b"GET / HTTP/1.1\r\n\r\n")
        assert (response.code, response.reason) == (400, "UngltigX: 1")
        assert response.body.startswith(b"400 UngltigX: 1")


async def test_sendfile(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("files") / "data"
    path.write_bytes(bytes(range(256)) * 1000)

    async def app(exchange: Exchange) -> None:
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "1000"}))
        with open(path, "rb") as file:  # noqa: ASYNC230 - a small one
            await exchange.sendfile(file, 256, 1000)
        exchange.finish()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serve, app, 0)
        stream = await open_tcp_stream("127.0.0.1", listeners[0].address[1])
        client = RawClient(stream)
        for _ in range(2):
            response = await client.request(GET)
            assert response.body == (bytes(range(256)) * 5)[256:1256]
        stream.close()
        nursery.cancel_scope.cancel()


async def test_tls() -> None:
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    gone = trio.Event()

    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/wait":
            try:
                await trio.sleep_forever()
            finally:
                gone.set()
        await whoami(exchange)

    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[object]) -> None:
            options = ServerOptions(timeouts=Timeouts(handshake=0.2))
            await serve(
                app, 0, host="127.0.0.1", tls=server_context, options=options, grace=0,
                task_status=task_status,
            )  # fmt: skip

        listeners = await nursery.start(run)
        port = listeners[0].address[1]
        plain = await open_tcp_stream("127.0.0.1", port)
        stream = await open_tls_stream(
            "127.0.0.1", port, client_context, server_hostname="localhost"
        )
        client = RawClient(stream)
        # Pipelined; and a client that leaves while its second request is being handled.
        response = await client.request(GET + b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        assert response.body == b"127.0.0.1 https"
        await trio.sleep(0.05)
        stream.close()
        with trio.fail_after(5):
            await gone.wait()
            # One who never says hello is not waited for.
            assert await plain.read_some() == b""
        plain.close()
        nursery.cancel_scope.cancel()


def test_policies() -> None:
    assert DisconnectPolicy.of(None).kind == "cancel"
    assert DisconnectPolicy.of("finish").kind == "finish"
    assert DisconnectPolicy.of(DisconnectPolicy("grace", 3)).seconds == 3
    with pytest.raises(ValueError):
        DisconnectPolicy.of("sometimes")


async def test_a_server_without_listeners() -> None:
    """`Server.handle` is enough for one connection; watching needs a nursery."""
    network = MemoryNetwork()
    listener = network.listen(80, "a")
    server = Server(hello, replace(ServerOptions(), keep_alive=False))
    client = RawClient(await network.connect("a", 80))
    stream = listener.accept_nowait()
    assert stream is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handle, stream)
        assert (await client.request(GET)).body == b"hello"
        assert await client.rest() == b""
    assert server.statistics()["connections"] == 0


async def test_serve_wants_to_know_where() -> None:
    with pytest.raises(ValueError):
        await serve(hello)


async def test_max_connections(autojump_clock: MockClock) -> None:
    options = ServerOptions(limits=Limits(max_connections=2))
    async with memory_server(hello, options) as server:
        clients = [await server.connect() for _ in range(3)]
        for client in clients:
            await client.send(GET)
        for client in clients[:2]:
            assert (await client.response()).body == b"hello"
        with trio.move_on_after(10) as scope:
            await clients[2].stream.wait_readable()
        assert scope.cancelled_caught
        assert len(server.server.connections) == 2
        clients[0].stream.close()
        assert (await clients[2].response()).body == b"hello"


# --- limits ---------------------------------------------------------------------------


def test_a_limit_is_a_number() -> None:
    for error, message, make in (
        (TypeError, "Limits.max_body_size is a number, not '10MB'", lambda: Limits(max_body_size="10MB")),  # type: ignore[arg-type]  # noqa: E501
        (TypeError, "Limits.max_head_size is a number, not None", lambda: Limits(max_head_size=None)),  # type: ignore[arg-type]  # noqa: E501
        (TypeError, "Timeouts.idle is a number, not True", lambda: Timeouts(idle=True)),
        (ValueError, "Timeouts.request is not below 0: -1", lambda: Timeouts(request=-1)),
        (ValueError, "Timeouts.head is not below 0: nan", lambda: Timeouts(head=float("nan"))),
        (ValueError, "ClientLimits.max_idle is not below 0", lambda: ClientLimits(max_idle=-1)),
    ):
        with pytest.raises(error, match=message):
            make()
    assert Limits(max_write_buffer=None, max_body_size=0).max_connections is None

    class Mine(Limits):
        pass

    assert Mine(max_body_size=0).max_connections is None
    with pytest.raises(ValueError, match="Mine.max_body_size is not below 0"):
        Mine(max_body_size=-1)
    assert Timeouts(idle=float("inf"), body=None).body is None
