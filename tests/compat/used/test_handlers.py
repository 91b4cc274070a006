"""What programs take from requests, their connections, handlers, applications and servers."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import time
from typing import Any

import pytest
import tornado.web
from tornado import httputil
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from .programs import Site, answer, in_loop, old_program, until


# --- requests --------------------------------------------------------------------------------
def test_request_start_time() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write({"recent": 0 <= time.time() - self.request._start_time < 60})

    assert answer(Page).body == b'{"recent": true}'


def test_headers_dict() -> None:
    old_program("""
from tornado.httputil import HTTPHeaders

headers = HTTPHeaders({"x-a": "1"})
headers.add("X-A", "2")
assert headers["X-A"] == "1,2"
assert headers._dict["X-A"] == "1,2" and dict(headers._dict) == {"X-A": "1,2"}
""")


def test_headers_as_list() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            lists = self.request.headers._as_list
            self.write({"first": lists["X-A"][0], "all": lists["X-A"]})

    headers = httputil.HTTPHeaders()
    headers.add("X-A", "1")
    headers.add("X-A", "2")
    assert answer(Page, headers=headers).body == b'{"first": "1", "all": ["1", "2"]}'


@in_loop
async def test_connection_no_keep_alive() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.request.connection.no_keep_alive = True
            self.set_header("Connection", "close")
            self.write("x")

    async with Site([("/", Page)]) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        data = await reader.readuntil(b"\r\n\r\nx")
        assert b"Connection: close" in data
        writer.close()
        await writer.wait_closed()


def test_connection_context() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            context = self.request.connection.context
            self.write({"to": context.address[0], "p": context.protocol, "ip": context.remote_ip})

    assert answer(Page).body == b'{"to": "127.0.0.1", "p": "http", "ip": "127.0.0.1"}'


def test_connection_request_line_and_headers() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            connection = self.request.connection
            line = connection._request_start_line
            assert connection._request_headers["Host"] == self.request.host
            self.write(f"{line.method} {line.path} {line.version} {len(line)}")

    assert answer(Page, "/a?b=1").body == b"GET /a?b=1 HTTP/1.1 3"


def test_connection_chunking_output() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.request.connection._chunking_output = True
            self.write("small")

    assert answer(Page).body == b"small"


# --- RequestHandler --------------------------------------------------------------------------
def test_execute_wrapped() -> None:
    """A decorator of a class that asks for a password."""

    def guarded(cls: type[RequestHandler]) -> type[RequestHandler]:
        original = cls._execute

        async def guard(self: Any, transforms: Any, *args: Any, **kwargs: Any) -> None:
            if self.request.headers.get("Authorization") != "Basic YTpi":
                self.set_status(401)
                self._transforms = []
                self.finish("no")
                return
            await original(self, transforms, *args, **kwargs)

        cls._execute = guard  # type: ignore[method-assign]
        return cls

    @guarded
    class Page(RequestHandler):
        def get(self) -> None:
            self.write("yes")

    assert (answer(Page).code, answer(Page).body) == (401, b"no")
    assert answer(Page, auth_username="a", auth_password="b").body == b"yes"


@in_loop
async def test_transforms_assigned() -> None:
    """A handler made by hand, as in tests of one."""

    class Page(RequestHandler):
        def get(self) -> None:
            self.write("ok")

    class Connection(httputil.HTTPConnection):
        sent = b""

        def write_headers(self, start_line: Any, headers: Any, chunk: Any = None) -> Any:
            self.sent += chunk or b""

        def finish(self) -> None:
            pass

        def set_close_callback(self, callback: Any) -> None:
            pass

    connection = Connection()
    request = httputil.HTTPServerRequest(
        start_line=httputil.RequestStartLine("GET", "/", "HTTP/1.1"),
        headers=httputil.HTTPHeaders({"Host": "h"}),
        connection=connection,
    )
    handler = Page(Application(), request)
    handler._transforms = []
    handler.get()
    handler.finish()
    assert connection.sent == b"ok"


def test_auto_finish() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self._auto_finish = False
            asyncio.get_running_loop().call_later(0.01, self.finish, "later")

    assert answer(Page).body == b"later"


def test_handle_request_exception_overridden() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            raise ValueError("bad")

        def _handle_request_exception(self, error: BaseException) -> None:
            self.set_status(418)
            self.finish({"error": str(error)})

    response = answer(Page)
    assert (response.code, response.body) == (418, b'{"error": "bad"}')


def test_decode_xsrf_token() -> None:
    class Page(RequestHandler):
        def check_xsrf_cookie(self) -> None:
            token = self.get_argument("_xsrf")
            _, sent, _ = self._decode_xsrf_token(token)
            _, expected, _ = self._get_raw_xsrf_token()
            assert sent is not None and expected is not None
            if sent != expected:
                raise tornado.web.HTTPError(403)

        def get(self) -> None:
            self.check_xsrf_cookie()
            self.write("ok")

    token = "2|2a2a2a2a|4b484948|1700000000"
    headers = {"Cookie": f"_xsrf={token}"}
    assert answer(Page, f"/?_xsrf={token}", headers=headers).body == b"ok"


def test_write_buffer() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write("a")
            self.write({"b": 1})
            seen = b"".join(self._write_buffer)
            self._write_buffer = []
            self.write(b"<" + seen + b">")

    assert answer(Page).body == b'<a{"b": 1}>'


def test_state_of_a_response() -> None:
    seen: list[Any] = []

    class Page(RequestHandler):
        def get(self) -> None:
            self.set_status(201, "Made")
            self.set_header("X", "y")
            seen.append((self._status_code, self._reason, self._headers["X"]))
            seen.append((self._finished, self._headers_written))
            self.finish("x")
            seen.append((self._finished, self._headers_written))

    assert answer(Page).code == 201
    assert seen == [(201, "Made", "y"), (False, False), (True, True)]


def test_current_user_assigned() -> None:
    class Page(RequestHandler):
        def prepare(self) -> None:
            self._current_user = "me"

        @tornado.web.authenticated
        def get(self) -> None:
            self.write(self.current_user)

    assert answer(Page).body == b"me"


def test_new_cookie() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            assert not hasattr(self, "_new_cookie")
            self.set_cookie("a", "b")
            self.write(self._new_cookie["a"].value)

    assert answer(Page).body == b"b"


def test_stack_context_handle_exception() -> None:
    old_program("""
