"""Programs in processes of their own: how they start, fork, read options, and end."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import json
import signal
import socket
import time

import pytest
from tornado.testing import AsyncHTTPTestCase

from tests.ports import free_port
from .programs import EXAMPLES, get, load, run, running


def test_hello() -> None:
    port = free_port()
    with running("hello.py", f"--port={port}") as process:
        assert get(f"http://127.0.0.1:{port}/") == "Hello, world"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT


@pytest.mark.parametrize("style", ["single", "simple", "advanced"])
def test_styles_of_processes(style: str) -> None:
    port = free_port()
    args = (f"--style={style}", "--processes=2", f"--port={port}")
    with running("processes.py", *args) as process:
        seen = {}
        for _ in range(400):
            answer = json.loads(get(f"http://127.0.0.1:{port}/"))
            seen[answer["pid"]] = answer["task"]
            if len(seen) == 2:
                break
            if style == "single" and len(seen) == 1:
                break
        if style == "single":
            assert seen == {process.pid: None}
        else:
            # Whichever is free takes a connection; with one client that may be the same
            # process all the time.
            assert process.pid not in seen
            assert set(seen.values()) <= {0, 1}
            assert seen


def test_options() -> None:
    port = free_port()
    config = EXAMPLES / "configured.cfg"
    with running("configured.py", f"--config={config}", f"--port={port}", "--colours=red,black"):
        assert json.loads(get(f"http://127.0.0.1:{port}/")) == {
            "title": "From the file",
            "colours": ["red", "black"],
            "pause": 90.0,
            "page": ["colours", "title"],
        }


def test_options_on_the_command_line() -> None:
    shown = run("configured.py", "--help")
    assert shown.returncode == 0
    assert "port to listen on (default 8888)" in shown.stderr
    refused = run("configured.py", "--no_such_thing")
    assert refused.returncode != 0
    assert "Unrecognized command line option: 'no-such-thing'" in refused.stderr


class TestRoutes(AsyncHTTPTestCase):
    def get_app(self) -> object:
        return load("routes.py").make_app()

    def test_routes(self) -> None:
        for path, body in [
            ("/story/2", "The lock"),
            ("/people/33", "everybody of 33"),
            ("/people/33/", "everybody of 33"),
            ("/people/ann", "Hello, ann"),
            ("/old/1", "The queue"),
            ("/moved", "Hello, ann"),
        ]:
            assert self.fetch(path).body.decode() == body, path
        info = json.loads(self.fetch("/people/J%C3%BCrgen%20K/7").body)
        assert info == {"name": "Jürgen K", "age": 7}
        assert '<a href="/story/2">' in self.fetch("/").body.decode()
        assert self.fetch("/story/9").code == 404
        response = self.fetch("/no/such/place")
        assert (response.code, response.body) == (404, b"There is nothing here.")
        assert self.fetch("/moved", follow_redirects=False).code == 302
        assert self.fetch("/old/1", follow_redirects=False).code == 301

    def test_reverse_url(self) -> None:
        app = self._app
        assert app.reverse_url("index") == "/"
        assert app.reverse_url("story", "a b") == "/story/a%20b"
        assert app.reverse_url("info", "Jürgen", 7).startswith("/people/J%C3%BCrgen/7")
        with pytest.raises(KeyError):
            app.reverse_url("nobody")


@pytest.mark.parametrize(
    ("program", "path", "page"),
    [
        ("chat/chat.py", "/", "It is quiet in here."),
        ("routes.py", "/people/ann", "Hello, ann"),
        ("blocking.py", "/method?word=a", "a70f77ca"),
        ("tour/tour.py", "/arguments?a=1", '"argument": "1"'),
        ("login/login.py", "/login", "Sign up"),
        ("oauth.py", "/nowhere", "404"),
        ("wsgi.py", "/page", "GET /page"),
    ],
)
def test_start_as_described(program: str, path: str, page: str) -> None:
    port = free_port()
    with running(program, f"--port={port}") as process:
        assert page in get(f"http://127.0.0.1:{port}{path}")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) in (0, -signal.SIGINT)


def test_loops_and_lines_as_described() -> None:
    with running("minute_loops.py", "--period=0.05", "--work=0.01") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
    assert {line.partition(":")[0] for line in lines} == {
        "minute_loop",
        "minute_loop2",
        "periodic",
    }
    port = free_port()
    with running("tcp.py", f"--port={port}"):
        for _ in range(200):
            try:
                client = socket.create_connection(("127.0.0.1", port), timeout=10)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        with client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"HELLO\n"
