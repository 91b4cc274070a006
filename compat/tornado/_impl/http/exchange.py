"""A native exchange that is also Tornado's `HTTPConnection`: what `request.connection` is.

Knows the native server and `IOStream`. Nothing here is on the path of an ordinary request:
the names are looked up only by programs that reach below `RequestHandler`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from tornado import httputil
from tornado._impl.http.server_stream import stream_of
from tornado._impl.loop.tasks import run_task
from tornado._impl.streams.errors import StreamClosedError
from tornado.concurrent import Future

from tornado_trio.errors import PeerError
from tornado_trio.exchange import READY, Failed
from tornado_trio.net.stream import Stream
from tornado_trio.server.exchange import Http1Exchange
from tornado_trio.wire.events import RequestHead

if TYPE_CHECKING:
    from tornado_trio.server.interfaces import Channel


class ExchangeConnection(Http1Exchange, httputil.HTTPConnection):
    """One request and its response, with the names of Tornado's connections.

    It says itself who the client is; the `context` that Tornado keeps that in is made when a
    program asks for it.
    """

    is_client = False

    @property
    def context(self) -> Any:
        return self.server_connection.context

    @context.setter
    def context(self, value: object) -> None:
        """The native side offers its own (None)."""

    @property
    def params(self) -> Any:
        return self._connection.server.conn_params  # type: ignore[attr-defined]

    @property
    def no_keep_alive(self) -> bool:
        return not self._connection.options.keep_alive

    @no_keep_alive.setter
    def no_keep_alive(self, value: bool) -> None:
        if value:
            self._connection.wire.end_after_response()

    async def read_chunk(self) -> bytes:
        try:
            return await super().read_chunk()
        except PeerError as exc:
            # Tornado answers a malformed or oversized body itself; the handler is notified
            # that the connection is gone.
            error = StreamClosedError()
            self._connection.refuse(exc)
            self.lose(error)
            raise error from exc

    @property
    def _request_start_line(self) -> Any:
        return self.start_line

    @property
    def _request_headers(self) -> Any:
        return self.headers

    def log(self) -> None:
        """Tornado's server writes no line of a request: handlers do, and a `WSGIContainer`.

        Here it writes those of handlers that were cut off.
        """
        if self.route is not None:
            super().log()

    def lose(self, error: Exception) -> None:
        # Programs know the error by this name.
        known = isinstance(error, StreamClosedError)
        super().lose(error if known else StreamClosedError(real_error=error))

    # --- the stream -------------------------------------------------------------------
    @property
    def stream(self) -> Any:
        """The connection's stream behind the names of an IOStream; None once it was detached."""
        return stream_of(self._connection)

    @property
    def server_connection(self) -> Any:
        """The same for all requests of a connection."""
        return self._connection.server.served(self._connection)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close the connection at once."""
        self._connection.stream.close()

    def detach_native(self) -> Stream:
        """As the native `detach`."""
        return super().detach()

    def detach(self) -> Any:
        """Take the stream over, as an `IOStream`; HTTP ends here."""
        from tornado._impl.streams.shown import as_iostream

        return as_iostream(self.detach_native())

    # --- responses as text -----------------------------------------------------------
    def write_headers(
        self, start_line: Any, headers: Any, chunk: bytes | None = None, callback: Any = None
    ) -> Awaitable[None]:
        if self.finished and (over := self._over) is not None:
            return over
        pending = super().write_headers(start_line, headers, chunk)
        return pending if callback is None else _with_callback(pending, callback)

    @property
    def _over(self) -> Awaitable[None] | None:
        """What becomes of writing to a request that ended otherwise than by its answer."""
        if self._connection.detached:
            # The program has read from the stream: what its handler still does is no HTTP.
            return None if self.stream is None else READY
        if self.cause is None:
            return None
        return Failed(self.gone or StreamClosedError())

    def write(self, chunk: bytes, callback: Any = None) -> Awaitable[None]:
        if self.finished and (over := self._over) is not None:
            return over
        connection = self._connection
        if not connection.wire.responded and not self.finished:
            # A program of Tornado 3's manner, which writes its own head.
            connection.wire.raw_response()
            self.status = 200
        pending = super().write(chunk)
        return pending if callback is None else _with_callback(pending, callback)

    def finish(self, trailers: Any = None) -> Awaitable[None]:  # type: ignore[override]
        wire = self._connection.wire
        if not wire.responded and not self.finished:
            wire.raw_response()
        return super().finish(trailers)


class ContextExchange(ExchangeConnection):
    """One on its way through a program's delegates, or of a connection with a program's context:
    its client is who the context says by then."""

    def __init__(self, connection: Channel, head: RequestHead) -> None:
        self._context = connection.server.served(connection).context  # type: ignore[attr-defined]
        super().__init__(connection, head)

    @property
    def remote_ip(self) -> str:
        found: str | None = getattr(self._context, "remote_ip", None)
        return self._connection.client[0] if found is None else found

    @remote_ip.setter
    def remote_ip(self, remote_ip: str) -> None:
        """Made known with the connection: the context has it."""

    @property
    def protocol(self) -> str:
        found: str | None = getattr(self._context, "protocol", None)
        return self._connection.client[1] if found is None else found

    @protocol.setter
    def protocol(self, protocol: str) -> None:
        """As `remote_ip`."""


class ProxiedExchange(ExchangeConnection):
    """One of a server behind a proxy, whose word is taken the way the program has it."""

    def __init__(self, connection: Channel, head: RequestHead) -> None:
        super().__init__(connection, head)
        context = connection.server.served(connection).context  # type: ignore[attr-defined]
        if context is not None:
            context._unapply_xheaders()  # those of the request before
            context._apply_xheaders(head.headers)
            self.remote_ip, self.protocol = context.remote_ip, context.protocol


def _with_callback(pending: Awaitable[None], callback: Any) -> Future:
    """Call back when what was written is on its way, as Tornado 4 did."""

    async def wait() -> None:
        await pending
        callback()

    return run_task(wait())


__all__ = ["READY", "ContextExchange", "ExchangeConnection", "ProxiedExchange"]
