"""ASGI applications on our server: Starlette and FastAPI on pure trio, bare ones for each rule."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from trio.testing import wait_all_tasks_blocked

from tornado_trio import serve, web
from tornado_trio.asgi import mount
from tornado_trio.errors import StartupError
from tornado_trio.testing import MemoryServer, memory_server

EVENTS: list[Any] = []


async def home(request: Request) -> Response:
    return JSONResponse(
        {
            "path": request.url.path,
            "root": request.scope["root_path"],
            "query": dict(request.query_params),
            "state": request.state.db,
            "client": request.client.host if request.client else None,
        }
    )


async def upload(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return PlainTextResponse(str(size))


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        try:
            for number in range(100 if "long" in request.query_params else 3):
                yield f"{number}\n"
                await anyio.sleep(0.01)
        finally:
            EVENTS.append("stream ended")

    return StreamingResponse(chunks())


async def background(request: Request) -> Response:
    async def later() -> None:
        await anyio.sleep(0.01)
        EVENTS.append("background")

    return PlainTextResponse("sent", background=BackgroundTask(later))


async def waits(request: Request) -> Response:
    await request.body()
    message = await request.receive()
    EVENTS.append(message["type"])
    raise ClientDisconnect


async def bug(request: Request) -> Response:
    raise ValueError("a bug")


async def echo(socket: WebSocket) -> None:
    await socket.accept(subprotocol="chat", headers=[(b"x-own", b"1")])
    async for text in socket.iter_text():
        await socket.send_text(text + "!")
    EVENTS.append("echo ended")


async def denied(socket: WebSocket) -> None:
    await socket.close()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    EVENTS.append("up")
    yield {"db": "open"}
    EVENTS.append("down")


starlette = Starlette(
    routes=[
        Route("/home", home),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/background", background),
        Route("/waits", waits),
        Route("/bug", bug),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/denied", denied),
    ],
    lifespan=lifespan,
)


@asynccontextmanager
async def serving(app: Any = starlette, **options: Any) -> AsyncIterator[MemoryServer]:
    EVENTS.clear()
    mounted = mount(app, "/shop", **options)
    rules = [("/shop/.*", mounted), ("/ours", web.RequestHandler)]
    async with memory_server(web.Application(rules), grace=1) as server:
        yield server


def request(path: str, method: str = "GET", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_requests(autojump_clock: trio.testing.MockClock) -> None:
    async with serving() as server:
        answer = await server.get("/shop/home?x=1")
        assert answer.body == (
            b'{"path":"/shop/home","root":"/shop","query":{"x":"1"},"state":"open",'
            b'"client":"127.0.0.1"}'
        )
        sent = request("/shop/upload", "POST", Content_Length="100000") + b"y" * 100_000
        assert (await server.request(sent)).body == b"100000"
        assert (await server.get("/shop/stream")).body == b"0\n1\n2\n"
        assert (await server.get("/shop/nowhere")).code == 404
        assert (await server.get("/ours")).code == 405
        head = await server.request(request("/shop/home", "HEAD"), "HEAD")
        assert (head.code, head.body) == (200, b"")
        assert (await server.get("/shop/background")).body == b"sent"
        await trio.sleep(0.1)
        assert EVENTS == ["up", "stream ended", "background"]
    assert EVENTS[-1] == "down"


async def test_each_request_has_a_scope_of_its_own() -> None:
    """What one application writes into it, no other request sees, also for the same target."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        shown = ("method", "path", "raw_path", "query_string", "server", "client", "scheme")
        seen.append([scope[name] for name in shown])
        assert scope["type"] == "http" and scope["asgi"]["version"] == "3.0"
        assert "mark" not in scope and "mark" not in scope["extensions"]
        assert "mark" not in scope["asgi"] and "mark" not in scope["state"]
        assert dict(scope["headers"])[b"host"]
        for each in (scope, scope["extensions"], scope["asgi"], scope["state"]):
            each["mark"] = 1
        scope["path"] = scope["headers"] = scope["type"] = None
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    long = "/" + "x" * 500
    async with memory_server(mount(app), grace=1) as server:
        for target in ("/a%20b?q=%31", "/a%20b?q=%31", "/a%20b?q=2", long, long):
            assert (await server.get(target)).code == 200
        other = b"GET /a%20b?q=2 HTTP/1.1\r\nHost: h:81\r\n\r\n"
        assert (await server.request(other)).code == 200
    same, again, query, first, second, host = seen
    assert same == again
    assert same[:4] == ["GET", "/a b", b"/a%20b", b"q=%31"]
    assert query[3] == b"q=2"
    assert first == second and first[1] == long
    assert host[:4] == query[:4] and host[4] == ("h", 81)


