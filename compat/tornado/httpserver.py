"""`tornado.httpserver`: the HTTP/1.1 server, single-threaded and non-blocking.

Knows the native server, which does the work (`_impl/http/serving.py`), and the delegates.
Connections that come from a listening socket never are IOStreams: they are accepted and served by
native trio tasks. A stream handed to `handle_stream` is served the same way.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from tornado import httputil
from tornado._impl.generation import before
from tornado._impl.http.delegates import call_with_form, drive_delegate
from tornado._impl.http.parameters import HTTP1ConnectionParameters
from tornado._impl.loop.tasks import run_task
from tornado._impl.names import handing_on
from tornado.ioloop import IOLoop
from tornado.tcpserver import TCPServer
from tornado.util import Configurable

from tornado_trio._util.late import later

if TYPE_CHECKING:
    from tornado._impl.http import served as _served
    from tornado._impl.http import serving as _serving

    from tornado_trio.server import DrainReport
else:  # what is served needs them, and what only imports this module does not
    _served = later("tornado._impl.http.served", globals())
    _serving = later("tornado._impl.http.serving", globals())

HTTPRequest = httputil.HTTPServerRequest


def _face(native: Any, params: Any) -> Any:
    from tornado._impl.http.served_connection import ServedConnection  # for few programs

    return ServedConnection(native, params)


class HTTPServer(TCPServer, Configurable, httputil.HTTPServerConnectionDelegate):
    """Serves HTTP/1.1 to an application, a routing delegate or a callback.

    `request_callback` is an `Application`, an `HTTPServerConnectionDelegate`, or a function
    of an `HTTPServerRequest`, which answers through `request.connection`.

    Args:
      no_keep_alive: close each connection after one request.
      xheaders: take the client's address and protocol from X-Real-Ip or X-Forwarded-For and
        X-Scheme or X-Forwarded-Proto; for servers behind a proxy only.
      ssl_options: serve HTTPS; an `ssl.SSLContext` or a dict, see `TCPServer`.
      protocol: "https" behind a proxy that decrypts and does not say so.
      decompress_request: inflate request bodies sent with gzip.
      trusted_downstream: addresses of proxies to skip in X-Forwarded-For.
      chunk_size, max_header_size, max_body_size, max_buffer_size: bytes.
      idle_connection_timeout, body_timeout: seconds.

    Attributes:
      drain_grace: seconds that requests under way get to be answered when the loop ends (that is,
        when a program that is being stopped has called `stop` and returned). None: they are lost,
        as with Tornado. By default the launcher's `--drain`; not in Tornado.

    The remaining methods are those of `TCPServer`.
    """

    drain_grace: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Arguments are taken by initialize(), as in all Configurable classes.
        pass

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return HTTPServer

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return HTTPServer

    def initialize(
        self,
        request_callback: httputil.HTTPServerConnectionDelegate
        | Callable[[httputil.HTTPServerRequest], None],
        no_keep_alive: bool = False,
        xheaders: bool = False,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        protocol: str | None = None,
        decompress_request: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        idle_connection_timeout: float | None = None,
        body_timeout: float | None = None,
        max_body_size: int | None = None,
        max_buffer_size: int | None = None,
        trusted_downstream: list[str] | None = None,
        io_loop: Any = None,
    ) -> None:
        if isinstance(xheaders, IOLoop):  # the third argument until Tornado 5
            io_loop, xheaders = xheaders, False
        self.request_callback = request_callback
        self.xheaders = xheaders
        self.protocol = protocol
        self.trusted_downstream = trusted_downstream
        self.conn_params = HTTP1ConnectionParameters(
            no_keep_alive=no_keep_alive,
            chunk_size=chunk_size,
            max_header_size=max_header_size,
            header_timeout=idle_connection_timeout or 3600,
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            decompress=decompress_request,
        )
        TCPServer.__init__(
            self,
            ssl_options=ssl_options,
            max_buffer_size=max_buffer_size,
            read_chunk_size=chunk_size,
            io_loop=io_loop,
        )
        if self.drain_grace is None:
            self.drain_grace = _grace_of_environment()
        self._native = _serving.NativeServer(self, _face)
        self._connections = _served.Connections(self._native)

    # --- accepting -------------------------------------------------------------------
    def _start_accepting(self, sock: socket.socket) -> Callable[[], None]:
        if type(self).handle_stream is not HTTPServer.handle_stream:
            # The program wants to see streams.
            return super()._start_accepting(sock)
        return self._native.listen(sock)

    def handle_stream(self, stream: Any, address: Any) -> None:
        """Serve a connection that is already an IOStream, by native tasks like all others.

        The stream stays the program's: it is `request.connection.stream`, and reading from it
        takes the connection over.
        """
        self._native.serve_iostream(stream, address)

    async def close_all_connections(self) -> None:
        """Close every connection; done when they are closed. Call `stop` first.

        Running handlers are notified by `on_connection_close`, and keep running.
        """
        await self._native.close_connections()
        for connection in list(self._connections):
            await connection.close()

    async def drain(self, grace: float = 30.0) -> DrainReport:
        """Shut down without losing a request: accept no more, let what is under way end
        (with "Connection: close"), and cut it after `grace` seconds. Not in Tornado."""
        self.stop()
        # A task of its own: the caller may be one of asyncio's.
        report: DrainReport = await run_task(self._native.drain(grace))
        return report

    # --- requests --------------------------------------------------------------------
    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        """The delegate of a request: the application's, or one that calls the callback."""
        callback = self.request_callback
        delegate: httputil.HTTPMessageDelegate
        if isinstance(callback, httputil.HTTPServerConnectionDelegate):
            delegate = callback.start_request(server_conn, request_conn)
        else:
            delegate = _CallableAdapter(callback, request_conn)
        if self.xheaders:
            from tornado._impl.http.exchange import ProxiedExchange
            from tornado._impl.http.peer import _ProxyAdapter

            if not isinstance(request_conn, ProxiedExchange):
                return _ProxyAdapter(delegate, request_conn)
        return delegate

    def on_close(self, server_conn: object) -> None:
        """A connection was closed."""
        self._connections.discard(server_conn)  # type: ignore[arg-type]

    def _chosen_app(self) -> Callable[[Any], Coroutine[Any, Any, None]]:
        """The shortest way from an exchange to the program that keeps all overrides."""
        callback = self.request_callback
        if type(self).start_request is HTTPServer.start_request:
            # An application says so itself, which must know what its subclass overrides.
            native = getattr(type(callback), "_native_app", None)
            app: Any = None if native is None else native(callback)
            if app is not None:
                return cast("Callable[[Any], Coroutine[Any, Any, None]]", app)
        return self._respond

    async def _respond(self, exchange: Any) -> None:
        delegate = self.start_request(exchange.server_connection, exchange)
        await drive_delegate(delegate, exchange)


def _grace_of_environment() -> float | None:
    text = os.environ.get("TORNADO_TRIO_DRAIN")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        message = f"TORNADO_TRIO_DRAIN={text!r}: seconds are expected, such as 30"
        raise ValueError(message) from None


class _CallableAdapter(httputil.HTTPMessageDelegate):
    """Collects a request and gives it to a function."""

    def __init__(
        self,
        callback: Callable[[httputil.HTTPServerRequest], None],
        connection: httputil.HTTPConnection,
    ) -> None:
        self.connection = connection
        self.callback = callback
        self.request: httputil.HTTPServerRequest | None = None
        self.chunks: list[bytes] = []

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        self.request = httputil.HTTPServerRequest(
            connection=self.connection, start_line=start_line, headers=headers
        )

    def data_received(self, chunk: bytes) -> None:
        self.chunks.append(chunk)

    def finish(self) -> None:
        request = self.request
        assert request is not None
        request.body = b"".join(self.chunks)
        call_with_form(request, self.callback)

    def on_connection_close(self) -> None:
        self.chunks = []


if before(4, 5):
    from tornado._impl.refused import refuse

    refuse("tornado.httpserver", httputil.HTTPConnection)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.httpserver")
