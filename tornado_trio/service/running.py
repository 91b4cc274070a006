"""`run`: a service in one call. Knows settings, hosts and exits; serving is done in the modules
below.

run(app, port=8888)     an Application
run(main)               an async function that calls `serve` somewhere
"""

from __future__ import annotations

import importlib.util
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

import trio

from ..net import systemd
from ..net.listeners import Listener, SocketListener
from .addresses import service_sockets
from .errors import CannotStart
from .hosting import announce, keep_watchdog, run_service
from .kinds import Main, main_of
from .lifetime import Service, server_tls
from .logs import set_up_logging
from .place import worker_place
from .settings import Settings
from .signals import StopSignals

__all__ = ["run", "start"]

logger = logging.getLogger("tornado_trio.service")


def run(
    main: Any,
    *,
    port: int | None = None,
    host: str | None = None,
    unix: str | None = None,
    fd: int | None = None,
    workers: int = 1,
    reload: bool = False,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    grace: float | None = None,
    drain_delay: float = 0.0,
    asyncio: bool | Literal["uvloop"] = False,
    http2: bool = False,
    log_format: Literal["text", "json"] = "text",
    access_log: bool = True,
    proxy_headers: bool | Sequence[str] = False,
    max_requests: int = 0,
    worker_timeout: float = 30.0,
    inspect: str | None = None,
    inspect_token: str | None = None,
    traces: bool = False,
    watchdog: float | None = None,
) -> None:
    """Run a service until it is stopped; returns if it ended without an error.

    Args:
        main: an `Application`, which is served; or an async function without arguments, which opens
            what the service needs with `async with`, around `serve`.
        port, host, unix, fd: where an application listens (127.0.0.1:8888 by default); they take
            precedence over the arguments of a `serve` in `main`.

    The others are those of `Settings`. Each can be set by an environment variable TORNADO_TRIO_*,
    which takes precedence: TORNADO_TRIO_PORT=80.

    SIGTERM and Ctrl-C drain: no new connections, requests under way are answered, `serve` returns,
    `main` ends. A second signal cuts. Logging is set up unless the program has done so.

    Raises:
        SystemExit: it cannot start (a line on stderr says why), or was cut.
        Exception: any error of `main`.
    """
    try:
        settings = Settings(
            port=port, host=host, unix=unix, fd=fd,
            workers=workers, reload=reload, tls_cert=tls_cert, tls_key=tls_key,
            grace=grace, drain_delay=drain_delay, asyncio=asyncio, http2=http2,
            log_format=log_format, access_log=access_log,
            proxy_headers=proxy_headers if isinstance(proxy_headers, bool) else (*proxy_headers,),
            max_requests=max_requests, worker_timeout=worker_timeout,
            inspect=inspect, inspect_token=inspect_token, traces=traces, watchdog=watchdog,
        ).with_environment()  # fmt: skip
        start(lambda: main_of(main, factories=False), settings)
    except CannotStart as error:
        complain(error)


def complain(error: CannotStart, program: str = "tornado_trio") -> None:
    """Print on stderr, in one line, why the service cannot start, and exit."""
    print(f"{program}: {error}", file=sys.stderr)
    raise SystemExit(error.status) from None


def start(load: Callable[[], Main], settings: Settings) -> None:
    """Run what `load` finds, in this process or in workers. Raises as `run`, and CannotStart."""
    _check_no_loop()
    check_http2(settings)
    place = worker_place()
    if place is not None:
        from .worker import run_worker

        run_worker(place, load, settings)
    elif settings.supervised:
        if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
            raise CannotStart(
                "workers, reload and max_requests need a Unix system: run a process for each port",
                2,
            )
        from .supervisor import supervise

        supervise(settings)
    else:
        run_here(load(), settings)


def check(main: Main, settings: Settings) -> None:
    """Check what `start` would run, without serving. Raises CannotStart."""
    check_http2(settings)
    if settings.tls_cert is not None:
        server_tls(settings)
    for sock in service_sockets(settings):
        sock.close()


def run_here(main: Main, settings: Settings) -> None:
    """Run `main` in this process."""
    set_up_logging(settings)
    service = Service(settings, OwnSockets(settings))
    signals = StopSignals()
    beside: list[Main] = [keep_watchdog]
    if settings.inspect is not None:
        from .inspection import inspect_here

        beside.append(inspect_here(service))
    with signals.installed():
        run_service(service, main, signals, beside)
    if signals.cut_by is not None:
        raise SystemExit(128 + signals.cut_by)


def _check_no_loop() -> None:
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return
    raise CannotStart("a trio run is going on in this thread: await serve() there instead", 2)


def check_http2(settings: Settings) -> None:
    """Check that HTTP/2 can be served, if requested. Raises CannotStart."""
    if settings.http2 and importlib.util.find_spec("hypercorn") is None:
        raise CannotStart("http2 needs Hypercorn: pip install 'tornado-trio[http2]'", 2)


class OwnSockets:
    """The source of a single process: binds its sockets, and notifies the service manager."""

    def __init__(self, settings: Settings) -> None:
        self._announced = False

    def listeners(
        self, settings: Settings, port: int | None, host: str | None
    ) -> list[SocketListener]:
        return [SocketListener(sock) for sock in service_sockets(settings, port, host)]

    def serving(self, listeners: Sequence[Listener], tls: bool) -> None:
        announce([listener.address for listener in listeners], tls)
        systemd.notify("READY=1")

    def stopping(self) -> None:
        systemd.notify("STOPPING=1")
