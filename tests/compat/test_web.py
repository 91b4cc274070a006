"""tornado.web, tornado.routing and tornado.wsgi: what is added to the native framework."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import unittest

import trio
from tornado import gen, httputil, ioloop, iostream, testing, web, wsgi
from tornado.concurrent import Future
from tornado.httpserver import HTTPServer
from tornado.routing import PathMatches, ReversibleRuleRouter, Router, Rule, RuleRouter

import compat  # noqa: F401

seen = []


class OutputHandler(web.RequestHandler):
    async def get(self):
        futures = [self.flush(), self.flush()]
        assert self.write("a") is None
        await self.flush()
        futures.append(self.finish("b"))
        assert all(isinstance(f, Future) for f in futures)
        await asyncio.gather(*futures)


class RedirectingHandler(web.RequestHandler):
    def get(self):
        assert self.redirect("/x") is None


class EverythingHandler(web.RequestHandler):
    """Awaits asyncio, trio and Tornado in one go."""

    async def prepare(self):
        await asyncio.sleep(0)

    async def get(self):
        await asyncio.sleep(0.001)
        await trio.sleep(0.001)
        await gen.sleep(0.001)
        with trio.move_on_after(0.01) as scope:
            await asyncio.sleep(10)
        assert scope.cancelled_caught and asyncio.current_task() is not None
        self.write("done")

    @gen.coroutine
    def post(self):
        yield [gen.sleep(0.001), asyncio.sleep(0.001)]
        raise gen.Return(self.write("done"))


class LaterHandler(web.RequestHandler):
    """Finishes after its method has returned."""

    _auto_finish = False

    def get(self):
        ioloop.IOLoop.current().call_later(0.01, self.finish, "later")


@web.stream_request_body
class StreamHandler(web.RequestHandler):
    async def prepare(self):
        self.chunks = []
        await asyncio.sleep(0.001)

    async def data_received(self, chunk):
        await asyncio.sleep(0.001)
        self.chunks.append(chunk)

    def post(self):
        self.write(b"|".join(self.chunks))

    def on_connection_close(self):
        seen.append("close")


@web.stream_request_body
class RefusingHandler(web.RequestHandler):
    def prepare(self):
        raise web.HTTPError(401)


class EndlessHandler(web.RequestHandler):
    """Writes until the client has gone."""

    async def get(self):
        try:
            while True:
                self.write(b"x" * 100000)
                await self.flush()
                await asyncio.sleep(0)
        except iostream.StreamClosedError:
            seen.append("closed")


class CancelledHandler(web.RequestHandler):
    async def get(self):
        raise asyncio.CancelledError()


class StatusHandler(web.RequestHandler):
    def get(self):
        self.set_status(418)


class HelloHandler(web.RequestHandler):
    def initialize(self, word="hello"):
        self.word = word

    def get(self, *args):
        self.write(self.word)


HANDLERS = [
    ("/output", OutputHandler),
    ("/redirect", RedirectingHandler),
    ("/everything", EverythingHandler),
    ("/later", LaterHandler),
    ("/stream", StreamHandler),
    ("/refuse", RefusingHandler),
    ("/cancelled", CancelledHandler),
    ("/endless", EndlessHandler),
    ("/status", StatusHandler),
    ("/fallback", web.FallbackHandler, {"fallback": web.Application([("/.*", HelloHandler)])}),
]


class Base(testing.AsyncHTTPTestCase):
    def body(self, path, **kwargs):
        response = self.fetch(path, **kwargs)
        response.rethrow()
        return response.body


class HandlersTest(Base):
    """The short way: applications answer exchanges."""

    def get_app(self):
        return web.Application(HANDLERS)

    def test_output_methods_return_futures(self):
        self.assertEqual(self.body("/output"), b"ab")

    def test_redirect_returns_nothing(self):
        self.assertEqual(self.fetch("/redirect", follow_redirects=False).code, 302)

    def test_handlers_await_everything(self):
        self.assertEqual(self.body("/everything"), b"done")
        self.assertEqual(self.body("/everything", method="POST", body=""), b"done")

    def test_finish_later(self):
        self.assertEqual(self.body("/later"), b"later")

    def test_streamed_bodies(self):
        self.assertEqual(self.body("/stream", method="POST", body="abc"), b"abc")
        self.assertEqual(self.body("/stream", method="POST", body=""), b"")
        self.assertEqual(self.fetch("/refuse", method="POST", body="x").code, 401)

    def test_streamed_body_in_pieces(self):
        async def produce(write):
            for chunk in (b"a" * 70000, b"b"):
                await write(chunk)

        body = self.body("/stream", method="POST", body_producer=produce)
        self.assertEqual(body.replace(b"|", b""), b"a" * 70000 + b"b")

    def test_client_leaves_during_upload(self):
        seen.clear()

        async def leave():
            stream = await self.connect()
            await stream.write(b"POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
            await asyncio.sleep(0.02)
            stream.close()
            for _ in range(100):
                if "close" in seen:
                    break
                await asyncio.sleep(0.01)

        self.io_loop.run_sync(leave)
        self.assertEqual([s for s in seen if s != "start"], ["close"])

    def test_writing_to_a_client_that_has_left(self):
        seen.clear()

        async def leave():
            stream = await self.connect()
            await stream.write(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.sleep(0.02)
            stream.close()
            for _ in range(200):
                if "closed" in seen:
                    break
                await asyncio.sleep(0.01)

        self.io_loop.run_sync(leave)
        self.assertIn("closed", seen)

    async def connect(self):
        stream = iostream.IOStream(__import__("socket").socket())
        await stream.connect(("127.0.0.1", self.get_http_port()))
        return stream

    def test_cancelled_error_is_an_error(self):
        with testing.ExpectLog("tornado.application", "Uncaught exception"):
            self.assertEqual(self.fetch("/cancelled").code, 500)

    def test_fallback_to_an_application(self):
        self.assertEqual(self.body("/fallback"), b"hello")

    def test_server_header(self):
        self.assertEqual(self.fetch("/status").headers["Server"], "TornadoServer/6.6.1")


class RouterTest(HandlersTest):
    """The long way: the same handlers behind Tornado's chain of delegates."""

    def get_app(self):
        return RuleRouter([("/.*", web.Application(HANDLERS))])


