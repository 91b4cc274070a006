"""Middleware of routes, of routers, and what it raises in an API."""

from __future__ import annotations

from typing import Any

import pytest

from tornado_trio import api, web
from tornado_trio.web.middleware import Call, Next

from ..web.support import fetch


def tagged(name: str) -> Any:
    async def middleware(call: Call, next: Next) -> None:
        call.on_response(lambda response: response.headers.add("X-By", name))
        await next(call)

    return middleware


async def refuse(call: Call, next: Next) -> None:
    raise web.HTTPError(403, reason="Closed")


async def test_middleware_of_one_method_of_a_path() -> None:
    router = api.Router(middleware=[tagged("router")])

    @router.get("/a")
    async def read() -> str:
        return "read"

    @router.post("/a", middleware=[tagged("route")])
    async def write() -> str:
        return "written"

    app: api.Application[None] = api.Application(middleware=[tagged("app")])
    app.include(router, "/v1")

    @app.get("/a")
    async def plain() -> str:
        return "plain"

    @app.post("/a", middleware=[tagged("late")])
    async def late() -> str:
        return "late"

    async def tags(path: str, method: str) -> list[str]:
        response = await fetch(app, path, method)
        assert response.code == 200
        return response.headers.get_list("X-By")

    assert await tags("/v1/a", "GET") == ["router", "app"]
    assert await tags("/v1/a", "HEAD") == ["router", "app"]
    assert await tags("/v1/a", "POST") == ["route", "router", "app"]
    assert await tags("/a", "GET") == ["app"]
    assert await tags("/a", "POST") == ["late", "app"]
    assert set(app.openapi()["paths"]) == {"/v1/a", "/a"}
    with pytest.raises(TypeError, match="GET /b: 3 is no middleware"):
        app.get("/b", middleware=[3])(plain)  # type: ignore[list-item]


async def test_what_it_raises_is_a_problem_document() -> None:
    app: api.Application[None] = api.Application(middleware=[refuse])
    response = await fetch(app, "/none")
    assert response.code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b'"title":"Closed"' in response.body
