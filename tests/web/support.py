"""One request to an application, through the real server and parser, in memory."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tornado_trio.testing import memory_server
from tornado_trio.testing.server import RawResponse
from tornado_trio.web import Application


async def fetch(
    app: Application,
    path: str = "/",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | dict[str, str] | None = None,
) -> RawResponse:
    """Send one request and read its response. A dict as body is a form."""
    fields = {"Host": "test.local", **(headers or {})}
    if isinstance(body, dict):
        body = urlencode(body).encode()
        fields.setdefault("Content-Type", "application/x-www-form-urlencoded")
    if body is None and method in ("POST", "PUT", "PATCH"):
        body = b""
    if body is not None:
        fields.setdefault("Content-Length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    data = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")
    async with memory_server(app) as server:
        return await server.request(data, method)


async def get(handler: Any, path: str = "/", **kwargs: Any) -> RawResponse:
    """GET a handler class mounted at every path."""
    settings = kwargs.pop("settings", {})
    return await fetch(Application([(r"/.*", handler)], **settings), path, **kwargs)