class SubclassedServerTest(HandlersTest):
    """A server that overrides start_request has to see each request."""

    def get_http_server(self):
        class Server(HTTPServer):
            def start_request(self, server_conn, request_conn):
                seen.append("start")
                return super().start_request(server_conn, request_conn)

        return Server(self._app)

    def test_start_request_is_called(self):
        seen.clear()
        self.assertEqual(self.fetch("/status").code, 418)
        self.assertEqual(seen, ["start"])


class MethodRouter(Router):
    def __init__(self, app):
        self.app = app

    def find_handler(self, request, **kwargs):
        if request.path == "/nothing":
            return None
        kwargs = {"word": request.method}
        return self.app.get_handler_delegate(request, HelloHandler, kwargs, [request.path])


class Delegate(httputil.HTTPMessageDelegate):
    def __init__(self, connection):
        self.connection = connection
        self.chunks = []

    async def data_received(self, chunk):
        await asyncio.sleep(0)
        self.chunks.append(chunk)

    def finish(self):
        body = b"delegate " + b"".join(self.chunks)
        headers = httputil.HTTPHeaders({"Content-Length": str(len(body))})
        start_line = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
        self.connection.write_headers(start_line, headers, body)
        self.connection.finish()


class ConnectionDelegate(httputil.HTTPServerConnectionDelegate):
    def start_request(self, server_conn, request_conn):
        return Delegate(request_conn)


def callback(request, **params):
    body = b"callback " + request.body + repr(params).encode()
    headers = httputil.HTTPHeaders({"Content-Length": str(len(body))})
    start_line = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
    request.connection.write_headers(start_line, headers, body)
    request.connection.finish()


TARGETS = [
    ("/callback", callback),
    ("/callback/(.*)", callback),
    ("/delegate", ConnectionDelegate()),
    Rule(PathMatches("/method.*"), MethodRouter(web.Application())),
    ("/nothing", MethodRouter(web.Application())),
]


class TargetsOfAnApplicationTest(Base):
    def get_app(self):
        return web.Application(TARGETS)

    def test_targets(self):
        self.assertEqual(self.body("/callback", method="POST", body="b"), b"callback b{}")
        shown = self.body("/callback/x")
        self.assertEqual(shown, b"callback {'path_args': [b'x'], 'path_kwargs': {}}")
        self.assertEqual(self.body("/delegate", method="POST", body="abc"), b"delegate abc")
        self.assertEqual(self.body("/method"), b"GET")

    def test_nobody_answers(self):
        self.assertEqual(self.fetch("/nothing").code, 404)
        self.assertEqual(self.fetch("/none").code, 404)


class TargetsOfARouterTest(TargetsOfAnApplicationTest):
    def get_app(self):
        return ReversibleRuleRouter(TARGETS)


class CallbackServerTest(Base):
    def get_app(self):
        return callback

    def test_callback(self):
        self.assertEqual(self.body("/", method="POST", body="x"), b"callback x{}")


class ApplicationCalledTest(Base):
    """An application as a plain callback, as programs of old wrapped it."""

    def get_app(self):
        app = web.Application([("/.*", HelloHandler)])
        return lambda request: app(request)

    def test_hello(self):
        self.assertEqual(self.body("/"), b"hello")


