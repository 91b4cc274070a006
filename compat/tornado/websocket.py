"""`tornado.websocket`: WebSocket handlers and a client.

Knows the web framework's RequestHandler and the protocol objects of `_impl/websocket`.
Messages, frames and the close handshake are theirs and the native library's.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import tornado.web
from tornado import util as _util
from tornado._impl.assigned import assignable
from tornado._impl.generation import before
from tornado._impl.loop.tasks import start_soon
from tornado._impl.names import handing_on
from tornado._impl.websocket.base import (
    WebSocketClosedError,
    WebSocketError,
    WebSocketProtocol,
    _default_max_buffer_size,
    _default_max_message_size,
    _WebSocketParams,
    de_dupe_gen_log,
)
from tornado.concurrent import Future
from tornado.escape import json_encode, utf8
from tornado.log import app_log as app_log
from tornado.log import gen_log

from tornado_trio.web.security import refused_origin
from tornado_trio.wire.urls import origin_matches_host
from tornado_trio.wire.websocket.handshake import HandshakeError, check_upgrade, is_spoken

__all__ = [
    "WebSocketClientConnection",
    "WebSocketClosedError",
    "WebSocketError",
    "WebSocketHandler",
    "WebSocketProtocol",
    "WebSocketProtocol13",
    "de_dupe_gen_log",
    "websocket_connect",
]

if TYPE_CHECKING:
    from tornado._impl.websocket.client import WebSocketClientConnection, websocket_connect
    from tornado._impl.websocket.protocol import WebSocketProtocol13

assignable(__name__, "_websocket_mask", lambda: _util._websocket_mask, _util._use_mask)

# The protocol is loaded, and trio with it, by the first connection or by who names it; the client,
# and the HTTP client below it, by programs that are one.
__getattr__ = handing_on("tornado.websocket")


class _StreamOf:
    """`handler.stream` of Tornado 4 and 5; programs may assign something else to the name."""

    def __get__(self, handler: WebSocketHandler | None, owner: type) -> Any:
        connection = None if handler is None else handler.ws_connection
        return None if connection is None else connection.stream


class WebSocketHandler(tornado.web.RequestHandler):
    """Base of WebSocket handlers: override `on_message`, perhaps `open` and `on_close`.

    All of them, and `on_ping` and `on_pong`, may be plain functions or coroutines. The next
    message is not delivered before a coroutine is done; meanwhile pings are answered.
    """

    # State of one connection; class attributes, so that an idle one weighs less.
    ws_connection: WebSocketProtocol | None = None
    close_code: int | None = None
    close_reason: str | None = None
    open_args: tuple[Any, ...] = ()
    open_kwargs: dict[str, Any] = {}  # replaced per connection, never changed
    stream = _StreamOf()
    _opened = False
    _on_close_called = False
    _upgraded = False
    _in_task = False

    async def get(self, *args: Any, **kwargs: Any) -> None:
        self.open_args = args
        self.open_kwargs = kwargs
        headers = self.request.headers
        try:
            check_upgrade("GET", self.request.version, headers)
        except HandshakeError as error:
            self._refuse(error.status, str(error))
            return
        refusal = self._refused_origin()
        if refusal is not None:
            gen_log.debug(refusal)
            self._refuse(403, "Cross origin websockets not allowed")
            return
        self.ws_connection = self.get_websocket_protocol()
        if self.ws_connection is None:
            self.set_status(426, "Upgrade Required")
            self.set_header("Sec-WebSocket-Version", "13")
            self.finish()
            return
        await self.ws_connection.accept_connection(self)

    def _refused_origin(self) -> str | None:
        if not before(6, 6):
            return refused_origin(self, self.check_origin)
        headers = self.request.headers
        # Browsers of the drafts' time sent the longer name.
        origin = headers.get("Origin") or headers.get("Sec-WebSocket-Origin")
        allowed = origin is None or self.check_origin(origin)
        return None if allowed else f"Origin {origin!r} not allowed"

    def _refuse(self, status: int, reason: str) -> None:
        self.set_status(status)
        gen_log.debug(reason)
        self.finish(reason)

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        """The protocol object for this request; None for an unsupported version."""
        if not is_spoken(self.request.headers):
            return None
        params = _WebSocketParams(
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            max_message_size=self.max_message_size,
            compression_options=self.get_compression_options(),
            max_buffer_size=self.settings.get(
                "websocket_max_buffer_size", _default_max_buffer_size
            ),
        )
        # Where programs may have put another, or the first connection finds it.
        protocol: type[WebSocketProtocol] = sys.modules[__name__].WebSocketProtocol13
        return protocol(self, False, params)  # type: ignore[call-arg]

    # --- settings -----------------------------------------------------------------------

    @property
    def ping_interval(self) -> float | None:
        """Seconds between pings that notice dead peers; the setting `websocket_ping_interval`."""
        return self.settings.get("websocket_ping_interval", None)

    @property
    def ping_timeout(self) -> float | None:
        """Seconds a pong may take; the setting `websocket_ping_timeout`."""
        return self.settings.get("websocket_ping_timeout", None)

    @property
    def max_message_size(self) -> int:
        """Bytes of an incoming message; the setting `websocket_max_message_size`, 10 MiB."""
        size: int = self.settings.get("websocket_max_message_size", _default_max_message_size)
        return size

    def get_compression_options(self) -> dict[str, Any] | None:
        """Override to return a dict: compression is offered then.

        `compression_level` (0 to 9) and `mem_level` (1 to 9) may be in it.
        """
        return None

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Override to choose one of the subprotocols that the client offers."""
        return None

    def check_origin(self, origin: str) -> bool:
        """Whether a page of `origin` may connect: by default, if `check_trusted_origin` trusts it.

        Override it to allow others. It is called only for requests that look like those of
        another host's pages; before 6.6, for all that have an Origin, and allowed this host's.
        """
        if before(6, 6):
            return origin_matches_host(origin, self.request.headers.get("Host"))
        return self.check_trusted_origin(origin)

    # --- callbacks ----------------------------------------------------------------------

    def open(self, *args: str, **kwargs: str) -> Awaitable[None] | None:
        """Invoked when the connection is open, with the arguments of the URL."""
        return None

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Invoked with each message: `str` for text, bytes for binary."""
        raise NotImplementedError

    def on_ping(self, data: bytes) -> None:
        """Invoked when a ping has arrived (it has been answered)."""

    def on_pong(self, data: bytes) -> None:
        """Invoked when a pong has arrived."""

    def on_close(self) -> Awaitable[None] | None:
        """Invoked when the connection is closed; see `close_code` and `close_reason`.

        May be `async def`; it then runs in a task of the loop.
        """
        return None

    # --- acting -------------------------------------------------------------------------

    @property
    def selected_subprotocol(self) -> str | None:
        """What `select_subprotocol` chose."""
        assert self.ws_connection is not None
        return self.ws_connection.selected_subprotocol

    def write_message(
        self, message: bytes | str | dict[str, Any], binary: bool = False
    ) -> Future[None]:
        """Send a message; a dict is sent as JSON. Awaiting the result is flow control.

        Raises:
            WebSocketClosedError: the connection is closed or closing.
        """
        connection = self.ws_connection
        if connection is None or connection.is_closing():
            raise WebSocketClosedError()
        if isinstance(message, dict):
            message = json_encode(message)
        return connection.write_message(message, binary=binary)

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping of at most 125 bytes."""
        data = utf8(data)
        connection = self.ws_connection
        if connection is None or connection.is_closing():
            raise WebSocketClosedError()
        connection.write_ping(data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection, with a code (RFC 6455, 7.4.1) and a reason if given."""
        if self.ws_connection is not None:
            self.ws_connection.close(code, reason)
            self.ws_connection = None

    def set_nodelay(self, value: bool) -> None:
        """Send small messages at once (True, the default), or let the kernel combine them."""
        assert self.ws_connection is not None
        self.ws_connection.set_nodelay(value)

    # --- the end of the connection --------------------------------------------------------

    def on_connection_close(self) -> None:
        """The client disconnected, before or after the handshake."""
        connection, self.ws_connection = self.ws_connection, None
        if connection is not None:
            connection.on_connection_close()
        if self._opened and not self._on_close_called:
            self._on_close_called = True
            result = self.on_close()
            if inspect.isawaitable(result):
                start_soon(self._finish_on_close, result)

    async def _finish_on_close(self, awaitable: Awaitable[object]) -> None:
        try:
            await awaitable
        except Exception:
            self.log_exception(*sys.exc_info())

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        """Invoked by the protocol, with what the peer's close frame said."""
        if not self._on_close_called:
            self.close_code = close_code
            self.close_reason = close_reason
        self.on_connection_close()

    def _open_failed(self) -> None:
        # A connection that was never open is not closed, either.
        self._on_close_called = True
        self.ws_connection = None

    def _detach_stream(self) -> Any:
        """The connection's native stream; from here on this is no HTTP request."""
        self._upgraded = True
        self._opened = True
        # What programs get from detach() is an IOStream.
        native = getattr(self.request.connection, "detach_native", None)
        if native is not None:
            self._finished = True
            return native()
        from tornado._impl.streams.shown import as_native

        return as_native(self.detach())

    def _continue_with(self) -> Any:
        """How to continue without the request's own stack, which takes 5 KB; None: not possible.

        A `get` of the program's own may do something when the connection is closed, so then it
        must last as long. And one in a separate task (behind a router) has no one to hand over
        to: the connection's own task has ended when the stream was taken.
        """
        if self._in_task or type(self).get is not WebSocketHandler.get:
            return None
        return getattr(self.request.connection, "continue_with", None)

    # --- what makes no sense on a WebSocket -------------------------------------------------

    def _http_only(self) -> None:
        if self._upgraded:
            raise RuntimeError("Method not supported for Web Sockets")

    def write(self, chunk: Any) -> Any:
        self._http_only()
        return super().write(chunk)

    def redirect(self, url: str, permanent: bool = False, status: int | None = None) -> Any:
        self._http_only()
        return super().redirect(url, permanent, status)

    def set_header(self, name: str, value: Any) -> None:
        self._http_only()
        super().set_header(name, value)

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        self._http_only()
        super().set_cookie(*args, **kwargs)

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        self._http_only()
        super().set_status(status_code, reason)

    def flush(self, include_footers: bool = False) -> Any:  # type: ignore[override]
        self._http_only()
        return super().flush(include_footers)

    def finish(self, chunk: Any = None) -> Any:
        self._http_only()
        return super().finish(chunk)
