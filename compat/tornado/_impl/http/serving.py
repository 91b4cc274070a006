"""`NativeServer`: the native server of an `HTTPServer`.

Knows listening sockets, IOStreams, and what Tornado does differently from the native server: which
TLS options apply, what is logged. The `HTTPServer` is known by its attributes.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from socket import socket as Socket
from typing import TYPE_CHECKING, Any, Protocol

from tornado._impl.http.exchange import ContextExchange, ExchangeConnection, ProxiedExchange
from tornado._impl.http.late_tls import LateTls
from tornado._impl.http.loop_server import (
    LoopServer,
    close_native,
    options_of,
    tell_closed,
    turns_until_idle,
)
from tornado.ioloop import IOLoop
from tornado.log import app_log, gen_log

from tornado_trio._util.records import replace
from tornado_trio.interop.coroutines import undriven
from tornado_trio.net.listeners import Listener, SocketListener
from tornado_trio.net.stream import Stream
from tornado_trio.server.connection import Http1Connection

if TYPE_CHECKING:
    from tornado._impl.streams.base import BaseIOStream

__all__ = ["NativeServer"]


class Owner(Protocol):
    """The `HTTPServer`, as its native server sees it."""

    conn_params: Any
    drain_grace: float | None
    _io_loop: IOLoop | None
    max_buffer_size: int | None
    protocol: str | None
    request_callback: Any
    ssl_options: Any
    trusted_downstream: Any
    xheaders: bool

    def stop(self) -> None: ...
    def on_close(self, server_conn: object) -> None: ...
    def _chosen_app(self) -> Any: ...
    async def _respond(self, exchange: Any) -> None: ...


class NativeServer(LoopServer):
    """Serves an `HTTPServer`'s connections.

    Args:
      face: makes what programs see of a connection, an `HTTP1ServerConnection`.
    """

    def __init__(self, owner: Owner, face: Callable[[Any, Any], Any]) -> None:
        options = replace(
            options_of(owner.conn_params, owner.max_buffer_size),
            protocol=owner.protocol,
            trusted_downstream=frozenset(owner.trusted_downstream or ()),
        )
        super().__init__(owner._respond, options, owner._io_loop)
        self.drain_grace = owner.drain_grace
        self.owner = owner
        self.conn_params = owner.conn_params
        self._face = face
        self._tls = LateTls()
        if isinstance(owner.ssl_options, dict):
            self._tls.context(owner.ssl_options)  # mistakes are found at once
        # By stream, which is a connection's from accept to close.
        self.seen: dict[Stream, Any] = {}

    # --- what comes in ------------------------------------------------------------------
    def listen(self, sock: Socket) -> Callable[[], None]:
        """Serve a listening socket, now or as soon as the loop runs; a function that ends it."""
        listener = SocketListener(sock)
        self._listening.add(sock)
        loop = self._serve_soon(self._listen, listener)

        def end() -> None:
            self._listening.discard(sock)
            loop._in_run(listener.close)

        return end

    def serve_iostream(self, stream: BaseIOStream, address: Any) -> None:
        """Serve a connection that is an IOStream, which stays the program's."""
        from tornado._impl.streams.adapter import IOStreamAdapter

        adapter = IOStreamAdapter(stream)
        if address is not None:
            adapter.remote_address = address
        self.serve_soon(partial(self.handle, adapter))

    async def _listen(self, listener: Listener) -> None:
        await self._ready.wait()
        if self.reception is not None and not listener.closed:
            self.reception.listen(listener)

    @property
    def program(self) -> Any:
        return self.owner.request_callback

    def _begin(self, loop: IOLoop) -> None:
        self.drain_grace = self.owner.drain_grace
        self._answer_by(self.owner._chosen_app())
        super()._begin(loop)

    def _answer_by(self, app: Any) -> None:
        self.app = app
        kind: type[ExchangeConnection] = ExchangeConnection
        if app == self.owner._respond:
            kind = ContextExchange
        elif self.owner.xheaders:
            # Not `ServerOptions.xheaders`: programs have their own way of reading those.
            kind = ProxiedExchange
        self.exchange_type = kind  # type: ignore[misc]

    def _stop_listening(self) -> None:
        self.owner.stop()

    def _tls_of_connections(self) -> NativeServer:
        return self

    @property
    def encrypts(self) -> bool:
        return self.owner.ssl_options is not None

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS context of the next connection."""
        options = self.owner.ssl_options
        if options is None:
            return None
        try:
            return self._tls.context(options)
        except Exception as exc:
            app_log.error("Error in connection callback", exc_info=True)
            raise OSError("no TLS without its options") from exc

    def connection_refused(self, stream: Stream, error: Exception) -> None:
        if isinstance(error, ssl.SSLError):
            gen_log.warning("SSL Error on %s: %s", stream.remote_address, error)
        # The others are gone, or silent: there is nothing to tell anybody.

    # --- one connection --------------------------------------------------------------------
    async def handle(self, stream: Stream, context: Any = None) -> None:
        task = self.make_task(stream)
        if task is not None:
            # Delegates make a task of each handler, as in Tornado.
            self._answer_by(self.owner._respond)
        connection = Http1Connection(stream, self, context)
        try:
            await self.adopt(connection)
        finally:
            seen = self.seen.pop(stream, None)
            if task is not None:
                task.over()
        tell_closed(self.owner, seen or self._face(connection, self.conn_params))

    def served(self, connection: Any) -> Any:
        """The one object of a connection that programs see."""
        found = self.seen.get(connection.stream)
        if found is None:
            found = self.seen[connection.stream] = self._face(connection, self.conn_params)
        found._native = connection  # a successor's, if a handler went on after its response
        return found

    async def close_connections(self) -> None:
        for connection in list(self.connections):
            close_native(connection)
        await turns_until_idle(lambda: list(self.connections))


undriven(NativeServer.handle)