async def test_failures_are_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        assert (await server.get("/shop/bug")).code == 500
    assert "a bug" in caplog.text


async def test_a_client_that_leaves_is_told_by_receive() -> None:
    async with serving() as server:
        client = await server.connect()
        await client.send(request("/shop/waits"))
        await wait_all_tasks_blocked()
        client.stream.close()
        await wait_all_tasks_blocked()
        assert EVENTS == ["up", "http.disconnect"]


async def test_or_cancels_where_that_is_asked_for() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            EVENTS.append("cancelled")
            raise

    async with serving(app, on_disconnect="cancel") as server:
        client = await server.connect()
        await client.send(request("/shop/"))
        await wait_all_tasks_blocked()
        client.stream.close()
        await wait_all_tasks_blocked()
        assert EVENTS == ["cancelled"]


# Starlette leaves the generator of its stream to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_client_that_leaves_a_stream_is_no_error(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        client = await server.connect()
        await client.send(request("/shop/stream?long=1"))
        await client.stream.read_some()
        client.stream.close()
        await trio.sleep(0.1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec_WebSocket_Protocol": "other, chat",
}


async def test_websockets() -> None:
    async with serving() as server:
        client = await server.connect()
        await client.send(request("/shop/echo", **UPGRADE))
        head = await client.stream.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-Websocket-Protocol: chat\r\n" in head and b"\r\nX-Own: 1\r\n" in head
        await client.send(b"\x81\x82\x00\x00\x00\x00hi")
        assert await client.stream.read_exactly(5) == b"\x81\x03hi!"
        await client.send(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
        assert await client.stream.read_exactly(4) == b"\x88\x02\x03\xe8"
        await wait_all_tasks_blocked()
        assert EVENTS == ["up", "echo ended"]
        assert (await server.request(request("/shop/denied", **UPGRADE))).code == 403


async def test_drain_ends_websockets(autojump_clock: Any) -> None:
    async with serving() as server:
        client = await server.connect()
        await client.send(request("/shop/echo", **UPGRADE))
        await client.stream.read_until(b"\r\n\r\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.server.drain, 5)
            assert (await client.stream.read_exactly(4)) == b"\x88\x02\x03\xe9"  # 1001
            await client.send(b"\x88\x82\x00\x00\x00\x00\x03\xe9")
    assert EVENTS == ["up", "echo ended", "down"]


# --- bare applications: each rule of the protocol ------------------------------------------------


async def test_an_application_that_breaks_the_rules(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"

    async def body_first(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.body", "body": b"x"})

    async def twice(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        for _ in range(2):
            await send({"type": "http.response.start", "status": 200})

    async def splits(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        fields = [(b"x-own", b"a\r\nSet-Cookie: b")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"x"})

    async def unknown(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.strat", "status": 200})

    expected = {
        silent: "sent no response",
        body_first: "before http.response.start",
        twice: "sent twice",
        splits: "the fields of an ASGI application",
        unknown: "http.response.strat",
    }
    for app, message in expected.items():
        async with memory_server(mount(app)) as server:
            assert (await server.get("/")).code == 500
        assert message in caplog.text


async def test_a_response_that_is_not_ended_breaks_off() -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async with memory_server(mount(half)) as server:
        client = await server.connect()
        await client.send(request("/"))
        assert not (await client.stream.read_until_close()).endswith(b"0\r\n\r\n")


async def test_trailers_and_early_hints() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert {"http.response.early_hint", "http.response.trailers"} <= set(scope["extensions"])
        await send({"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]})
        headers = [(b"trailer", b"x-sum")]
        await send(
            {"type": "http.response.start", "status": 200, "headers": headers, "trailers": True}
        )
        await send({"type": "http.response.body", "body": b"x"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})

    async with memory_server(mount(app)) as server:
        answer = await server.get("/")
        assert answer.informational[0].headers["Link"] == "</a>; rel=preload"
        assert answer.trailers is not None and answer.trailers["X-Sum"] == "1"


@pytest.mark.parametrize("size", [0, 10, 500_000])
async def test_files(size: int, tmp_path: Path) -> None:
    """Starlette's own responses give a path; others a descriptor, and a part of it."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    content = path.read_bytes()

    async def by_path(request: Request) -> Response:
        return FileResponse(path)

    starlette = Starlette(routes=[Route("/file", by_path)])
    async with serving(starlette) as server:
        answer = await server.get("/shop/file")
        assert answer.body == content and answer.headers["Content-Length"] == str(size)
        head = await server.request(request("/shop/file", "HEAD"), "HEAD")
        assert (head.headers["Content-Length"], head.body) == (str(size), b"")

    for sized in (True, False):

        async def parts(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            fields = [(b"content-length", b"%d" % (3 * size))] if sized else []  # noqa: B023
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            with path.open("rb") as file:
                kind = "http.response.zerocopysend"
                part = {"type": kind, "file": file.fileno(), "more_body": True}
                await send({**part, "offset": size // 2})
                await send({**part, "offset": 0, "count": size // 2})
                for more in (True, False):
                    await send({**part, "offset": 0, "more_body": more})

        async with memory_server(mount(parts)) as server:
            half = size // 2
            assert (await server.get()).body == content[half:] + content[:half] + content * 2


async def test_a_path_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.pathsend", "path": "/nowhere/at/all"})

    async with memory_server(mount(app)) as server:
        assert (await server.get()).code == 500
    assert "FileNotFoundError" in caplog.text


async def test_a_client_that_leaves_in_its_body_is_told_by_receive() -> None:
    """Whether the application reads at the time, or comes back to it later."""
    go = trio.Event()
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        first = await receive()
        seen.append((first["body"], first["more_body"]))
        if scope["path"] == "/later":
            await go.wait()
        seen.append((await receive())["type"])
        seen.append((await receive())["type"])

    body = request("/{}", "POST", Content_Length="100") + b"a part"
    async with memory_server(mount(app)) as server:
        for path in (b"now", b"later"):
            client = await server.connect()
            await client.send(body.replace(b"{}", path))
            await wait_all_tasks_blocked()
            client.stream.close()
            await wait_all_tasks_blocked()
            go.set()
            await wait_all_tasks_blocked()
    assert seen == [(b"a part", True), "http.disconnect", "http.disconnect"] * 2


async def test_a_lifespan_that_fails() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(StartupError, match="did not start: no database"):
        async with mount(app).lifespan():
            raise AssertionError("it began")
    # The same ends `serve`, before it listens.
    with pytest.raises(StartupError, match="no database"):
        await serve(web.Application([("/a", mount(app))]), 0)


async def test_a_lifespan_is_run_once_and_outlives_the_requests(autojump_clock: Any) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            seen.append("up")
            await send({"type": "lifespan.startup.complete"})
            try:
                assert (await receive())["type"] == "lifespan.shutdown"
                await trio.sleep(2)  # what it does then may take a while
                seen.append("down")
            finally:
                await send({"type": "lifespan.shutdown.complete"})
            return
        seen.append("asked")
        await trio.sleep(3)
        seen.append("answered")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x"})

    mounted = mount(app)
    rules = [("/a", mounted), ("/b", [("/b", mounted)])]
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serve, web.Application(rules), 0)
        stream = await trio.open_tcp_stream("127.0.0.1", listeners[0].address[1])
        await stream.send_all(request("/b"))
        await trio.sleep(1)
        assert seen == ["up", "asked"]
        nursery.cancel_scope.cancel()
    assert seen == ["up", "asked", "answered", "down"]
    await stream.aclose()


async def test_a_lifespan_that_is_cancelled_while_it_starts_or_hangs_at_its_end(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await trio.sleep_forever()

    with trio.move_on_after(1) as scope:
        async with mount(hangs).lifespan():
            raise AssertionError("it began")
    assert scope.cancelled_caught and trio.current_time() < 2

    async def stays(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        await trio.sleep_forever()

    began = trio.current_time()
    async with mount(stays).lifespan():
        pass
    assert trio.current_time() - began == pytest.approx(10)
    assert "did not shut down" in caplog.text


async def test_errors_pass_through_a_lifespan_as_they_are() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()

    with pytest.raises(LookupError):
        async with mount(app).lifespan():
            raise LookupError


async def test_an_application_without_a_lifespan() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"

    async with mount(app).lifespan() as state:
        assert state == {}


async def test_one_that_needs_asyncio_says_how_to_get_it(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1)

    async with memory_server(mount(app)) as server:
        assert (await server.get("/")).code == 500
    assert "asyncio=True" in caplog.text


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="fastapi has no build for it yet")
async def test_fastapi() -> None:
    from fastapi import FastAPI

    api = FastAPI()

    @api.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        return {"item_id": item_id}

    async with serving(api) as server:
        assert (await server.get("/shop/items/7")).body == b'{"item_id":7}'
        assert (await server.get("/shop/items/x")).code == 422


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="does not begin with '/'"):
        mount(starlette, "shop")
    with pytest.raises(ValueError, match="unknown disconnect policy"):
        mount(starlette, on_disconnect="never")
