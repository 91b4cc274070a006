"""`serve`: an application on a port, with a bounded end.

Knows listeners and the server. Must not know signals or processes.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

import trio

from .._util.interrupts import interrupt_in
from .._util.mistakes import check_app, require_trio
from ..errors import DeadlineError, PeerError
from ..exchange import App, running
from ..net.listeners import Listener, accept_loop, close_all
from ..net.socket_stream import SocketStream
from ..net.stream import Stream
from .hosting import ServeCall, current_host
from .limiter import ConnectionLimiter, LimitedListener
from .options import ServerOptions
from .second_signal import second_signal
from .server import Server

if TYPE_CHECKING:
    from ..net.proxy import ProxyProtocol
    from ..net.tls_contexts import ServerTls

__all__ = ["Tls", "TlsSource", "serve", "serve_connections"]


class TlsSource(Protocol):
    """Provides the TLS context for the next connection, as `net.ServerTls` does."""

    @property
    def encrypts(self) -> bool:
        """Whether it is to be encrypted: if so `context` will be asked for."""

    @property
    def context(self) -> ssl.SSLContext | None:
        """None: the connection is not encrypted. Errors are passed to
        `Server.connection_refused`."""


Tls = ssl.SSLContext | TlsSource

# After its own deadlines the drain has nothing left to wait for; this is for the rest.
_CANCEL_GRACE = 5.0
_GRACE = 30.0


async def serve(
    app: App,
    port: int | None = None,
    *,
    host: str | None = None,
    listeners: Sequence[Listener] | None = None,
    tls: ssl.SSLContext | ServerTls | None = None,
    proxy: ProxyProtocol | None = None,
    options: ServerOptions | None = None,
    grace: float | None = None,
    task_status: trio.TaskStatus[Sequence[Listener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until cancelled.

    Args:
      app: an `Application`, or anything else that is called with each `Exchange`.
      port: where to listen; 0: any free port. Needless with `listeners`.
      host: a name or an address; None: every interface.
      listeners: open listeners, instead of a port; they are closed at the end.
      tls: an `ssl.SSLContext`, or a `net.ServerTls` (several names, reloading).
      proxy: peers whose connections begin with a PROXY protocol header.
      options: limits, timeouts, policies; see `ServerOptions`.
      grace: seconds that requests under way get when this is cancelled; None: 30.

    Applications mounted in `app` that have a lifespan are started before it listens, and shut down
    after the last request.

    Errors: StartupError if such a start fails; OSError if it cannot listen there; ValueError
    without a port (from 0 to 65535) or listeners; TypeError if `app` is not an application;
    RuntimeError outside trio.

    Under `tornado_trio.run` the operator's settings (address, TLS, grace) take precedence over
    these arguments, the port may be left out, and the sockets may be the parent process's. A signal
    that ends the service ends this call without `Cancelled`: it drains and returns.

    `await nursery.start(serve, app, 0)` returns the listeners.

    Cancellation: stops accepting, drains, and returns after at most `grace` plus five seconds. It
    waits for what trio cannot cancel (a thread, a shield), and names that in the log. A SIGINT or
    SIGTERM during the drain cuts what is left at once.
    """
    check_app(app, "serve")
    require_trio("serve", "trio.run(serve, app, port), or await it in a nursery's task")
    async with running(app):
        await _serve(app, port, host, listeners, tls, proxy, options, grace, task_status)


async def _serve(
    app: App,
    port: int | None,
    host: str | None,
    listeners: Sequence[Listener] | None,
    tls: ssl.SSLContext | ServerTls | None,
    proxy: ProxyProtocol | None,
    options: ServerOptions | None,
    grace: float | None,
    task_status: trio.TaskStatus[Sequence[Listener]],
) -> None:
    call = ServeCall(
        app=app,
        port=port,
        host=host,
        listeners=listeners,
        tls=tls,
        options=options,
        grace=grace,
    )
    service = current_host.get()
    if service is not None:
        call = service.prepared(call)
    if call.carrier is not None:
        if proxy is not None:
            raise ValueError("proxy= is read by our own server only: HTTP/2 has another")
        await call.carrier(call, task_status)
        return
    await serve_connections(
        Server(call.app, call.options),
        call.opened(),
        tls=call.tls,
        proxy=proxy,
        grace=_GRACE if call.grace is None else call.grace,
        task_status=task_status,
    )


