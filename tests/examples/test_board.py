"""The message board, on SQLite and on MySQL (skipped where there is no server for it)."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import ExpectLog, bind_unused_port

from tests.ports import free_port
from .programs import EXAMPLES, get, load, running
from .test_found import DATABASE, SERVER, table

__all__ = ["table"]


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [*sys.path, str(EXAMPLES / "board")])
    return load("board/board.py")


class Browser:
    """Keeps the XSRF cookie, and sends forms back."""

    def __init__(self, port: int) -> None:
        self.site = f"http://127.0.0.1:{port}"
        self.client = AsyncHTTPClient()
        self.cookie = ""

    async def get(self, path: str) -> str:
        response = await self.client.fetch(self.site + path, raise_error=False)
        if "Set-Cookie" in response.headers:
            self.cookie = response.headers["Set-Cookie"].partition(";")[0]
        return response.body.decode()

    async def post(self, path: str, **fields: str) -> HTTPResponse:
        token = self.cookie.partition("=")[2]
        return await self.client.fetch(
            self.site + path,
            method="POST",
            body=urlencode({"_xsrf": token, **fields}),
            headers={"Cookie": self.cookie},
            follow_redirects=False,
            raise_error=False,
        )


async def use(board: Any, store: Any) -> None:
    async with store:
        server = HTTPServer(board.make_app(store))
        sock, port = bind_unused_port()
        server.add_socket(sock)
        try:
            await visit(Browser(port))
        finally:
            server.stop()
            await server.close_all_connections()


async def visit(browser: Browser) -> None:
    assert "<article>" not in await browser.get("/")
    first = await browser.post("/", name="王维", message="坐看云起时", email="w@example.org")
    assert (first.code, first.headers["Location"]) == (302, "/")
    await browser.post("/", message="<b>'; DROP TABLE tb_message; --")
    page = await browser.get("/")
    assert "<p>坐看云起时</p>" in page and "w@example.org" in page
    assert "Guest" in page and "&lt;b&gt;&#x27;; DROP" in page
    newest, oldest = json.loads(await browser.get("/api/messages"))["messages"]
    path = f"/messages/{oldest['id']}"
    assert 'value="王维"' in await browser.get(path)
    assert (await browser.post(path, name="Wang", message="changed")).code == 302
    assert (await browser.post(f"/messages/{newest['id']}", delete="yes")).code == 302
    [left] = json.loads(await browser.get("/api/messages"))["messages"]
    assert (left["name"], left["message"], left["email"]) == ("Wang", "changed", "")
    assert "404" in await browser.get("/messages/12345")
    with ExpectLog("tornado.general", ".*", required=False):
        assert (await browser.post("/", message="")).code == 400
        browser.cookie = ""
        assert (await browser.post("/", message="forged")).code == 403


def test_on_sqlite(board: Any, tmp_path: Path) -> None:
    store = sys.modules["store"].SqliteStore(str(tmp_path / "board.db"))
    run_sync(lambda: use(board, store))


def test_on_mysql(board: Any, table: Any) -> None:
    table.execute("DROP TABLE tb_message")
    server = {**SERVER, "db": DATABASE}
    store = sys.modules["store"].MysqlStore(**server)
    run_sync(lambda: use(board, store))
    table.execute("SELECT COUNT(*) FROM tb_message")
    assert table.fetchone() == (1,)


def run_sync(function: Any) -> None:
    loop = IOLoop()
    try:
        loop.run_sync(function, timeout=20)
    finally:
        loop.close()


def test_as_a_program(tmp_path: Path) -> None:
    port = free_port()
    with running("board/board.py", f"--port={port}", cwd=tmp_path):
        assert "Message board" in get(f"http://127.0.0.1:{port}/")
    assert (tmp_path / "board.db").exists()
