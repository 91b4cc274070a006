"""What libraries that sit on Tornado do with it, beyond its documentation."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import importlib
import logging
import pickle
import re
import socket
import warnings

import pytest

from tornado import auth, httpserver, httputil, log, template, util, web, websocket, wsgi
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver, bind_sockets, bind_unix_socket
from tornado.platform.trio import run_task
from tests.platforms import needs_unix_sockets
from tests.python import python


def test_a_loop_closed_under_a_waiting_coroutine_leaves_the_thread_usable() -> None:
    """Each test of a suite may have a loop of its own, closed with handlers still waiting."""
    unwound = []

    async def wait():
        try:
            await asyncio.Future()
        finally:
            unwound.append(True)

    async def begin():
        IOLoop.current().spawn_callback(wait)
        await asyncio.sleep(0.01)

    async def answer():
        return 42

    async def work():
        return await asyncio.wait_for(run_task(answer()), 10)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()  # no shutdown_asyncgens: nobody told us
    assert asyncio.run(work()) == 42
    assert unwound == [True]


def test_subclasses_find_the_lock_of_static_files() -> None:
    class Cached(web.StaticFileHandler):
        known = {}

        @classmethod
        def get_absolute_path(cls, root: str, path: str) -> str:
            with cls._lock:
                return cls.known.setdefault(path, f"{root}/{path}")

    assert Cached.get_absolute_path("/www", "a.css") == "/www/a.css"


def test_names_that_programs_use() -> None:
    class Page(web.RequestHandler):
        def loader(self, path: str) -> template.BaseLoader:
            with web.RequestHandler._template_loader_lock:
                known = web.RequestHandler._template_loaders
                return known.setdefault(path, template.DictLoader({}))

    handler = Page.__new__(Page)
    assert handler.loader("a") is handler.loader("a")
    del web.RequestHandler._template_loaders["a"]
    assert isinstance(log._stderr_supports_color(), bool)
    consumer, token = {"key": "k", "secret": "s"}, {"key": "t", "secret": "u"}
    parameters = {"p": "\u00e9 ~", "a": 1}
    signed = auth._oauth10a_signature(consumer, "get", "http://X.com/a?b=1", parameters, token)
    assert signed == b"icq5tPam2wgVEegtberTtNe9GxE="


def test_the_current_loop_as_first_argument_of_a_client_forces_an_instance() -> None:
    async def clients():
        loop = IOLoop.current()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            first, second = AsyncHTTPClient(loop), AsyncHTTPClient(loop)
        assert first is not second
        assert AsyncHTTPClient() is not first
        assert first.io_loop is second.io_loop is loop
        first.close()
        second.close()

    asyncio.run(clients())


def test_a_websocket_has_no_status() -> None:
    """Callers that fetch "a response or a websocket" look at `code`."""

    async def status():
        server = httpserver.HTTPServer(web.Application([("/", websocket.WebSocketHandler)]))
        [listener] = bind_sockets(0, "127.0.0.1")
        server.add_socket(listener)
        connection = await websocket.websocket_connect(
            f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        )
        connection.close()
        server.stop()
        await server.close_all_connections()
        return connection.code

    assert asyncio.run(status()) is None


def test_content_of_static_files_may_be_a_plain_method(tmp_path) -> None:
    """Overridden as one, not as a class method, it sees the request."""
    (tmp_path / "a.css").write_text("body {}")

    class Mangled(web.StaticFileHandler):
        def compute_etag(self):
            return None

        def get_content_size(self):
            return len(self.get_content(self.absolute_path))

        def get_content(self, abspath, start=None, end=None):
            return f"{self.path} of {self.request.host_name}".encode()

    async def fetched():
        server = httpserver.HTTPServer(web.Application([("/(.*)", Mangled, {"path": tmp_path})]))
        [listener] = bind_sockets(0, "127.0.0.1")
        server.add_socket(listener)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.css"
        response = await AsyncHTTPClient().fetch(url)
        server.stop()
        await server.close_all_connections()
        return response.body

    assert asyncio.run(fetched()) == b"a.css of 127.0.0.1"


@needs_unix_sockets
def test_a_resolver_is_asked_for_the_host_as_it_is_spelled(tmp_path) -> None:
    """Such as one that reads the path of a unix socket out of it."""
    asked = []

    class Paths(Resolver):
        async def resolve(self, host, port, *args):
            asked.append(host)
            return [(socket.AF_UNIX, str(tmp_path / host.replace("%2F", "/")))]

    class Page(web.RequestHandler):
        def get(self):
            self.write(self.request.headers["Host"])

    async def fetched():
        server = httpserver.HTTPServer(web.Application([("/", Page)]))
        for name in ("S", "s"):
            server.add_socket(bind_unix_socket(str(tmp_path / name)))
        client = AsyncHTTPClient(force_instance=True, resolver=Paths())
        bodies = [(await client.fetch(f"http://{host}/")).body for host in (".%2FS", ".%2Fs")]
        client.close()
        server.stop()
        await server.close_all_connections()
        return bodies

    assert asyncio.run(fetched()) == [b".%2FS", b".%2Fs"]
    assert asked == [".%2FS", ".%2Fs"]


@pytest.mark.parametrize(
    ("generation", "asked"),
    [("6.6", ["http://b.test"]), ("6.5", ["http://a.test", "http://b.test"])],
)
def test_a_websocket_is_asked_about_its_own_origin_before_6_6_only(generation, asked) -> None:
    """A list of the origins that may (Bokeh's) does not name the server's own address."""
    ended = python(
        "-c",
        """
import compat, asyncio
from tornado import httpserver, testing, web, websocket
asked = []
class Echo(websocket.WebSocketHandler):
    def check_origin(self, origin):
        asked.append(origin)
        return True
async def main():
    server = httpserver.HTTPServer(web.Application([("/", Echo)]))
    listener, port = testing.bind_unused_port()
    server.add_socket(listener)
    from tornado.httpclient import HTTPRequest
    for origin in ("http://a.test", "http://b.test"):
        fields = {"Host": "a.test", "Origin": origin}
        request = HTTPRequest(f"ws://127.0.0.1:{port}/", headers=fields)
        (await websocket.websocket_connect(request)).close()
    server.stop()
    await server.close_all_connections()
    print(asked)
asyncio.run(main())
""",
        TORNADO_TRIO_GENERATION=generation,
    )
    assert (ended.stdout.strip(), ended.stderr) == (repr(asked), "")


def _callback(request) -> None:
    start_line = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
    request.connection.write_headers(start_line, httputil.HTTPHeaders({"Content-Length": "0"}))
    request.connection.finish()


class _Silent(wsgi.WSGIContainer):
    def _log(self, status_code, request) -> None:
        """Calibre-Web writes lines of its own."""


def _hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


@pytest.mark.parametrize(
    ("app", "lines"),
    [
        (_callback, 0),
        (_Silent(_hello), 0),
        (wsgi.WSGIContainer(_hello), 1),
        (web.Application([(".*", web.FallbackHandler, {"fallback": _Silent(_hello)})]), 0),
        (web.Application([(".*", web.FallbackHandler, {"fallback": _callback})]), 0),
        (
            web.Application(
                [(".*", web.FallbackHandler, {"fallback": wsgi.WSGIContainer(_hello)})]
            ),
            1,
        ),
        (web.Application(), 1),
    ],
)
def test_the_server_writes_no_access_lines(app, lines, caplog) -> None:
    """A request has the line of its handler or container, or none; not one more of the server's."""
    caplog.set_level(logging.INFO)

    async def fetched() -> None:
        server = httpserver.HTTPServer(app)
        [listener] = bind_sockets(0, "127.0.0.1")
        server.add_socket(listener)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        await AsyncHTTPClient().fetch(url, raise_error=False)
        await AsyncHTTPClient().fetch(url, raise_error=False)
        server.stop()
        await server.close_all_connections()

    asyncio.run(fetched())
    assert [record.name for record in caplog.records].count("tornado.access") == 2 * lines


@pytest.mark.parametrize(
    "module",
    ["auth", "httpclient", "httputil", "iostream", "options", "queues", "template", "web"],
)
def test_errors_say_the_names_that_programs_know(module) -> None:
    """Sentry's `ignore_errors=["tornado.iostream.StreamClosedError"]`, rules over log lines."""
    public = importlib.import_module(f"tornado.{module}")
    kinds = [kind for kind in vars(public).values() if isinstance(kind, type)]
    ours = [k for k in kinds if issubclass(k, Exception) and k.__module__.startswith("tornado")]
    assert ours
    for kind in ours:
        assert re.fullmatch(r"tornado\.[a-z_]+", kind.__module__), kind
        assert getattr(importlib.import_module(kind.__module__), kind.__name__) is kind


def test_pickles_are_read_by_tornado_too() -> None:
    """What is in a cache when a program moves to the overlay, or back."""
    line = httputil.RequestStartLine("GET", "/", "HTTP/1.1")
    for value in (util.ObjectDict(a=1), line, httputil.HTTPFile(filename="a", body=b"b")):
        pickled = pickle.dumps(value)
        assert b"tornado_trio" not in pickled
        assert pickle.loads(pickled) == value
