"""Blocking and non-blocking HTTP clients behind one interface.

`AsyncHTTPClient` has two implementations: `tornado.simple_httpclient` (the
default) and `tornado.curl_httpclient`. This module knows neither; it knows what a request,
a response and an error look like, and how a client is found or made.

```python
response = await AsyncHTTPClient().fetch("http://www.example.com/")
```

The default client keeps connections open for the next request; otherwise it behaves on
the wire as Tornado's does.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import time
import weakref
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from tornado import gen, httputil
from tornado._impl.generation import before
from tornado._impl.legacy.arguments import once_at
from tornado._impl.legacy.httpclient import LegacyCall
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.names import handing_on
from tornado.concurrent import (
    Future,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
)
from tornado.escape import native_str, utf8
from tornado.ioloop import IOLoop
from tornado.util import Configurable, import_object

from tornado_trio._util.late import later
from tornado_trio.wire.phrases import standard_phrase

if TYPE_CHECKING:
    import datetime
else:
    datetime = later("datetime", globals())

__all__ = [
    "AsyncHTTPClient",
    "HTTPClient",
    "HTTPClientError",
    "HTTPError",
    "HTTPRequest",
    "HTTPResponse",
    "main",
]


class HTTPClient:
    """A blocking client, for scripts and for programs without an event loop.

    It runs an IOLoop of its own, so it cannot be used inside a running one.
    """

    def __init__(
        self,
        async_client_class: type[AsyncHTTPClient] | None = None,
        **kwargs: Any,
    ) -> None:
        self._closed = True  # for __del__, should anything below fail
        self._io_loop = IOLoop(make_current=False)
        chosen = AsyncHTTPClient if async_client_class is None else async_client_class

        # Made inside the loop: clients belong to the loop that is current then.
        async def make_client() -> AsyncHTTPClient:
            await gen.sleep(0)
            return chosen(**kwargs)

        self._async_client = self._io_loop.run_sync(make_client)
        self._closed = False

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the client and its loop."""
        if not self._closed:
            self._closed = True
            self._async_client.close()
            self._io_loop.close()

    def fetch(self, request: HTTPRequest | str | bytes, **kwargs: Any) -> HTTPResponse:
        """Make a request and wait for its response; `kwargs` are those of `HTTPRequest`.

        Raises `HTTPError` for a status outside 200-299, unless `raise_error=False`.
        """
        call = functools.partial(self._async_client.fetch, request, **kwargs)
        return cast(HTTPResponse, self._io_loop.run_sync(call))


def _response_of_failed(request: HTTPRequest, error: BaseException) -> HTTPResponse:
    """What a callback gets for a fetch that ended with an error."""
    if isinstance(error, HTTPError) and error.response is not None:
        return error.response
    elapsed = time.time() - request.start_time
    return HTTPResponse(request, 599, error=error, request_time=elapsed)


