"""`tornado.http1connection` over streams of one's own, in both roles."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import gzip
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tornado import http1connection, httputil
from tornado.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
    is_transfer_encoding_chunked,
    parse_hex_int,
    parse_int,
)
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    loop = IOLoop(make_current=False)
    try:
        loop.run_sync(test, timeout=10)
    finally:
        loop.close(all_fds=True)


def pair() -> tuple[IOStream, IOStream]:
    left, right = socket.socketpair()
    return IOStream(left), IOStream(right)


class Recorder(httputil.HTTPMessageDelegate):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        self.events.append(start_line)
        self.headers = headers

    def data_received(self, chunk: bytes) -> None:
        self.events.append(chunk)

    def finish(self) -> None:
        self.events.append("finish")

    def on_connection_close(self) -> None:
        self.events.append("close")


class Answering(Recorder):
    """Answers with the request's body."""

    def __init__(self, connection: Any) -> None:
        super().__init__()
        self.connection = connection

    def finish(self) -> None:
        super().finish()
        body = b"".join(each for each in self.events if isinstance(each, bytes))
        headers = httputil.HTTPHeaders({"Content-Length": str(len(body))})
        self.connection.write_headers(OK, headers, body)
        self.connection.finish()


class Server(httputil.HTTPServerConnectionDelegate):
    def __init__(self, delegate: Callable[[Any], Any] = Answering) -> None:
        self.delegate = delegate
        self.requests: list[Any] = []
        self.closed: list[object] = []

    def start_request(self, server_conn: object, request_conn: Any) -> Any:
        self.requests.append(self.delegate(request_conn))
        return self.requests[-1]

    def on_close(self, server_conn: object) -> None:
        self.closed.append(server_conn)


def test_a_server_and_a_client_of_ours() -> None:
    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        serving = HTTP1ServerConnection(theirs)
        serving.start_serving(server)
        for body in (b"", b"x" * 100_000):
            client = HTTP1Connection(ours, True)
            line = httputil.RequestStartLine("POST", "/x", "HTTP/1.1")
            headers = httputil.HTTPHeaders({"Host": "a"})
            await client.write_headers(line, headers)
            if body:
                await client.write(body)
            client.finish()
            answer = Recorder()
            assert await client.read_response(answer) is True
            assert answer.events[0] == OK
            assert b"".join(answer.events[1:-1]) == body
            assert answer.events[-1] == "finish"
        ours.close()
        await serving.close()
        assert server.closed == [serving]
        assert server.requests[0].headers["Transfer-Encoding"] == "chunked"

    in_loop(main)


def test_pipelined_requests_and_close() -> None:
    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        HTTP1ServerConnection(theirs).start_serving(server)
        await ours.write(
            GET + GET + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET
        )
        assert (await ours.read_until_close()).count(b"HTTP/1.1 200 OK") == 3

    in_loop(main)


@pytest.mark.parametrize("sent", [b"", GET, GET[:10]])
def test_closing_an_idle_connection(sent: bytes) -> None:
    """Done when serving has ended, and again at once."""

    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        serving = HTTP1ServerConnection(theirs)
        serving.start_serving(server)
        await ours.write(sent)
        if sent == GET:
            await ours.read_until(b"\r\n\r\n")
        await asyncio.sleep(0.01)
        await serving.close()
        assert server.closed == [serving] and theirs.closed()
        await serving.close()
        assert await ours.read_until_close() == b""

    in_loop(main)


def test_no_keep_alive() -> None:
    async def main() -> None:
        ours, theirs = pair()
        params = HTTP1ConnectionParameters(no_keep_alive=True)
        HTTP1ServerConnection(theirs, params).start_serving(Server())
        await ours.write(GET)
        assert b"\r\nConnection: close\r\n" in await ours.read_until_close()

    in_loop(main)


def test_malformed_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        ours, theirs = pair()
        somebody = SimpleNamespace(remote_ip="somebody", protocol="http")
        HTTP1ServerConnection(theirs, context=somebody).start_serving(Server())
        await ours.write(b"garbage\r\n\r\n")
        assert await ours.read_until_close() == b"HTTP/1.1 400 Bad Request\r\n\r\n"

    in_loop(main)
    assert "Malformed HTTP message from somebody" in caplog.text


