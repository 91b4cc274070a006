"""Callback programs from notes about Tornado 3 and 4, unchanged."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
from tornado import gen, testing, web
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop
from tornado.netutil import OverrideResolver, Resolver
from tornado.stack_context import NullContext

pytestmark = pytest.mark.filterwarnings("ignore:.*gone since Tornado 6")

# As found, but for the indentation. example.com is this test's server.
HANDLERS = '''
    from tornado import gen
    from tornado.httpclient import AsyncHTTPClient
    from tornado.web import RequestHandler, asynchronous

    class AsyncHandler(RequestHandler):
        @asynchronous
        def get(self):
            http_client = AsyncHTTPClient()
            http_client.fetch("http://example.com",
                              callback=self.on_fetch)

        def on_fetch(self, response):
            do_something_with_response(response)
            self.render("template.html")

    class GenAsyncHandler(RequestHandler):
        @gen.coroutine
        def get(self):
            http_client = AsyncHTTPClient()
            response = yield http_client.fetch("http://example.com")
            do_something_with_response(response)
            self.render("template.html")

    class EngineHandler(RequestHandler):
        @asynchronous
        @gen.engine
        def get(self):
            http_client = AsyncHTTPClient()
            response = yield gen.Task(http_client.fetch, "http://example.com")
            do_something_with_response(response)
            self.render("template.html")
'''

FUNCTIONS = '''
    from tornado import gen
    from tornado.concurrent import Future
    from tornado.httpclient import AsyncHTTPClient

    def asynchronous_fetch(url, callback):
        http_client = AsyncHTTPClient()
        def handle_response(response):
            callback(response.body)
        http_client.fetch(url, callback=handle_response)

    def async_fetch_future(url):
        http_client = AsyncHTTPClient()
        my_future = Future()
        fetch_future = http_client.fetch(url)
        fetch_future.add_done_callback(
            lambda f: my_future.set_result(f.result()))
        return my_future

    @gen.coroutine
    def call_task():
        # Note that there are no parens on some_function.
        # This will be translated by Task into
        #   some_function(other_args, callback=callback)
        results.append((yield gen.Task(some_function, other_args)))

    @gen.coroutine
    def call_blocking():
        results.append((yield thread_pool.submit(blocking_func, args)))

    def handle_request(response):
        if response.error:
            results.append("Error: %s" % response.error)
        else:
            results.append(response.body)
'''


def load(program: str, **names: object) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "program", **names}
    exec(compile(textwrap.dedent(program), "program.py", "exec"), namespace)
    return namespace


class Home(web.RequestHandler):
    def get(self) -> None:
        self.write("home")


class FlushHandler(web.RequestHandler):
    @web.asynchronous
    def get(self) -> None:
        self.write("one ")
        self.flush(callback=self.go_on)

    def go_on(self) -> None:
        self.write("two")
        self.flush(False, self.finish)


class ProgramsTest(testing.AsyncHTTPTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.resolver = OverrideResolver(
            Resolver(), {("example.com", 80): ("127.0.0.1", self.get_http_port())}
        )
        AsyncHTTPClient.configure(None, resolver=self.resolver)

    def tearDown(self) -> None:
        AsyncHTTPClient.configure(None)
        super().tearDown()

    def get_http_client(self) -> AsyncHTTPClient:
        # The program's own client, made in a request, has to get the resolver.
        return AsyncHTTPClient(force_instance=True)

    def get_app(self) -> web.Application:
        self.seen: list[object] = []
        program = load(HANDLERS, do_something_with_response=self.seen.append)
        handlers = [
            (f"/{name}", program[name])
            for name in ("AsyncHandler", "GenAsyncHandler", "EngineHandler")
        ]
        from tornado.template import DictLoader

        loader = DictLoader({"template.html": "rendered"})
        return web.Application(
            [("/", Home), ("/flush", FlushHandler), *handlers], template_loader=loader
        )

    def test_handlers(self) -> None:
        for name in ("AsyncHandler", "GenAsyncHandler", "EngineHandler"):
            with self.subTest(name):
                self.seen.clear()
                self.assertEqual(self.fetch("/" + name).body, b"rendered")
                self.assertEqual([response.body for response in self.seen], [b"home"])

    def test_flush(self) -> None:
        self.assertEqual(self.fetch("/flush").body, b"one two")

    @testing.gen_test
    def test_functions(self) -> None:
        results: list[object] = []
        with ThreadPoolExecutor(1) as pool:
            program = load(
                FUNCTIONS,
                results=results,
                some_function=lambda args, callback: callback(args * 2),
                other_args=21,
                thread_pool=pool,
                blocking_func=len,
                args="four",
            )
            url = "http://example.com/"
            body = yield gen.Task(program["asynchronous_fetch"], url)
            self.assertEqual(body, b"home")
            response = yield program["async_fetch_future"](url)
            self.assertEqual(response.body, b"home")
            yield program["call_task"]()
            yield program["call_blocking"]()
        self.assertEqual(results, [42, 4])
        AsyncHTTPClient().fetch(url, program["handle_request"])
        AsyncHTTPClient().fetch(url + "missing", program["handle_request"])
        while len(results) < 4:
            yield gen.sleep(0.005)
        self.assertEqual(set(results[2:]), {b"home", "Error: HTTP 404: Not Found"})


class Broken(web.RequestHandler):
    @web.asynchronous
    def get(self) -> None:
        AsyncHTTPClient().fetch(self.settings["home"], callback=self.on_fetch)

    def on_fetch(self, response: object) -> None:
        raise ValueError("in a callback of this request")

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.finish(str(kwargs["exc_info"][1]))  # type: ignore[index]


class OwnershipTest(testing.AsyncHTTPTestCase):
    def get_app(self) -> web.Application:
        return web.Application([("/", Home), ("/broken", Broken)])

    def test_an_error_in_on_fetch_is_the_requests(self) -> None:
        self._app.settings["home"] = self.get_url("/")
        with testing.ExpectLog("tornado.application", "Uncaught exception GET /broken"):
            response = self.fetch("/broken")
        self.assertEqual((response.code, response.body), (500, b"in a callback of this request"))


class Tornado2Handler(web.RequestHandler):
    @web.asynchronous
    def get(self) -> None:
        self.io_loop_callback(self.async_callback(self.called, "with an argument"))

    def io_loop_callback(self, callback: object) -> None:
        with NullContext():  # nothing but async_callback ties it to the request
            IOLoop.instance().add_callback(callback, "result")

    def called(self, argument: str, result: str) -> None:
        raise ValueError(f"{argument}, {result}")

    def get_error_html(self, status_code: int, **kwargs: object) -> str:
        return f"{status_code} {kwargs['exception']}"


class Tornado2Test(testing.AsyncHTTPTestCase):
    def get_app(self) -> web.Application:
        return web.Application([("/", Tornado2Handler)])

    def test_async_callback_and_get_error_html(self) -> None:
        with testing.ExpectLog("tornado.application", "Uncaught exception"):
            response = self.fetch("/")
        self.assertEqual(response.body, b"500 with an argument, result")

    def test_names_that_moved(self) -> None:
        import tornado.netutil
        import tornado.options
        from tornado.log import enable_pretty_logging
        from tornado.tcpserver import TCPServer

        assert tornado.netutil.TCPServer is TCPServer
        assert tornado.options.enable_pretty_logging is enable_pretty_logging
        assert callable(tornado.netutil.set_close_exec)
        assert self.io_loop.running() is False
        for module in (tornado.netutil, tornado.options):
            with pytest.raises(AttributeError):
                _ = module.no_such_name
