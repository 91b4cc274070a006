"""Names of modules, and of what is in them, that programs in use take from Tornado."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import random
import socket
import sys
from typing import Any

import pytest
import tornado.auth
import tornado.escape
import tornado.gen
import tornado.httpserver
import tornado.httputil
import tornado.ioloop
import tornado.iostream
import tornado.locale
import tornado.log
import tornado.netutil
import tornado.options
import tornado.process
import tornado.simple_httpclient
import tornado.tcpclient
import tornado.template
import tornado.testing
import tornado.util
import tornado.web
import tornado.websocket
from tornado.util import errno_from_exception

from .programs import Site, answer, in_loop, old_program


def test_web_escape() -> None:
    from tornado.web import escape

    assert escape.xhtml_escape("<") == "&lt;"
    assert tornado.web.escape.json_encode({"a": 1}) == '{"a": 1}'


def test_web_gen() -> None:
    from tornado.web import gen

    class Page(tornado.web.RequestHandler):
        @tornado.web.gen.coroutine
        def get(self) -> Any:
            yield gen.sleep(0)
            self.write("done")

    assert answer(Page).body == b"done"


@in_loop
async def test_web_httpserver() -> None:
    from tornado.web import HTTPServer

    server = tornado.web.HTTPServer(tornado.web.Application())
    assert isinstance(server, HTTPServer)
    server.listen(0, "127.0.0.1")
    server.stop()


def test_httputil_urlencode() -> None:
    from tornado.httputil import urlencode

    assert urlencode({"grant_type": "code", "x": "a b"}) == "grant_type=code&x=a+b"


def test_iostream_errno_connreset() -> None:
    from tornado.iostream import _ERRNO_CONNRESET

    assert errno_from_exception(ConnectionResetError(104, "reset")) in _ERRNO_CONNRESET
    assert errno_from_exception(BlockingIOError(11, "again")) not in _ERRNO_CONNRESET


@in_loop
async def test_gen_future() -> None:
    from tornado.gen import Future

    future: Any = Future()
    future.set_result(1)
    assert await future == 1


def test_errors_of_the_simple_client() -> None:
    from tornado.httpclient import HTTPError
    from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError

    for kind in (HTTPStreamClosedError, HTTPTimeoutError):
        with pytest.raises(HTTPError) as caught:
            raise kind("gone")
        assert caught.value.code == 599


def test_web_template() -> None:
    page = tornado.web.template.Template("<b>{{ x }}</b>")
    assert page.generate(x="&") == b"<b>&amp;</b>"
    assert tornado.web.template.Loader("/nowhere").root == "/nowhere"


def test_websocket_stream_closed_error() -> None:
    from tornado.iostream import StreamClosedError as Original
    from tornado.websocket import StreamClosedError, WebSocketClosedError

    assert StreamClosedError is Original
    assert not issubclass(WebSocketClosedError, StreamClosedError)


def test_auth_urllib_parse() -> None:
    old_program(
        "import tornado.auth\n"
        "assert tornado.auth.urllib_parse.urlencode({'a': 'b c'}) == 'a=b+c'\n"
        "assert tornado.auth.urlparse.urlsplit('http://h/p').netloc == 'h'"
    )


def test_web_httputil() -> None:
    assert tornado.web.httputil.responses[404] == "Not Found"
    headers = tornado.web.httputil.HTTPHeaders({"a": "b"})
    assert headers["A"] == "b"


def test_web_iostream() -> None:
    with pytest.raises(tornado.web.iostream.StreamClosedError):
        raise tornado.iostream.StreamClosedError


def test_ioloop_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    assert tornado.ioloop.time.sleep is time.sleep


def test_web_unicode() -> None:
    from tornado.web import _unicode

    assert _unicode(b"caf\xc3\xa9") == "café"
    assert _unicode(None) is None


def test_escape_json() -> None:
    assert tornado.escape.json.dumps([1]) == "[1]"


def test_escape_unicode() -> None:
    from tornado.escape import _unicode

    assert _unicode(b"x") == "x"
    with pytest.raises(TypeError):
        _unicode(1)


def test_escape_utf8_types() -> None:
    assert isinstance(b"", tornado.escape._UTF8_TYPES)
    assert not isinstance("", tornado.escape._UTF8_TYPES)


def test_web_arg_default() -> None:
    class Page(tornado.web.RequestHandler):
        def get_argument(  # type: ignore[override]
            self, name: str, default: Any = tornado.web._ARG_DEFAULT, strip: bool = True
        ) -> Any:
            return super().get_argument(name, default, strip)

        def get(self) -> None:
            self.write(self.get_argument("a", "none") + self.get_argument("b"))

    assert answer(Page, "/?b=2").body == b"none2"
    assert answer(Page, "/").code == 400


def test_web_arg_default_marker() -> None:
    from tornado.web import _ARG_DEFAULT, _ArgDefaultMarker

    assert isinstance(_ARG_DEFAULT, _ArgDefaultMarker)
    assert not isinstance(None, _ArgDefaultMarker)


def test_web_time_independent_equals() -> None:
    old_program(
        "from tornado.web import _time_independent_equals as equal\n"
        "assert equal(b'ab', b'ab') and not equal(b'ab', b'ac') and not equal(b'a', b'ab')"
    )


def test_web_o() -> None:
    old_program(
        "from tornado.web import _O\n"
        "settings = _O(debug=True)\n"
        "settings.port = 1\n"
        "assert settings == {'debug': True, 'port': 1} and settings.debug\n"
        "try:\n    settings.other\n"
        "except AttributeError:\n    pass\nelse:\n    raise AssertionError",
        "2.4",
    )


def test_options_log_formatter() -> None:
    old_program(
        "import io, logging\n"
        "from tornado.options import _LogFormatter\n"
        "to = io.StringIO()\n"
        "handler = logging.StreamHandler(to)\n"
        "handler.setFormatter(_LogFormatter(color=False))\n"
        "log = logging.getLogger('own')\n"
        "log.propagate = False\n"
        "log.addHandler(handler)\n"
        "log.warning('hello')\n"
        "line = to.getvalue()\n"
        "assert line.startswith('[W ') and line.endswith('] hello\\n'), line\n"
        "assert _LogFormatter(True)",
        "2.4",
    )


def test_httpserver_bad_request_exception() -> None:
    old_program(
        "import tornado.httpserver\n"
        "try:\n    raise tornado.httpserver._BadRequestException('Malformed')\n"
        "except tornado.httpserver._BadRequestException as error:\n"
        "    assert str(error) == 'Malformed'",
        "2.4",
    )


def test_httputil_parse_header() -> None:
    from tornado.httputil import _parse_header

    line = 'form-data; name="file"; filename="a;b.txt"'
    assert _parse_header(line) == ("form-data", {"name": "file", "filename": "a;b.txt"})


def test_httputil_ranges() -> None:
    from tornado.httputil import _get_content_range, _parse_request_range

    assert _parse_request_range("bytes=1-2") == (1, 3)
    assert _parse_request_range("bytes=-5") == (-5, None)
    assert _parse_request_range("bytes=5-") == (5, None)
    assert _parse_request_range("lines=1-2") is None
    assert _get_content_range(None, 4, 10) == "bytes 0-3/10"
    assert _get_content_range(1, None, 10) == "bytes 1-9/10"


def test_httputil_parseparam() -> None:
    assert list(tornado.httputil._parseparam('; a="x;y"; b=2')) == ['a="x;y"', "b=2"]


@in_loop
async def test_ioloop_timeout() -> None:
    loop = tornado.ioloop.IOLoop.current()

    class Timer:
        handle: tornado.ioloop._Timeout | None = None

    Timer.handle = loop.call_later(60, print)
    loop.remove_timeout(Timer.handle)
    assert isinstance(tornado.ioloop._Timeout, type)


def test_auth_return_future() -> None:
    old_program("""
