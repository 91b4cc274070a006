"""The native library loads neither asyncio nor the overlay, unless asked to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python import python

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tornado_trio"
PARTS = sorted(
    path.name.removesuffix(".py")
    for path in PACKAGE.iterdir()
    if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
)
# The bridge to asyncio is there for it; the command line loads the overlay when told to.
WITH_ASYNCIO = {"interop"}


@pytest.mark.parametrize("part", [part for part in PARTS if part not in WITH_ASYNCIO])
def test_loads_alone(part: str) -> None:
    code = (
        f"import sys, tornado_trio.{part}\n"
        "loaded = {'asyncio', 'tornado', 'compat'} & set(sys.modules)\n"
        "print(*loaded)\n"
    )
    ended = python("-W", "error", "-c", code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == []


@pytest.mark.parametrize(
    ("name", "later"),
    [
        (
            "tornado.web",
            "h11 tornado_trio.server tornado_trio.client tornado_trio.wire.websocket "
            "tornado_trio.wire.multipart tornado.httpserver "
            "http.client email.parser difflib uuid trio outcome attr idna sortedcontainers",
        ),
        ("tornado.ioloop", "trio outcome attr tornado_trio.interop.guest tornado_trio.net.stream"),
        ("tornado.httpserver", "trio h11 tornado_trio.server tornado_trio.client http.client"),
        ("tornado.websocket", "h11 tornado_trio.server tornado_trio.client"),
        ("tornado.httpclient", "h11 tornado_trio.server tornado_trio.client http.client"),
        ("tornado_trio", "trio asyncio ssl logging dataclasses"),
        ("tornado_trio.web", "trio outcome attr tornado_trio.server tornado_trio.client h11"),
        ("tornado_trio.client", "h11 tornado_trio.server http.client email.utils"),
    ],
)
def test_what_few_programs_need_is_loaded_later(name: str, later: str) -> None:
    code = f"import compat, sys, {name}\nprint(*set({later.split()!r}) & set(sys.modules))\n"
    ended = python("-c", code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == []


def test_names_loaded_later() -> None:
    from tornado_trio import web

    assert set(web.__all__) <= set(dir(web))
    assert web.WebSocketHandler.__module__ == "tornado_trio.web.websocket"
    with pytest.raises(AttributeError, match="no_such_name"):
        web.no_such_name  # noqa: B018 - asking is the point


LISTENS = """
import compat, socket, sys, tornado.httpserver, tornado.ioloop, tornado.web

class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, world")

def loaded(names):
    return sorted(set(names.split()) & set(sys.modules))

sock = socket.create_server(("127.0.0.1", 0))
sock.setblocking(False)
tornado.httpserver.HTTPServer(tornado.web.Application([("/", Hello)])).add_sockets([sock])
print(loaded(sys.argv[1]))
client = socket.create_connection(sock.getsockname())
client.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
answer = b""

def read(*_):
    global answer
    answer += client.recv(65536)
    if answer.endswith(b"Hello, world"):
        loop.stop()

loop = tornado.ioloop.IOLoop.current()
loop.add_handler(client, read, loop.READ)
loop.call_later(60, loop.stop)
loop.start()
print(loaded(sys.argv[2]))
print(answer.splitlines()[0])
"""


def test_what_a_first_answer_loads() -> None:
    never = (
        "h11 email.parser http.client difflib uuid multiprocessing curses tornado_trio.client "
        "tornado_trio.websocket tornado_trio.wire.multipart tornado_trio.template.parser "
        "tornado_trio.oauth tornado_trio.service tornado_trio.observe tornado_trio.testing "
        "tornado_trio.wire.h11_engine tornado_trio.web.forms tornado.httpclient"
    )
    ended = python("-c", LISTENS, never, never)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["[]", "[]", "b'HTTP/1.1 200 OK'"]
