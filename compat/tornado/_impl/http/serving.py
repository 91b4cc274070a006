"""`NativeServer`: the native server of an `HTTPServer`, among the tasks of its IOLoop.

Knows `serve_connections`, which owns the connections, and what Tornado does otherwise: which TLS
options hold, what is logged, that nothing is drained unless it was asked for. The `HTTPServer` is
known by its attributes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Callable
from functools import partial
from socket import socket as Socket
from typing import TYPE_CHECKING, Any, Protocol

import trio
from tornado import gen
from tornado._impl.generation import before
from tornado._impl.http.dialects import OF_REQUESTS
from tornado._impl.http.exchange import ExchangeConnection
from tornado._impl.http.inspecting import inspect
from tornado._impl.http.reading import BAD_REQUEST
from tornado._impl.http.served import LateTls, ServedConnection, close_native
from tornado._impl.loop.tasks import start_soon
from tornado._impl.streams.adapter import IOStreamAdapter
from tornado._impl.streams.base import BaseIOStream
from tornado.http1connection import HTTP1ConnectionParameters
from tornado.ioloop import IOLoop
from tornado.log import app_log, gen_log

from tornado_trio.errors import PeerError
from tornado_trio.exchange import FINISH
from tornado_trio.interop.driver import run_driver
from tornado_trio.interop.guest import undriven
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.net.listeners import Listener, SocketListener
from tornado_trio.net.stream import Stream
from tornado_trio.server import Server, ServerOptions, serve_connections
from tornado_trio.server.background import continue_connection
from tornado_trio.server.interfaces import Reception
from tornado_trio.server.serve import _connection, _counted
from tornado_trio.wire.writing import bare_response

if TYPE_CHECKING:
    from tornado._impl.http.connection_task import ConnectionTask

__all__ = ["NativeServer"]

_CANCEL_GRACE = 5.0  # seconds that handlers may take to end which a drain has cancelled
_MAX_BODY = 100 * 1024 * 1024
_NO_ANSWER = frozenset((408,))
_OWN_ANSWER = frozenset((414, 431))


class Owner(Protocol):
    """The `HTTPServer`, as its native server sees it."""

    conn_params: HTTP1ConnectionParameters
    drain_grace: float | None
    io_loop: IOLoop | None
    max_buffer_size: int | None
    protocol: str | None
    ssl_options: Any
    trusted_downstream: Any
    xheaders: bool

    def stop(self) -> None: ...
    def on_close(self, server_conn: object) -> None: ...
    def _chosen_app(self) -> Any: ...
    async def _respond(self, exchange: Any) -> None: ...


class NativeServer(Server):
    """Serves an `HTTPServer`'s connections."""

    exchange_type = ExchangeConnection

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner._respond, _options(owner))
        self.owner = owner
        self.conn_params = owner.conn_params
        self._tls = LateTls()
        if isinstance(owner.ssl_options, dict):
            self._tls.context(owner.ssl_options)  # mistakes are found at once
        self._loop: IOLoop | None = None  # whose tasks the connections are
        self._ready = trio.Event()  # there is a reception
        self._parts: tuple[Any, Any] = (None, None)
        # By stream, which is a connection's from accept to close.
        self.seen: dict[Stream, ServedConnection] = {}
        self._listening: set[Socket] = set()

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

    def watched(self) -> dict[int, tuple[Any, Callable[..., None]]]:
        """For `IOLoop.handlers`: what is listened on, and the connections there are."""
        connections: set[Any] = self.connections
        sockets = [*self._listening, *(each.stream.socket for each in connections)]
        # -1: closed just now.
        found = {sock.fileno(): (sock, _handled_by_its_task) for sock in sockets if sock}
        found.pop(-1, None)
        return found

    def serve_iostream(self, stream: BaseIOStream, address: Any) -> None:
        """Serve a connection that is an IOStream, which stays the program's."""
        adapter = IOStreamAdapter(stream)
        if address is not None:
            adapter.remote_address = address
        self._serve_soon(self._start, adapter)

    def _serve_soon(self, receive: Callable[..., Any], *args: Any) -> IOLoop:
        # Programs have servers in a thread of their own and begin, and end, from another.
        loop = self._loop
        if loop is None:
            loop = self._loop = self.owner.io_loop or IOLoop.current()
            loop._serves(self)
            start_soon(self._run, io_loop=loop, name="HTTPServer")
        loop._in_run(partial(loop._start_soon, receive, *args))
        return loop

    async def _listen(self, listener: Listener) -> None:
        await self._ready.wait()
        if self.reception is not None and not listener.closed:
            self.reception.listen(listener)

    async def _start(self, adapter: IOStreamAdapter) -> None:
        await self._ready.wait()
        if self.reception is not None:
            self.reception.start(adapter)

    async def _run(self) -> None:
        assert self._loop is not None
        self._parts = loop, guest = self._loop._driver_parts()
        self.app = self.owner._chosen_app()
        inspect(self, self._loop)
        grace = self.owner.drain_grace
        if grace is not None:
            self._loop._before_end(partial(self._drain_at_end, grace), grace + 2 * _CANCEL_GRACE)
        # A drain waits for handlers: they are not what `asyncio.run` cancels first of all.
        listed = guest.dispatcher is None and grace is None
        run = partial(run_driver, loop=loop, guest=guest, listed=listed)
        self.options = dataclasses.replace(self.options, run=run)
        try:
            await serve_connections(self, [], tls=self, grace=None)
        finally:
            self._loop._serves_no_more(self)
            self._loop = None

    async def _drain_at_end(self, grace: float) -> None:
        self.owner.stop()
        if self.connections:
            await self.drain(grace, _CANCEL_GRACE)

    def receive_by(self, reception: Reception | None) -> None:
        super().receive_by(reception)
        if reception is None:
            self._ready = trio.Event()
        else:
            self._ready.set()

    # --- one connection --------------------------------------------------------------------
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

    async def handle(self, stream: Stream, context: Any = None) -> None:
        task = self._make_task(stream)
        try:
            await super().handle(stream, context)
        finally:
            seen = self.seen.pop(stream, None)
            if task is not None:
                task.over()
        self.owner.on_close(seen)

    def _make_task(self, stream: Stream) -> ConnectionTask | None:
        """A task for a connection, where the program's loop makes tasks in its own way."""
        if self._loop is None or not self._loop._makes_tasks:
            return None
        from tornado._impl.http.connection_task import ConnectionTask

        if self.options.run != self._drive_in_task:
            # Delegates make a task of each handler, as in Tornado.
            self.app = self.owner._respond
            self.options = dataclasses.replace(self.options, run=self._drive_in_task)
        return ConnectionTask(self._parts[0], stream)

    def _drive_in_task(self, coroutine: Any) -> Any:
        from tornado._impl.http.connection_task import connection_task

        loop, guest = self._parts
        return run_driver(coroutine, loop, guest, identity=connection_task())

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


def _handled_by_its_task(fd: Any, events: int) -> None:
    """The handler of a descriptor that the loop does not watch itself."""


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


def _options(server: Owner) -> ServerOptions:
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
        call_soon=_call_soon,
        refuse=_refusal,
    )


def _of_ours(coro: Any) -> bool:
    """Whether a task of the native server's is one of ours: native services have them, too."""
    given = coro.cr_frame.f_locals
    server = given.get("server") or getattr(given.get("connection"), "server", None)
    return isinstance(server, NativeServer)


# What these run drives its handlers itself.
undriven(NativeServer.handle)
for _function in (_connection, _counted, continue_connection):
    undriven(_function, _of_ours)
