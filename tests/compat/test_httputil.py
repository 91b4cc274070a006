"""Tornado's httputil: what it adds to the native formats."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import ssl
import sys
import unittest
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from tornado import httputil
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    RequestStartLine,
    parse_body_arguments,
    parse_multipart_form_data,
    parse_request_start_line,
    parse_response_start_line,
    set_parse_body_config,
)

import tornado_trio.errors

LINE = RequestStartLine("GET", "/a?b=1", "HTTP/1.1")


def test_names_are_the_native_ones() -> None:
    assert httputil.HTTPInputError is tornado_trio.errors.HTTPInputError
    assert issubclass(HTTPInputError, Exception)
    error = HTTPInputError("a", "b")
    assert error.args == ("a", "b") and error.status == 400
    assert HTTPInputError().args == ()
    assert httputil.responses[404] == "Not Found"
    assert httputil.HTTPFile(filename="x").filename == "x"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET /",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET /\x01 HTTP/1.1",
        "G T / HTTP/1.1",
        "G\xe9T / HTTP/1.1",
        "GET / http/1.1",
    ],
)
def test_bad_request_lines(line: str) -> None:
    with pytest.raises(HTTPInputError):
        parse_request_start_line(line)


@pytest.mark.parametrize(
    "line",
    ["", "x", "HTTP/1.1 200", "HTTP/1.1 20 OK", "HTTP/2.0 200 OK", "HTTP/1.1 200 O\x01K"],
)
def test_bad_status_lines(line: str) -> None:
    with pytest.raises(HTTPInputError):
        parse_response_start_line(line)


def test_start_lines() -> None:
    assert parse_request_start_line("GET /\xe9 HTTP/1.0") == ("GET", "/\xe9", "HTTP/1.0")
    assert parse_response_start_line("HTTP/1.1 200 OK") == ("HTTP/1.1", 200, "OK")
    assert parse_response_start_line("HTTP/1.1 200 ").reason is None


# --- the request -----------------------------------------------------------------------------


def test_start_line_constructor() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        request = HTTPServerRequest(start_line=LINE, headers=HTTPHeaders(host="h"))
    assert (request.method, request.path, request.host) == ("GET", "/a", "h")
    assert request.body == b"" and request.arguments == {"b": [b"1"]}
    assert repr(request).startswith("HTTPServerRequest(protocol='http', host='h'")


def test_old_constructor() -> None:
    with pytest.warns(DeprecationWarning):
        request = HTTPServerRequest("POST", "/x?y=z", body=b"b", host="h", files={"f": []})
    assert (request.method, request.uri, request.version) == ("POST", "/x?y=z", "HTTP/1.0")
    assert request.headers["Host"] == request.host == "h"
    assert request.files == {"f": []} and request.body == b"b"
    assert not request.supports_http_1_1()
    with pytest.warns(DeprecationWarning):
        assert HTTPServerRequest().uri == "/"


def test_peer() -> None:
    headers = HTTPHeaders(host="h")

    def peer(connection: Any) -> tuple[str | None, str]:
        request = HTTPServerRequest(start_line=LINE, headers=headers, connection=connection)
        return request.remote_ip, request.protocol

    context = SimpleNamespace(remote_ip="1.2.3.4", protocol="https")
    assert peer(SimpleNamespace(context=context)) == ("1.2.3.4", "https")
    assert peer(SimpleNamespace(context=None, remote_ip="::1", protocol="https")) == (
        "::1",
        "https",
    )
    assert peer(object()) == (None, "http")
    assert peer(None) == (None, "http")


def test_certificate() -> None:
    def certificate(getpeercert: Any) -> Any:
        connection = SimpleNamespace(
            stream=SimpleNamespace(socket=getpeercert and SimpleNamespace(getpeercert=getpeercert))
        )
        request = HTTPServerRequest(
            start_line=LINE, headers=HTTPHeaders(host="h"), connection=connection
        )
        return request.get_ssl_certificate(True)

    def fails(binary_form: bool) -> Any:
        raise ssl.SSLError("no")

    assert certificate(lambda binary_form: b"x" if binary_form else {}) == b"x"
    assert certificate(fails) is None
    assert certificate(None) is None
    request = HTTPServerRequest(start_line=LINE, headers=HTTPHeaders(host="h"))
    assert request.get_ssl_certificate() is None


class Connection:
    def __init__(self) -> None:
        self.log: list[Any] = []

    def write(self, chunk: bytes) -> None:
        self.log.append(chunk)

    def finish(self) -> None:
        self.log.append("finish")


def old_request() -> tuple[HTTPServerRequest, Connection]:
    connection = Connection()
    request = HTTPServerRequest(
        start_line=LINE, headers=HTTPHeaders(host="h"), connection=connection
    )
    return request, connection


def test_write_and_finish() -> None:
    """The 4.x way: the response goes through the request, its head as bytes."""
    request, connection = old_request()
    request.write(b"HTTP/1.1 200 OK\r\n\r\n")
    request.finish()
    assert connection.log == [b"HTTP/1.1 200 OK\r\n\r\n", "finish"]
    assert request._finish_time is not None and request.supports_http_1_1()
    with pytest.raises(TypeError):
        request.write("text")  # type: ignore[arg-type]


def test_write_callback() -> None:
    called = []

    async def main() -> None:
        request, _ = old_request()
        request.write(b"HTTP/1.1 200 OK\r\n\r\n", callback=lambda: called.append(1))
        request.write(b"body", callback=lambda: called.append(2))
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert called == [1, 2]


# --- forms -----------------------------------------------------------------------------------


def test_forms_in_a_module_that_was_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a test that has imported it under `mock.patch.dict(sys.modules)`."""
    monkeypatch.delitem(sys.modules, "tornado.httputil")
    arguments: dict[str, list[bytes]] = {}
    parse_body_arguments("application/x-www-form-urlencoded", b"a=1", arguments, {})
    parse_multipart_form_data(
        b"x",
        b'--x\r\nContent-Disposition: form-data; name="b"\r\n\r\n2\r\n--x--',
        arguments,
        {},
    )
    assert arguments == {"a": [b"1"], "b": [b"2"]}
    monkeypatch.delitem(vars(httputil), "HTTPFile", raising=False)
    assert httputil.HTTPFile.__module__ == "tornado.httputil"


