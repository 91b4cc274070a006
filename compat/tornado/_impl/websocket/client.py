"""The client of `tornado.websocket`: `websocket_connect` and the connection it makes.

Knows the simple HTTP client's way of making one request (proxies, TLS, credentials and
deadlines are its) and the protocol object that takes over after the handshake.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import trio
from tornado import gen, httpclient, httputil
from tornado._impl.client.routes import Routes
from tornado._impl.generation import old_idiom
from tornado._impl.legacy.arguments import once_at
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.loop.tasks import start_soon
from tornado._impl.websocket.base import (
    WebSocketClosedError,
    WebSocketError,
    WebSocketProtocol,
    _default_max_message_size,
    _WebSocketParams,
)
from tornado._impl.websocket.protocol import WebSocketProtocol13, deflate_options
from tornado.concurrent import (
    Future,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
)
from tornado.escape import json_encode, native_str, utf8
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.log import app_log
from tornado.netutil import Resolver
from tornado.queues import Queue
from tornado.simple_httpclient import _HTTPConnection
from tornado.tcpclient import TCPClient

from tornado_trio.client.engine import Engine
from tornado_trio.client.options import ClientLimits
from tornado_trio.errors import PeerError
from tornado_trio.wire.websocket.handshake import make_key, request_headers

_SCHEMES = {"ws": "http", "wss": "https"}
# Routes remember TLS contexts, which take 20 ms to make: one set per loop.
_routes: WeakKeyDictionary[IOLoop, Routes] = WeakKeyDictionary()


class _Dialer:
    """What `HTTPFetch` needs of a client, for a single connection that is never reused."""

    def __init__(self, resolver: Resolver | None) -> None:
        self.io_loop = IOLoop.current()
        self.resolver = resolver if resolver is not None else Resolver()
        self._engine = Engine(ClientLimits(), start_soon)
        if resolver is not None:
            self._routes = Routes(self)
            return
        routes = _routes.get(self.io_loop)
        if routes is None:
            routes = _routes[self.io_loop] = Routes(self)
        self._routes = routes

    def _spawn(self, async_fn: Callable[..., Any], *args: Any) -> None:
        start_soon(async_fn, *args, io_loop=self.io_loop)

    def _get_engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self._engine.close()


class WebSocketClientConnection(_HTTPConnection):
    """A client's connection; made by `websocket_connect`.

    Attributes:
        connect_future: done when the handshake is.
        headers: of the server's answer.
        close_code, close_reason: the peer's, once it closed the connection.
    """

    __module__ = "tornado.websocket"

    protocol: WebSocketProtocol | None = None

    def __init__(
        self,
        request: httpclient.HTTPRequest,
        on_message_callback: Callable[[str | bytes | None], None] | None = None,
        compression_options: dict[str, Any] | None = None,
        ping_interval: float | None = None,
        ping_timeout: float | None = None,
        max_message_size: int = _default_max_message_size,
        subprotocols: list[str] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.connect_future: Future = Future()
        self.read_queue: Queue[str | bytes | None] = Queue(1)
        self.key = make_key()
        self._on_message_callback = on_message_callback
        self._offered_subprotocols = list(subprotocols or ())
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._closed = False
        self._session: WebSocketProtocol13 | None = None
        self.params = _WebSocketParams(
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            max_message_size=max_message_size,
            compression_options=compression_options,
        )
        scheme, colon, rest = native_str(request.url).partition(":")
        inner = getattr(request, "request", request)  # of a proxy for defaults
        inner.url = _SCHEMES[scheme] + colon + rest
        request.headers.update(
            request_headers(
                self.key,
                subprotocols=self._offered_subprotocols,
                deflate=deflate_options(compression_options),
            )
        )
        dialer = _Dialer(resolver)
        super().__init__(
            dialer,
            request,
            lambda: None,
            self._on_http_response,
            104857600,
            TCPClient(resolver=dialer.resolver),
            65536,
            104857600,
        )

    # --- the handshake ------------------------------------------------------------------

    async def run(self) -> None:
        """The connection's task: handshake, then messages."""
        try:
            await super().run()
            if self._session is not None:
                await self._run_session(self._session)
        finally:
            self.client.close()

    async def _read_response(self, hop: Any) -> None:
        if hop.head.start_line.code != 101:
            await super()._read_response(hop)
            return
        self.headers_received(hop.head.start_line, hop.head.headers)
        self.code = None  # as upstream's: for callers that take "a response or a websocket"
        protocol = self.get_websocket_protocol()
        try:
            protocol._process_server_headers(self.key, self.headers)
        except PeerError as error:
            raise WebSocketError(str(error)) from error
        protocol._attach(hop.detach())
        self._session = self.protocol = protocol

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        return super().headers_received(start_line, headers)

    def _should_follow_redirect(self) -> bool:
        return False  # the caller gets the redirect, and may follow it

    def finish(self) -> None:
        if self._session is None:
            super().finish()

    def _on_http_response(self, response: httpclient.HTTPResponse) -> None:
        """It came to nothing."""
        error = response.error or WebSocketError("Non-websocket response")
        if not self.connect_future.done():
            future_set_exception_unless_cancelled(self.connect_future, error)

    def get_websocket_protocol(self) -> Any:
        return WebSocketProtocol13(self, mask_outgoing=True, params=self.params)

    async def _run_session(self, protocol: WebSocketProtocol13) -> None:
        native = protocol._native
        assert native is not None
        self.final_callback = None
        async with trio.open_nursery() as nursery:
            native.nursery = nursery
            try:
                protocol.start_pinging()
                if self.connect_future.cancelled():
                    protocol._abort()  # the caller no longer waits for it
                else:
                    future_set_result_unless_cancelled(self.connect_future, self)
                await protocol._receive_frame_loop()
            finally:
                native.nursery = None
                native.close()
            nursery.cancel_scope.cancel()

    # --- as the protocol's handler --------------------------------------------------------

    def on_message(self, message: str | bytes | None) -> Any:
        return self._on_message(message)

    def _on_message(self, message: str | bytes | None) -> Any:
        if self._on_message_callback is not None:
            self._on_message_callback(message)
            return None
        return self.read_queue.put(message)

    def on_ping(self, data: bytes) -> None:
        """Override to see pings."""

    def on_pong(self, data: bytes) -> None:
        """Override to see pongs."""

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        if not self._closed:
            self.close_code = close_code
            self.close_reason = close_reason
        self.on_connection_close()

    def on_connection_close(self) -> None:
        """The connection is gone: readers get None."""
        if self._closed:
            return
        self._closed = True
        if not self.connect_future.done():
            self.connect_future.set_exception(StreamClosedError())
        try:
            self._on_message(None)
        except (Exception, asyncio.CancelledError):
            app_log.error("Exception in on_message callback", exc_info=True)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        assert value is not None
        app_log.error("Uncaught exception %s", value, exc_info=(typ, value, tb))

    # --- what programs do -------------------------------------------------------------------

    @cached_property
    def connection(self) -> HTTP1Connection:
        """What the handshake was made on. The stream is no longer its own: see `protocol`."""
        if self._session is None:
            raise AttributeError("connection: there is none before the handshake")
        params = HTTP1ConnectionParameters(no_keep_alive=True, max_body_size=self.max_body_size)
        connection = HTTP1Connection(None, True, params)  # type: ignore[arg-type]
        connection._detached = True
        return connection

    @property
    def stream(self) -> Any:
        """The connection, as far as an IOStream's users look; None before the handshake."""
        return self._session.stream if self._session is not None else None

    @property
    def selected_subprotocol(self) -> str | None:
        """The subprotocol the server chose."""
        assert self._session is not None
        return self._session.selected_subprotocol

    def read_message(self, callback: Callable[[Future], None] | None = None) -> Any:
        """A Future of the next message; of None when the connection is closed."""
        awaitable = self.read_queue.get()
        if callback is not None:
            old_idiom("read_message(callback=)")
            self.io_loop.add_future(gen.convert_yielded(awaitable), callback)
        return awaitable

    def write_message(self, message: str | bytes | dict[str, Any], binary: bool = False) -> Future:
        """Send a message (a dict as JSON); the Future is done when the socket has taken it.

        Raises:
            WebSocketClosedError: the connection is closed or closing.
        """
        if self.protocol is None:
            raise WebSocketClosedError("Client connection has been closed")
        if isinstance(message, dict):
            message = json_encode(message)
        return self.protocol.write_message(message, binary=binary)

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping of at most 125 bytes."""
        data = utf8(data)
        if self.protocol is None:
            raise WebSocketClosedError()
        self.protocol.write_ping(data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection, with a code (RFC 6455, 7.4.1) and a reason if given."""
        if self.protocol is not None:
            self.protocol.close(code, reason)
            self.protocol = None


