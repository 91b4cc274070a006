"""Small programs of other frameworks, unmodified, mounted beside our handlers.

Each answers, reads what it is sent, streams, and is cancelled when its client leaves. Django needs
asyncio; Quart-Trio and Litestar run in pure trio. (Annotations are evaluated: Litestar reads them.)
"""

import gc
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio

from tornado_trio import web
from tornado_trio.asgi import mount
from tornado_trio.testing import MemoryServer, memory_server

EVENTS: list[str] = []

# Litestar leaves the generator of a stream that is cancelled to the collector, Django the file in
# which it has put a body.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Here, and not in the test after it."""
    yield
    gc.collect()


class Ours(web.RequestHandler):
    async def get(self) -> None:
        self.write("ours")


def beside(app: Any, root_path: str = "") -> web.Application:
    """One application of both; `app` has all below /shop."""
    return web.Application([("/ours", Ours), ("/shop/.*", mount(app, root_path))])


def post(path: str, body: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (
        path.encode(), len(body), body,
    )  # fmt: skip


async def try_program(server: MemoryServer) -> None:
    """What each of the programs below does."""
    EVENTS.clear()
    assert (await server.get("/ours")).body == b"ours"
    assert (await server.get("/shop/hello?name=caf%C3%A9")).body == "hello café".encode()
    assert (await server.request(post("/shop/echo", b"x" * 300_000))).body == b"x" * 300_000
    assert (await server.get("/shop/stream")).body == b"0\n1\n2\n"
    assert (await server.get("/shop/nowhere")).code == 404
    assert (await server.get("/shop/bug")).code == 500
    assert EVENTS == ["stream ended"]
    EVENTS.clear()
    client = await server.connect()
    await client.send(b"GET /shop/stream?long=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.stream.read_until(b"0\n")
    client.stream.close()
    with trio.fail_after(30):
        while not EVENTS:
            gc.collect()
            await trio.sleep(0.01)
    assert EVENTS == ["stream ended"]


async def numbers(sleep: Any, long: bool) -> AsyncIterator[bytes]:
    try:
        for number in range(1_000_000 if long else 3):
            yield b"%d\n" % number
            await sleep(0.001)
    finally:
        EVENTS.append("stream ended")


async def test_quart_trio() -> None:
    quart_trio = pytest.importorskip("quart_trio")
    from quart import request

    app = quart_trio.QuartTrio(__name__)

    @app.get("/shop/hello")  # type: ignore[untyped-decorator]
    async def hello() -> str:
        return "hello " + request.args["name"]

    @app.post("/shop/echo")  # type: ignore[untyped-decorator]
    async def echo() -> bytes:
        return await request.get_data()  # type: ignore[no-any-return]

    @app.get("/shop/stream")  # type: ignore[untyped-decorator]
    async def stream() -> Any:
        return numbers(trio.sleep, "long" in request.args), 200, {"Content-Type": "text/plain"}

    @app.get("/shop/bug")  # type: ignore[untyped-decorator]
    async def bug() -> str:
        raise ValueError("a bug")

    @app.before_serving  # type: ignore[untyped-decorator]
    async def up() -> None:
        app.config["UP"] = True

    async with memory_server(beside(app)) as server:
        assert app.config["UP"]
        await try_program(server)


async def test_litestar() -> None:
    pytest.importorskip("litestar")
    from litestar import Litestar, Request, get
    from litestar import post as post_route
    from litestar.response import Stream

    @get("/hello", media_type="text/plain")
    async def hello(request: Request[Any, Any, Any]) -> str:
        return "hello " + request.query_params["name"]

    @post_route("/echo", media_type="application/octet-stream", status_code=200)
    async def echo(request: Request[Any, Any, Any]) -> bytes:
        return await request.body()

    @get("/stream", media_type="text/plain")
    async def stream(request: Request[Any, Any, Any]) -> Stream:
        return Stream(numbers(trio.sleep, "long" in request.query_params))

    @get("/bug")
    async def bug() -> str:
        raise ValueError("a bug")

    app = Litestar([hello, echo, stream, bug], path="/shop", logging_config=None)
    async with memory_server(beside(app)) as server:
        await try_program(server)


def django_application() -> Any:
    """A Django project in one module: settings, urls, views."""
    import asyncio

    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    async def hello(request: Any) -> HttpResponse:
        return HttpResponse("hello " + request.GET["name"])

    def echo(request: Any) -> HttpResponse:  # in a thread, as Django has it
        return HttpResponse(request.body)

    async def stream(request: Any) -> StreamingHttpResponse:
        return StreamingHttpResponse(numbers(asyncio.sleep, "long" in request.GET))

    async def bug(request: Any) -> HttpResponse:
        raise ValueError("a bug")

    urls = type(sys)("urls_of_a_test")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("hello", hello), path("echo", echo), path("stream", stream), path("bug", bug),
    ]  # fmt: skip
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, SECRET_KEY="only in a test", LOGGING_CONFIG=None
        )
        django.setup()
    return get_asgi_application()


async def test_django(asyncio_host: None) -> None:
    async with memory_server(beside(django_application(), "/shop")) as server:
        await try_program(server)
