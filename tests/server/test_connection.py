"""Requests and responses over one connection."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from tornado_trio.exchange import Exchange, ResponseStartLine, current_exchange
from tornado_trio.limits import Limits
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.wire.headers import HTTPHeaders

from .apps import OK, echo, hello, lines, reply, stream

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_hello_and_keep_alive() -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        for _ in range(3):
            response = await client.request(GET)
            assert (response.code, response.body) == (200, b"hello")
            assert response.headers["Date"].endswith("GMT")
            assert "Connection" not in response.headers


async def test_pipelined_requests_keep_their_order(autojump_clock: MockClock) -> None:
    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/0":
            await trio.sleep(1)
        reply(exchange, exchange.start_line.path.encode())

    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(40)))
        assert [(await client.response()).body for _ in range(40)] == [
            b"/%d" % i for i in range(40)
        ]


async def test_http10() -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        response = await client.request(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert response.headers["Connection"] == "Keep-Alive"
        response = await client.request(b"GET / HTTP/1.0\r\n\r\n")
        assert "Connection" not in response.headers
        assert await client.rest() == b""


async def test_http10_body_of_unknown_length_ends_with_the_connection() -> None:
    async with memory_server(stream) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert body == b"one two three"
        # h11 says "close" here, our own engine nothing: to such a client they are the same.
        assert b"Transfer-Encoding" not in head and b"keep-alive" not in head.lower()


async def test_chunked_response() -> None:
    async with memory_server(stream) as server:
        client = await server.connect()
        for _ in range(2):
            response = await client.request(GET)
            assert response.body == b"one two three"
            assert response.headers["Transfer-Encoding"] == "chunked"


async def test_head_has_no_body_whatever_the_application_writes() -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        for _ in range(2):
            response = await client.request(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (response.body, response.headers["Content-Length"]) == (b"", "5")


async def test_bodies_fixed_chunked_and_large() -> None:
    async with memory_server(echo) as server:
        client = await server.connect()
        response = await client.request(
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        )
        assert response.body == b"POST /a abc"
        response = await client.request(
            b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 1\r\n\r\n"
        )
        assert response.body == b"POST /b abcdefg"
        big = bytes(300_000)
        response = await client.request(
            b"POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(big) + big
        )
        assert response.body == b"POST /c " + big


async def test_trailers_are_delivered() -> None:
    seen = []

    async def app(exchange: Exchange) -> None:
        pieces = [piece async for piece in exchange.body()]
        seen.append((b"".join(pieces), exchange.trailers))
        exchange.write_headers(OK, HTTPHeaders())
        await exchange.write(b"x")
        await exchange.finish(HTTPHeaders({"X-After": "2"}))

    async with memory_server(app) as server:
        response = await server.request(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"
        )
        assert response.trailers == {"X-After": "2"}
    assert seen == [(b"a", {"X-Sum": "1"})]


async def test_expect_100_continue() -> None:
    async with memory_server(echo) as server:
        client = await server.connect()
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
        await client.send(head)
        assert await client.stream.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.response()).body == b"POST / abc"
        # A body that came along with its head wants no invitation.
        response = await client.request(head + b"abc")
        assert response.informational == []


async def test_expect_answered_without_reading_closes() -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        response = await client.request(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert response.headers["Connection"] == "close"


async def test_unread_small_body_is_skipped_and_a_large_one_closes() -> None:
    async with memory_server(hello) as server:
        client = await server.connect()
        response = await client.request(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        )
        assert "Connection" not in response.headers
        response = await client.request(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        )
        assert response.headers["Connection"] == "close"


async def test_a_body_that_is_too_large_is_not_skipped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with memory_server(hello, ServerOptions(limits=Limits(max_body_size=2))) as server:
        client = await server.connect()
        response = await client.request(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        )
        assert (response.code, response.headers["Connection"]) == (200, "close")
        assert await client.rest() == b""
    assert not lines(caplog)


async def test_head_has_no_body_when_the_server_answers_either() -> None:
    async def app(exchange: Exchange) -> None:
        raise ZeroDivisionError

    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 500 ") and answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_too_large(chunked: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    options = ServerOptions(limits=Limits(max_body_size=10))
    async with memory_server(echo, options) as server:
        if chunked:
            data = b"Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n"
        else:
            data = b"Content-Length: 11\r\n\r\n12345678901"
        response = await server.request(b"POST / HTTP/1.1\r\nHost: a\r\n" + data)
        assert (response.code, response.headers["Connection"]) == (413, "close")
    assert len(lines(caplog)) == 1


async def test_max_body_size_of_one_request() -> None:
    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path == "/big":
            exchange.set_max_body_size(20)
        await echo(exchange)

    options = ServerOptions(limits=Limits(max_body_size=10))
    async with memory_server(app, options) as server:
        client = await server.connect()
        body = b"HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n12345678901"
        assert (await client.request(b"POST /big " + body)).code == 200
        assert (await client.request(b"POST /not " + body)).code == 413


async def test_early_hints_and_nothing_of_it_for_http10() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.send_informational(103, "Early Hints", HTTPHeaders({"Link": "</a.css>"}))
        reply(exchange, b"x")

    async with memory_server(app) as server:
        response = await server.get()
        assert [each.start_line.code for each in response.informational] == [103]
        response = await server.request(b"GET / HTTP/1.0\r\n\r\n")
        assert (response.informational, response.body) == ([], b"x")


async def test_upgrade_and_detach() -> None:
    async def app(exchange: Exchange) -> None:
        head = ResponseStartLine("HTTP/1.1", 101, "Switching Protocols")
        exchange.write_headers(head, HTTPHeaders({"Upgrade": "x", "Connection": "Upgrade"}))
        stream = exchange.detach()
        data = await stream.read_exactly(5)
        await stream.send_all(data.upper())
        stream.close()

    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello"
        )
        assert (await client.rest()).endswith(b"\r\n\r\nHELLO")


async def test_connection_close_in_any_field() -> None:
    async with memory_server(hello) as server:
        for fields in (b"Connection: keep-alive, Close", b"Connection: x\r\nConnection: close"):
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n" + GET)
            assert (await client.rest()).count(b"HTTP/1.1 200") == 1


async def test_a_context_per_request() -> None:
    async def app(exchange: Exchange) -> None:
        assert current_exchange.get() is exchange
        await trio.lowlevel.checkpoint()
        assert current_exchange.get() is exchange
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, exchange)
        reply(exchange)

    async def child(exchange: Exchange) -> None:
        assert current_exchange.get() is exchange

    async with memory_server(app) as server:
        client = await server.connect()
        for _ in range(2):
            assert (await client.request(GET)).code == 200
    assert current_exchange.get(None) is None


async def test_application_errors(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async def app(exchange: Exchange) -> None:
        path = exchange.start_line.path
        if "late" in path:
            exchange.write_headers(OK, HTTPHeaders({"Content-Length": "10"}), b"abc")
        if "wait" in path:
            await trio.sleep(1)
        if "raise" in path:
            raise RuntimeError("no")

    async with memory_server(app) as server:
        for path in ("/raise", "/wait/raise", "/nothing", "/wait/nothing"):
            response = await server.get(path)
            assert (response.code, response.headers["Connection"]) == (500, "close")
        for path in ("/late/raise", "/late/wait/nothing"):
            client = await server.connect()
            await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert (await client.rest()).endswith(b"\r\n\r\nabc")
    assert len(lines(caplog)) == 6


async def test_response_splitting_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def app(exchange: Exchange) -> None:
        reply(exchange, X_Y="a\r\nSet-Cookie: b")

    async with memory_server(app) as server:
        response = await server.get()
        assert response.code == 500
        assert "Set-Cookie" not in response.headers


async def test_wrong_lengths_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "5"}))
        exchange.write(b"123456" if exchange.start_line.path == "/more" else b"1234")
        exchange.finish()

    async with memory_server(app) as server:
        for path in ("/more", "/less"):
            client = await server.connect()
            await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert len((await client.rest()).partition(b"\r\n\r\n")[2]) < 5


async def test_plain_function_that_answers_later(autojump_clock: MockClock) -> None:
    async def later(exchange: Exchange) -> None:
        await trio.sleep(5)
        reply(exchange, b"later")

    async with trio.open_nursery() as nursery:

        def app(exchange: Exchange) -> None:
            nursery.start_soon(later, exchange)

        async with memory_server(app) as server:
            assert (await server.get()).body == b"later"