class AsyncHTTPClient(Configurable):
    """A non-blocking client, one per IOLoop and class.

    Calling the class gives the IOLoop's own instance; `force_instance=True` a new one, which
    the caller closes. Arguments of the first call apply to the shared instance;
    `AsyncHTTPClient.configure(impl, **defaults)` sets implementation and arguments for all.
    """

    # The per-loop instances, one table per class. Weak: a loop's client goes with the loop.
    _instance_cache: weakref.WeakKeyDictionary[IOLoop, AsyncHTTPClient] | None = None
    _tables: dict[type, weakref.WeakKeyDictionary[IOLoop, AsyncHTTPClient]] = {}

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return AsyncHTTPClient

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return import_object("tornado.simple_httpclient.SimpleAsyncHTTPClient")  # type: ignore[no-any-return]

    @classmethod
    def _async_clients(cls) -> weakref.WeakKeyDictionary[IOLoop, AsyncHTTPClient]:
        table = AsyncHTTPClient._tables.get(cls)
        if table is None:
            table = AsyncHTTPClient._tables[cls] = weakref.WeakKeyDictionary()
        return table

    def __new__(cls, *args: Any, force_instance: bool = False, **kwargs: Any) -> AsyncHTTPClient:
        # Before Tornado 5 the loop was an argument, the first one. `force_instance` is that now,
        # and true of a loop; but one that is not the current one would be a mistake either way.
        given = kwargs.pop("io_loop", None)
        for argument in args:
            if isinstance(argument, IOLoop) and (before(5) or argument is not IOLoop.current()):
                given = argument
            else:
                force_instance = bool(argument)
        io_loop = cast(IOLoop, IOLoop.current() if given is None else checked_loop(given))
        table = None if force_instance else cls._async_clients()
        if table is not None and io_loop in table:
            return table[io_loop]
        instance = super().__new__(cls, **kwargs)
        instance.io_loop = io_loop
        # Kept by the instance and not looked up at close(): its class may differ from the
        # one that was called.
        instance._instance_cache = table
        if table is not None:
            # A client refers to its loop, so weak keys alone keep both alive forever: programs
            # that call asyncio.run() again and again would collect them.
            for known in [known for known in table if _is_closed(known)]:
                del table[known]
            table[instance.io_loop] = instance
        return instance

    def initialize(self, defaults: dict[str, Any] | None = None) -> None:
        self.io_loop: IOLoop = IOLoop.current()
        self.defaults = dict(HTTPRequest._DEFAULTS)
        if defaults is not None:
            self.defaults.update(defaults)
        self._closed = False

    def close(self) -> None:
        """Free what the client holds. Needed only for `force_instance` clients, and for
        shared ones whose IOLoop is closed too.

        No fetch may be made afterwards, not even by a redirect; those under way continue, and their
        connections are closed with the last of them (libcurl's: at once).
        """
        if self._closed:
            return
        self._closed = True
        cache = self._instance_cache
        if cache is not None:
            cached = cache.pop(self.io_loop, None)
            # At interpreter exit weak tables may have lost their entries already.
            if cached is not None and cached is not self:
                raise RuntimeError("inconsistent AsyncHTTPClient cache")

    @once_at(2, "callback", callable)
    def fetch(
        self,
        request: str | bytes | HTTPRequest,
        raise_error: bool = True,
        *old_args: Any,
        **kwargs: Any,
    ) -> Future[HTTPResponse]:
        """Make a request; a Future of its `HTTPResponse`.

        `request` is an `HTTPRequest`, or a URL with the other arguments of `HTTPRequest`
        as keywords.

        Raises (through the Future) `HTTPError` for a status outside 200-299 or without a
        response at all (599); with `raise_error=False` only in the latter case.

        Cancellation: cancelling the Future does not stop the request; an error of it is
        then logged.
        """
        if self._closed:
            raise RuntimeError("fetch() called on closed AsyncHTTPClient")
        legacy: LegacyCall | None = None
        if old_args or "callback" in kwargs or not isinstance(raise_error, int):
            legacy, raise_error = LegacyCall.taken_from(raise_error, old_args, kwargs)
        if not isinstance(request, HTTPRequest):
            request = HTTPRequest(url=request, **kwargs)
        elif kwargs:
            raise ValueError("kwargs can't be used if request is an HTTPRequest object")
        # A copy, since clients add fields and the program may use the object again.
        request.headers = httputil.HTTPHeaders(request.headers)
        proxied = _RequestProxy(request, self.defaults)
        future: Future[HTTPResponse] = Future()

        def handle_response(response: HTTPResponse) -> None:
            error = response.error
            # Until 6, raise_error=False kept every error in the response (599).
            silent = response._error_is_response_code or before(6)
            if error is not None and (raise_error or not silent):
                if before(6) and isinstance(error, HTTPError) and error.response is None:
                    # A cycle, which 6 avoids; 599s of older releases have their response.
                    error.response = response
                future_set_exception_unless_cancelled(future, error)
                return
            future_set_result_unless_cancelled(future, response)

        self.fetch_impl(cast(HTTPRequest, proxied), handle_response)
        if legacy is not None:
            legacy.follow(future, functools.partial(_response_of_failed, request))
        return future

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        """What an implementation provides: make `request`, call `callback` once."""
        raise NotImplementedError

    @classmethod
    def configure(cls, impl: None | str | type[Configurable], **kwargs: Any) -> None:
        """Choose the implementation, by class or by dotted name, and its arguments.

        Useful ones are `max_clients` and `defaults` (of `HTTPRequest` arguments):

        ```python
        AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")
        AsyncHTTPClient.configure(None, defaults=dict(user_agent="MyUserAgent"))
        ```

        It applies to clients made from now on.
        """
        super().configure(impl, **kwargs)