async def serve_connections(
    server: Server,
    listeners: Sequence[Listener],
    *,
    tls: Tls | None = None,
    proxy: ProxyProtocol | None = None,
    grace: float | None = 30.0,
    task_status: trio.TaskStatus[Sequence[Listener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Like `serve`, for a given `Server`. Meanwhile `server.reception` accepts further listeners.

    With a `grace` of None nothing is drained: cancelling drops what is under way.
    """
    service = current_host.get()
    with nullcontext() if service is None else service.serving(server, listeners):
        await _serve_connections(server, listeners, tls, proxy, grace, task_status)


async def _serve_connections(
    server: Server,
    listeners: Sequence[Listener],
    tls: Tls | None,
    proxy: ProxyProtocol | None,
    grace: float | None,
    task_status: trio.TaskStatus[Sequence[Listener]],
) -> None:
    exits: list[KeyboardInterrupt | SystemExit] = []
    reception: _Reception | None = None
    try:
        async with trio.open_nursery() as accepting:

            def leave(exit: KeyboardInterrupt | SystemExit) -> None:
                exits.append(exit)
                accepting.cancel_scope.cancel()

            connections, shield = await accepting.start(_hold, server, leave)
            reception = _Reception(server, accepting, connections, tls, proxy)
            try:
                for listener in listeners:
                    reception.listen(listener)
                server.receive_by(reception)
                task_status.started(listeners)
                await trio.sleep_forever()
            finally:
                server.receive_by(None)
                if grace is None:
                    connections.cancel_scope.cancel()
                else:
                    shield.deadline = trio.current_time() + grace + _CANCEL_GRACE + 1
                    reception.sweep()
                    reception.close()
                    await _end(server, grace, shield.deadline, connections.cancel_scope)
    except BaseExceptionGroup as group:
        interrupt = interrupt_in(group)
        if interrupt is None:
            raise
        raise interrupt from None
    finally:
        close_all(listeners)
        if reception is not None:
            reception.close()
    if exits:
        raise exits[0]


class _Reception:
    """See `interfaces.Reception`."""

    def __init__(
        self,
        server: Server,
        accepting: trio.Nursery,
        connections: trio.Nursery,
        tls: Tls | None,
        proxy: ProxyProtocol | None,
    ) -> None:
        self._server = server
        self._accepting = accepting
        self._connections = connections
        self._tls = tls
        self._proxy = proxy
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)
        limiter = self._server.limiter
        arriving = listener if limiter is None else LimitedListener(listener, limiter)
        self._accepting.start_soon(accept_loop, arriving, self._arrived)

    def start(self, stream: Stream) -> None:
        self._connections.start_soon(self._server.handle, stream, name="connection")

    def _arrived(self, stream: Stream) -> None:
        limiter = self._server.limiter
        connection = (self._server, stream, self._tls, self._proxy)
        if limiter is not None:
            self._connections.start_soon(_counted, limiter, *connection, name="connection")
        elif self._proxy is None and (self._tls is None or _is_plain(self._tls)):
            self.start(stream)  # a coroutine less, for as long as it lasts
        else:
            self._connections.start_soon(_connection, *connection, name="connection")

    def sweep(self) -> None:
        """Accept the connections the kernel has already established: closing would reset them."""
        if self._server.limiter is not None:
            return
        for listener in self._listeners:
            try:
                while (stream := listener.accept_nowait()) is not None:
                    self._arrived(stream)
            except (OSError, trio.ClosedResourceError):
                continue  # closed by its owner, or out of descriptors: nothing to save

    def close(self) -> None:
        """Stop listening."""
        close_all(self._listeners)


async def _end(
    server: Server, grace: float, deadline: float, connections: trio.CancelScope
) -> None:
    """Drain, out of reach of the cancellation that has just come but not of a second signal."""
    try:
        with trio.CancelScope(shield=True, deadline=deadline), second_signal(server.interrupt):
            # Connections just taken have no task yet, which the drain would wait for. Twice, since
            # trio shuffles what is ready: after the first, this may still be before them.
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            await server.drain(grace, _CANCEL_GRACE)
    except BaseException:
        # That signal, raised in this very task.
        with trio.CancelScope(shield=True, deadline=deadline):
            await server.cut()
        raise
    finally:
        connections.cancel()


async def _hold(
    server: Server,
    leave: Callable[[KeyboardInterrupt | SystemExit], object],
    *,
    task_status: trio.TaskStatus[tuple[trio.Nursery, trio.CancelScope]],
) -> None:
    """Own the connections out of reach of the cancellation that stops accepting.

    The shield gets its deadline the moment that cancellation arrives.
    """
    # Cancelled before it began, `started` would do nothing, and the shield would never end.
    await trio.lowlevel.checkpoint_if_cancelled()
    with trio.CancelScope(shield=True) as shield:
        async with trio.open_nursery() as connections:
            server.run_in(connections, leave)
            task_status.started((connections, shield))
            await trio.sleep_forever()  # until cancelled: connections come and go


def _is_plain(tls: Tls) -> bool:
    """Whether a connection that comes now is not encrypted."""
    return not (isinstance(tls, ssl.SSLContext) or tls.encrypts)


async def _counted(
    limiter: ConnectionLimiter,
    server: Server,
    stream: Stream,
    tls: Tls | None,
    proxy: ProxyProtocol | None,
) -> None:
    try:
        await _connection(server, stream, tls, proxy)
    finally:
        limiter.leave()


async def _connection(
    server: Server, stream: Stream, tls: Tls | None, proxy: ProxyProtocol | None
) -> None:
    try:
        if proxy is not None:
            await proxy.read(stream)
        if tls is not None:
            stream = await _encrypted(stream, tls, server.options.timeouts.handshake)
    except (OSError, DeadlineError, PeerError) as exc:
        server.connection_refused(stream, exc)
        stream.close()
        return
    except BaseException:
        stream.close()
        raise
    await server.handle(stream)


async def _encrypted(stream: Stream, tls: Tls, seconds: float) -> Stream:
    context = tls if isinstance(tls, ssl.SSLContext) else tls.context
    if context is None:
        return stream
    from ..net.tls import start_tls  # only servers that use it pay for the import

    assert isinstance(stream, SocketStream)
    return await start_tls(stream, context, server_side=True, handshake_timeout=seconds)
