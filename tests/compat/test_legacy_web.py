"""`@asynchronous`, `flush(callback=)`, WSGI adapters: tornado.web before Tornado 6."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import warnings

import pytest
from compat import OldIdiomWarning

warnings.filterwarnings("ignore", category=OldIdiomWarning)  # of decorators below, at import

from tornado import gen, ioloop, testing, web, wsgi  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::compat.OldIdiomWarning")

errors = []


class CallbackHandler(web.RequestHandler):
    @web.asynchronous
    def get(self):
        ioloop.IOLoop.current().call_later(0.01, self.called)

    def called(self):
        self.write("first ")
        self.flush(callback=self.flushed)

    def flushed(self):
        self.finish("second")


class CoroutineHandler(web.RequestHandler):
    @web.asynchronous
    @gen.coroutine
    def get(self):
        yield gen.sleep(0.001)
        self.write("finished by itself")


class FailingHandler(web.RequestHandler):
    @web.asynchronous
    def get(self):
        how = self.get_argument("how")
        if how == "now":
            raise ValueError(how)
        loop = ioloop.IOLoop.current()
        if how == "callback":
            loop.add_callback(self.fail)
        elif how == "later":
            loop.call_later(0.01, lambda: loop.add_callback(self.fail))
        else:
            return self.failing()

    def fail(self):
        raise ValueError("in a callback")

    @gen.coroutine
    def failing(self):
        yield gen.moment
        raise ValueError("in a coroutine")

    def log_exception(self, typ, value, tb):
        errors.append(str(value))


class AsynchronousTest(testing.AsyncHTTPTestCase):
    def get_app(self):
        return web.Application(
            [("/cb", CallbackHandler), ("/co", CoroutineHandler), ("/fail", FailingHandler)]
        )

    def test_callbacks_finish(self):
        self.assertEqual(self.fetch("/cb").body, b"first second")

    def test_coroutines_finish_by_themselves(self):
        self.assertEqual(self.fetch("/co").body, b"finished by itself")

    def test_errors_in_callbacks_fail_the_request(self):
        for how in ("now", "callback", "later", "coroutine"):
            errors.clear()
            self.assertEqual(self.fetch("/fail?how=" + how).code, 500)
            self.assertEqual(len(errors), 1, how)


class WSGIHandler(web.RequestHandler):
    def get(self, *args):
        self.write({"path": args, "q": self.get_argument("q", None)})

    def post(self, *args):
        self.set_cookie("a", "b")
        self.write(self.get_body_argument("x"))


class WaitingHandler(web.RequestHandler):
    @gen.coroutine
    def get(self):
        yield gen.sleep(1)


class FailedHandler(web.RequestHandler):
    def get(self):
        self.set_header("Content-Length", "42")
        self.finish("ok")


HANDLERS = [("/wait", WaitingHandler), ("/failed", FailedHandler), ("/(.*)", WSGIHandler)]


class WSGIAdapterTest(testing.AsyncHTTPTestCase):
    def get_app(self):
        return wsgi.WSGIContainer(wsgi.WSGIAdapter(web.Application(HANDLERS)))

    def test_requests(self):
        response = self.fetch("/a%20b%2Fc?q=%C3%A9")
        self.assertEqual(response.body, b'{"path": ["a b/c"], "q": "\\u00e9"}')
        response = self.fetch("/x", method="POST", body="x=y")
        self.assertEqual((response.body, response.headers["Set-Cookie"]), (b"y", "a=b; Path=/"))
        self.assertEqual(self.fetch("/x", method="HEAD").code, 405)

    def test_what_waits_is_an_error(self):
        with testing.ExpectLog("tornado.application", "Uncaught exception in WSGI"):
            self.assertEqual(self.fetch("/wait").code, 500)

    def test_wrong_length(self):
        with (
            testing.ExpectLog("tornado.application", "Uncaught exception"),
            testing.ExpectLog("tornado.general", "(Cannot send|Failed to flush)"),
        ):
            self.assertEqual(self.fetch("/failed").code, 500)


class WSGIApplicationTest(WSGIAdapterTest):
    def get_app(self):
        return wsgi.WSGIContainer(wsgi.WSGIApplication(HANDLERS))


def test_old_names_are_told():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wsgi.WSGIAdapter(web.Application())
    assert [w.category for w in caught] == [OldIdiomWarning]
    assert wsgi.from_wsgi_str("Ã©") == "é".encode()
    with pytest.raises(AttributeError):
        _ = wsgi.nothing
