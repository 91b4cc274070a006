"""Names with an underscore that programs take from Tornado's modules mean what they mean there."""

import compat  # noqa: F401  isort: skip

import asyncio
import errno
import fcntl
import importlib
import json
import logging
import os
import re
import sys
import time
import warnings
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import tornado.auth
import tornado.escape
import tornado.gen
import tornado.http1connection
import tornado.httputil
import tornado.ioloop
import tornado.iostream
import tornado.log
import tornado.netutil
import tornado.options
import tornado.process
import tornado.template
import tornado.web
from tornado._impl.refused import REFUSED
from tornado.concurrent import Future
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import AsyncTestCase, bind_unused_port, gen_test

from tests.python import python


def test_errors_of_sockets_by_kind() -> None:
    assert set(tornado.iostream._ERRNO_CONNRESET) == {
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
    assert errno.EAGAIN in tornado.iostream._ERRNO_WOULDBLOCK
    assert tornado.netutil._ERRNO_WOULDBLOCK == tornado.iostream._ERRNO_WOULDBLOCK
    assert tornado.iostream._ERRNO_INPROGRESS == (errno.EINPROGRESS,)
    assert tornado.iostream._WINDOWS is False


def test_types_that_the_converters_let_pass() -> None:
    assert isinstance(b"", tornado.escape._UTF8_TYPES)
    assert isinstance(None, tornado.escape._TO_UNICODE_TYPES)
    assert not isinstance("", tornado.escape._UTF8_TYPES)
    assert tornado.web._unicode(b"caf\xc3\xa9") == "café"
    assert tornado.log._safe_unicode(b"\xff") == repr(b"\xff")


def test_marker_of_a_required_argument() -> None:
    assert isinstance(tornado.web._ARG_DEFAULT, tornado.web._ArgDefaultMarker)
    assert tornado.web._time_independent_equals(b"a", b"a")
    assert not tornado.web._time_independent_equals(b"a", b"b")


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ("; charset=utf-8; x=1", ["charset=utf-8", "x=1"]),
        (';filename="a;b.txt"; y', ['filename="a;b.txt"', "y"]),
        (r';filename="a\";b";z=1', [r'filename="a\";b"', "z=1"]),
        (';filename="open;x=1', ['filename="open;x=1']),
        ("", []),
        ("no semicolon", []),
    ],
)
def test_parseparam(line: str, parameters: list[str]) -> None:
    assert list(tornado.httputil._parseparam(line)) == parameters


def test_int_or_none() -> None:
    assert tornado.httputil._int_or_none(" 12 ") == 12
    assert tornado.httputil._int_or_none("  ") is None


def test_logging_context_of_a_protocol(caplog: pytest.LogCaptureFixture) -> None:
    context = tornado.http1connection._ExceptionLoggingContext(logging.getLogger("x"))
    with pytest.raises(tornado.http1connection._QuietException), context:
        1 / 0  # noqa: B018
    assert [record.message for record in caplog.records] == ["Uncaught exception"]
    with pytest.raises(tornado.httputil.HTTPInputError), context:
        raise tornado.httputil.HTTPInputError("no")
    assert len(caplog.records) == 1
    with context:
        pass


