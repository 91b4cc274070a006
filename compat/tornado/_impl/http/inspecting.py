"""Showing what a program does (TORNADO_TRIO_INSPECT) beside its first HTTPServer, and naming steps
that hold its loop (TORNADO_TRIO_WATCHDOG; on while developing: an Application with `debug`).

Knows the native servers of this process, and the loop that the first of them is on.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import trio
from tornado._impl.loop.tasks import start_soon
from tornado.log import gen_log

if TYPE_CHECKING:
    from tornado_trio.observe import Inspector, Watchdog
    from tornado_trio.server import Server

__all__ = ["inspect"]

ADDRESS = "TORNADO_TRIO_INSPECT"
TOKEN = "TORNADO_TRIO_INSPECT_TOKEN"
WATCHDOG = "TORNADO_TRIO_WATCHDOG"
DEVELOPING = 0.1  # seconds for which a step may hold the loop while developing
MOST_PORTS = 64  # processes of one program beside each other, each with the next port that is free

_servers: WeakSet[Server] = WeakSet()
# The inspector of this process (a fork has another), once there is one.
_current: dict[int, Inspector] = {}
# The watchdog of each loop that has one.
_watchdogs: WeakKeyDictionary[Any, Watchdog] = WeakKeyDictionary()


def inspect(server: Server, loop: Any, app: Any) -> None:
    """Count this server's requests, show what the process does, and watch the steps of its loop,
    where that was asked for. `app` is the program's: its settings are read."""
    watchdog = _watch_steps(app, loop)
    address = os.environ.get(ADDRESS)
    if not address:
        return
    inspector = _current.get(os.getpid())
    if inspector is None:
        from tornado_trio.observe import Inspector

        _servers.clear()  # of the process that this one was forked from
        inspector = Inspector(lambda: list(_servers))
        _current.clear()
        _current[os.getpid()] = inspector
        start_soon(_show, inspector, address, io_loop=loop, name="inspection")
    inspector.watchdog = inspector.watchdog or watchdog
    _servers.add(server)
    server.use_options(inspector.meter.options(server.options))


def _watch_steps(app: Any, loop: Any) -> Watchdog | None:
    """The watchdog of this loop, where there is to be one."""
    said = os.environ.get(WATCHDOG)
    settings = getattr(app, "settings", None)
    developing = isinstance(settings, dict) and settings.get("debug")
    seconds = float(said) if said else DEVELOPING if developing else 0.0
    if seconds <= 0:
        return None
    watchdog = _watchdogs.get(loop)
    if watchdog is None:
        from tornado_trio.observe import Watchdog

        watchdog = _watchdogs[loop] = Watchdog(seconds)
        start_soon(watchdog.run, io_loop=loop, name="watchdog")
    return watchdog


async def _show(inspector: Inspector, address: str) -> None:
    from tornado_trio.observe import LocalSource
    from tornado_trio.observe.dump import dump_on_signal
    from tornado_trio.observe.serving import serve_pages

    token = os.environ.get(TOKEN)
    try:
        sockets = _bound(address, token)
    except (OSError, ValueError) as error:
        gen_log.error("%s=%s: %s", ADDRESS, address, error)
        return
    gen_log.info("inspection on port %d", sockets[0].getsockname()[1])
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inspector.run, name="inspector")
            nursery.start_soon(dump_on_signal, inspector, name="SIGUSR1")
            nursery.start_soon(
                serve_pages, LocalSource(inspector), sockets, token, name="inspection pages"
            )
    finally:
        _current.clear()  # the next loop begins anew


def _bound(address: str, token: str | None) -> list[socket.socket]:
    """Sockets there, or on the next port that is free."""
    from tornado_trio.net.listeners import bind_tcp_sockets
    from tornado_trio.observe.serving import parse_address

    host, port = parse_address(address, token)
    for beyond in range(MOST_PORTS):
        try:
            return bind_tcp_sockets(port + beyond, host)
        except OSError:
            if beyond == MOST_PORTS - 1 or not port:
                raise
    raise AssertionError("unreachable")
