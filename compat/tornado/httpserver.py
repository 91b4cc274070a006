"""`tornado.httpserver`: the HTTP/1.1 server, single-threaded and non-blocking.

Knows the native server, which does the work, and the delegates. Connections that come from
a listening socket never are IOStreams: they are accepted and served by native trio tasks.
A stream handed to `handle_stream` is served over that stream (`http1connection`).
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import trio
from tornado import gen, httputil
from tornado._impl.generation import before
from tornado._impl.http.delegates import call_with_form, drive_delegate
from tornado._impl.http.dialects import OF_REQUESTS
from tornado._impl.http.exchange import ExchangeConnection
from tornado._impl.http.served import LateTls, ServedConnection, close_native
from tornado._impl.loop.tasks import run_task, start_soon
from tornado._impl.names import handing_on
from tornado.http1connection import (
    BAD_REQUEST,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from tornado.ioloop import IOLoop
from tornado.iostream import SSLIOStream
from tornado.log import app_log, gen_log
from tornado.tcpserver import TCPServer
from tornado.util import Configurable

from tornado_trio._util.interrupts import interrupt_in
from tornado_trio.errors import DeadlineError, PeerError
from tornado_trio.exchange import FINISH
from tornado_trio.interop.driver import run_driver
from tornado_trio.interop.guest import undriven
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.net.listeners import SocketListener, accept_loop
from tornado_trio.net.stream import Stream
from tornado_trio.net.tls import start_tls
from tornado_trio.server import DrainReport, Server, ServerOptions
from tornado_trio.server.background import continue_connection
from tornado_trio.server.forwarded import corrected_origin
from tornado_trio.wire.writing import bare_response

HTTPRequest = httputil.HTTPServerRequest

_MAX_BODY = 100 * 1024 * 1024
_NO_ANSWER = frozenset((408,))
_OWN_ANSWER = frozenset((414, 431))


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

    The remaining methods are those of `TCPServer`.
    """

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
        # The attribute may be assigned later, and an object that is no dict is not looked at
        # before a connection needs it.
        self._tls = LateTls()
        if isinstance(ssl_options, dict):
            self._tls.context(ssl_options)
        self._native = _NativeServer(self)
        self._streams: set[HTTP1ServerConnection] = set()

    # --- accepting -------------------------------------------------------------------
    def _start_accepting(self, sock: socket.socket) -> Callable[[], None]:
        if type(self).handle_stream is not HTTPServer.handle_stream:
            # The program wants to see streams.
            return super()._start_accepting(sock)
        return self._native.listen(sock)

    def handle_stream(self, stream: Any, address: Any) -> None:
        """Serve a connection that is an IOStream already."""
        context = _StreamContext(stream, address, self.protocol)
        connection = HTTP1ServerConnection(stream, self.conn_params, context)
        self._streams.add(connection)
        connection.start_serving(self)

    async def close_all_connections(self) -> None:
        """Close every connection; done when they are closed. Call `stop` first.

        Handlers that are running learn it by `on_connection_close`, and run on.
        """
        await self._native.close_connections()
        for connection in list(self._streams):
            await connection.close()

    async def drain(self, grace: float = 30.0) -> DrainReport:
        """Shut down without losing a request: accept no more, let what is under way end
        (with "Connection: close"), and cut it after `grace` seconds. Not in Tornado."""
        self.stop()
        # A task of its own: the caller may be one of asyncio's.
        began = time.monotonic()
        native = run_task(self._native.drain(grace))
        ended = await gen.multi([connection.drain(grace) for connection in self._streams])
        report: DrainReport = await native
        return dataclasses.replace(
            report,
            abandoned=report.abandoned + ended.count(False),
            seconds=time.monotonic() - began,
        )

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
        context = getattr(request_conn, "context", None)
        if self.xheaders and isinstance(context, _StreamContext):
            # Native exchanges have been corrected already.
            return _ProxiedDelegate(delegate, context, self._native.options)
        return delegate

    def on_close(self, server_conn: object) -> None:
        """A connection was closed."""
        self._streams.discard(server_conn)

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


# --- connections that are IOStreams ----------------------------------------------------------


class _StreamContext:
    """Who is at the other end of an IOStream; what requests show of it."""

    def __init__(self, stream: Any, address: Any, protocol: str | None) -> None:
        self.address = address
        sock = getattr(stream, "socket", None)
        self.address_family = sock.family if sock is not None else None
        is_ip = self.address_family in (socket.AF_INET, socket.AF_INET6)
        self.remote_ip = address[0] if is_ip and address is not None else "0.0.0.0"
        self.protocol = protocol or ("https" if isinstance(stream, SSLIOStream) else "http")
        self.of_the_stream = (self.remote_ip, self.protocol)

    def __str__(self) -> str:
        return str(self.remote_ip)


class _ProxiedDelegate(httputil.HTTPMessageDelegate):
    """Corrects the context by what a proxy says, for the length of one request."""

    def __init__(
        self,
        delegate: httputil.HTTPMessageDelegate,
        context: _StreamContext,
        options: ServerOptions,
    ) -> None:
        self._delegate = delegate
        self._context = context
        self._options = options

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        context = self._context
        context.remote_ip, context.protocol = corrected_origin(
            headers, context.remote_ip, context.protocol, self._options
        )
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()
        self._restore()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()
        self._restore()

    def _restore(self) -> None:
        self._context.remote_ip, self._context.protocol = self._context.of_the_stream