import tornado.httpclient, tornado.httpserver, tornado.ioloop, tornado.testing, tornado.web
from tornado import gen

class Page(tornado.web.RequestHandler):
    @tornado.web.asynchronous
    def get(self):
        tornado.ioloop.IOLoop.current().add_callback(lambda: 1 / 0)

    def _stack_context_handle_exception(self, kind, error, traceback):
        self.finish(kind.__name__)
        return True

@gen.coroutine
def main():
    listener, port = tornado.testing.bind_unused_port()
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Page)]))
    server.add_socket(listener)
    client = tornado.httpclient.AsyncHTTPClient()
    response = yield client.fetch("http://127.0.0.1:%d/" % port)
    assert response.body == b"ZeroDivisionError", response.body
    client.close()
    server.stop()

tornado.ioloop.IOLoop.current().run_sync(main)
""")


def test_ui_module_called() -> None:
    class Box(tornado.web.UIModule):
        def render(self, text: str) -> str:  # type: ignore[override]
            return f"[{text}]"

    class Page(RequestHandler):
        def get(self) -> None:
            self.write(self._ui_module("Box", Box)("x"))

    assert answer(Page).body == b"[x]"


def test_convert_header_value_patched() -> None:
    class Page(RequestHandler):
        def _convert_header_value(self, value: Any) -> str:
            return "any\tthing" if value == "y" else super()._convert_header_value(value)

        def get(self) -> None:
            self.set_header("X", "y")

    assert answer(Page).headers["X"] == "any\tthing"


def test_ui_method_and_get_arguments() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            source = self.request.arguments
            called = self._ui_method(lambda handler, text: text + handler.request.path)("at ")
            self.write(called)
            self.write(self._get_argument("a", "none", source))
            self.write(",".join(self._get_arguments("a", source)))

    assert answer(Page, "/p?a=1&a=2").body == b"at /p21,2"


# --- applications and servers ----------------------------------------------------------------
@in_loop
async def test_load_ui_modules_later() -> None:
    class Box(tornado.web.UIModule):
        def render(self) -> str:
            return "box"

    class Page(RequestHandler):
        def get(self) -> None:
            page = tornado.web.template.Template("{% module Box() %} {{ shout('x') }}")
            self.write(page.generate(**self.get_template_namespace()))

    app = Application([("/", Page)])
    async with Site(app) as site:
        app._load_ui_modules({"Box": Box})
        app._load_ui_methods({"shout": lambda handler, text: text.upper()})
        assert (await site.fetch()).body == b"box X"


@in_loop
async def test_cached_version_patched(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No version is kept of a static file."""
    root = tmp_path_factory.mktemp("static")
    (root / "a.js").write_text("1")
    asked: list[str] = []

    def version(cls: Any, path: str) -> str:
        asked.append(path)
        return f"v{len(asked)}"

    monkeypatch.setattr(tornado.web.StaticFileHandler, "_get_cached_version", classmethod(version))

    class Page(RequestHandler):
        def get(self) -> None:
            self.write(self.static_url("a.js"))

    async with Site([("/", Page)], static_path=str(root)) as site:
        assert (await site.fetch()).body == b"/static/a.js?v=v1"
        assert (await site.fetch()).body == b"/static/a.js?v=v2"