def test_process_wide_config() -> None:
    saved = httputil._DEFAULT_PARSE_BODY_CONFIG
    set_parse_body_config(
        ParseBodyConfig(
            multipart=ParseMultipartConfig(enabled=False),
            urlencoded=ParseUrlEncodedConfig(max_arguments=1),
        )
    )
    try:
        with pytest.raises(HTTPInputError):
            parse_body_arguments("application/x-www-form-urlencoded", b"a=1&b=2", {}, {})
        with pytest.raises(HTTPInputError, match="disabled"):
            parse_multipart_form_data(b"x", b"--x--", {}, {})
        with pytest.raises(HTTPInputError):
            HTTPServerRequest(start_line=LINE._replace(path="/?a&b"), headers=HTTPHeaders(host="h"))
    finally:
        set_parse_body_config(saved)
    parse_multipart_form_data(b"x", b"--x--", {}, {})


def test_interfaces() -> None:
    delegate = HTTPMessageDelegate()
    assert delegate.headers_received(LINE, HTTPHeaders()) is None
    assert delegate.data_received(b"") is None
    delegate.finish()
    delegate.on_connection_close()
    server = HTTPServerConnectionDelegate()
    server.on_close(object())
    connection = HTTPConnection()
    for call in (
        lambda: server.start_request(object(), connection),
        lambda: connection.write_headers(LINE, HTTPHeaders()),
        lambda: connection.write(b""),
        connection.finish,
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_doctests() -> None:
    result = unittest.TestResult()
    httputil.doctests().run(result)
    assert result.testsRun > 5 and result.wasSuccessful()
