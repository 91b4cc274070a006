"""Answers of the client taken piece by piece, and what is made of their bytes."""

from __future__ import annotations

import gc
import gzip

import pytest
import trio

from tornado_trio.client import (
    HTTPStatusError,
)

from .servers import Peer, answer, answering, client_for, serving


async def test_stream_chunks_and_trailers() -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"
    )
    async with serving(answering(data)) as server, client_for(server) as client:
        async with client.stream("GET", "http://a.test/") as response:
            with pytest.raises(RuntimeError):
                response.body  # noqa: B018
            assert b"".join([chunk async for chunk in response]) == b"abcde"
            assert response.trailers is not None and response.trailers["X-Sum"] == "5"
        assert client.statistics()["idle"] == 1


async def test_leaving_a_stream_early_recycles_what_is_here() -> None:
    async with serving(answering(answer(b"x" * 1000))) as server, client_for(server) as client:
        async with client.stream("GET", "http://a.test/") as response:
            assert response.status == 200
        assert client.statistics()["idle"] == 1
        async with client.stream("GET", "http://a.test/") as response:
            assert await response.read() == b"x" * 1000 == response.body
        assert len(server.peers) == 1


async def test_leaving_a_stream_early_closes_what_is_not() -> None:
    gone = trio.Event()

    async def endless(peer: Peer) -> None:
        await peer.request()
        try:
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await peer.send(b"x" * 10_000)
        finally:
            gone.set()

    async with serving(endless) as server, client_for(server) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.stream("GET", "http://a.test/") as response:
                assert await response.read_chunk()
                raise ZeroDivisionError
        with trio.fail_after(5):
            await gone.wait()
        assert client.statistics()["in_use"] == client.statistics()["idle"] == 0


async def test_a_loop_over_the_body_may_be_left() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    async with serving(answering(data)) as server, client_for(server) as client:
        async with client.stream("GET", "http://a.test/") as response:
            async for chunk in response:
                assert chunk
                break
        gc.collect()
        assert client.statistics()["idle"] == 1


async def test_backpressure() -> None:
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65536)
            sent += 65536

    async with serving(flood) as server, client_for(server) as client:
        async with client.stream("GET", "http://a.test/") as response:
            await response.read_chunk()
            await trio.testing.wait_all_tasks_blocked()
            assert sent < 1_000_000


async def test_decoding() -> None:
    text = b"hello " * 1000
    data = answer(gzip.compress(text), "200 OK", "Content-Encoding: gzip")
    unknown = answer(b"???", "200 OK", "Content-Encoding: lzma")
    async with serving(answering(data, data, unknown)) as server, client_for(server) as client:
        assert (await client.get("http://a.test/")).body == text
        assert b"Accept-Encoding: " in server.heads[0] and b"gzip" in server.heads[0]
        raw = await client.get("http://a.test/", decompress=False)
        assert gzip.decompress(raw.body) == text and b"Accept-Encoding" not in server.heads[1]
        assert (await client.get("http://a.test/")).body == b"???"


async def test_text_and_json() -> None:
    answers = (
        answer(b"\xe9", "200 OK", "Content-Type: text/plain; charset=ISO-8859-1"),
        answer(b"\xff", "200 OK", "Content-Type: text/plain; charset=nonsense"),
        answer(b'{"a": 1}', "200 OK", "Content-Type: application/json"),
    )
    async with serving(answering(*answers)) as server, client_for(server) as client:
        assert (await client.get("http://a.test/")).text == "é"
        assert (await client.get("http://a.test/")).text == "\ufffd"
        assert (await client.get("http://a.test/")).json() == {"a": 1}


async def test_raise_for_status() -> None:
    data = answer(b"gone", "404 Not Found")
    async with serving(answering(data)) as server, client_for(server) as client:
        response = await client.get("http://me:secret@a.test/")
        assert not response.ok
        with pytest.raises(HTTPStatusError, match="HTTP 404: Not Found") as caught:
            response.raise_for_status()
        assert caught.value.response is response and caught.value.status == 404
        assert "secret" not in str(caught.value) + repr(response)
