"""Applications: hosts, defaults, nesting, other targets."""

from __future__ import annotations

from typing import Any

import pytest

from tornado_trio.exchange import Exchange, ResponseStartLine
from tornado_trio.web import (
    Application,
    ErrorHandler,
    FallbackHandler,
    GZipContentEncoding,
    HostMatches,
    OutputTransform,
    RequestHandler,
    RuleRouter,
    url,
)
from tornado_trio.wire.headers import HTTPHeaders

from .support import fetch


class Reply(RequestHandler):
    def initialize(self, reply: str = "hello") -> None:
        self.reply = reply

    def get(self, *args: str, **kwargs: str) -> None:
        self.write(self.reply)


def rule(path: str, reply: str) -> Any:
    return (path, Reply, {"reply": reply})


async def body(app: Application, path: str, host: str = "test.local", **headers: str) -> Any:
    response = await fetch(app, path, headers={"Host": host, **headers})
    return response.body if response.code == 200 else response.code


async def test_hosts() -> None:
    app = Application([rule("/foo", "wildcard")])
    app.add_handlers("www.example.com", [rule("/foo", "0")])
    app.add_handlers(r"www\.example\.com", [rule("/bar", "1")])
    app.add_handlers("www.e.*e.com", [rule("/baz", "2")])
    assert await body(app, "/foo") == b"wildcard"
    assert await body(app, "/bar") == 404
    assert await body(app, "/foo", "www.example.com:80") == b"0"
    assert await body(app, "/bar", "WWW.example.com") == b"1"
    assert await body(app, "/baz", "www.exe.com") == b"2"


async def test_default_host() -> None:
    app = Application([], default_host="www.example.com")
    app.add_handlers("www.example.com", [rule("/foo", "0")])
    app.add_handlers("www.test.com", [rule("/baz", "2")])
    assert await body(app, "/foo") == b"0"
    assert await body(app, "/baz") == 404
    assert await body(app, "/foo", **{"X-Real-Ip": "127.0.0.1"}) == 404
    app.default_host = "www.test.com"
    assert await body(app, "/baz") == b"2"


async def test_not_found() -> None:
    assert await body(Application([rule("/foo", "")]), "/") == 404
    custom = Application([], default_handler_class=Reply, default_handler_args={"reply": "my 404"})
    assert await body(custom, "/") == b"my 404"
    gone = {"status_code": 410}
    other = Application(default_handler_class=ErrorHandler, default_handler_args=gone)
    assert await body(other, "/") == 410


async def test_nesting_and_names() -> None:
    app = Application([
        (HostMatches("a.com"), [
            url("/x/(.*)", Reply, {"reply": "a"}, name="inner"),
            (HostMatches("a.com"), [rule("/deep", "deep")]),
        ]),
        url("/x/(?P<name>.*)", Reply, {"reply": "x"}, name="outer"),
        ("/y", "tests.web.test_application.Reply"),
    ])  # fmt: skip
    assert await body(app, "/x/1", "a.com") == b"a"
    assert await body(app, "/deep", "a.com") == b"deep"
    assert await body(app, "/x/1") == b"x"
    assert await body(app, "/y") == b"hello"
    assert app.reverse_url("inner", 1) == "/x/1" and app.reverse_url("outer", "é") == "/x/%C3%A9"
    with pytest.raises(KeyError, match="nothing not found in named urls"):
        app.reverse_url("nothing")


async def bare(exchange: Exchange) -> None:
    headers = HTTPHeaders({"Content-Length": "4"})
    exchange.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, b"bare")
    exchange.finish()


async def test_other_targets() -> None:
    inner = Application([rule("/app/.*", "inner")])
    app = Application([
        ("/bare", bare),
        ("/app/.*", inner),
        ("/router/.*", RuleRouter([("/router/bare", bare)])),
        ("/fallback", FallbackHandler, {"fallback": bare}),
        ("/fallback2/app", FallbackHandler, {"fallback": lambda exchange: bare(exchange)}),
    ])  # fmt: skip
    assert await body(app, "/bare") == b"bare"
    assert await body(app, "/app/x") == b"inner"
    assert await body(app, "/router/bare") == b"bare"
    assert await body(app, "/router/x") == 404
    assert await body(app, "/fallback") == b"bare"
    assert await body(app, "/fallback2/app") == b"bare"


async def test_transforms() -> None:
    class Upper(OutputTransform):
        def transform_first_chunk(
            self, status_code: int, headers: Any, chunk: bytes, finishing: bool
        ) -> Any:
            return status_code, headers, chunk.upper()

    app = Application([rule("/", "abc")], transforms=[Upper])
    assert await body(app, "/") == b"ABC"
    app = Application([rule("/", "abc")])
    app.add_transform(Upper)
    assert await body(app, "/") == b"ABC"
    for name in ("gzip", "compress_response"):
        assert Application(**{name: True}).transforms == [GZipContentEncoding]
    assert Application(gzip=True, transforms=[]).transforms == []


def test_debug_settings() -> None:
    assert Application(debug=True, autoreload=False).settings == {
        "debug": True,
        "autoreload": False,
        "compiled_template_cache": False,
        "static_hash_cache": False,
        "serve_traceback": True,
    }


async def test_an_application_is_a_target_of_a_server() -> None:
    class Empty(Application):
        pass

    assert await body(Empty(), "/") == 404