class OldDialect(HTTPServer):
    """Builds what serves a stream by hand."""

    def handle_stream(self, stream: Any, address: Any) -> None:
        from tornado.http1connection import HTTP1ServerConnection
        from tornado.httpserver import _HTTPRequestContext

        context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        HTTP1ServerConnection(stream, self.conn_params, context).start_serving(self)


@in_loop
async def test_http_request_context() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            context: Any = self.request.connection.context
            self.write(f"{type(context).__name__} {context} {context.protocol}")

    async with Site([("/", Page)], OldDialect) as site:
        assert (await site.fetch()).body == b"_HTTPRequestContext 127.0.0.1 http"


def test_context_as_text() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write(str(self.request.connection.context))

    assert answer(Page).body == b"127.0.0.1"


@in_loop
async def test_connections_of_a_server() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write("x")

    async with Site([("/", Page)]) as site:
        server: Any = site.server
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\nx")
        assert len(server._connections) == 1
        writer.close()
        await writer.wait_closed()
        await until(lambda: not server._connections)


def served_by(connection: type, loop: type | None = None) -> type[HTTPServer]:
    """A server whose connections are read by a class of the program's own."""
    from tornado.http1connection import HTTP1ServerConnection

    class Server(HTTPServer):
        def handle_stream(self, stream: Any, address: Any) -> None:
            from tornado.httpserver import _HTTPRequestContext

            context = _HTTPRequestContext(stream, address, self.protocol, None)
            kind: Any = loop or HTTP1ServerConnection
            kind(stream, self.conn_params, context).start_serving(self)

    return Server


@in_loop
async def test_http1connection_overridden() -> None:
    """A dialect: heads are read, and connections kept, by the program's own rules."""
    from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection

    seen: list[str] = []

    class Dialect(HTTP1Connection):
        async def _read_message(self, delegate: Any) -> bool:
            seen.append("message")
            return await super()._read_message(delegate)

        def _parse_headers(self, data: Any) -> Any:
            seen.append("headers")
            line, headers = super()._parse_headers(data)
            headers["X-Seen"] = "yes"
            return line, headers

        def _can_keep_alive(self, start_line: Any, headers: Any) -> bool:
            seen.append("keep")
            return False

    class Loop(HTTP1ServerConnection):
        async def _server_request_loop(self, delegate: Any) -> None:
            connection = Dialect(self.stream, False, self.params, self.context)
            await connection.read_response(delegate.start_request(self, connection))
            self.stream.close()

    class Page(RequestHandler):
        def get(self) -> None:
            self.write(self.request.headers["X-Seen"])

    async with Site([("/", Page)], served_by(Dialect, Loop)) as site:
        assert (await site.fetch()).body == b"yes"
    assert seen == ["message", "headers", "keep"]


@in_loop
async def test_server_request_loop_overridden() -> None:
    """A protocol that is told from HTTP/1 by its first bytes."""
    from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection

    class Upgrade(HTTP1ServerConnection):
        async def _server_request_loop(self, delegate: Any) -> None:
            first = await self.stream.read_bytes(4)
            await self.stream.write(b"<" + first + b">")
            self.stream.close()

    async with Site([], served_by(HTTP1Connection, Upgrade)) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"PRI * HTTP/2.0")
        assert await reader.read() == b"<PRI >"
        writer.close()
        await writer.wait_closed()
