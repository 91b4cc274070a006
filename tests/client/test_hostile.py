"""A hostile server: raw answers, each with the outcome that must follow.

Whatever the server says, the call ends with the documented error (or the response RFC 9112
allows) in bounded time and memory, and the next request on the same client is answered.
"""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from typing import Any

import pytest
import trio

from tornado_trio.client import (
    BodyTooLarge,
    ClientError,
    ClientLimits,
    ClientTimeouts,
    ConnectionLost,
    Network,
    RequestTimeout,
    ResponseError,
    open_client,
)

from .servers import OK, Peer, serving

H = b"HTTP/1.1 200 OK\r\n"
CHUNKED = H + b"Transfer-Encoding: chunked\r\n\r\n"
LIMITS = ClientLimits(max_body_size=100_000)


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(100_000)
    return b"".join(packer.compress(block) for _ in range(size // 100_000)) + packer.flush()


def coded(coding: bytes, body: bytes) -> bytes:
    length = str(len(body)).encode()
    return (
        H + b"Content-Encoding: " + coding + b"\r\nContent-Length: " + length + b"\r\n\r\n" + body
    )


# What the server sends before it closes, and what the call must raise.
REFUSED: list[tuple[str, bytes, type[ClientError]]] = [
    # --- closing, in every phase
    ("nothing", b"", ConnectionLost),
    ("a blank", b" ", ConnectionLost),
    ("half a status line", b"HTTP/1.1 20", ConnectionLost),
    ("a head cut short", H + b"Content-Le", ConnectionLost),
    ("a head without its end", H + b"Content-Length: 2\r\n", ConnectionLost),
    ("a body cut short", H + b"Content-Length: 10\r\n\r\nshort", ConnectionLost),
    ("no body at all", H + b"Content-Length: 10\r\n\r\n", ConnectionLost),
    ("a chunk cut short", CHUNKED + b"5\r\nab", ConnectionLost),
    ("no last chunk", CHUNKED + b"2\r\nab\r\n", ConnectionLost),
    ("trailers cut short", CHUNKED + b"0\r\nX: y\r\n", ConnectionLost),
    ("only informational heads", b"HTTP/1.1 100 Continue\r\n\r\n", ConnectionLost),
    # --- status lines
    ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ResponseError),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", ResponseError),
    ("HTTP/2", b"HTTP/2.0 200 OK\r\n\r\n", ResponseError),
    ("HTTP/0.9", b"<html>\r\n\r\n</html>", ResponseError),
    ("a long version", b"HTTP/1.10 200 OK\r\n\r\n", ResponseError),
    ("no status", b"HTTP/1.1\r\n\r\n", ResponseError),
    ("a short status", b"HTTP/1.1 20 OK\r\n\r\n", ResponseError),
    ("a long status", b"HTTP/1.1 2000 OK\r\n\r\n", ResponseError),
    ("a negative status", b"HTTP/1.1 -20 OK\r\n\r\n", ResponseError),
    ("status in letters", b"HTTP/1.1 abc OK\r\n\r\n", ResponseError),
    ("other digits", "HTTP/1.1 ２００ OK\r\n\r\n".encode(), ResponseError),
    ("status 000", b"HTTP/1.1 000 OK\r\n\r\n", ResponseError),
    ("two blanks", b"HTTP/1.1  200 OK\r\n\r\n", ResponseError),
    ("NUL in the reason", b"HTTP/1.1 200 O\x00K\r\n\r\n", ResponseError),
    ("CR in the reason", b"HTTP/1.1 200 O\rK\r\n\r\n", ResponseError),
    ("small letters", b"http/1.1 200 OK\r\n\r\n", ResponseError),
    # --- fields
    ("no colon", H + b"foo\r\n\r\n", ResponseError),
    ("an empty name", H + b": x\r\n\r\n", ResponseError),
    ("a blank in a name", H + b"a b: x\r\n\r\n", ResponseError),
    ("a blank before the colon", H + b"Content-Length : 2\r\n\r\nok", ResponseError),
    ("a leading blank", H + b" A: b\r\n\r\n", ResponseError),
    ("NUL in a value", H + b"A: b\x00c\r\n\r\n", ResponseError),
    ("CR in a value", H + b"A: b\rc\r\n\r\n", ResponseError),
    ("a control in a value", H + b"A: b\x01c\r\n\r\n", ResponseError),
    ("DEL in a value", H + b"A: b\x7fc\r\n\r\n", ResponseError),
    ("NUL in a name", H + b"A\x00: b\r\n\r\n", ResponseError),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", ResponseError),
    ("one bare LF", H + b"A: b\nContent-Length: 2\r\n\r\nok", ResponseError),
    ("an endless line", H + b"A: " + b"x" * 70_000, ResponseError),
    ("endless fields", H + b"A: b\r\n" * 20_000, ResponseError),
    ("many fields", H + b"A: b\r\n" * 300 + b"\r\n", ResponseError),
    ("a huge head", H + b"A: " + b"x" * 70_000 + b"\r\n\r\n", ResponseError),
    # --- lengths
    ("a length of words", H + b"Content-Length: two\r\n\r\nok", ResponseError),
    ("a negative length", H + b"Content-Length: -2\r\n\r\nok", ResponseError),
    ("a signed length", H + b"Content-Length: +2\r\n\r\nok", ResponseError),
    ("a length with _", H + b"Content-Length: 1_0\r\n\r\n" + b"x" * 10, ResponseError),
    ("a hex length", H + b"Content-Length: 0x2\r\n\r\nok", ResponseError),
    ("an empty length", H + b"Content-Length: \r\n\r\nok", ResponseError),
    ("other digits as length", H + "Content-Length: ２\r\n\r\nok".encode(), ResponseError),
    ("two lengths", H + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\noki", ResponseError),
    ("a list of lengths", H + b"Content-Length: 2, 3\r\n\r\nok", ResponseError),
    ("a huge length", H + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", ClientError),
    ("a length beyond the limit", H + b"Content-Length: 100001\r\n\r\n", BodyTooLarge),
    ("an upgrade nobody asked for", b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\nhello", ResponseError),
    ("three empty lines", b"\r\n\r\n\r\n" + OK, ResponseError),
    ("a fold of blanks with a control", H + b"A: b\r\n \x01\r\n\r\n", ResponseError),
    ("a bare LF and a fold", H + b"A: b\n c\r\n\r\n", ResponseError),
    # --- transfer codings
    ("length and chunks", CHUNKED[:-2] + b"Content-Length: 2\r\n\r\nok", ResponseError),
    ("gzip transfer", H + b"Transfer-Encoding: gzip\r\n\r\nok", ResponseError),
    ("gzip, chunked", H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ResponseError),
    ("chunked twice", H + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", ResponseError),
    ("identity", H + b"Transfer-Encoding: identity\r\n\r\nok", ResponseError),
    ("xchunked", H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", ResponseError),
    ("chunk size of words", CHUNKED + b"zz\r\nok", ResponseError),
    ("empty chunk size", CHUNKED + b"\r\nok\r\n", ResponseError),
    ("negative chunk", CHUNKED + b"-2\r\nok\r\n", ResponseError),
    ("0x chunk", CHUNKED + b"0x2\r\nok\r\n", ResponseError),
    ("chunk with _", CHUNKED + b"1_0\r\n" + b"x" * 16, ResponseError),
    ("blank before the size", CHUNKED + b" 2\r\nok\r\n0\r\n\r\n", ResponseError),
    ("words after the size", CHUNKED + b"2 x\r\nok\r\n0\r\n\r\n", ResponseError),
    ("endless blanks after the size", CHUNKED + b"2" + b" " * 100_000, ClientError),
    ("a huge chunk size", CHUNKED + b"F" * 40 + b"\r\n", ClientError),
    ("a chunk beyond the limit", CHUNKED + b"FFFFFFFF\r\n", BodyTooLarge),
    ("a chunk without its end", CHUNKED + b"2\r\nokXX0\r\n\r\n", ResponseError),
    ("chunks ended by LF", CHUNKED + b"2\nok\n0\n\n", ResponseError),
    ("CR in an extension", CHUNKED + b"2;a\rb\r\nok\r\n0\r\n\r\n", ResponseError),
    ("LF in an extension", CHUNKED + b"2;a\nb\r\nok\r\n0\r\n\r\n", ResponseError),
    ("an endless extension", CHUNKED + b"2;" + b"a" * 100_000, ClientError),
    ("endless small extensions", CHUNKED + (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 900, ClientError),
    ("endless trailers", CHUNKED + b"0\r\n" + b"A: b\r\n" * 20_000, ClientError),
    ("a bad trailer", CHUNKED + b"0\r\nno colon\r\n\r\n", ResponseError),
    ("a control in a trailer", CHUNKED + b"0\r\nA: \x01\r\n\r\n", ResponseError),
    ("too many chunks", CHUNKED + b"7d0\r\n%b\r\n" % (b"x" * 2000) * 60, BodyTooLarge),
    ("too much until the end", H + b"\r\n" + b"x" * 200_000, BodyTooLarge),
    # --- content codings
    ("no gzip", coded(b"gzip", b"plain text"), ResponseError),
    ("gzip cut short", coded(b"gzip", gzip.compress(b"hello" * 99)[:-5]), ResponseError),
    ("garbage after gzip", coded(b"gzip", gzip.compress(b"hello") + b"junk"), ResponseError),
    ("bad checksum", coded(b"gzip", gzip.compress(b"hello")[:-8] + b"\0" * 8), ResponseError),
    ("no deflate", coded(b"deflate", b"\x78\x9cjunk"), ResponseError),
    ("no brotli", coded(b"br", b"\xff" * 40), ResponseError),
    ("no zstd", coded(b"zstd", b"\xff" * 40), ResponseError),
    ("a bomb", coded(b"gzip", bomb(10_000_000)), BodyTooLarge),
    ("a bomb in a bomb", coded(b"gzip, gzip", gzip.compress(bomb(10_000_000))), BodyTooLarge),
    # --- informational floods
    ("endless 100s", b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, ResponseError),
    ("endless 103s", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 5000, ResponseError),
]

# What is odd but allowed: the status and body the call must return.
ACCEPTED: list[tuple[str, bytes, int, bytes]] = [
    ("until the end", H + b"\r\nhello", 200, b"hello"),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello"),
    ("no reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ("no reason, no blank", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ("status 599", b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", 599, b""),
    ("obs-text in a value", H + b"A: \xe9\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ("chunks in capitals", CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", 200, b"0123456789"),
    ("leading zeros", CHUNKED + b"0002\r\nok\r\n000\r\n\r\n", 200, b"ok"),
    ("a quoted extension", CHUNKED + b'2;a="b;c"\r\nok\r\n0;x\r\n\r\n', 200, b"ok"),
    ("one-byte chunks", CHUNKED + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n", 200, b"x" * 5000),
    ("two gzip members", coded(b"gzip", gzip.compress(b"a") + gzip.compress(b"b")), 200, b"ab"),
    ("an unknown coding", coded(b"snappy", b"raw"), 200, b"raw"),
    ("more than the length", H + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK", 200, b"ok"),
    ("a second answer", OK + H + b"Content-Length: 4\r\n\r\nevil", 200, b"ok"),
    ("304 with a length", b"HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n", 304, b""),
    # --- what RFC 9112 asks a client to take (5.2, 6.3, 2.2)
    ("folding", H + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ("a folded length", H + b"Content-Length:\r\n\t2\r\n\r\nok", 200, b"ok"),
    ("folded blanks", H + b"A: b\r\n \r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ("a folded trailer", CHUNKED + b"2\r\nok\r\n0\r\nA: b\r\n c\r\n\r\n", 200, b"ok"),
    ("a length twice", H + b"Content-Length: 2\r\n" * 2 + b"\r\nok", 200, b"ok"),
    ("a list of one length", H + b"Content-Length: 2, 2\r\n\r\nok", 200, b"ok"),
    ("a body with 204", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", 204, b""),
    ("a length with 204", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", 204, b""),
    ("chunks with 204", b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b""),
    ("blanks after the size", CHUNKED + b"2 \t\r\nok\r\n0 \r\n\r\n", 200, b"ok"),
    ("blanks after an extension", CHUNKED + b"2;a=b \r\nok\r\n0\r\n\r\n", 200, b"ok"),
    ("an empty line first", b"\r\n" + OK, 200, b"ok"),
    ("empty lines before each head", b"\r\nHTTP/1.1 100 C\r\n\r\n\r\n" + OK, 200, b"ok"),
]


async def fetch(data: bytes, **options: Any) -> Any:
    """Get `data` as the first answer; then check that the client is still sound."""

    async def hostile(peer: Peer) -> None:
        if peer.number > 1:
            while await peer.request():
                await peer.send(OK)
            return
        await peer.request()
        for start in range(0, len(data), 50_000):
            await peer.send(data[start : start + 50_000])

    async with serving(hostile) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, limits=LIMITS, **options) as client:
            try:
                return await client.post("http://a.test/", body=b"x")
            finally:
                statistics = client.statistics()
                assert statistics["in_use"] == statistics["waiting"] == 0
                after = await client.get("http://a.test/")
                assert after.body == b"ok"


def test_the_corpus_is_large() -> None:
    assert len(REFUSED) + len(ACCEPTED) >= 60


@pytest.mark.parametrize(("name", "data", "error"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_refused(name: str, data: bytes, error: type[ClientError]) -> None:
    start = time.process_time()
    with trio.fail_after(10), pytest.raises(ClientError) as caught:
        await fetch(data)
    assert isinstance(caught.value, error), repr(caught.value)
    assert caught.value.phase
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("name", "data", "status", "body"), ACCEPTED, ids=[row[0] for row in ACCEPTED]
)
async def test_accepted(name: str, data: bytes, status: int, body: bytes) -> None:
    with trio.fail_after(10):
        response = await fetch(data)
    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_trickled_in_pieces_it_is_the_same(size: int) -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"

    async def slow(peer: Peer) -> None:
        await peer.request()
        for start in range(0, len(data), size):
            await peer.send(data[start : start + size])
            await trio.testing.wait_all_tasks_blocked()
        await peer.request()

    async with serving(slow) as server:
        async with open_client(network=Network(dial=server.network.connect)) as client:
            async with client.stream("GET", "http://a.test/") as response:
                assert await response.read() == b"hello"
                assert response.trailers is not None and response.trailers["A"] == "b"
            assert client.statistics()["idle"] == 1


async def test_a_bomb_costs_no_memory() -> None:
    data = coded(b"gzip", bomb(200_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            await fetch(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data) * 3 + 3_000_000


async def test_an_endless_head_costs_no_memory() -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(H)
        while True:
            await peer.send(b"A: " + b"x" * 60_000 + b"\r\n")

    async with serving(endless) as server:
        async with open_client(network=Network(dial=server.network.connect)) as client:
            with pytest.raises(ResponseError):
                await client.get("http://a.test/")


# Sent at once, sent byte by byte, and the deadline that ends it.
TRICKLES = {
    "nothing": (b"", b"", "first_byte"),
    "a head": (b"", H + b"A: b\r\n" * 10_000, "first_byte"),
    "informational heads": (b"HTTP/1.1 102 W\r\n\r\n", b"HTTP/1.1 102 W\r\n\r\n" * 30, "total"),
    "a body": (H + b"Content-Length: 90000\r\n\r\n", b"x" * 90_000, "total"),
    "chunks": (CHUNKED, b"1\r\nx\r\n" * 90_000, "total"),
    "an extension": (CHUNKED + b"2;", b"a" * 90_000, "total"),
    "a silent body": (H + b"Content-Length: 9\r\n\r\nabc", b"", "idle"),
}


@pytest.mark.parametrize("name", TRICKLES)
async def test_slow_trickles_end(name: str, autojump_clock: Any) -> None:
    start_of_it, data, limit = TRICKLES[name]

    async def trickle(peer: Peer) -> None:
        await peer.request()
        await peer.send(start_of_it)
        for byte in data:
            await trio.sleep(1)
            await peer.send(bytes([byte]))
        await trio.sleep_forever()

    timeouts = ClientTimeouts(first_byte=25, idle=5, total=100)
    async with serving(trickle) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, limits=LIMITS, timeouts=timeouts) as client:
            start = trio.current_time()
            with pytest.raises(RequestTimeout) as caught:
                await client.get("http://a.test/")
            assert trio.current_time() - start <= 101
            assert caught.value.limit == limit
            assert client.statistics()["in_use"] == 0
