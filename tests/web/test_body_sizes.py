"""`web.max_body_size`: how large the bodies of a method may be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tornado_trio import api, web
from tornado_trio.limits import Limits
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server

SMALL = ServerOptions(limits=Limits(max_body_size=100))


class Whole(web.RequestHandler):
    @web.max_body_size(1000)
    async def put(self) -> None:
        self.write(str(len(self.request.body)))

    @web.max_body_size(10)
    def patch(self) -> None:
        self.write(str(len(self.request.body)))

    def post(self) -> None:
        self.write(str(len(self.request.body)))


@web.stream_request_body
class Chunks(web.RequestHandler):
    def prepare(self) -> None:
        self.size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    @web.max_body_size(1000)
    async def put(self) -> None:
        self.write(str(self.size))


app: api.Application[None] = api.Application([("/whole", Whole), ("/chunks", Chunks)])


@app.put("/function")
@web.max_body_size(1000)
async def function(body: AsyncIterator[bytes]) -> int:
    return sum([len(chunk) async for chunk in body])


async def chunked(body: bytes) -> AsyncIterator[bytes]:
    yield body[:7]
    yield body[7:]


@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("PUT", "/whole", 1000),
        ("PATCH", "/whole", 10),
        ("POST", "/whole", 100),
        ("PUT", "/chunks", 1000),
        ("PUT", "/function", 1000),
    ],
)
async def test_a_method_has_its_own(method: str, path: str, limit: int, chunks: bool) -> None:
    async with memory_server(app, SMALL) as server, server.client() as client:
        for size, status in ((limit, 200), (limit + 1, 413), (limit, 200)):
            body: Any = b"x" * size
            sent = lambda body=body: chunked(body)  # noqa: E731
            response = await client.request(method, path, body=sent if chunks else body)
            assert response.status == status
            if status == 200:
                assert response.text == str(size)
            elif not chunks and path == "/function":
                expected = f"Content-Length too long: {size}, and max_body_size is {limit}"
                assert response.json()["detail"] == expected


def test_what_is_no_size() -> None:
    for size in ("10MB", 1.5, None, lambda self: None):
        with pytest.raises(TypeError, match=r"write @max_body_size\(10 \* 2\*\*20\)"):
            web.max_body_size(size)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not below 0"):
        web.max_body_size(-1)


@pytest.mark.parametrize(
    "decorator",
    [
        web.max_body_size(1),
        web.timeout(1),
        web.on_disconnect("finish"),
        web.requires(),
        web.authenticated,
        api.raises(404),
    ],
)
def test_a_decorator_above_the_route_would_do_nothing(decorator: Any) -> None:
    """What it is above of is the function, which the route has already."""
    app: api.Application[None] = api.Application()
    with pytest.raises(TypeError, match="stands above the route of .*: put it below"):

        @decorator
        @app.get("/x")
        async def x() -> None: ...


@pytest.mark.parametrize("guard", [web.requires("admin"), web.authenticated])
def test_guards_of_handlers_do_not_guard_functions(guard: Any) -> None:
    app: api.Application[None] = api.Application()
    with pytest.raises(api.SignatureError, match="take who asks as a parameter"):

        @app.get("/x")
        @guard
        async def x() -> None: ...
