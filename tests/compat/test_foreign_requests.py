"""Handlers whose request is not ours: doubles, subclasses, requests that a test has changed.

A handler asks of a request what Tornado's asks, and nothing else.
"""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, MissingArgumentError, RequestHandler, StaticFileHandler

from tornado_trio.exchange import READY

from .test_httpserver import in_loop

APP = Application([], cookie_secret="s")


def request(cls: type[HTTPServerRequest] = HTTPServerRequest, uri: str = "/") -> Any:
    fields = HTTPHeaders({"Host": "x", "Cookie": "a=1; b=2"})
    line = RequestStartLine("GET", uri, "HTTP/1.1")
    return cls(start_line=line, headers=fields, connection=MagicMock())


def cookie(of: Any, name: str = "a") -> str | None:
    return RequestHandler(APP, of).get_cookie(name, "none")


def test_cookies_that_were_changed() -> None:
    changed = request()
    handler = RequestHandler(APP, changed)
    assert handler.get_cookie("a") == "1"  # before anything was changed, without a jar
    changed.cookies["a"] = "9"
    assert handler.get_cookie("a") == "9"
    handler.cookies["a"] = "7"
    assert handler.get_cookie("a") == "7"
    changed.cookies.load("c=3")
    assert handler.get_cookie("c") == "3"
    del changed.cookies["a"]
    assert handler.get_cookie("a", "gone") == "gone"


def test_cookies_set_by_hand() -> None:
    by_hand = request()
    assert not hasattr(by_hand, "_cookies")
    by_hand._cookies = SimpleCookie("z=26")
    assert (cookie(by_hand, "z"), cookie(by_hand)) == ("26", "none")
    assert by_hand.cookies is by_hand._cookies
    del by_hand._cookies
    assert cookie(by_hand) == "1"
    assert by_hand.cookies["a"].value == "1" and hasattr(by_hand, "_cookies")


def test_cookies_of_a_subclass() -> None:
    class Signed(HTTPServerRequest):
        @property
        def cookies(self) -> SimpleCookie:  # type: ignore[override]
            return SimpleCookie("user=prop")

    class Plain(HTTPServerRequest):
        pass

    assert cookie(request(Signed), "user") == "prop"
    assert cookie(request(Signed)) == "none"
    assert cookie(request(Plain)) == "1"


@pytest.mark.parametrize(
    ("double", "value"),
    [
        (MagicMock(), "none"),
        (MagicMock(cookies={}), "none"),
        (MagicMock(cookies=None), "none"),
        (MagicMock(cookies=SimpleCookie("a=me")), "me"),
        (MagicMock(spec=HTTPServerRequest, cookies=SimpleCookie("a=me"), connection=None), "me"),
        (SimpleNamespace(cookies=SimpleCookie("a=me"), connection=None), "me"),
    ],
)
def test_cookies_of_doubles(double: Any, value: str) -> None:
    assert cookie(double) == value


def test_signed_cookies_of_doubles() -> None:
    assert RequestHandler(APP, MagicMock()).get_secure_cookie("a") is None


def test_arguments_of_doubles() -> None:
    handler = RequestHandler(APP, MagicMock(body='""'))
    assert handler.get_argument("x", "default") == "default"
    assert handler.get_arguments("x") == []
    with pytest.raises(MissingArgumentError):
        handler.get_argument("x")
    double = SimpleNamespace(arguments={"x": [b"1", "2"]}, connection=None)
    double.body_arguments = double.query_arguments = double.arguments
    handler = RequestHandler(APP, double)  # type: ignore[arg-type]
    for get in (handler.get_argument, handler.get_body_argument, handler.get_query_argument):
        assert get("x") == "2"
    assert handler.get_arguments("x") == ["1", "2"]


def test_arguments_of_a_subclass() -> None:
    class Decrypted(HTTPServerRequest):
        @property
        def arguments(self) -> dict[str, list[bytes]]:  # type: ignore[override]
            return {"x": [b"plain"]}

    assert RequestHandler(APP, request(Decrypted, "/?x=secret")).get_argument("x") == "plain"


def run(handler: RequestHandler, *args: str) -> None:
    """`_execute`, of a handler that waits for nothing."""
    with pytest.raises(StopIteration):
        handler._execute([], *args).send(None)


def test_a_double_is_answered() -> None:
    class Hello(RequestHandler):
        def get(self) -> None:
            self.write(f"hello {self.get_argument('name')}")

    connection = MagicMock()
    double = SimpleNamespace(
        method="GET",
        uri="/",
        path="/",
        remote_ip="-",
        headers=HTTPHeaders(),
        arguments={"name": [b"you"]},
        connection=connection,
        request_time=lambda: 0.0,
    )
    run(Hello(APP, double))  # type: ignore[arg-type]
    start_line, _, chunk = connection.write_headers.call_args[0]
    assert (start_line.code, chunk) == (200, b"hello you")
    connection.finish.assert_called_once()


class Collecting(HTTPConnection):
    """A connection of a program's own make."""

    def __init__(self) -> None:
        self.sent = b""

    def write_headers(self, start_line: Any, headers: Any, chunk: Any = None) -> Any:
        return self.write(chunk or b"")

    def write(self, chunk: bytes) -> Any:
        self.sent += chunk
        return READY

    def finish(self) -> None: ...


@in_loop
async def test_a_large_file_to_a_connection_of_another_make(tmp_path: Any) -> None:
    (tmp_path / "big").write_bytes(b"x" * 200_000)
    asked = request(uri="/big")
    asked.connection = Collecting()
    await StaticFileHandler(APP, asked, path=str(tmp_path))._execute([], "big")
    assert len(asked.connection.sent) == 200_000
