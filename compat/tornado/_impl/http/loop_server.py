"""`LoopServer`: a native server among the tasks of an IOLoop.

Knows `serve_connections`, which owns the connections, and how an IOLoop's tasks are driven. Whose
requests they are, and what answers them, is decided by a subclass or a connection (`on_stream`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from socket import socket as Socket
from typing import TYPE_CHECKING, Any

import trio
from tornado import gen
from tornado._impl.generation import before
from tornado._impl.http.dialects import BAD_REQUEST, OF_REQUESTS
from tornado._impl.http.exchange import ExchangeConnection
from tornado._impl.http.inspecting import inspect
from tornado._impl.loop.tasks import start_soon
from tornado.ioloop import IOLoop
from tornado.log import app_log

from tornado_trio._util.records import replace
from tornado_trio.errors import PeerError
from tornado_trio.exchange import FINISH, App, Cause
from tornado_trio.interop.coroutines import undriven
from tornado_trio.interop.driver import run_driver
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.net.stream import Stream
from tornado_trio.server import Server, ServerOptions, serve_connections
from tornado_trio.server.background import continue_connection
from tornado_trio.server.serve import _connection, _counted
from tornado_trio.wire.writing import bare_response

if TYPE_CHECKING:
    from tornado._impl.http.connection_task import ConnectionTask

    from tornado_trio.server.interfaces import Reception

__all__ = ["LoopServer", "close_native", "options_of", "tell_closed", "turns_until_idle"]

_CANCEL_GRACE = 5.0  # seconds that handlers may take to end which a drain has cancelled
_MAX_BODY = 100 * 1024 * 1024
_NO_ANSWER = frozenset((408,))
_OWN_ANSWER = frozenset((414, 431))


class LoopServer(Server):
    """Begins with the first connection, or listening socket, and ends with its loop.

    Attributes:
      drain_grace: seconds that requests under way get when the loop ends; None: they are lost.
    """

    exchange_type = ExchangeConnection
    drain_grace: float | None = None

    def __init__(self, app: App, options: ServerOptions, io_loop: IOLoop | None = None) -> None:
        super().__init__(app, options)
        self._listening: set[Socket] = set()
        self._io_loop = io_loop
        self._loop: IOLoop | None = None  # whose tasks the connections are
        self._ready = trio.Event()  # there is a reception
        self._parts: tuple[Any, Any] = (None, None)

    @property
    def program(self) -> Any:
        """What answers, as the program gave it: it may have settings."""
        return self.app

    # --- its task ---------------------------------------------------------------------------
    def _serve_soon(self, receive: Callable[..., Any], *args: Any) -> IOLoop:
        # Programs have servers in a thread of their own and begin, and end, from another.
        loop = self._loop
        if loop is None:
            loop = self._loop = self._io_loop or IOLoop.current()
            loop._serves(self)
            start_soon(self._run, io_loop=loop, name="HTTPServer")
        loop._in_run(partial(loop._start_soon, receive, *args))
        return loop

    def serve_soon(self, async_fn: Callable[[], Awaitable[None]]) -> None:
        """Run the task of a connection, now or as soon as the loop runs."""
        self._serve_soon(self._start_task, async_fn)

    async def _start_task(self, async_fn: Callable[[], Awaitable[None]]) -> None:
        await self._ready.wait()
        if self.nursery is not None:
            self.nursery.start_soon(async_fn, name="connection")

    async def _run(self) -> None:
        assert self._loop is not None
        self._parts = loop, guest = self._loop._driver_parts()
        self._begin(self._loop)
        grace = self.drain_grace
        if grace is not None:
            self._loop._before_end(partial(self._drain_at_end, grace), grace + 2 * _CANCEL_GRACE)
        # A drain waits for handlers: they are not what `asyncio.run` cancels first of all.
        listed = guest.dispatcher is None and grace is None
        run = partial(run_driver, loop=loop, guest=guest, listed=listed)
        self.options = replace(self.options, run=run)
        try:
            await serve_connections(self, [], tls=self._tls_of_connections(), grace=None)
        finally:
            self._loop._serves_no_more(self)
            self._loop = None

    def _begin(self, loop: IOLoop) -> None:
        """The loop runs, and connections will come."""
        inspect(self, loop, self.program)

    def _tls_of_connections(self) -> Any:
        return None

    def _stop_listening(self) -> None:
        """The loop is about to end, and requests under way are to be answered."""

    async def _drain_at_end(self, grace: float) -> None:
        self._stop_listening()
        if self.connections:
            await self.drain(grace, _CANCEL_GRACE)

    def receive_by(self, reception: Reception | None) -> None:
        super().receive_by(reception)
        if reception is None:
            self._ready = trio.Event()
        else:
            self._ready.set()

    def watched(self) -> dict[int, tuple[Any, Callable[..., None]]]:
        """For `IOLoop.handlers`: what is listened on, and the connections there are."""
        connections: set[Any] = self.connections
        sockets = [*self._listening, *(each.stream.socket for each in connections)]
        # -1: closed just now.
        found = {sock.fileno(): (sock, _handled_by_its_task) for sock in sockets if sock}
        found.pop(-1, None)
        return found

    # --- handlers ---------------------------------------------------------------------------
    def make_task(self, stream: Stream) -> ConnectionTask | None:
        """A task for a connection, where the program's loop makes tasks in its own way."""
        if self._loop is None or not self._loop._makes_tasks:
            return None
        from tornado._impl.http.connection_task import ConnectionTask

        if self.options.run != self._drive_in_task:
            self.options = replace(self.options, run=self._drive_in_task)
        return ConnectionTask(self._parts[0], stream)

    def _drive_in_task(self, coroutine: Any) -> Any:
        from tornado._impl.http.connection_task import connection_task

        loop, guest = self._parts
        return run_driver(coroutine, loop, guest, identity=connection_task())