class HTTPRequest:
    """A request of a client.

    Arguments:
      url, method, headers, body (text becomes UTF-8), if_modified_since (a datetime).
      body_producer: a function called with `write`; for bodies made piece by piece. It may
        be a coroutine. The body is sent in chunks unless the headers have a Content-Length.
      auth_username, auth_password, auth_mode: "basic" (the default) or "digest".
      connect_timeout, request_timeout: seconds, 20 by default; 0 means none.
      follow_redirects (True), max_redirects (5).
      user_agent, decompress_response (True; `use_gzip` is its old name).
      network_interface: the local address to connect from (curl: an interface's name too).
      streaming_callback: gets the body piece by piece; `HTTPResponse.body` stays empty.
      header_callback: gets every line of the head, the status line first, "\\r\\n" last.
      prepare_curl_callback: called with the `pycurl.Curl` object; curl only.
      proxy_host, proxy_port, proxy_username, proxy_password, proxy_auth_mode.
      allow_nonstandard_methods: any method, with or without a body.
      validate_cert (True), ca_certs, client_key, client_cert: TLS, by file names; or
        ssl_options: an `ssl.SSLContext` (or the arguments of one) instead.
      allow_ipv6: None for the default of the implementation, which is yes.
      expect_100_continue: wait for "100 Continue" before the body is sent.

    An argument that is None has the default of the client, or else of this class.
    """

    _headers: httputil.HTTPHeaders | dict[str, str]

    _DEFAULTS: dict[str, Any] = {
        "connect_timeout": 20.0,
        "request_timeout": 20.0,
        "follow_redirects": True,
        "max_redirects": 5,
        "decompress_response": True,
        "proxy_password": "",
        "allow_nonstandard_methods": False,
        "validate_cert": True,
    }

    def __init__(
        self,
        url: str | bytes,
        method: str = "GET",
        headers: dict[str, str] | httputil.HTTPHeaders | None = None,
        body: bytes | str | None = None,
        auth_username: str | None = None,
        auth_password: str | None = None,
        auth_mode: str | None = None,
        connect_timeout: float | None = None,
        request_timeout: float | None = None,
        if_modified_since: float | datetime.datetime | None = None,
        follow_redirects: bool | None = None,
        max_redirects: int | None = None,
        user_agent: str | None = None,
        use_gzip: bool | None = None,
        network_interface: str | None = None,
        streaming_callback: Callable[[bytes], Awaitable[None] | None] | None = None,
        header_callback: Callable[[str], None] | None = None,
        prepare_curl_callback: Callable[[Any], None] | None = None,
        proxy_host: str | None = None,
        proxy_port: int | None = None,
        proxy_username: str | None = None,
        proxy_password: str | None = None,
        proxy_auth_mode: str | None = None,
        allow_nonstandard_methods: bool | None = None,
        validate_cert: bool | None = None,
        ca_certs: str | None = None,
        allow_ipv6: bool | None = None,
        client_key: str | None = None,
        client_cert: str | None = None,
        body_producer: Callable[[Callable[[bytes], Future]], Future] | None = None,
        expect_100_continue: bool = False,
        decompress_response: bool | None = None,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
    ) -> None:
        self.headers = headers
        if if_modified_since:
            self.headers["If-Modified-Since"] = httputil.format_timestamp(if_modified_since)
        self.url: Any = url
        self.method = method
        self.body, self.body_producer = body, body_producer
        self.auth_username, self.auth_password = auth_username, auth_password
        self.auth_mode = auth_mode
        self.connect_timeout, self.request_timeout = connect_timeout, request_timeout
        self.follow_redirects, self.max_redirects = follow_redirects, max_redirects
        self.user_agent, self.allow_ipv6 = user_agent, allow_ipv6
        self.decompress_response = use_gzip if decompress_response is None else decompress_response
        self.network_interface = network_interface
        self.streaming_callback, self.header_callback = streaming_callback, header_callback
        self.prepare_curl_callback = prepare_curl_callback
        self.proxy_host, self.proxy_port = proxy_host, proxy_port
        self.proxy_username, self.proxy_password = proxy_username, proxy_password
        self.proxy_auth_mode = proxy_auth_mode
        self.allow_nonstandard_methods = allow_nonstandard_methods
        self.validate_cert, self.ca_certs = validate_cert, ca_certs
        self.client_key, self.client_cert = client_key, client_cert
        self.ssl_options = ssl_options
        self.expect_100_continue = expect_100_continue
        self.start_time = time.time()

    @property
    def headers(self) -> httputil.HTTPHeaders:
        # A plain dict stays one until `fetch` copies it: callers may compare it.
        return self._headers  # type: ignore[return-value]

    @headers.setter
    def headers(self, value: dict[str, str] | httputil.HTTPHeaders | None) -> None:
        self._headers = httputil.HTTPHeaders() if value is None else value

    @property
    def body(self) -> bytes:
        return self._body  # type: ignore[return-value]

    @body.setter
    def body(self, value: bytes | str | None) -> None:
        self._body = utf8(value)


