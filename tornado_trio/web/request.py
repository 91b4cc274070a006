"""`Request`: one HTTP request as handlers see it, with Tornado's attribute names.

Knows a request's head, body and the formats in `wire/`. Must not know handlers, servers
or streams: the connection is only kept for them.

Most handlers never use the cookies, query or files, so these are parsed on first use: making a
request costs 2 us instead of Tornado's 9.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from .._util.late import later
from .._util.percent import parse_qs_bytes
from ..errors import HTTPInputError
from ..exchange import Exchange, RequestStartLine
from ..wire.headers import HTTPHeaders
from ..wire.urls import host_name_of, split_absolute_form

if TYPE_CHECKING:
    from http.cookies import SimpleCookie

    from ..wire import cookies as wire_cookies
    from ..wire import formdata
    from ..wire.formdata import Arguments, Files, ParseBodyConfig, Steps
    from .middleware.sessions import Session
else:
    formdata = later("tornado_trio.wire.formdata", globals())
    wire_cookies = later("tornado_trio.wire.cookies", globals())

_T = TypeVar("_T")


class _lazy(Generic[_T]):
    """An attribute made when first read; then, or once assigned, a plain one.

    `functools.cached_property` does this too, but takes a lock in Python 3.11 (0.6 us).
    """

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | _T:
        if instance is None:
            return self
        value = self._make(instance)
        # Not into its `__dict__`: asking for that makes one of what Python keeps without.
        setattr(instance, self._name, value)
        return value


class Request:
    """One HTTP request.

    Attributes:
      method, uri, version: of the start line; `uri` is path and query, undecoded, or the
        whole URI where a proxy is asked for one (RFC 9112 3.2.2).
      path, query: of `uri`.
      headers: `HTTPHeaders`.
      body: bytes; b"" until it was read, and for handlers that stream it.
      host: the Host field, validated; "127.0.0.1" for an HTTP/1.0 request without.
      host_name: `host` in lower case without the port.
      remote_ip, protocol: of the client, behind proxies that are trusted.
      connection: the exchange (or compat's connection) to answer on.

    Raises HTTPInputError for a bad or missing Host and for too many query arguments.
    """

    method: str
    uri: str
    path: str
    query: str
    version: str
    headers: HTTPHeaders
    body: bytes
    host: str
    host_name: str
    remote_ip: str | None
    protocol: str
    connection: Any
    #: What a server of another make has for the connection; compat's `HTTP1ServerConnection`.
    server_connection: Any = None

    def __init__(
        self,
        start_line: RequestStartLine,
        headers: HTTPHeaders | None = None,
        body: bytes | None = None,
        *,
        connection: Any = None,
        server_connection: Any = None,
    ) -> None:
        self.headers = HTTPHeaders() if headers is None else headers
        self.body = body or b""
        self.connection = connection
        if server_connection is not None:
            self.server_connection = server_connection
        self._take_peer(connection)
        self._take_start_line(start_line, None)

    @_lazy
    def session(self) -> Session:
        """The visitor's session, where `middleware.Sessions` is in use."""
        raise AttributeError("there is no session: Application(middleware=[Sessions(secret)])")

    # State of one request; class attributes, so that making one costs nothing for them.
    _form_parsed = False
    _finish_time: float | None = None
    #: What it was routed by.
    _rule: Any = None
    #: RFC 9112 3.2; hosts of older programs may think otherwise.
    _requires_host = True

    @classmethod
    def from_exchange(cls, exchange: Exchange) -> Self:
        """The request of an exchange, which becomes its `connection`."""
        self = cls.__new__(cls)
        headers = self.headers = exchange.headers
        self.body = b""
        self.connection = exchange
        self.remote_ip = exchange.remote_ip  # `_take_peer`, of what is known to have both
        self.protocol = exchange.protocol
        host: Any = headers._fields.get("Host")
        self._take_start_line(exchange.start_line, host if type(host) is str else None)
        return self

    def _take_peer(self, connection: Any) -> None:
        self.remote_ip = getattr(connection, "remote_ip", None)
        self.protocol = getattr(connection, "protocol", "http")

    def _take_start_line(self, start_line: RequestStartLine, host: str | None) -> None:
        self._start_time = time.time()
        self.method, uri, self.version = start_line
        self.uri = uri
        if uri[:1] != "/" and (absolute := split_absolute_form(uri)) is not None:
            # The host of an absolute URI takes precedence over Host (RFC 9112 3.2.2).
            host, uri = absolute
        elif type(start_line) is not RequestStartLine:
            self.uri = getattr(start_line, "target", uri)
        if "?" in uri:
            self.path, _, query = uri.partition("?")
            if query:
                limit = self._parse_config().urlencoded.max_arguments
                if query.count("&") >= limit:
                    # Now, not when they are asked for: the answer is 400, not a failing handler.
                    raise HTTPInputError("Invalid query string: Max number of fields exceeded")
            self.query = query
        else:
            self.path = uri
            self.query = ""
        if host is None:
            host = self.headers.get("Host")
            if host is None:
                if self.version == "HTTP/1.1" and self._requires_host:
                    raise HTTPInputError("Missing Host header")
                host = "127.0.0.1"
        self.host = host
        self.host_name = host_name_of(host)

    def _parse_config(self) -> ParseBodyConfig:
        """The bounds of forms and query strings."""
        return formdata.DEFAULT_CONFIG

    # --- arguments and cookies, when asked for --------------------------------------------

    @_lazy
    def query_arguments(self) -> Arguments:
        """The arguments of the query string: name -> values, as bytes."""
        return parse_qs_bytes(self.query, keep_blank_values=True) if self.query else {}

    @_lazy
    def body_arguments(self) -> Arguments:
        """The arguments of a form body, once it has been read."""
        return {}

    @_lazy
    def arguments(self) -> Arguments:
        """All arguments: those of the query string, then those of the body."""
        merged: Arguments = {}
        for name, values in self.query_arguments.items():
            merged[name] = values[:]
        for name, values in self.body_arguments.items():
            merged.setdefault(name, []).extend(values)
        return merged

    @_lazy
    def files(self) -> Files:
        """The files of a form body: name -> `HTTPFile`s."""
        return {}

    @_lazy
    def cookies(self) -> SimpleCookie:
        """The cookies as a `SimpleCookie`; those whose names it forbids are missing."""
        return wire_cookies.cookie_jar(self.cookie_values)

    @_lazy
    def cookie_values(self) -> dict[str, str]:
        """The cookies as a plain dict: costs a twentieth of `cookies`."""
        cookie = self.headers.get("Cookie")
        if cookie is None:
            return {}
        if "," in cookie:
            # Several Cookie fields (HTTP/2 to 1.1 gateways split them) are joined by "; ".
            cookie = "; ".join(self.headers.get_list("Cookie"))
        return wire_cookies.parse_cookie(cookie)

    def get_cookie(self, name: str) -> str | None:
        """The value of a cookie, None if there is none."""
        jar = self.__dict__.get("cookies")
        if jar is None:
            return self.cookie_values.get(name)
        morsel = jar.get(name)  # a program may have changed it
        return None if morsel is None else morsel.value

    def _parse_body(self) -> None:
        """Take arguments and files from the body, if it is a form. HTTPInputError if malformed.

        Once: a request may pass through several handlers.
        """
        for _ in self._parse_body_steps():
            pass

    def _parse_body_steps(self) -> Steps:
        """`_parse_body`, with a yield after every few milliseconds."""
        content_type = self.headers.get("Content-Type")
        if content_type is None or self._form_parsed or not formdata.is_form(content_type):
            return
        self._form_parsed = True
        # Before the parse, so that a lazy `arguments` does not see the body twice.
        merged = self.__dict__.get("arguments")
        found: Arguments = {}
        yield from formdata.body_argument_steps(
            content_type, self.body, found, self.files, self.headers, self._parse_config()
        )
        for name, values in found.items():
            self.body_arguments.setdefault(name, []).extend(values)
            if merged is not None:
                merged.setdefault(name, []).extend(values)

    @property
    def target(self) -> str:
        """The request target as it was sent: `uri`, by the name of RFC 9112."""
        return self.uri

    # --- asking about it --------------------------------------------------------------------

    def full_url(self) -> str:
        """The whole URL, from protocol, host and uri."""
        uri = self.uri
        if "://" in uri and uri[:1] != "/":
            uri = f"{self.path}?{self.query}" if self.query else self.path
        return f"{self.protocol}://{self.host}{uri}"

    def request_time(self) -> float:
        """Seconds since the request arrived, or until it was finished."""
        end = time.time() if self._finish_time is None else self._finish_time
        return end - self._start_time

    def get_ssl_certificate(self, binary_form: bool = False) -> Any:
        """The client's TLS certificate: as `ssl.SSLSocket.getpeercert` gives it, else None."""
        getter = getattr(self.connection, "peer_certificate", None)
        return None if getter is None else getter(binary_form)

    def __repr__(self) -> str:
        # No headers: they carry credentials, and reprs end up in logs.
        names = ("protocol", "host", "method", "uri", "version", "remote_ip")
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{type(self).__name__}({shown})"
