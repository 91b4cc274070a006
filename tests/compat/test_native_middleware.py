"""Native middleware around Tornado's handlers, which need no change."""

from __future__ import annotations

import gzip
import os
import tempfile
from typing import Any

from tornado import gen, testing, web, websocket

import compat  # noqa: F401
from tornado_trio.web.middleware import Compression, SecurityHeaders

TEXT = b"the quick brown fox " * 500


class Hello(web.RequestHandler):
    @gen.coroutine
    def get(self) -> Any:
        yield gen.sleep(0.001)
        self.write(TEXT)


class Stream(web.RequestHandler):
    async def get(self) -> None:
        for _ in range(3):
            self.write(TEXT)
            await self.flush()


class Broken(web.RequestHandler):
    def get(self) -> None:
        raise LookupError


class Echo(websocket.WebSocketHandler):
    def on_message(self, message: Any) -> None:
        self.write_message(message)


seen: list[tuple[str, int, type]] = []


async def watch(call: Any, next: Any) -> None:
    response = await next(call)
    seen.append((call.request.path, response.status, type(response.error)))


class MiddlewareTest(testing.AsyncHTTPTestCase):
    def get_app(self) -> web.Application:
        folder = tempfile.mkdtemp()
        with open(os.path.join(folder, "a.txt"), "wb") as file:
            file.write(TEXT * 20)
        rules: list[Any] = [
            ("/hello", Hello), ("/stream", Stream), ("/broken", Broken), ("/echo", Echo)
        ]  # fmt: skip
        around = [SecurityHeaders(), Compression(["gzip"]), watch]
        return web.Application(rules, static_path=folder, middleware=around)

    def test_every_kind(self) -> None:
        del seen[:]
        for path, status, body in (
            ("/hello", 200, TEXT),
            ("/stream", 200, TEXT * 3),
            ("/static/a.txt", 200, TEXT * 20),
            ("/broken", 500, None),
            ("/none", 404, None),
        ):
            with testing.ExpectLog("tornado", ".*", required=False):
                response = self.fetch(
                    path, headers={"Accept-Encoding": "gzip"}, decompress_response=False
                )
            assert response.code == status
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            if body is not None:
                assert gzip.decompress(response.body) == body
        assert [(path, code) for path, code, _ in seen] == [
            ("/hello", 200), ("/stream", 200), ("/static/a.txt", 200), ("/broken", 500),
            ("/none", 404),
        ]  # fmt: skip
        assert seen[3][2] is LookupError

    @testing.gen_test
    async def test_a_conversation(self) -> None:
        conn = await websocket.websocket_connect(self.get_url("/echo").replace("http", "ws"))
        assert conn.headers["X-Content-Type-Options"] == "nosniff"
        await conn.write_message("a")
        assert await conn.read_message() == "a"
        conn.close()


def test_a_setting_of_that_name_is_the_programs() -> None:
    for setting in ("auth", ["a", "b"], [len, print], None, [lambda request: None]):
        app = web.Application([], middleware=setting)
        assert app.settings["middleware"] == setting
        assert "find_handler" not in vars(app)