@pytest.mark.parametrize("what", ["header_timeout", "body_timeout"])
def test_timeouts(what: str) -> None:
    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        HTTP1ServerConnection(theirs, HTTP1ConnectionParameters(**{what: 0.05})).start_serving(
            server
        )
        if what == "header_timeout":
            await ours.write(GET[:10])
        else:
            await ours.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
        assert await ours.read_until_close() == b""
        await asyncio.sleep(0)
        # Who was not told of a request is not told of its end.
        last = [request.events[-1] for request in server.requests]
        assert last == ([] if what == "header_timeout" else ["close"])

    in_loop(main)


def test_a_connection_may_end_between_two_requests(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        serving = HTTP1ServerConnection(theirs)
        serving.start_serving(server)
        await ours.write(GET)
        await ours.read_until(b"\r\n\r\n")
        ours.close()
        await serving._serving  # type: ignore[misc]
        assert [request.events[1:] for request in server.requests] == [["finish"]]

    in_loop(main)
    assert not caplog.records


def test_decompress() -> None:
    async def main() -> None:
        for data, good in ((gzip.compress(b"hello"), True), (b"nonsense", False)):
            ours, theirs = pair()
            server = Server()
            params = HTTP1ConnectionParameters(decompress=True)
            HTTP1ServerConnection(theirs, params).start_serving(server)
            head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
            await ours.write(head + b"Content-Length: %d\r\n\r\n" % len(data) + data)
            answer = await ours.read_until_close()
            assert answer.endswith(b"\r\n\r\nhello") if good else b"400" in answer
            if good:
                assert server.requests[0].headers["X-Consumed-Content-Encoding"] == "gzip"

    in_loop(main)


def test_a_peer_that_leaves_does_not_change_what_is_answered() -> None:
    """A handler that runs on writes the response to the request it has, if to nobody."""
    arrived = asyncio.Event()

    class Late(Recorder):
        connection: Any

        def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
            arrived.set()

    async def main() -> None:
        ours, theirs = pair()

        def late(connection: Any) -> Late:
            delegate = Late()
            delegate.connection = connection
            return delegate

        server = Server(late)
        serving = HTTP1ServerConnection(theirs)
        serving.start_serving(server)
        await ours.write(GET.replace(b"GET", b"HEAD"))
        await arrived.wait()
        ours.close()
        await serving._serving  # type: ignore[misc]
        connection = server.requests[0].connection
        connection.write_headers(OK, httputil.HTTPHeaders({"Content-Length": "4"}))
        connection.finish()  # a HEAD still: no body is missing

    in_loop(main)


@pytest.mark.parametrize("at_once", [False, True])
def test_what_ends_a_connection_is_not_left_to_the_loop(
    at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Server):
        def start_request(self, server_conn: object, request_conn: Any) -> Any:
            if not at_once:
                ours.close()
                return super().start_request(server_conn, request_conn)
            raise ZeroDivisionError

    ours: Any = None

    async def main() -> None:
        nonlocal ours
        ours, theirs = pair()
        await ours.write(GET)
        serving = HTTP1ServerConnection(theirs)
        serving.start_serving(Failing())
        await serving._serving  # type: ignore[misc]
        assert theirs.closed()
        ours.close()

    in_loop(main)
    loggers = [record.name for record in caplog.records]
    assert loggers.count("tornado.application") == at_once


def test_abort() -> None:
    async def main() -> None:
        ours, theirs = pair()

        class Short(Recorder):
            def finish(self) -> None:
                connection.write_headers(OK, httputil.HTTPHeaders({"Content-Length": "4"}), b"a")
                connection.abort()

        connection = HTTP1Connection(theirs, False)
        await ours.write(GET)
        assert await connection.read_response(Short()) is False
        assert (await ours.read_until_close()).endswith(b"\r\n\r\na")

    in_loop(main)


def test_decompressed_bodies_are_bounded() -> None:
    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        params = HTTP1ConnectionParameters(decompress=True, max_body_size=10_000, chunk_size=1000)
        HTTP1ServerConnection(theirs, params).start_serving(server)
        bomb = gzip.compress(b"0" * 1_000_000)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n"
        await ours.write(head + b"Content-Length: %d\r\n\r\n" % len(bomb) + bomb)
        assert await ours.read_until_close() == b"HTTP/1.1 400 Bad Request\r\n\r\n"
        _, *pieces, last = server.requests[0].events
        assert last == "close"
        assert len(b"".join(pieces)) == 10_000

    in_loop(main)


def test_detach_gives_what_was_sent_ahead() -> None:
    async def main() -> None:
        ours, theirs = pair()
        found: list[Any] = []

        class Detaching(Recorder):
            def __init__(self, connection: Any) -> None:
                super().__init__()
                self.connection = connection

            def headers_received(self, start_line: Any, headers: Any) -> None:
                found.append(self.connection.detach())

        HTTP1ServerConnection(theirs).start_serving(Server(Detaching))
        await ours.write(GET + b"ahead")
        while not found:  # noqa: ASYNC110 - told by a list
            await asyncio.sleep(0.001)
        assert await found[0].read_bytes(5) == b"ahead"
        await found[0].write(b"back")
        assert await ours.read_bytes(4) == b"back"
        ours.close()
        found[0].close()

    in_loop(main)


def test_a_clients_delegate_may_detach_too() -> None:
    async def main() -> None:
        ours, theirs = pair()
        connection = HTTP1Connection(ours, True)
        found: list[Any] = []

        class Detaching(Recorder):
            def finish(self) -> None:
                found.append(connection.detach())

        request = httputil.RequestStartLine("GET", "/", "HTTP/1.1")
        connection.write_headers(request, httputil.HTTPHeaders({"Host": "a"}))
        connection.finish()
        await theirs.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokahead")
        assert await connection.read_response(Detaching()) is False
        assert found == [ours]
        assert await ours.read_bytes(5) == b"ahead"
        ours.close()
        theirs.close()

    in_loop(main)


def test_close_callback_and_writes_after_it() -> None:
    async def main() -> None:
        ours, theirs = pair()
        gone = asyncio.Event()
        kept: list[Any] = []

        class Silent(Recorder):
            def __init__(self, connection: Any) -> None:
                super().__init__()
                kept.append(connection)

            def finish(self) -> None:
                kept[0].set_close_callback(gone.set)

        HTTP1ServerConnection(theirs).start_serving(Server(Silent))
        await ours.write(GET)
        while not kept:  # noqa: ASYNC110 - told by a list
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        ours.close()
        await gone.wait()
        with pytest.raises(StreamClosedError):
            await kept[0].write_headers(OK, httputil.HTTPHeaders({"Content-Length": "0"}))

    in_loop(main)


def test_wrong_output_closes() -> None:
    async def main() -> None:
        ours, theirs = pair()
        connection = HTTP1Connection(theirs, False)
        connection.write_headers(OK, httputil.HTTPHeaders({"Content-Length": "3"}))
        with pytest.raises(httputil.HTTPOutputError):
            connection.write(b"four")
        assert theirs.closed()
        with pytest.raises(httputil.HTTPOutputError):
            connection.write_headers(OK, httputil.HTTPHeaders({"X": "a\r\nb"}))
        ours.close()

    in_loop(main)


def test_response_that_ends_too_early() -> None:
    async def main() -> None:
        ours, theirs = pair()
        await theirs.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        theirs.close()
        answer = Recorder()
        assert await HTTP1Connection(ours, True).read_response(answer) is False
        assert answer.events == [OK, b"half", "close"]

    in_loop(main)


def test_parsers_of_numbers() -> None:
    assert (parse_int("010"), parse_hex_int("fF")) == (10, 255)
    for bad in ("", "+1", "-1", "1_0", " 1", "0x1", "\u0661"):
        with pytest.raises(ValueError):
            parse_int(bad)
        with pytest.raises(ValueError):
            parse_hex_int(bad)
    assert http1connection.CR_OR_LF_RE.search(b"a\rb")
    for name in ("CR_OR_LF_RE", "DIGITS", "HEXDIGITS"):
        assert isinstance(getattr(http1connection, name), re.Pattern)


def test_transfer_encodings() -> None:
    headers = httputil.HTTPHeaders()
    assert not is_transfer_encoding_chunked(headers)
    headers["Transfer-Encoding"] = "Chunked"
    assert is_transfer_encoding_chunked(headers)
    for name, value in (("Transfer-Encoding", "gzip, chunked"), ("Content-Length", "1")):
        bad = headers.copy()
        bad[name] = value
        with pytest.raises(httputil.HTTPInputError):
            is_transfer_encoding_chunked(bad)
