"""HTTP/2: a call of `serve` run by Hypercorn's trio worker instead of our server.

Knows Hypercorn, `AsgiApp` and the seam of `serve`. The drain is that of a `Server`, which counts
the requests; Hypercorn closes idle connections, and accepts no more.
"""

from __future__ import annotations

import logging
import ssl
from contextlib import nullcontext
from typing import Any, Final

import trio
from hypercorn.config import Config, Sockets
from hypercorn.trio.run import worker_serve
from hypercorn.utils import wrap_app

from ..net.listeners import SocketListener
from ..net.tls_contexts import ServerTls
from ..server import ServerOptions
from ..server.hosting import ServeCall, current_host
from ..server.second_signal import second_signal
from ..websocket.options import WebSocketOptions
from .hosting import CANCEL_GRACE, GRACE, AsgiApp

__all__ = ["serve_http2"]

#: What Hypercorn has to say about connections and broken peers.
logger = logging.getLogger("tornado_trio.http2")
logger.setLevel(logging.WARNING)  # where it listens, the service has said
_SPARE: Final = 1.0  # seconds that connections have for what their last requests were answered


async def serve_http2(
    call: ServeCall, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve `call` over HTTP/1.1 and HTTP/2 until cancelled.

    With TLS the client chooses (ALPN); without, HTTP/2 needs prior knowledge. ValueError: a
    listener is not a socket. Cancellation: as for `serve`, within its grace plus six seconds.
    """
    listeners = call.opened()
    options = call.options or ServerOptions()
    grace = GRACE if call.grace is None else call.grace
    app = AsgiApp(call.app, grace=grace, options=options)
    config = _Config(options, call.tls)
    service = current_host.get()
    try:
        with nullcontext() if service is None else service.serving(app.server, listeners):
            async with trio.open_nursery() as nursery:
                carried = _Carried(app, config, _sockets(listeners, call.tls is not None))
                await nursery.start(carried.run)
                task_status.started(listeners)
                try:
                    await trio.sleep_forever()
                finally:
                    await carried.end(grace)
    finally:
        for listener in listeners:
            listener.close()


class _Carried:
    """Hypercorn's worker, out of reach of the cancellation that begins the drain."""

    def __init__(self, app: AsgiApp, config: Config, sockets: Sockets) -> None:
        self._app = app
        self._config = config
        self._sockets = sockets
        self._stop = trio.Event()
        self._ended = trio.Event()
        self._shield = trio.CancelScope(shield=True)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        # Cancelled before it began, `started` would do nothing, and the shield would never end.
        await trio.lowlevel.checkpoint_if_cancelled()
        application: Any = self._app  # Hypercorn has types of its own for what ASGI says
        try:
            with self._shield:
                task_status.started()
                await worker_serve(
                    wrap_app(application, 0, "asgi"),
                    self._config,
                    sockets=self._sockets,
                    shutdown_trigger=self._stop.wait,
                )
        finally:
            self._ended.set()

    async def end(self, grace: float) -> None:
        """Stop accepting, drain, and end; within `grace` plus the extra time of `serve`."""
        patience = grace + CANCEL_GRACE + _SPARE
        self._shield.deadline = trio.current_time() + patience
        self._stop.set()
        server = self._app.server
        with (
            trio.CancelScope(shield=True, deadline=self._shield.deadline),
            second_signal(server.interrupt),
        ):
            await trio.lowlevel.checkpoint()
            await server.drain(grace, CANCEL_GRACE)
            self._shield.deadline = trio.current_time() + _SPARE
            await self._ended.wait()


class _Config(Config):
    """Hypercorn's configuration, with our limits."""

    def __init__(self, options: ServerOptions, tls: ssl.SSLContext | ServerTls | None) -> None:
        super().__init__()
        limits, timeouts = options.limits, options.timeouts
        self._tls = tls
        self.errorlog = logger
        self.include_server_header = False
        self.keep_alive_timeout = timeouts.idle
        self.ssl_handshake_timeout = timeouts.handshake
        self.h11_max_incomplete_size = limits.max_head_size
        self.h2_max_header_list_size = limits.max_head_size
        self.websocket_ping_interval = WebSocketOptions().ping_interval
        # The drain has deadlines of its own; this one is for what outlasts them.
        self.graceful_timeout = float("inf")

    def create_ssl_context(self) -> ssl.SSLContext | None:
        """The context of the call, for both protocols."""
        if self._tls is None:
            return None
        context = self._tls if isinstance(self._tls, ssl.SSLContext) else self._tls.context
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


def _sockets(listeners: Any, tls: bool) -> Sockets:
    for listener in listeners:
        if not isinstance(listener, SocketListener):
            raise ValueError(f"HTTP/2 is served on sockets, and not on {listener!r}")
    # Duplicates: ours stay those of the service, which closes them.
    sockets = [listener.socket.dup() for listener in listeners]
    return Sockets(sockets, [], []) if tls else Sockets([], sockets, [])