class HTTPResponse:
    """A response.

    Attributes:
      request, code, reason, headers.
      effective_url: where the last redirect led to.
      buffer: the body as a file; `body`: as bytes (empty with a `streaming_callback`).
      error: the `HTTPError` it stands for, or None.
      request_time: seconds from start to end of the request, redirects included (curl: the
        whole transfer); `start_time`: when it began (wall clock).
      time_info: timings of its phases, as far as the implementation knows them.
    """

    # Not annotated with a value in the class body: they exist on instances only.
    error: BaseException | None = None
    _error_is_response_code = False
    request: HTTPRequest

    def __init__(
        self,
        request: HTTPRequest,
        code: int,
        headers: httputil.HTTPHeaders | None = None,
        buffer: BytesIO | None = None,
        effective_url: str | None = None,
        error: BaseException | None = None,
        request_time: float | None = None,
        time_info: dict[str, float] | None = None,
        reason: str | None = None,
        start_time: float | None = None,
    ) -> None:
        self.request = request.request if isinstance(request, _RequestProxy) else request
        self.code = code
        self.reason = reason or standard_phrase(code, "Unknown")
        self.headers = httputil.HTTPHeaders() if headers is None else headers
        self.buffer = buffer
        self._body: bytes | None = None
        self.effective_url = request.url if effective_url is None else effective_url
        self._error_is_response_code = error is None and code // 100 != 2
        if self._error_is_response_code:
            error = HTTPError(code, message=self.reason, response=self)
        self.error = error
        self.start_time = start_time
        self.request_time = request_time
        self.time_info = time_info or {}

    @property
    def body(self) -> bytes:
        """The whole body; b"" where it was streamed, or there is none."""
        if self._body is None:
            self._body = b"" if self.buffer is None else self.buffer.getvalue()
        return self._body

    def rethrow(self) -> None:
        """Raise `error` if there is one."""
        if self.error:
            raise self.error

    def __repr__(self) -> str:
        from tornado_trio.client.targets import show_url  # the client is loaded when one is made

        fields = vars(self) | {"effective_url": show_url(native_str(self.effective_url))}
        args = ",".join(f"{name}={value!r}" for name, value in sorted(fields.items()))
        return f"{type(self).__name__}({args})"


class HTTPClientError(Exception):
    """A request that did not end with a status of 200 to 299.

    `code` is the status, or 599 when there was no response; `response` is the
    `HTTPResponse`, if there is one. Also known as `HTTPError`; `tornado.web` has another
    class of that name.
    """

    def __init__(
        self,
        code: int,
        message: str | None = None,
        response: HTTPResponse | None = None,
    ) -> None:
        self.code = code
        self.message = message or standard_phrase(code, "Unknown")
        self.response = response
        super().__init__(code, message, response)

    def __str__(self) -> str:
        return f"HTTP {self.code}: {self.message}"

    # Exception's repr would show `response`, whose repr shows this error again.
    __repr__ = __str__


HTTPError = HTTPClientError


def _is_closed(io_loop: IOLoop) -> bool:
    inner = getattr(io_loop, "asyncio_loop", io_loop)
    return bool(getattr(inner, "is_closed", bool)())


class _RequestProxy:
    """A request whose missing attributes (None) come from the client's defaults."""

    def __init__(self, request: HTTPRequest, defaults: dict[str, Any] | None) -> None:
        self.request = request
        self.defaults = defaults

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.request, name)
        if value is None and self.defaults is not None:
            return self.defaults.get(name)
        return value


def main() -> None:
    """`python -m tornado.httpclient [options] url...` prints what it fetches."""
    from tornado.options import define, options, parse_command_line

    shown = {"print_headers": False, "print_body": True}
    asked = {"follow_redirects": True, "validate_cert": True}
    for name, default in (shown | asked).items():
        define(name, type=bool, default=default)
    define("proxy_host", type=str)
    define("proxy_port", type=int)
    urls = parse_command_line()
    arguments = {name: options[name] for name in (*asked, "proxy_host", "proxy_port")}
    with contextlib.closing(HTTPClient()) as client:
        for url in urls:
            response = _answer(client, url, arguments)
            if options.print_headers:
                print(response.headers)
            if options.print_body:
                print(native_str(response.body))


def _answer(client: HTTPClient, url: str, arguments: dict[str, Any]) -> HTTPResponse:
    """The response, whatever its status; an error that comes without one is raised."""
    try:
        return client.fetch(url, **arguments)
    except HTTPError as error:
        if error.response is not None:
            return error.response
        raise


if __name__ == "__main__":
    main()


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.httpclient")
