"""One connection: body bytes that pass through untouched, and when it may be used again."""

from __future__ import annotations

import trio

from tornado_trio.client.connection import Connection
from tornado_trio.client.deadlines import Deadlines
from tornado_trio.client.options import ClientTimeouts
from tornado_trio.limits import Limits
from tornado_trio.net import MemoryStream, memory_stream_pair
from tornado_trio.wire.headers import HTTPHeaders


def make() -> tuple[Connection, MemoryStream, Deadlines]:
    ours, theirs = memory_stream_pair()
    deadlines = Deadlines(ClientTimeouts(), trio.current_time())
    return Connection(ours, Limits()), theirs, deadlines


async def read_all(connection: Connection, deadlines: Deadlines) -> list[bytes]:
    chunks = []
    while chunk := await connection.read_chunk(deadlines):
        chunks.append(chunk)
    return chunks


async def test_large_bodies_pass_through_in_the_pieces_received() -> None:
    connection, server, deadlines = make()
    connection.send_head("GET", "/", HTTPHeaders({"Host": "a"}), b"")
    await server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nabc")
    await connection.read_head(deadlines, float("inf"))
    assert await connection.read_chunk(deadlines) == b"abc"
    await server.send_all(b"defghi")
    assert await connection.read_chunk(deadlines) == b"defghi"
    # The last piece and bytes nobody asked for: these do not become body.
    await server.send_all(b"jklEVIL")
    assert await read_all(connection, deadlines) == [b"jkl"]
    assert connection.wire.take_rest() == b"EVIL"


async def test_recycling() -> None:
    connection, server, deadlines = make()
    for _ in range(3):
        connection.send_head("GET", "/", HTTPHeaders({"Host": "a"}), b"")
        await server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await connection.read_head(deadlines, float("inf"))
        assert not connection.recycle()  # the body is unread
        assert await read_all(connection, deadlines) == [b"ok"]
        assert connection.recycle() and not connection.is_stale()
    assert connection.exchanges == 3 and "3 exchanges" in repr(connection)
    server.close()
    assert connection.is_stale()
    connection.close()
    assert not connection.recycle() and "closed" in repr(connection)


async def test_what_must_not_be_recycled() -> None:
    for head in (b"Connection: close\r\n", b"Connection: x, Close\r\n"):
        connection, server, deadlines = make()
        connection.send_head("GET", "/", HTTPHeaders({"Host": "a"}), b"")
        await server.send_all(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 0\r\n\r\n")
        await connection.read_head(deadlines, float("inf"))
        assert await read_all(connection, deadlines) == []
        assert not connection.recycle()
    connection, server, deadlines = make()
    connection.send_head("GET", "/", HTTPHeaders({"Host": "a", "Connection": "close"}), b"")
    await server.send_all(b"HTTP/1.1 204 OK\r\n\r\n")
    await connection.read_head(deadlines, float("inf"))
    assert await read_all(connection, deadlines) == []
    assert not connection.recycle()
    # A body of which a part is unsent.
    connection, server, deadlines = make()
    headers = HTTPHeaders({"Host": "a", "Content-Length": "5"})
    connection.send_head("POST", "/", headers, None)
    connection.send_chunk(b"ab")
    await server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await connection.read_head(deadlines, float("inf"))
    assert await read_all(connection, deadlines) == []
    assert not connection.recycle()


async def test_one_request_has_one_framing() -> None:
    """A Transfer-Encoding copied from elsewhere must not hide where the request ends."""
    for length, body in ((None, b""), ("1", b"x"), ("1", None)):
        connection, server, _ = make()
        headers = HTTPHeaders({"Host": "a", "Transfer-Encoding": "chunked"})
        if length is not None:
            headers["Content-Length"] = length
        connection.send_head("POST", "/", headers, body)
        if body is None:
            connection.send_chunk(b"x")
            connection.send_end()
        sent = await server.read_some()
        assert b"Transfer-Encoding" not in sent
        assert sent.endswith(b"\r\n\r\n" if length is None else b"\r\n\r\nx")