@once_at(1, "io_loop", lambda it: isinstance(it, IOLoop))
def websocket_connect(
    url: str | httpclient.HTTPRequest,
    callback: Callable[[Future], None] | None = None,
    connect_timeout: float | None = None,
    on_message_callback: Callable[[str | bytes | None], None] | None = None,
    compression_options: dict[str, Any] | None = None,
    ping_interval: float | None = None,
    ping_timeout: float | None = None,
    max_message_size: int = _default_max_message_size,
    subprotocols: list[str] | None = None,
    resolver: Resolver | None = None,
    io_loop: IOLoop | None = None,
) -> Future:
    """Connect to a WebSocket server; a Future of a `WebSocketClientConnection`.

    Args:
        url: ws:// or wss://, or an `HTTPRequest` for more control.
        callback: called with the Future when it is done.
        connect_timeout: seconds; only with a URL.
        on_message_callback: called with each message, and with None at the end; otherwise
            `read_message` gets them.
        compression_options: a dict (empty for defaults) to offer compression.
        ping_interval, ping_timeout: as of `WebSocketHandler`.
        io_loop: as before Tornado 5, where it was the second argument; the current one serves.
    """
    if isinstance(callback, IOLoop) or callable(connect_timeout):
        # Tornado 4: the loop came second, the callback third, and so on; told by their types,
        # since some may have been given by name.
        io_loop, callback = callback, None
        if callable(connect_timeout):
            callback, connect_timeout = connect_timeout, None
        if isinstance(on_message_callback, (int, float)) or callable(compression_options):
            connect_timeout, on_message_callback, compression_options = (
                on_message_callback, compression_options, None,
            )  # fmt: skip
    if isinstance(url, httpclient.HTTPRequest):
        assert connect_timeout is None
        # The caller's request stays as it is: ours gets another scheme and more headers.
        request = copy.copy(url)
        request.headers = httputil.HTTPHeaders(request.headers)
    else:
        request = httpclient.HTTPRequest(url, connect_timeout=connect_timeout)
    proxied: Any = httpclient._RequestProxy(request, httpclient.HTTPRequest._DEFAULTS)
    connection = WebSocketClientConnection(
        proxied,
        on_message_callback=on_message_callback,
        compression_options=compression_options,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        max_message_size=max_message_size,
        subprotocols=subprotocols,
        resolver=resolver,
    )
    if io_loop is not None:
        checked_loop(io_loop)
    if callback is not None:
        old_idiom("websocket_connect(callback=)")
        IOLoop.current().add_future(connection.connect_future, callback)
    return connection.connect_future


websocket_connect.__module__ = "tornado.websocket"
