"""A protocol of one's own, WSGI beside handlers, and what `debug` does."""

import compat  # noqa: I001 (first: it makes `tornado` ours)

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import trio
from tornado.iostream import StreamClosedError
from tornado.tcpclient import TCPClient
from tornado.testing import AsyncHTTPTestCase, AsyncTestCase, ExpectLog, bind_unused_port, gen_test
from tornado.web import Application, RequestHandler

from tests.ports import free_port
from .programs import get, load, running


class TestTcp(AsyncTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tcp = load("tcp.py")
        self.server = self.tcp.ShoutServer()
        sock, self.port = bind_unused_port()
        self.server.add_socket(sock)

    def tearDown(self) -> None:
        self.server.stop()
        super().tearDown()

    @gen_test
    async def test_shout(self) -> None:
        answers = await self.tcp.shout("127.0.0.1", self.port, ["hello", "trio"])
        assert answers == ["HELLO", "TRIO"]

    @gen_test
    async def test_quit(self) -> None:
        stream = await TCPClient().connect("127.0.0.1", self.port)
        await stream.write(b"quit\r\n")
        try:
            await stream.read_until(b"\n")
        except StreamClosedError:
            pass  # as it should be
        else:
            raise AssertionError("the server went on")


async def test_tcp_in_trio() -> None:
    tcp = load("tcp.py")
    async with compat.open_loop():
        server = tcp.ShoutServer()
        sock, port = bind_unused_port()
        server.add_socket(sock)
        with trio.fail_after(5):
            assert await tcp.shout("127.0.0.1", port, ["no asyncio"]) == ["NO ASYNCIO"]
        server.stop()


class TestWsgi(AsyncHTTPTestCase):
    def get_app(self) -> Any:
        return load("wsgi.py").make_app()

    def test_both(self) -> None:
        assert self.fetch("/fast").body == b"by Tornado"
        assert self.fetch("/other/page").body == b"GET /other/page "
        response = self.fetch("/form", method="POST", body="a=1")
        assert response.body == b"POST /form a=1"
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


class TestDebug(AsyncHTTPTestCase):
    """Templates and static files are read anew, errors are shown."""

    def get_app(self) -> Any:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = Path(folder)
        (self.folder / "page.html").write_text("one {{ static_url('a.txt') }}")
        (self.folder / "a.txt").write_text("a")

        class Page(RequestHandler):
            def get(self) -> None:
                self.render("page.html")

        class Broken(RequestHandler):
            def get(self) -> None:
                raise ValueError("shown to the programmer")

        return Application(
            [("/", Page), ("/broken", Broken)],
            debug=True,
            autoreload=False,
            template_path=folder,
            static_path=folder,
        )

    def test_debug(self) -> None:
        before = self.fetch("/").body
        assert before.startswith(b"one /static/a.txt?v=")
        (self.folder / "page.html").write_text("two {{ static_url('a.txt') }}")
        (self.folder / "a.txt").write_text("b")
        after = self.fetch("/").body
        assert after.startswith(b"two /static/a.txt?v=")
        assert after[4:] != before[4:]
        with ExpectLog("tornado.application", "Uncaught exception GET /broken"):
            response = self.fetch("/broken")
        assert response.code == 500
        assert b"ValueError: shown to the programmer" in response.body


def test_autoreload(tmp_path: Path) -> None:
    """`debug=True` starts the program again when its file changes."""
    port = free_port()
    program = tmp_path / "app.py"
    text = f"""
import tornado.ioloop, tornado.web

class Main(tornado.web.RequestHandler):
    def get(self):
        self.write("before")

tornado.web.Application([("/", Main)], debug=True).listen({port})
tornado.ioloop.IOLoop.current().start()
"""
    program.write_text(text)
    with running(program, cwd=tmp_path):
        assert get(f"http://127.0.0.1:{port}/") == "before"
        program.write_text(text.replace("before", "after"))
        os.utime(program, (time.time() + 10, time.time() + 10))
        deadline = time.monotonic() + 20
        while get(f"http://127.0.0.1:{port}/") != "after":
            assert time.monotonic() < deadline
            time.sleep(0.1)
