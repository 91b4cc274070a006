"""A worker: a process that serves, and its link to the parent that started it.

Knows the channel, the board and `Service`. Must not know how many workers there are.

It is the program, started again: `run` learns from the environment that it is a worker. Its parent
tells it when to stop; SIGTERM from elsewhere (a service manager signals all processes of a group)
begins the same shutdown, however often it arrives. SIGINT is handled by the parent.
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import trio

from ..net.listeners import Listener, SocketListener
from .balance import SharedListener
from .board import Board
from .channel import ask, messages, say
from .errors import CannotStart
from .hosting import run_service
from .kinds import Main
from .lifetime import Service
from .loading import LoadError
from .logs import set_up_logging
from .place import Place
from .settings import Settings
from .traces import show

__all__ = ["WorkerLink", "run_worker"]

BEAT_EVERY = 1.0  # seconds


class WorkerLink:
    """The worker's end of the link to its parent; the source of its listeners."""

    def __init__(self, place: Place) -> None:
        self._control = socket.socket(fileno=place.control)
        self._broker = socket.socket(fileno=place.broker)
        self._board = Board(place.board)
        for fd in (place.control, place.broker, place.board):
            os.set_inheritable(fd, False)
        self._row = self._board[place.row]
        self._service: Service | None = None
        self._asked: dict[str, int] = {}
        self.is_ready = False

    def attach(self, service: Service) -> None:
        """Use the link for this service."""
        self._service = service

    # --- the source of listeners -------------------------------------------------------
    def listeners(
        self, settings: Settings, port: int | None, host: str | None
    ) -> list[SocketListener]:
        """The listeners of an address, which the parent binds once for all workers."""
        places = {name: getattr(settings, name) for name in ("host", "port", "unix", "fd")}
        key = repr((sorted(places.items(), key=str), port, host))
        # `serve(app, 0)` twice are two ports, the same two in each worker.
        count = self._asked[key] = self._asked.get(key, 0) + 1
        question = {**places, "serve_port": port, "serve_host": host, "count": count}
        try:
            reply, sockets = ask(self._broker, question)
        except OSError as error:
            raise CannotStart(f"no answer from the parent process: {error}") from None
        if "error" in reply:
            raise CannotStart(reply["error"], reply["status"])
        return [
            SharedListener(sock, self._board, self._row, self._connections, self._accepts)
            for sock in sockets
        ]

    def _accepts(self) -> bool:
        assert self._service is not None
        return self._service.state in ("starting", "serving", "leaving")

    def _connections(self) -> int:
        assert self._service is not None
        return sum(len(server.connections) for server in self._service.servers)

    def serving(self, listeners: Sequence[Listener], tls: bool) -> None:
        assert self._service is not None
        self.is_ready = True
        self._row.serving = not self._service.stopping
        addresses = [listener.address for listener in listeners]
        self._say(op="ready", addresses=addresses, tls=tls, patience=self._service.patience)

    def stopping(self) -> None:
        self._row.serving = False
        self._say(op="stopping")

    # --- tasks ---------------------------------------------------------------------------
    async def beat(self) -> None:
        """Send signs of life for as long as the loop runs."""
        assert self._service is not None
        timeout = self._service.settings.worker_timeout
        pause = min(BEAT_EVERY, timeout / 4) if timeout else BEAT_EVERY
        while True:
            self._row.live()
            self._row.connections = self._connections()
            self._row.serving = self.is_ready and self._accepts()
            await trio.sleep(pause)

    async def obey(self) -> None:
        """Follow the parent's messages; stop if the parent has gone."""
        service = self._service
        assert service is not None
        self._say(op="running")
        control = trio.socket.from_stdlib_socket(self._control)
        async for message in messages(control):
            if message["op"] == "stop":
                service.stop()
                if (within := message.get("within")) is not None:
                    await trio.sleep(within)
                    service.cut()
            elif message["op"] == "cut":
                service.cut()
        service.stop()

    def _say(self, **message: Any) -> bool:
        return say(self._control, message)

    # --- what it tells ---------------------------------------------------------------------
    def failed(self, line: str | None, trace: str | None, status: int) -> None:
        """The worker cannot start; the parent reports it, once for all of them."""
        self._say(op="failed", line=line, trace=trace, status=status)

    def count_requests(self, limit: int) -> Callable[[Any], Any]:
        """An application wrapper that asks for the worker's replacement after about `limit`
        requests."""
        # Not all at once: they were started together.
        limit += random.randrange(limit // 10 + 1)
        row = self._row

        def wrap(app: Any) -> Any:
            async def counted(exchange: Any) -> None:
                row.requests = count = row.requests + 1
                if count == limit:
                    self._say(op="recycle", requests=count)
                await app(exchange)

            return counted

        return wrap


def run_worker(place: Place, load: Callable[[], Main], settings: Settings) -> None:
    """Run as the worker of `place`. Raises SystemExit at its end.

    If it cannot start, the reason is sent to the parent, which prints it.
    """
    link = WorkerLink(place)
    faulthandler.enable()  # SIGABRT, which the parent sends to one that hangs, shows where
    set_up_logging(settings, place.number)
    service = Service(settings, link, number=place.number)
    link.attach(service)
    if settings.max_requests:
        service.wrap_app = link.count_requests(settings.max_requests)
    beside: list[Main] = [link.beat, link.obey]
    if place.inspection >= 0:
        from .inspection import inspect_worker

        beside.append(inspect_worker(service, place.inspection))
    signals = WorkerSignals()
    try:
        with signals:
            run_service(service, load(), signals, beside)
    except LoadError as error:
        link.failed(str(error), error.trace, error.status)
        raise SystemExit(error.status) from None
    except CannotStart as error:
        link.failed(str(error), None, error.status)
        raise SystemExit(error.status) from None
    except Exception as error:
        text = show(error)
        if link.is_ready:
            sys.stderr.write(text)
        else:
            link.failed(None, text, 1)
        raise SystemExit(1) from None
    raise SystemExit(0)


class WorkerSignals:
    """SIGTERM begins the shutdown, SIGINT does nothing."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None
        self._service: Service | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            # A function, not SIG_IGN, which programs that the service starts would inherit.
            signal.signal(signal.SIGINT, lambda number, frame: None)
            signal.signal(signal.SIGTERM, self._handle)

    def __exit__(self, *exc_info: object) -> None:
        """They stay: the process ends."""

    def attach(self, service: Service) -> None:
        self._token, self._service = trio.lowlevel.current_trio_token(), service

    def _handle(self, number: int, frame: object) -> None:
        if self._token is None or self._service is None:
            raise SystemExit(0)  # it still imports: nothing has begun
        try:
            self._token.run_sync_soon(self._service.stop)
        except trio.RunFinishedError:
            return  # it is ending anyway
