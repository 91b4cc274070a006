"""`tornado.httputil`: headers, requests and the delegate interfaces of HTTP.

The formats are the native library's; here are Tornado's names for them, its request class,
and the interfaces that its servers and clients share.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from tornado._impl.generation import before
from tornado._impl.legacy import httputil as legacy_httputil
from tornado._impl.legacy.httputil import LegacyRequestMethods
from tornado._impl.names import handing_on, listing, shown_in
from tornado.escape import native_str as native_str
from tornado.escape import parse_qs_bytes as parse_qs_bytes
from tornado.escape import to_unicode as to_unicode
from tornado.escape import utf8 as utf8
from tornado.log import gen_log
from tornado.util import ObjectDict as ObjectDict
from tornado.util import unicode_type as unicode_type

from tornado_trio._util.late import later
from tornado_trio.errors import HTTPInputError as HTTPInputError
from tornado_trio.errors import HTTPOutputError as HTTPOutputError
from tornado_trio.exchange import RequestStartLine as RequestStartLine
from tornado_trio.exchange import ResponseStartLine as ResponseStartLine
from tornado_trio.web.request import Request, _lazy
from tornado_trio.wire import abnf
from tornado_trio.wire.dates import format_timestamp as format_timestamp
from tornado_trio.wire.headers import HTTP_WHITESPACE as HTTP_WHITESPACE
from tornado_trio.wire.headers import HTTPHeaders as HTTPHeaders
from tornado_trio.wire.headers import normalize_name as normalize_name
from tornado_trio.wire.urls import encode_username_password as encode_username_password
from tornado_trio.wire.urls import qs_to_qsl as qs_to_qsl
from tornado_trio.wire.urls import split_host_and_port as split_host_and_port
from tornado_trio.wire.urls import url_concat as url_concat

if TYPE_CHECKING:
    import unittest
    from collections.abc import Generator
    from http.client import responses as responses

    from tornado._impl.http import forms
    from tornado._impl.http.forms import HTTPFile as HTTPFile
    from tornado._impl.http.forms import ParseBodyConfig as ParseBodyConfig
    from tornado._impl.http.forms import ParseMultipartConfig as ParseMultipartConfig
    from tornado._impl.http.forms import ParseUrlEncodedConfig as ParseUrlEncodedConfig

    from tornado_trio.wire.cookies import parse_cookie as parse_cookie
else:
    forms = later("tornado._impl.http.forms", globals())

__all__ = [
    "HTTPConnection",
    "HTTPFile",
    "HTTPHeaders",
    "HTTPInputError",
    "HTTPMessageDelegate",
    "HTTPOutputError",
    "HTTPServerConnectionDelegate",
    "HTTPServerRequest",
    "HTTP_WHITESPACE",
    "ObjectDict",
    "ParseBodyConfig",
    "ParseMultipartConfig",
    "ParseUrlEncodedConfig",
    "RequestStartLine",
    "ResponseStartLine",
    "doctests",
    "encode_username_password",
    "format_timestamp",
    "gen_log",
    "native_str",
    "parse_body_arguments",
    "parse_cookie",
    "parse_multipart_form_data",
    "parse_qs_bytes",
    "parse_request_start_line",
    "parse_response_start_line",
    "qs_to_qsl",
    "responses",
    "set_parse_body_config",
    "split_host_and_port",
    "to_unicode",
    "unicode_type",
    "url_concat",
    "utf8",
]

# Private names that programs and Tornado's own tests use.
_ABNF = abnf
_FORBIDDEN_HEADER_CHARS_RE = abnf.control_character
_normalize_header = normalize_name


# --- forms ---------------------------------------------------------------------------------
_DEFAULT_PARSE_BODY_CONFIG: ParseBodyConfig


def set_parse_body_config(config: ParseBodyConfig) -> None:
    """Set the bounds of form bodies for the whole process. Call it before serving."""
    global _DEFAULT_PARSE_BODY_CONFIG
    _DEFAULT_PARSE_BODY_CONFIG = config


def _parse_body_config() -> ParseBodyConfig:
    """What was set, here or by a program in the variable; else it is handed on from `forms`."""
    # Not by `sys.modules`: tests that restore it may have taken this module out.
    config: ParseBodyConfig | None = globals().get("_DEFAULT_PARSE_BODY_CONFIG")
    return forms.DEFAULT_CONFIG if config is None else config


def parse_body_arguments(
    content_type: str,
    body: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    headers: HTTPHeaders | None = None,
    *,
    config: ParseBodyConfig | None = None,
) -> None:
    """Add the arguments and files of a form body to the dicts; other bodies are left alone.

    HTTPInputError when it is malformed or crosses a bound.
    """
    forms.parse_body_arguments(
        content_type, body, arguments, files, headers, config=config or _parse_body_config()
    )


def parse_multipart_form_data(
    boundary: bytes,
    data: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    *,
    config: ParseMultipartConfig | None = None,
) -> None:
    """Add the values and files of a multipart/form-data body to the dicts."""
    forms.parse_multipart_form_data(
        boundary, data, arguments, files, config=config or _parse_body_config().multipart
    )


if before(6, 5):
    legacy_httputil.read_heads_loosely()
    parse_multipart_form_data = legacy_httputil.log_if_malformed(parse_multipart_form_data)


# --- start lines -----------------------------------------------------------------------------


def parse_request_start_line(line: str) -> RequestStartLine:
    """The (method, path, version) of a request line. HTTPInputError if malformed.

    >>> parse_request_start_line("GET /foo HTTP/1.1")
    RequestStartLine(method='GET', path='/foo', version='HTTP/1.1')
    """
    match = abnf.request_line.fullmatch(line)
    if match is None:
        # RFC 9112 3: the server may answer 400, and must not repair it.
        raise HTTPInputError("Malformed HTTP request line")
    method, path, version = match.groups()
    return RequestStartLine(method, path, _checked_version(version))


def parse_response_start_line(line: str) -> ResponseStartLine:
    """The (version, code, reason) of a status line. HTTPInputError if malformed.

    >>> parse_response_start_line("HTTP/1.1 200 OK")
    ResponseStartLine(version='HTTP/1.1', code=200, reason='OK')
    """
    match = abnf.status_line.fullmatch(line)
    if match is None:
        raise HTTPInputError("Error parsing response start line")
    version, code, reason = match.groups()
    return ResponseStartLine(_checked_version(version), int(code), reason)


def _checked_version(version: str) -> str:
    if not version.startswith("HTTP/1"):
        raise HTTPInputError(f"Unexpected HTTP version {version!r}")
    return version


# --- the request -------------------------------------------------------------------------------


class HTTPServerRequest(Request, LegacyRequestMethods):
    """One HTTP request; see `tornado_trio.web.request.Request` for its attributes.

    Give it a `start_line`; `method`, `uri` and `version` are the deprecated way.
    """

    _requires_host = not before(6, 5)

    def __init__(
        self,
        method: str | None = None,
        uri: str | None = None,
        version: str = "HTTP/1.0",
        headers: HTTPHeaders | None = None,
        body: bytes | None = None,
        host: str | None = None,
        files: dict[str, list[HTTPFile]] | None = None,
        connection: Any = None,
        start_line: RequestStartLine | None = None,
        server_connection: object | None = None,
    ) -> None:
        if start_line is None:
            warnings.warn(
                "HTTPServerRequest without start_line is deprecated",
                DeprecationWarning,
                stacklevel=2,
            )
            start_line = RequestStartLine(method or "GET", uri or "/", version)
        self.headers = HTTPHeaders() if headers is None else headers
        if host is not None and "Host" not in self.headers:
            self.headers["Host"] = host
        self.body = body or b""
        self.connection = connection
        if server_connection is not None:
            self.server_connection = server_connection
        self._take_peer(connection)
        self._take_start_line(start_line, host)
        if files is not None:
            self.files = files

    @_lazy
    def server_connection(self) -> Any:
        """The `HTTP1ServerConnection`: the same object for all requests of a connection."""
        kind = type(self.connection)
        return self.connection.server_connection if hasattr(kind, "server_connection") else None

    @property
    def _cookies(self) -> Any:
        """Where Tornado keeps `cookies` once they were asked for; programs set it by hand."""
        try:
            return self.__dict__["cookies"]
        except KeyError:
            raise AttributeError("_cookies: the cookies have not been parsed yet") from None

    @_cookies.setter
    def _cookies(self, jar: Any) -> None:
        self.__dict__["cookies"] = jar

    @_cookies.deleter
    def _cookies(self) -> None:
        for name in ("cookies", "cookie_values"):
            self.__dict__.pop(name, None)

    def _take_peer(self, connection: Any) -> None:
        context = getattr(connection, "context", None)
        if context is None:
            # An exchange says it itself; a connection of another make, not at all.
            context = connection
        self.remote_ip = getattr(context, "remote_ip", None)
        self.protocol = getattr(context, "protocol", "http")

    def _parse_body_steps(self) -> Generator[None, None, None]:
        if not before(6, 5):
            yield from super()._parse_body_steps()
            return
        try:
            if before(6):
                legacy_httputil.check_form_is_text(self.headers, self.body)
            yield from super()._parse_body_steps()
        except HTTPInputError as exc:
            # Until 6.5 a malformed form was a line in the log, and a form without arguments.
            gen_log.warning("%s", exc)

    def _parse_config(self) -> ParseBodyConfig:
        return _parse_body_config()

    def get_ssl_certificate(self, binary_form: bool = False) -> None | dict[str, Any] | bytes:
        """The client's TLS certificate as `ssl.SSLSocket.getpeercert` gives it, or None.

        Requested from clients if the server's `ssl.SSLContext` has a `verify_mode` for it.
        """
        stream = getattr(self.connection, "stream", None)
        if stream is None:
            own: dict[str, Any] | bytes | None = super().get_ssl_certificate(binary_form)
            return own
        try:
            certificate: dict[str, Any] | bytes | None = stream.socket.getpeercert(
                binary_form=binary_form
            )
        except (ssl.SSLError, ValueError, AttributeError):
            return None  # no certificate was asked for, no handshake yet, or no TLS at all
        return certificate


# --- interfaces --------------------------------------------------------------------------------


class HTTPServerConnectionDelegate:
    """What a program gives `HTTPServer`: makes a delegate for each request.

    `HTTPServer` itself, `Application` and routers are such delegates.
    """

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """A request arrives on `server_conn`; it is answered through `request_conn`."""
        raise NotImplementedError()

    def on_close(self, server_conn: object) -> None:
        """The connection has been closed."""


class HTTPMessageDelegate:
    """Receives one request or response as it arrives."""

    def headers_received(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
    ) -> Awaitable[None] | None:
        """The head has arrived. The result is awaited before the body is read."""

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A chunk of the body has arrived. The result is awaited before more is read."""

    def finish(self) -> None:
        """The message is complete."""

    def on_connection_close(self) -> None:
        """The connection ended first; `finish` will not be called."""


class HTTPConnection:
    """Writes a response. The results of its methods may be awaited."""

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Any:
        """Write the head, and the first bytes of the body if given."""
        raise NotImplementedError()

    def write(self, chunk: bytes) -> Any:
        """Write bytes of the body."""
        raise NotImplementedError()

    def finish(self) -> None:
        """The body is complete."""
        raise NotImplementedError()


def doctests() -> unittest.TestSuite:
    """The examples in the docstrings of this module's names, for unittest's `load_tests`."""
    import doctest
    import unittest

    from tornado_trio.wire import cookies, dates, headers, parameters, ranges, urls

    suite = unittest.TestSuite()
    for module in (__name__, cookies, dates, headers, parameters, ranges, urls):
        suite.addTest(doctest.DocTestSuite(module))
    return suite


shown_in(
    "tornado.httputil",
    HTTPInputError,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.httputil")
    __dir__ = listing("tornado.httputil")