# --- the native side ------------------------------------------------------------------------


def _refusal(error: PeerError) -> bytes:
    """Tornado answers 400 to everything malformed, and nothing to one that is too slow."""
    if error.status in _OWN_ANSWER:
        return bare_response(error.status)
    if error.status in _NO_ANSWER or before(5):
        return b""
    return BAD_REQUEST


def _call_soon(function: Callable[[], object]) -> bool:
    try:
        asyncio.get_running_loop().call_soon(function)
    except RuntimeError:
        return False  # no loop runs: tasks that unwind at the interpreter's exit
    return True


def _options(server: HTTPServer, run: Callable[[Any], Any]) -> ServerOptions:
    params = server.conn_params
    idle = params.header_timeout or 3600
    return ServerOptions(
        limits=Limits(
            max_head_size=params.max_header_size or 65536,
            max_fields=65536,
            max_body_size=params.max_body_size or server.max_buffer_size or _MAX_BODY,
            chunk_size=params.chunk_size or 65536,
            chunks_per_step=1 if before(6, 6) else 400,
            max_write_buffer=None,
        ),
        # Tornado waits for ever for a client to send its body, or to take its response; an
        # hour is a pause that no player of videos makes.
        timeouts=Timeouts(
            idle=idle,
            head=min(idle, 60),
            body=params.body_timeout,
            stall=3600,
            write=3600,
            half_closed=0.5,
        ),
        dialect=OF_REQUESTS,
        on_disconnect=FINISH,
        keep_alive=not params.no_keep_alive,
        xheaders=server.xheaders,
        trusted_downstream=frozenset(server.trusted_downstream or ()),
        protocol=server.protocol,
        decompress_request=params.decompress,
        run=run,
        call_soon=_call_soon,
        refuse=_refusal,
    )


class _NativeServer(Server):
    """The native server of an `HTTPServer`, in the nursery of its IOLoop."""

    exchange_type = ExchangeConnection

    def __init__(self, owner: HTTPServer) -> None:
        super().__init__(owner._respond, _options(owner, self._drive))
        self.owner = owner
        self.conn_params = owner.conn_params
        self._waiting: list[SocketListener] = []
        self._loop: IOLoop | None = None  # that of the listening sockets
        self._parts: tuple[Any, Any] = (None, None)
        # By stream, which is a connection's from accept to close.
        self.seen: dict[Stream, ServedConnection] = {}

    def listen(self, sock: socket.socket) -> Callable[[], None]:
        listener = SocketListener(sock)
        # Programs have servers in a thread of their own and begin, and end, from another.
        if self._loop is None:
            loop = self._loop = self.owner.io_loop or IOLoop.current()
            self._waiting.append(listener)
            start_soon(self._run, io_loop=loop, name="HTTPServer")
        else:
            loop = self._loop
            loop._in_run(partial(self._listen, listener))
        return partial(loop._in_run, listener.close)

    def _listen(self, listener: SocketListener) -> None:
        if self.nursery is not None:
            self.nursery.start_soon(accept_loop, listener, self._accepted)
        else:
            self._waiting.append(listener)

    async def _run(self) -> None:
        assert self._loop is not None
        self._parts = self._loop._driver_parts()
        self.app = self.owner._chosen_app()
        try:
            async with trio.open_nursery() as nursery:
                self.run_in(nursery)
                waiting, self._waiting = self._waiting, []
                for listener in waiting:
                    nursery.start_soon(accept_loop, listener, self._accepted)
        except BaseExceptionGroup as group:
            interrupt = interrupt_in(group)
            if interrupt is not None:
                raise interrupt from group  # the loop hands it to who runs it
            raise
        finally:
            self.run_in(None)
            self._loop = None

    def _accepted(self, stream: Stream) -> None:
        assert self.nursery is not None
        self.nursery.start_soon(_serve, self, stream)

    def _drive(self, coroutine: Any) -> Any:
        loop, guest = self._parts
        return run_driver(coroutine, loop, guest, listed=guest.dispatcher is None)

    def served(self, connection: Any) -> ServedConnection:
        """The one object of a connection that programs see."""
        found = self.seen.get(connection.stream)
        if found is None:
            found = self.seen[connection.stream] = ServedConnection(connection, self.conn_params)
        found._native = connection  # a successor's, if a handler went on after its response
        return found

    async def close_connections(self) -> None:
        for connection in list(self.connections):
            close_native(connection)
        # Their tasks end on their next turns; handlers that run on are not waited for.
        for _ in range(100):
            if all(connection.busy for connection in self.connections):
                break
            await gen.sleep(0)  # works in a plain trio run, too


@undriven
async def _serve(server: _NativeServer, stream: Stream) -> None:
    """One connection: it drives its requests itself."""
    owner = server.owner
    if owner.ssl_options is not None:
        try:
            context = owner._tls.context(owner.ssl_options)
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
            stream.close()
            return
        try:
            stream = await start_tls(stream, context, server_side=True)  # type: ignore[arg-type]
        except ssl.SSLError as exc:
            gen_log.warning("SSL Error on %s: %s", stream.remote_address, exc)
            return
        except (OSError, DeadlineError):
            return  # gone, or silent: nothing to tell anybody
    try:
        await server.handle(stream)
    finally:
        seen = server.seen.pop(stream, None)
    owner.on_close(seen)


undriven(continue_connection)  # what it runs drives its handlers itself

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.httpserver")
