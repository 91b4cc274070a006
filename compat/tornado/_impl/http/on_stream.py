"""`serve`: an `HTTP1ServerConnection` made by a program, served by the native server.

A program that makes such a connection has an IOStream, parameters, a context and a delegate of its
own; `StreamServing` is the server as the native connection on that stream sees it. What connections
share (the disconnect watch, what a drain waits for) belongs to the `HTTPServer` that is the
delegate, or to all such connections of a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from tornado._impl.http.delegates import drive_delegate
from tornado._impl.http.exchange import ContextExchange, ExchangeConnection, ProxiedExchange
from tornado._impl.http.loop_server import _BASIC, LoopServer, options_of, tell_closed
from tornado._impl.streams.adapter import IOStreamAdapter
from tornado.concurrent import Future, future_set_result_unless_cancelled

from tornado_trio.interop.coroutines import undriven
from tornado_trio.net.stream import Stream
from tornado_trio.server.connection import Http1Connection
from tornado_trio.server.interfaces import Connection

__all__ = ["serve"]


def serve(server_connection: Any, delegate: Any) -> Future[None]:
    """Have the requests of its stream answered by `delegate`; done when that has ended."""
    base = getattr(delegate, "_native", None)
    if not isinstance(base, LoopServer):
        loop = server_connection.stream.io_loop
        base = loop._stream_server
        if base is None:
            base = loop._stream_server = LoopServer(_no_app, _BASIC, loop)
    serving = StreamServing(base, server_connection, delegate)
    base.serve_soon(serving.run)
    return serving.over


async def _no_app(exchange: Any) -> None:
    raise AssertionError("each connection has its own delegate")


class StreamServing:
    """See `tornado_trio.server.interfaces.Serving`.

    Attributes:
      base: whose connection it is, too.
      over: done when the connection has ended.
    """

    limiter = None

    def __init__(self, base: LoopServer, face: Any, delegate: Any) -> None:
        self.base = base
        self.face = face
        self.delegate = delegate
        self.conn_params = face.params
        self.engine = base.engine
        self.exchange_type: type[ExchangeConnection] = ContextExchange
        self.options = base.options
        self.app: Callable[[Any], Any] = self._respond
        self.over: Future[None] = Future()

    # --- shared -----------------------------------------------------------------------------
    @property
    def draining(self) -> bool:
        return self.base.draining

    @property
    def watch(self) -> Any:
        return self.base.watch

    @property
    def hub(self) -> Any:
        return self.base.hub

    @property
    def body_timeouts(self) -> Any:
        return self.base.body_timeouts

    @property
    def timers(self) -> Any:
        return self.base.timers

    @property
    def nursery(self) -> trio.Nursery | None:
        return self.base.nursery

    async def adopt(self, connection: Connection) -> None:
        await self.base.adopt(connection)

    # --- its own ----------------------------------------------------------------------------
    def client_of(self, stream: Stream) -> tuple[str, str]:
        context = self.face.context
        remote_ip, protocol = self.base.client_of(stream)
        found = getattr(context, "remote_ip", None)
        return remote_ip if found is None else found, getattr(context, "protocol", protocol)

    def served(self, connection: Any) -> Any:
        """The one object of the connection that programs see."""
        self.face._native = connection  # a successor's, if a handler went on after its response
        return self.face

    async def run(self) -> None:
        """The connection's task."""
        base, face = self.base, self.face
        stream = IOStreamAdapter(face.stream)
        task = base.make_task(stream)
        try:
            if task is None:
                self.app = self._shortest_way()
                if self.base.exchange_type is ProxiedExchange:
                    self.exchange_type = ProxiedExchange
            self.options = options_of(face.params, face.stream.max_buffer_size, base.options)
            connection = Http1Connection(stream, self)
            self.served(connection)
            await base.adopt(connection)
        finally:
            if task is not None:
                task.over()
            face._native = None  # which knows us: a reference cycle
            tell_closed(self.delegate, face)
            future_set_result_unless_cancelled(self.over, None)

    def _shortest_way(self) -> Callable[[Any], Any]:
        delegate = self.delegate
        if getattr(delegate, "_native", None) is self.base:
            app: Callable[[Any], Any] = delegate._chosen_app()
            return app
        native = getattr(type(delegate), "_native_app", None)
        return (None if native is None else native(delegate)) or self._respond

    async def _respond(self, exchange: Any) -> None:
        await drive_delegate(self.delegate.start_request(self.face, exchange), exchange)


undriven(StreamServing.run)