def _handled_by_its_task(fd: Any, events: int) -> None:
    """The handler of a descriptor that the loop does not watch itself."""


# --- closing ------------------------------------------------------------------------------------


def close_native(connection: Any) -> None:
    """Close a connection under its handler, whose `on_connection_close` is called."""
    connection.close()
    connection.on_disconnect(Cause.ABORTED, trio.ClosedResourceError("closed by the server"))


def tell_closed(delegate: Any, server_connection: object) -> None:
    """`on_close` of a program's, whose failure is not that of other connections."""
    try:
        delegate.on_close(server_connection)
    except Exception:
        app_log.error("Uncaught exception in on_close", exc_info=True)


async def turns_until_idle(connections: Callable[[], list[Any]]) -> None:
    """Wait for the tasks of closed connections, which end on their next turns; handlers that run
    on are not waited for."""
    for _ in range(100):
        if all(connection.busy for connection in connections()):
            break
        await gen.sleep(0)  # works in a plain trio run, too


# --- options ------------------------------------------------------------------------------------


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


_BASIC = ServerOptions(
    dialect=OF_REQUESTS, on_disconnect=FINISH, call_soon=_call_soon, refuse=_refusal
)


def options_of(
    params: Any, max_buffer_size: int | None, basic: ServerOptions = _BASIC
) -> ServerOptions:
    """`basic` with what an `HTTP1ConnectionParameters` says; the buffer bounds bodies, too."""
    idle = params.header_timeout or 3600
    return replace(
        basic,
        limits=Limits(
            max_head_size=params.max_header_size or 65536,
            max_fields=65536,
            max_body_size=params.max_body_size or max_buffer_size or _MAX_BODY,
            chunk_size=params.chunk_size or 65536,
            chunks_per_step=1 if before(6, 6) else 400,
            max_write_buffer=None,
        ),
        # Tornado waits without limit for a client to send its body, or to take its response; an
        # hour is a pause that no player of videos makes.
        timeouts=Timeouts(
            idle=idle,
            head=min(idle, 60),
            body=params.body_timeout,
            stall=3600,
            write=3600,
            half_closed=0.5,
        ),
        keep_alive=not params.no_keep_alive,
        decompress_request=params.decompress,
    )


def _of_ours(coro: Any) -> bool:
    """Whether a task of the native server's is one of ours: native services have them, too."""
    given = coro.cr_frame.f_locals
    server = given.get("server") or getattr(given.get("connection"), "server", None)
    return isinstance(getattr(server, "base", server), LoopServer)


# What these run drives its handlers itself.
for _function in (_connection, _counted, continue_connection):
    undriven(_function, _of_ours)