from tornado.auth import OAuth2Mixin, _auth_return_future
from tornado.ioloop import IOLoop

class Own(OAuth2Mixin):
    @_auth_return_future
    def get_authenticated_user(self, code, callback):
        callback.set_result({"code": code})

async def main():
    return await Own().get_authenticated_user("x")

assert IOLoop.current().run_sync(main) == {"code": "x"}
""")


def test_auth_oauth10a_signature() -> None:
    consumer, token = {"key": "k", "secret": "s"}, {"key": "t", "secret": "u"}
    signature = tornado.auth._oauth10a_signature(consumer, "GET", "http://h/p", {"a": "b"}, token)
    assert signature == b"+OQeTx74DywqAiEHZgo3WhP6L+8="


def test_auth_oauth_parse_response() -> None:
    token = tornado.auth._oauth_parse_response(b"oauth_token=a&oauth_token_secret=b&x=1")
    assert token == {"key": "a", "secret": "b", "x": "1"}


def test_util_websocket_mask() -> None:
    from tornado.util import _websocket_mask

    assert _websocket_mask(b"\x01\x02\x03\x04", b"abcde") == b"````d"


def test_process_reseed_random() -> None:
    state = random.getstate()
    random.seed(1)
    before = random.getstate()
    tornado.process._reseed_random()
    assert random.getstate() != before
    random.setstate(state)


def test_process_pipe_cloexec() -> None:
    old_program(
        "import os\nfrom tornado.process import _pipe_cloexec\n"
        "reader, writer = _pipe_cloexec()\n"
        "os.write(writer, b'x')\n"
        "assert os.read(reader, 2) == b'x' and not os.get_inheritable(reader)"
    )


@in_loop
async def test_process_subprocess_waiting() -> None:
    cls = tornado.process.Subprocess
    child = cls([sys.executable, "-c", "input()"], stdin=cls.STREAM)
    ended = child.wait_for_exit(raise_error=False)
    assert [waiting.pid for waiting in cls._waiting.values()] == [child.pid]
    for waiting in list(cls._waiting.values()):
        waiting.proc.kill()
    assert await ended == -9 and not cls._waiting
    child.stdin.close()
    cls.uninitialize()


def test_netutil_defaults() -> None:
    from tornado.netutil import _DEFAULT_BACKLOG, _client_ssl_defaults

    assert _DEFAULT_BACKLOG == 128
    assert _client_ssl_defaults().check_hostname
    old_program(
        "from tornado.netutil import _client_ssl_defaults as context\nassert context.check_hostname"
    )


def test_template_nodes() -> None:
    from tornado.template import Template, _ApplyBlock, _ChunkList, _Expression, _File, _Text

    page = Template("{% apply squeeze %}<b>{{ _('Hi') }}</b>{% end %}tail")
    assert isinstance(page.file, _File) and isinstance(page.file.body, _ChunkList)
    block, tail = page.file.body.chunks
    assert isinstance(block, _ApplyBlock) and block.method == "squeeze"
    assert isinstance(tail, _Text) and tail.value == "tail"
    (found,) = [node for node in block.body.chunks if isinstance(node, _Expression)]
    assert found.expression == "_('Hi')"


def test_template_unset() -> None:
    class Own(tornado.template.Template):
        def __init__(self, source: str, autoescape: Any = tornado.template._UNSET) -> None:
            super().__init__(source, autoescape=autoescape)

    assert Own("{{ x }}").generate(x="<") == b"&lt;"
    assert Own("{{ x }}", None).generate(x="<") == b"<"


def test_loader_create_template() -> None:
    class Own(tornado.template.BaseLoader):
        def resolve_path(self, name: str, parent_path: str | None = None) -> str:
            return name

        def _create_template(self, name: str) -> tornado.template.Template:
            return tornado.template.Template(f"page {name} {{{{ x }}}}", name=name, loader=self)

    assert Own().load("a").generate(x=1) == b"page a 1"


def test_options_of_a_parser() -> None:
    parser = tornado.options.OptionParser()
    parser.define("port", 1)
    assert parser._options["port"].value() == 1
    del parser._options["port"]
    with pytest.raises(AttributeError):
        parser.port  # noqa: B018 - asking is the point
    parser._options.clear()
    assert not parser._options


def test_options_logging_assigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tornado.options, "logging", "none", raising=False)
    assert tornado.options.parse_command_line(["prog"]) == []


def test_locale_tables() -> None:
    assert tornado.locale._translations == {}
    assert tornado.locale._supported_locales == {"en_US"}


def test_locale_supported_locales_replaced() -> None:
    from unittest.mock import patch

    with patch("tornado.locale._supported_locales", frozenset(["en_US", "fr", "pt_BR"])):
        assert tornado.locale.get_supported_locales() == {"en_US", "fr", "pt_BR"}
        assert tornado.locale.get("pt-br").code == "pt_BR"
        assert tornado.locale.get("fr_CA").code == "fr"
        assert tornado.locale.get("de").code == "en_US"
    assert tornado.locale.get_supported_locales() == {"en_US"}
    assert tornado.locale.get("fr").code == "en_US"


def test_locale_translations_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tornado.locale, "_translations", {"fr": {"unknown": {"May": "mai"}}})
    monkeypatch.setattr(tornado.locale, "_supported_locales", frozenset(["fr"]))
    monkeypatch.setattr(tornado.locale, "_default_locale", "fr")
    monkeypatch.setattr(tornado.locale.Locale, "_cache", {})
    assert tornado.locale.get("xx").translate("May") == "mai"


def test_log_stderr_supports_color() -> None:
    from tornado.log import _stderr_supports_color

    assert _stderr_supports_color() is False  # pytest has stderr


def test_async_test_case_state() -> None:
    class Own(tornado.testing.AsyncTestCase):
        def runTest(self) -> None:
            assert self._AsyncTestCase__stopped is False  # type: ignore[attr-defined]
            self.io_loop.add_callback(self.stop, 3)
            assert self.wait() == 3
            assert self._AsyncTestCase__failure is None  # type: ignore[attr-defined]
            assert self._AsyncTestCase__stopped is False  # type: ignore[attr-defined]
            self._AsyncTestCase__stopped = True
            self._AsyncTestCase__stop_args = 5
            assert self.wait() == 5

    result = Own().run()
    assert result is not None and result.wasSuccessful(), result.errors


@in_loop
async def test_queue_and_lock_inside() -> None:
    from tornado.locks import Lock
    from tornado.queues import Queue

    class Last(Queue):
        def _init(self) -> None:
            self._queue: list[Any] = []

        def _put(self, item: Any) -> None:
            self._queue.append(item)

        def _get(self) -> Any:
            return self._queue.pop()

    queue: Any = Last()
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert list(queue._queue) == [1, 2]
    assert queue.get_nowait() == 2
    queue.get_nowait()
    waiting = queue.get()
    assert len(queue._getters) == 1 and not queue._putters
    queue.put_nowait(3)
    assert await waiting == 3
    lock = Lock()
    await lock.acquire()
    second = lock.acquire()
    assert len(lock._block._waiters) == 1
    lock.release()
    await second


@in_loop
async def test_tcpclient_connector() -> None:
    from tornado.tcpclient import _Connector

    both = [(socket.AF_INET6, ("::1", 1)), (socket.AF_INET, ("127.0.0.1", 1))]
    first, second = _Connector.split(both)
    assert first == [both[0]] and second == [both[1]]
    for addresses in ([both[1]], both):

        def refused(family: int, address: Any) -> Any:
            future: Any = tornado.gen.Future()
            future.set_exception(ConnectionRefusedError())
            stream = tornado.iostream.IOStream(socket.socket())
            return stream, future

        with pytest.raises(ConnectionRefusedError):
            await _Connector(addresses, refused).start()


@in_loop
async def test_gen_runner_patched() -> None:
    """What stands in the place of the class runs the generators of coroutines."""
    made = []
    original = tornado.gen.Runner

    class Counted(original):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(1)
            super().__init__(*args, **kwargs)

    @tornado.gen.coroutine
    def work() -> Any:
        yield tornado.gen.moment
        return 1

    tornado.gen.Runner = Counted  # type: ignore[misc]
    try:
        assert await work() == 1
    finally:
        tornado.gen.Runner = original  # type: ignore[misc]
    assert made == [1]


def test_gen_make_coroutine_wrapper() -> None:
    old_program("""