class ListenTest(testing.AsyncTestCase):
    @testing.gen_test
    async def test_listen(self):
        server = web.Application().listen(0, "127.0.0.1", xheaders=True)
        self.assertTrue(server.xheaders)
        server.stop()


# --- WSGI ----------------------------------------------------------------------------------


def wsgi_app(environ, start_response):
    if environ["PATH_INFO"] == "/write":
        write = start_response("201 Made", [("X-A", "1"), ("Content-Type", "text/plain")])
        write(b"first ")
        return [b"second"]
    if environ["PATH_INFO"] == "/304":
        start_response("304 Not Modified", [])
        return []
    if environ["PATH_INFO"] == "/silent":
        return []
    if environ["PATH_INFO"] == "/late":
        return late(start_response)
    start_response("200 OK", [])
    names = ("PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "SERVER_PROTOCOL", "CONTENT_TYPE")
    shown = {name: environ.get(name) for name in names}
    shown["HTTP_X_A"] = environ.get("HTTP_X_A")
    shown["body"] = environ["wsgi.input"].read().decode()
    shown["main"] = threading.current_thread() is threading.main_thread()
    return [repr(shown).encode("latin-1", "backslashreplace")]


def late(start_response):
    start_response("200 OK", [])
    yield b"la"
    yield b"te"


class WSGITest(Base):
    executor = None

    def get_app(self):
        return wsgi.WSGIContainer(wsgi_app, executor=self.executor)

    def test_environ(self):
        response = self.fetch(
            "/a%20b?c=d",
            method="POST",
            body="body",
            headers={"X-A": "1", "X_A": "forged", "Content-Type": "text/x"},
        )
        shown = eval(response.body)
        self.assertEqual(shown.pop("main"), self.executor is None)
        self.assertEqual(
            shown,
            {
                "PATH_INFO": "/a b",
                "QUERY_STRING": "c=d",
                "REQUEST_METHOD": "POST",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "CONTENT_TYPE": "text/x",
                "HTTP_X_A": "1",
                "body": "body",
            },
        )
        self.assertEqual(response.headers["Content-Type"], "text/html; charset=UTF-8")

    def test_responses(self):
        response = self.fetch("/write")
        self.assertEqual((response.code, response.reason), (201, "Made"))
        self.assertEqual((response.body, response.headers["X-A"]), (b"first second", "1"))
        self.assertEqual(self.body("/late"), b"late")
        self.assertEqual(self.fetch("/304").code, 304)

    def test_beside_handlers(self):
        container = wsgi.WSGIContainer(wsgi_app, executor=self.executor)
        self._app.wsgi_application = wsgi_app  # unchanged
        app = web.Application(
            [("/hello", HelloHandler), (".*", web.FallbackHandler, {"fallback": container})]
        )
        self.http_server.request_callback = app
        self.assertIn(b"PATH_INFO", self.body("/other"))


class WSGIExecutorTest(WSGITest):
    executor = concurrent.futures.ThreadPoolExecutor(2)


def test_to_wsgi_str():
    assert wsgi.to_wsgi_str("é".encode()) == "Ã©"


class GeneratorHandler(web.RequestHandler):
    def get(self):
        yield gen.sleep(0)


class ReturningHandler(web.RequestHandler):
    async def get(self):
        return {"ignored": "as Tornado does"}


class MistakesTest(testing.AsyncHTTPTestCase):
    def get_app(self):
        with self.assertLogs("tornado.application", "WARNING") as logs:
            app = web.Application([
                ("/generator", GeneratorHandler),
                ("/returning", ReturningHandler),
                ("/nothing", None),
            ])  # fmt: skip
        assert "PathMatches('/nothing$')" in logs.output[0] and "never answers" in logs.output[0]
        assert len(logs.output) == 1
        return app

    def test_a_generator_is_explained(self):
        said = "GeneratorHandler.get is a generator: .* gen.coroutine"
        with self.assertLogs("tornado.application", "ERROR") as logs:
            assert self.fetch("/generator").code == 500
        self.assertRegex("".join(logs.output), said)

    def test_what_tornado_lets_pass(self):
        assert self.fetch("/returning").code == 200
        assert self.fetch("/nothing").code == 404


def test_the_overlays_application_is_not_served_natively():
    from tornado_trio import serve
    from tornado_trio import web as native

    for run in (
        lambda: trio.run(serve, web.Application(), 0),
        lambda: native.Application([("/", GeneratorHandler)]),
    ):
        with unittest.TestCase().assertRaisesRegex(TypeError, "tornado.web.*needs Tornado's loop"):
            run()
