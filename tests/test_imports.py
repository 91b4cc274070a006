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
# Modules of Tornado that define; a loop, a client or a server is made later.
FEW = (
    "auth autoreload concurrent escape gen http1connection httputil iostream locale locks log "
    "netutil options process queues routing tcpclient tcpserver template testing util wsgi"
).split()


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
            "http.client email.parser difflib uuid trio outcome attr idna sortedcontainers "
            "html.entities json datetime http http.cookies numbers tornado_trio.template "
            "tornado_trio.locale tornado_trio.web.static tornado_trio.web.security "
            "tornado_trio.wire.formdata tornado_trio.wire.cookies",
        ),
        ("tornado.ioloop", "trio outcome attr tornado_trio.interop.guest tornado_trio.net.stream"),
        ("tornado.httpserver", "trio h11 tornado_trio.server tornado_trio.client http.client"),
        (
            "tornado.websocket",
            "trio attr h11 tornado_trio.server tornado_trio.client tornado_trio.websocket "
            "http.client",
        ),
        ("tornado.httpclient", "trio attr h11 tornado_trio.server tornado_trio.client http.client"),
        *((f"tornado.{name}", "trio attr tornado_trio.server tornado_trio.client") for name in FEW),
        ("tornado_trio", "trio asyncio ssl logging dataclasses"),
        (
            "tornado_trio.web",
            "trio outcome attr tornado_trio.server tornado_trio.client h11 html.entities json "
            "datetime http tornado_trio.template tornado_trio.locale tornado_trio.web.static "
            "tornado_trio.wire.signing tornado_trio.wire.formdata",
        ),
        ("tornado_trio.websocket", "trio outcome attr tornado_trio.net asyncio ssl"),
        ("tornado_trio.net", "trio attr ssl"),
        ("tornado_trio.wsgi", "trio attr ssl"),
        ("tornado_trio.client", "h11 tornado_trio.server http.client email.utils"),
    ],
)
def test_what_few_programs_need_is_loaded_later(name: str, later: str) -> None:
    code = f"import compat, sys, {name}\nprint(*set({later.split()!r}) & set(sys.modules))\n"
    ended = python("-c", code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == []


def test_names_loaded_later() -> None:
    from tornado_trio import web, websocket

    assert set(web.__all__) <= set(dir(web))
    assert set(websocket.__all__) <= set(dir(websocket))
    assert web.WebSocketHandler.__module__ == "tornado_trio.web.websocket"
    with pytest.raises(AttributeError, match="no_such_name"):
        web.no_such_name  # noqa: B018 - asking is the point
    with pytest.raises(AttributeError, match="no_such_name"):
        websocket.no_such_name  # noqa: B018 - asking is the point


USES = {
    "by a star": """
from MODULE import *
import MODULE
print(*[name for name in MODULE.__all__ if globals()[name] is not getattr(MODULE, name)])
""",
    "by a thread at once": """
import MODULE, threading
start, found = threading.Barrier(8), []
def use(name):
    start.wait()
    found.append((name, getattr(MODULE, name)))
threads = [threading.Thread(target=use, args=[MODULE.__all__[i // 2]]) for i in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(8 - len(found), *[name for name, value in found if value is not getattr(MODULE, name)])
""",
    "by pickle and inspect": """
import MODULE, inspect, pickle
for name, value in inspect.getmembers(MODULE, inspect.isclass):
    if value.__module__ == "MODULE":
        assert pickle.loads(pickle.dumps(value)) is value, name
for name in MODULE.__all__:
    value = getattr(MODULE, name)
    assert pickle.loads(pickle.dumps(value)) is value, name
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getmodule(value) is not None and inspect.getdoc(value), name
""",
}


@pytest.mark.parametrize("how", USES)
@pytest.mark.parametrize(
    "module", ["tornado.websocket", "tornado_trio.websocket", "tornado.web", "tornado_trio.web"]
)
def test_first_use(module: str, how: str) -> None:
    ended = python("-W", "error", "-c", "import compat\n" + USES[how].replace("MODULE", module))
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) <= {"0"}


def test_httputil_by_a_star() -> None:
    code = "import compat\n" + USES["by a star"].replace("MODULE", "tornado.httputil")
    ended = python("-W", "error", "-c", code)
    assert (ended.returncode, ended.stdout.split()) == (0, []), ended.stderr


def test_a_protocol_that_a_program_puts_in_the_module() -> None:
    code = """
import compat, tornado.web, tornado.websocket, tornado.httputil
class Mine:
    def __init__(self, *args): pass
tornado.websocket.WebSocketProtocol13 = Mine
request = tornado.httputil.HTTPServerRequest("GET", "/", connection=type("C", (), {
    "set_close_callback": lambda *_: None})())
request.headers["Sec-WebSocket-Version"] = "13"
handler = tornado.websocket.WebSocketHandler(tornado.web.Application(), request)
print(type(handler.get_websocket_protocol()).__name__)
"""
    ended = python("-c", code)
    assert ended.stdout.split() == ["Mine"], ended.stderr


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
        "tornado_trio.wire.h11_engine tornado_trio.web.forms tornado.httpclient "
        "html.entities json datetime http http.cookies numbers tornado_trio.template "
        "tornado_trio.locale tornado_trio.web.static tornado_trio.web.security "
        "tornado_trio.wire.formdata"
    )
    ended = python("-c", LISTENS, never, never)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["[]", "[]", "b'HTTP/1.1 200 OK'"]