from tornado import gen
from tornado.ioloop import IOLoop

def traced(function):
    return gen._make_coroutine_wrapper(function, replace_callback=True)

@traced
def work():
    yield gen.moment
    raise gen.Return(2)

assert IOLoop.current().run_sync(work) == 2
""")


def test_stack_context_state() -> None:
    old_program("""
from tornado import stack_context
from tornado.ioloop import IOLoop

loop = IOLoop.current()
seen = []
saved = stack_context._state.contexts
with stack_context.ExceptionStackContext(lambda *error: seen.append(error[0]) or True):
    inner = stack_context._state.contexts
    assert inner is not saved and inner != saved
    loop.add_callback(lambda: 1 / 0)
assert stack_context._state.contexts == saved
loop.add_callback(loop.stop)
loop.start()
assert seen == [ZeroDivisionError], seen
""")


@in_loop
async def test_httpserver_sockets() -> None:
    server = tornado.httpserver.HTTPServer(tornado.web.Application())
    server.listen(0, "127.0.0.1")
    try:
        assert next(iter(server._sockets.values())).getsockname()[1] > 0
    finally:
        server.stop()


@in_loop
async def test_router_inside() -> None:
    """Routes are listed, and taken out, while the application serves."""

    class Page(tornado.web.RequestHandler):
        def get(self) -> None:
            self.write("page")

    app = tornado.web.Application([("/a", Page), ("/b", Page)])
    async with Site(app) as site:
        assert [rule.matcher.regex.pattern for rule in app.wildcard_router.rules] == ["/a$", "/b$"]
        assert len(app.default_router.rules) == 1
        assert (await site.fetch("/a")).code == 200
        app.wildcard_router.rules[:] = [
            rule for rule in app.wildcard_router.rules if rule.matcher.regex.pattern != "/a$"
        ]
        assert (await site.fetch("/a")).code == 404
        assert (await site.fetch("/b")).code == 200


@in_loop
async def test_own_routers_of_web() -> None:
    from tornado.web import _ApplicationRouter, _HandlerDelegate, _UIModuleNamespace

    class Page(tornado.web.RequestHandler):
        def get(self) -> None:
            names = _UIModuleNamespace(self, self.application.ui_modules)
            self.write(names["linkify"]("see http://a.b/"))

    class Own(tornado.web.Application):
        def find_handler(self, request: Any, **kwargs: Any) -> Any:
            return _HandlerDelegate(self, request, Page, None, None, None)

    async with Site(Own()) as site:
        response = await site.fetch("/any")
        assert (response.code, response.body) == (200, b'see <a href="http://a.b/">http://a.b/</a>')
    router = _ApplicationRouter(tornado.web.Application(), [("/x", Page)])
    assert len(router.rules) == 1


def test_quiet_exception(caplog: pytest.LogCaptureFixture) -> None:
    """The loop of a protocol of one's own: what its delegate raises is logged, and ends it."""
    from tornado.http1connection import _ExceptionLoggingContext, _QuietException

    with pytest.raises(_QuietException), _ExceptionLoggingContext(tornado.log.app_log):
        raise ValueError("bad")
    assert [record.getMessage() for record in caplog.records] == ["Uncaught exception"]
    assert not str(_QuietException())


@in_loop
async def test_gzip_message_delegate() -> None:
    """A client of one's own has its answers inflated."""
    import gzip

    from tornado.http1connection import _GzipMessageDelegate

    got: list[Any] = []

    class Collects(tornado.httputil.HTTPMessageDelegate):
        def headers_received(self, start_line: Any, headers: Any) -> None:
            got.append((headers.get("Content-Encoding"), headers["X-Consumed-Content-Encoding"]))

        async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
            got.append(chunk)

        def finish(self) -> None:
            got.append("finish")

    delegate = _GzipMessageDelegate(Collects(), 4, 100)
    line = tornado.httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
    headers = tornado.httputil.HTTPHeaders({"Content-Encoding": "gzip"})
    delegate.headers_received(line, headers)
    result = delegate.data_received(gzip.compress(b"abcdefgh"))
    if result is not None:
        await result
    delegate.finish()
    assert got == [(None, "gzip"), b"abcd", b"efgh", "finish"]
