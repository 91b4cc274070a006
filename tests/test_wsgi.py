"""WSGI applications on our server."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tornado_trio import web, wsgi
from tornado_trio.errors import StreamClosedError
from tornado_trio.testing import memory_server


def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    text = f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}|{environ['QUERY_STRING']}"
    return [text.encode("latin-1")]


async def test_below_a_path() -> None:
    app = web.Application([("/admin/.*", wsgi.mount(validator(hello), "/admin"))])
    async with memory_server(app) as server:
        answer = await server.get("/admin/caf%C3%A9?x=1")
        assert answer.body == "/admin|/café|x=1".encode()
        assert (await server.get("/other")).code == 404


async def test_the_environment() -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    async with memory_server(wsgi.mount(app)) as server:
        answer = await server.request(
            b"POST / HTTP/1.1\r\nHost: a.com:81\r\nContent-Type: x/y\r\nX-Own: 1\r\nX_Own: 2\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
    assert answer.code == 204
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("a.com", "81")
    assert (seen["CONTENT_TYPE"], seen["HTTP_X_OWN"]) == ("x/y", "1")
    assert seen["wsgi.url_scheme"] == "http" and seen["REMOTE_ADDR"] == "127.0.0.1"


async def test_both_bodies_are_streamed() -> None:
    """The application has the first piece before the client sends the second, and back."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        while line := environ["wsgi.input"].readline():
            yield line.upper()

    async with memory_server(wsgi.mount(validator(app))) as server:
        client = await server.connect()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n"
        )
        assert b"ONE\n" in await client.stream.read_until(b"ONE\n\r\n")
        await client.send(b"4\r\ntwo\n\r\n0\r\n\r\n")
        assert b"TWO\n" in await client.stream.read_until(b"0\r\n\r\n")


async def test_large_uploads_pass_through() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        size = 0
        while chunk := environ["wsgi.input"].read(65536):
            size += len(chunk)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(size).encode()]

    async with memory_server(wsgi.mount(app)) as server:
        body = b"x" * 2_000_000
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"
        assert (await server.request(head + body)).body == b"2000000"


async def test_threads_are_bounded() -> None:
    inside, most = 0, 0
    lock, go = threading.Lock(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        go.wait(10)
        with lock:
            inside -= 1
        start_response("200 OK", [])
        return [b"x"]

    mounted = wsgi.mount(app, threads=2)
    async with memory_server(mounted) as server, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(server.get)
        while mounted.limiter.statistics().tasks_waiting < 3 or most < 2:  # noqa: ASYNC110
            await trio.sleep(0.001)
        go.set()
    assert most == 2


async def test_a_client_that_leaves_is_noticed() -> None:
    closed = trio.Event()
    token = trio.lowlevel.current_trio_token()

    class Chunks:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 100_000

        def close(self) -> None:
            token.run_sync_soon(closed.set)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Chunks()

    async with memory_server(wsgi.mount(app)) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.stream.read_some()
        client.stream.close()
        await closed.wait()


def no_start(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return []


def body_first(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [b"x"]


def fails(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise ValueError("a bug")


def twice(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (no_start, "did not call start_response"),
        (body_first, "before start_response"),
        (fails, "a bug"),
        (twice, "called twice"),
    ],
)
async def test_mistakes(app: Any, message: str, caplog: pytest.LogCaptureFixture) -> None:
    async with memory_server(wsgi.mount(app)) as server:
        assert (await server.get()).code == 500
    assert message in caplog.text


async def test_an_error_page_replaces_a_head_that_was_not_sent() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start_response("503 Busy", [], (ValueError, error, error.__traceback__))
        return [b"busy"]

    async with memory_server(wsgi.mount(app)) as server:
        answer = await server.get()
        assert (answer.code, answer.reason, answer.body) == (503, "Busy", b"busy")


async def test_a_response_that_fails_in_the_middle_breaks_off() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a part"
        raise ValueError

    async with memory_server(wsgi.mount(app)) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert not (await client.stream.read_until_close()).endswith(b"0\r\n\r\n")
        await wait_all_tasks_blocked()


def loses_its_own(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise StreamClosedError("of the program")


async def test_a_stream_of_the_programs_own_is_not_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with memory_server(wsgi.mount(loses_its_own)) as server:
        assert (await server.get("/")).code == 500
    assert "StreamClosedError: of the program" in caplog.text


def test_arguments() -> None:
    with pytest.raises(ValueError, match="begin with '/'"):
        wsgi.mount(hello, "admin")
    with pytest.raises(ValueError, match="at least one"):
        wsgi.mount(hello, threads=0)