def test_pipe_that_children_do_not_get() -> None:
    ends = tornado.process._pipe_cloexec()
    try:
        assert all(fcntl.fcntl(end, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for end in ends)
    finally:
        for end in ends:
            os.close(end)


def test_oauth_helpers() -> None:
    token = tornado.auth._oauth_parse_response(b"oauth_token=a&oauth_token_secret=b&user=me")
    assert token == {"key": "a", "secret": "b", "user": "me"}
    assert tornado.auth._oauth_escape("a b~") == "a%20b~"
    consumer = {"key": "k", "secret": "s&"}
    signature = tornado.auth._oauth_signature(consumer, "GET", "http://h/p", {"x": "1"})
    # As Tornado 6.6.1 signs it.
    assert signature == b"J6kGkOnXJ5tAJuYcW+f4DzXTRes="


def test_nodes_of_a_template() -> None:
    source = (
        '{% extends "base.html" %}{% block page %}<b>{{ _("Hello") }}</b>'
        '{% for x in y %}{% if x %}{{ x }}{% else %}{% raw static_url("a.js") %}{% end %}{% end %}'
        '{% apply upper %}text{% set a = 1 %}{% end %}{% include "part.html" %}{% end %}'
    )
    loader = tornado.template.DictLoader(
        {"base.html": "{% block page %}{% end %}", "part.html": "", "page.html": source}
    )
    seen = []

    def walk(node: Any, depth: int = 0) -> None:
        if isinstance(node, tornado.template._Expression):
            seen.append((depth, "expression", node.expression, node.raw))
        elif isinstance(node, tornado.template._Text):
            seen.append((depth, "text", node.value))
        elif isinstance(
            node,
            (
                tornado.template._Statement,
                tornado.template._ControlBlock,
                tornado.template._IntermediateControlBlock,
            ),
        ):
            seen.append((depth, type(node).__name__, node.statement))
        elif isinstance(node, tornado.template._ApplyBlock):
            seen.append((depth, "apply", node.method))
        elif isinstance(
            node,
            (
                tornado.template._NamedBlock,
                tornado.template._IncludeBlock,
                tornado.template._ExtendsBlock,
            ),
        ):
            seen.append((depth, type(node).__name__, node.name))
        if hasattr(node, "body"):
            assert isinstance(node.body, tornado.template._ChunkList)
            for child in node.body.chunks:
                walk(child, depth + 1)

    walk(loader.load("page.html").file)
    assert seen == [
        (1, "Extends", "base.html"),
        (1, "Block", "page"),
        (2, "text", "<b>"),
        (2, "expression", '_("Hello")', False),
        (2, "text", "</b>"),
        (2, "Control", "for x in y"),
        (3, "Control", "if x"),
        (4, "expression", "x", False),
        (4, "Branch", "else"),
        (4, "expression", 'static_url("a.js")', True),
        (2, "apply", "upper"),
        (3, "text", "text"),
        (3, "Statement", "a = 1"),
        (2, "Include", "part.html"),
    ]


def test_default_of_a_template_argument() -> None:
    class Own(tornado.template.Template):
        def __init__(self, source: str, autoescape: Any = tornado.template._UNSET) -> None:
            super().__init__(source, autoescape=autoescape)

    assert Own("{{ x }}").generate(x="<") == b"&lt;"
    assert Own("{{ x }}", None).generate(x="<") == b"<"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_names_say_why(name: str) -> None:
    owner, _, attribute = name.rpartition(".")
    if owner.rpartition(".")[2].islower():
        with pytest.raises(AttributeError, match=re.escape(REFUSED[name])):
            getattr(importlib.import_module(owner), attribute)


def test_refused_names_of_classes_say_why() -> None:
    """In the releases that had them; in those of today they are missing upstream, too."""
    names = [name for name in REFUSED if not name.split(".")[2].islower()]
    names = [name for name in names if name.count(".") == 3]
    code = f"""
import compat, importlib
for name in {names!r}:
    owner, _, attribute = name.rpartition(".")
    module, _, cls = owner.rpartition(".")
    found = getattr(importlib.import_module(module), cls)
    for method in dir(found):
        getattr(found, method)
    try:
        getattr(object.__new__(found), attribute)
    except AttributeError as error:
        assert str(error).startswith(name + " is not in this implementation"), error
    else:
        raise AssertionError(name)
"""
    ended = python("-c", code, TORNADO_TRIO_GENERATION="2.4")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not hasattr(tornado.web.RequestHandler, "_when_complete")
    assert len(names) == 5


def test_docs_list_the_refused_names() -> None:
    text = (Path(__file__).parents[2] / "docs/discussion/compat-limits.md").read_text()
    rows = re.findall(r"^\| `(tornado\.[\w.]+)` \| (.*) \|$", text, re.M)
    assert dict(rows) == REFUSED


class Programs(AsyncTestCase):
    @gen_test
    async def test_timeouts_are_of_one_class(self) -> None:
        handle = self.io_loop.call_later(60, lambda: None)
        assert isinstance(handle, tornado.ioloop._Timeout)
        self.io_loop.remove_timeout(handle)

    @gen_test
    async def test_auth_return_future(self) -> None:
        class Mixin:
            @tornado.auth._auth_return_future
            def get_authenticated_user(self, code: str, callback: Any) -> None:
                assert isinstance(callback, Future)
                if code == "bad":
                    raise ValueError(code)
                callback.set_result({"user": code})

        told: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            assert await Mixin().get_authenticated_user("a") == {"user": "a"}
            Mixin().get_authenticated_user("b", callback=told.append)
            with pytest.raises(ValueError, match="bad"):
                await Mixin().get_authenticated_user("bad")
        await tornado.gen.sleep(0)
        assert told == [{"user": "b"}]

    @gen_test
    async def test_make_coroutine_wrapper(self) -> None:
        def work(callback: Any = None) -> Any:
            yield tornado.gen.moment
            raise tornado.gen.Return(callback)

        own = tornado.gen._make_coroutine_wrapper(work, replace_callback=False)
        assert await own(callback="kept") == "kept"
        assert await tornado.gen._make_coroutine_wrapper(work, replace_callback=True)() is None
        future = tornado.gen._create_future()
        future.set_result(1)
        assert await future == 1

    @gen_test
    async def test_processes_waited_for(self) -> None:
        sleeper = tornado.process.Subprocess([sys.executable, "-c", "input()"], stdin=PIPE)
        assert not tornado.process.Subprocess._waiting
        ended = sleeper.wait_for_exit(raise_error=False)
        for waiting in list(tornado.process.Subprocess._waiting.values()):
            waiting.proc.kill()
        assert await ended == -9
        assert not tornado.process.Subprocess._waiting
        sleeper.stdin.close()

    def test_tables_of_headers(self) -> None:
        headers = tornado.httputil.HTTPHeaders({"a-b": "1"})
        headers.add("A-B", "2")
        assert headers._as_list == {"A-B": ["1", "2"]}
        assert headers._dict == {"A-B": "1,2"}
        with pytest.raises(TypeError):
            headers._dict["X"] = "lost"  # no answer that changes nothing

    def test_value_of_a_return(self) -> None:
        assert tornado.gen._value_from_stopiteration(StopIteration(3)) == 3
        assert tornado.gen._value_from_stopiteration(tornado.gen.Return(4)) == 4
        assert tornado.gen._value_from_stopiteration(Exception(5)) == 5
        assert tornado.gen._value_from_stopiteration(Exception()) is None

    def test_options_as_a_register(self) -> None:
        parser = tornado.options.OptionParser()
        parser.define("port", 1)
        assert isinstance(parser._options["port"], tornado.options._Option)
        assert isinstance(parser.mockable(), tornado.options._Mockable)


def test_xsrf_token_of_a_program_by_hand() -> None:
    seen = []

    class Page(tornado.web.RequestHandler):
        def get(self) -> None:
            version, token, timestamp = self._get_raw_xsrf_token()
            assert version is None or version == 0
            seen.append((token, self._decode_xsrf_token(self.xsrf_token.decode())))
            seen.append(self._decode_xsrf_token("2|nonsense"))
            seen.append(self._decode_xsrf_token("cafe")[:2])

    answer = fetch(Page)
    assert answer.code == 200
    (token, (version, again, timestamp)), malformed, old = seen
    assert (version, again) == (2, token)
    assert abs(timestamp - time.time()) < 60
    assert malformed == (None, None, None)
    assert old == (1, b"\xca\xfe")


def test_header_values_by_a_function_of_the_program() -> None:
    class Page(tornado.web.RequestHandler):
        def _convert_header_value(self, value: Any) -> str:
            return "own " + str(value)

        def get(self) -> None:
            self.set_header("X-One", 1.5)
            self.add_header("X-Two", None)
            self.finish("x")

    headers = fetch(Page).headers
    assert (headers["X-One"], headers["X-Two"]) == ("own 1.5", "own None")


def test_arguments_by_source() -> None:
    class Page(tornado.web.RequestHandler):
        def get(self) -> None:
            source = self.request.query_arguments
            self.write(
                {
                    "all": self._get_arguments("a", source),
                    "last": self._get_argument("a", None, source, strip=False),
                    "none": self._get_argument("b", "default", source),
                    "method": self._ui_method(lambda handler, x: [x, handler is self])(1),
                }
            )

    assert json.loads(fetch(Page, "/?a=+1&a=+2").body) == {
        "all": ["1", "2"],
        "last": " 2",
        "none": "default",
        "method": [1, True],
    }
    assert fetch(missing_argument()).code == 400


def missing_argument() -> type[tornado.web.RequestHandler]:
    class Page(tornado.web.RequestHandler):
        def get(self) -> None:
            self._get_argument("b", tornado.web._ARG_DEFAULT, self.request.arguments)

    return Page


def test_ui_of_an_application_that_runs() -> None:
    class Hello(tornado.web.UIModule):
        def render(self) -> str:
            return "hello"

    app = tornado.web.Application()
    app._load_ui_modules([{"Hello": Hello, "other": 1}])
    app._load_ui_methods({"shout": lambda handler, text: text.upper(), "_hidden": print})
    assert app.ui_modules["Hello"] is Hello
    assert "other" not in app.ui_modules
    assert app.ui_methods.keys() == {"shout"}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_errors_of_callbacks_by_a_method_of_the_program() -> None:
    class Page(tornado.web.RequestHandler):
        @tornado.web.asynchronous
        def get(self) -> None:
            tornado.ioloop.IOLoop.current().add_callback(lambda: 1 / 0)

        def _stack_context_handle_exception(self, kind: Any, error: Any, traceback: Any) -> bool:
            self.finish(kind.__name__)
            return True

    assert fetch(Page).body == b"ZeroDivisionError"


def fetch(handler: type[tornado.web.RequestHandler], path: str = "/") -> Any:
    """What a server with one handler answers."""

    async def main() -> Any:
        listener, port = bind_unused_port()
        server = HTTPServer(tornado.web.Application([("/.*", handler)]))
        server.add_socket(listener)
        try:
            client = AsyncHTTPClient(force_instance=True)
            url = f"http://127.0.0.1:{port}{path}"
            return await client.fetch(url, raise_error=False)
        finally:
            client.close()
            server.stop()
            await server.close_all_connections()

    return asyncio.run(main())
