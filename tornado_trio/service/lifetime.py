"""`Service`: the life of one process that serves, from `main`'s start to its end.

Knows trio, `serve`'s interface to its host (`server.hosting`) and the order of a shutdown. Must not
know where sockets come from (a `Source` does), nor how signals reach it (`signals`, `worker`).

The shutdown is this table. Each row has its bound; a second signal goes straight to "cutting".

    state       begins with            what happens                             at most
    starting    `main` is called       nothing serves yet
    serving     the first `serve`      ready
    leaving     the first signal       not ready; listeners still open          drain_delay
    draining    that time is over      each `serve` drains, and returns         its grace + 5 s
    finishing   the last one returned  `main` runs to its end: nurseries     CLEANUP
                                       that it waits for are cancelled
    cutting     that time is over,     requests are cut, `main` is cancelled    CUT, then the
                or a second signal                                              process exits
    ended       `main` has returned

So what was opened around `serve` with `async with` is closed without being cancelled, and tasks
that would run forever (jobs beside `serve`, a `main` that sleeps) are cancelled.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import trio

from .._util.mistakes import explain_asyncio
from ..net.listeners import Listener, SocketListener
from ..server import Server
from ..server.hosting import Carrier, ServeCall, current_host
from .errors import CannotStart
from .settings import Settings

if TYPE_CHECKING:
    from ..net.tls_contexts import ServerTls
    from ..observe import Inspector, Watchdog

__all__ = ["Service", "Source", "current_service"]

logger = logging.getLogger("tornado_trio.service")

CLEANUP = 10.0  # seconds that `main` gets after the last `serve` has returned
CUT = 5.0  # seconds that it gets once it is cancelled
GRACE = 30.0  # of `serve`, unless set otherwise
SERVE_SPARE = 6.0  # seconds after its grace in which `serve` has returned
LAST_ANSWERS = 0.3  # seconds for the error responses of requests that were cut
DEVELOPING = 0.1  # seconds for which a step may hold the loop while developing
LOOK_EVERY = 0.01  # seconds between looks at what keeps `main` from ending


class Source(Protocol):
    """Where a service's listeners come from; notified of its state."""

    def listeners(
        self, settings: Settings, port: int | None, host: str | None
    ) -> Sequence[SocketListener]:
        """The listeners of the service's own address. Raises CannotStart."""

    def serving(self, listeners: Sequence[Listener], tls: bool) -> None:
        """Called when it is listening, and accepts requests."""

    def stopping(self) -> None:
        """It has begun to end."""


@dataclass(eq=False, slots=True)
class _Serving:
    """One call of `serve` under way."""

    server: Server
    scope: trio.CancelScope
    task: trio.lowlevel.Task


class Service:
    """One process that serves. `run` is its only task; `stop` and `cut` may be called at any time.

    Attributes:
      settings: how it is run.
      state: as in the module's table.
      number: which worker this is, from 1; None: the only process.
      inspector: counts its requests and shows what it is doing, where that was asked for.
      watchdog: names steps that hold the loop, where that was asked for.
      wrap_app: wraps each application, for counting.
      longest_grace: seconds; the longest of all calls of `serve`.
    """

    def __init__(self, settings: Settings, source: Source, *, number: int | None = None) -> None:
        self.settings = settings
        self.number = number
        self.state = "starting"
        self.longest_grace = 0.0
        self.wrap_app: Callable[[Any], Any] | None = None
        self.inspector: Inspector | None = None
        self.watchdog: Watchdog | None = None
        self._source = source
        self._servings: list[_Serving] = []
        self._address_taken = False
        self._tls = False
        self._stop = trio.Event()
        self._draining = trio.Event()
        self._cut = trio.Event()
        self._idle = trio.Event()
        self._main_scope = trio.CancelScope()
        self._main_task: trio.lowlevel.Task | None = None
        self._main_done = False
        self._nursery: trio.Nursery | None = None

    def __repr__(self) -> str:
        return f"<Service {self.state}, {len(self._servings)} servers>"

    @property
    def ready(self) -> bool:
        """Whether new requests are accepted: it is serving, and has not been asked to stop."""
        return self.state == "serving"

    @property
    def servers(self) -> list[Server]:
        """The servers of all running calls of `serve`."""
        return [serving.server for serving in self._servings]

    def statistics(self) -> dict[str, Any]:
        """For inspection pages: `state`, `number` and what each server counts."""
        return {
            "state": self.state,
            "number": self.number,
            "servers": [server.statistics() for server in self.servers],
        }

    # --- being ended ---------------------------------------------------------------------
    def stop(self) -> None:
        """Begin to end. Idempotent. Call it from the run's thread."""
        self._stop.set()

    def cut(self) -> None:
        """End without waiting for requests. Idempotent. Call it from the run's thread."""
        self._stop.set()
        self._cut.set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    async def wait_draining(self) -> None:
        """Wait until the drain begins: for endless responses, which should end then."""
        await self._draining.wait()

    # --- the run -------------------------------------------------------------------------
    async def run(
        self,
        main: Callable[[], Awaitable[object]],
        beside: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        """Run `main` to its end, or until stopped; `beside` run meanwhile, then are cancelled.

        Raises what `main` raises.
        """
        failure: BaseException | None = None
        self._main_task = trio.lowlevel.current_task()
        host, service = current_host.set(self), _current.set(self)
        try:
            async with trio.open_nursery() as self._nursery:
                nursery = self._nursery
                nursery.start_soon(self._end)
                for async_fn in beside:
                    nursery.start_soon(async_fn)
                try:
                    with self._main_scope:
                        await main()
                except (Exception, KeyboardInterrupt, SystemExit) as error:
                    # Raised below: the nursery would put it into a group.
                    failure = error
                    explain_asyncio(error, "main")
                self._main_done = True
                nursery.cancel_scope.cancel()
        finally:
            self.state = "ended"
            current_host.reset(host)
            _current.reset(service)
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # no cycle through the traceback

    async def _end(self) -> None:
        """What the module's table says, row by row, once there is reason to."""
        await self._stop.wait()
        self._source.stopping()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cut_when_told)
            if self._servings and self.settings.drain_delay:
                self._enter("leaving")
                with trio.move_on_after(self.settings.drain_delay):
                    await self._cut.wait()
            self._enter("draining")
            self._draining.set()
            for serving in list(self._servings):
                serving.scope.cancel()
            if tasks := list({serving.task for serving in self._servings}):
                await self._idle.wait()
                self._enter("finishing")
                with trio.move_on_after(CLEANUP):
                    await self._let_go(tasks)
            self._enter("cutting")
            self._main_scope.cancel()

    def _enter(self, state: str) -> None:
        logger.debug("%s -> %s", self.state, state)
        self.state = state

    async def _cut_when_told(self) -> None:
        await self._cut.wait()
        for server in self.servers:
            server.interrupt()
        self._main_scope.cancel()
        await trio.sleep(LAST_ANSWERS)
        for server in self.servers:
            for connection in list(server.connections):
                connection.close()

    @property
    def patience(self) -> float:
        """Seconds within which a shutdown that begins now is over, unless it hangs."""
        return self.settings.drain_delay + self.longest_grace + SERVE_SPARE + CLEANUP + CUT

    async def _let_go(self, tasks: list[trio.lowlevel.Task]) -> None:
        """Cancel what keeps the tasks that served, then those they belong to, from ending.

        A nursery is cancelled when its own task has come to the end of its block, or the last
        task in it that served has ended. Polls, as trio has no notification for this.
        """
        while not self._main_done:
            for task in tasks:
                for nursery in task.child_nurseries:
                    if _waited_for(nursery) and nursery.child_tasks.isdisjoint(tasks):
                        nursery.cancel_scope.cancel()
            for task in list(tasks):
                owner = task.parent_nursery
                if task is self._main_task or owner is None or task in owner.child_tasks:
                    continue
                tasks.remove(task)
                if owner.child_tasks.isdisjoint(tasks):
                    owner.cancel_scope.cancel()
                    if owner.parent_task not in tasks:
                        tasks.append(owner.parent_task)
            await trio.sleep(LOOK_EVERY)

    # --- the seam of `serve` -----------------------------------------------------------------
    def prepared(self, call: ServeCall) -> ServeCall:
        """The call with the operator's settings.

        The service's own address is for the first call that names none; one that is the operator's,
        for the first that has no listeners of its own, whatever port it names.
        """
        settings = self.settings
        listeners, tls, options = call.listeners, call.tls, call.options
        chosen = settings.has_address or "LISTEN_FDS" in os.environ
        if listeners is None and not self._address_taken and (chosen or call.port is None):
            self._address_taken = True
            listeners = self._source.listeners(settings, call.port, call.host)
            if settings.tls_cert is not None:
                tls = own = server_tls(settings)
                assert self._nursery is not None
                self._nursery.start_soon(own.reload_on_change)
        elif listeners is None and call.port is not None:
            place = Settings(port=call.port, host=call.host or "")
            listeners = self._source.listeners(place, None, None)
        if settings.proxy_headers:
            options = _behind_proxies(options, settings.proxy_headers)
        if self.inspector is not None:
            options = self.inspector.meter.options(options)
        self._watch_steps(call.app)
        grace = call.grace if settings.grace is None else settings.grace
        self.longest_grace = max(self.longest_grace, GRACE if grace is None else grace)
        app = call.app if self.wrap_app is None else self.wrap_app(call.app)
        if settings.traces:
            app = _traced(app)
        self._tls = tls is not None
        carrier: Carrier | None = None
        if settings.http2:
            from ..asgi.http2 import serve_http2  # for those who use it

            carrier = serve_http2
        return dataclasses.replace(
            call,
            app=app,
            listeners=listeners,
            tls=tls,
            options=options,
            grace=grace,
            carrier=carrier,
        )

    def _watch_steps(self, app: Any) -> None:
        """Have the watchdog run, where it was asked for, or this is for development."""
        seconds = self.settings.watchdog
        debug = getattr(app, "settings", None)
        if seconds is None and (
            self.settings.reload or (isinstance(debug, dict) and debug.get("debug"))
        ):
            seconds = DEVELOPING
        if not seconds or self.watchdog is not None:
            return
        from ..observe.watchdog import Watchdog  # for those who use it

        assert self._nursery is not None
        self.watchdog = Watchdog(seconds)
        self._nursery.start_soon(self.watchdog.run, name="watchdog")
        if self.inspector is not None:
            self.inspector.watchdog = self.watchdog

    @contextmanager
    def serving(self, server: Server, listeners: Sequence[Listener]) -> Iterator[None]:
        """Around one `serve`: its scope is cancelled to end it."""
        with trio.CancelScope() as scope:
            serving = _Serving(server, scope, trio.lowlevel.current_task())
            self._servings.append(serving)
            if self._stop.is_set():
                scope.cancel()
            elif self.state == "starting":
                self._enter("serving")
            try:
                self._source.serving(listeners, self._tls)
                yield
            finally:
                self._servings.remove(serving)
                if self._stop.is_set() and not self._servings:
                    self._idle.set()


def _waited_for(nursery: trio.Nursery) -> bool:
    """Whether the nursery's own task has come to the end of its block, and waits for children.

    A private name of trio's; without it `main` is cancelled when CLEANUP is over.
    """
    return bool(getattr(nursery, "_parent_waiting_in_aexit", False))


def server_tls(settings: Settings) -> ServerTls:
    """The `ServerTls` of the settings. Raises CannotStart: its files cannot be used."""
    import ssl

    from ..net.tls_contexts import Certificate, ServerTls  # for those who use it

    assert settings.tls_cert is not None
    certificate = Certificate(certfile=settings.tls_cert, keyfile=settings.tls_key)
    try:
        return ServerTls(certificate)
    except (OSError, ssl.SSLError) as error:
        files = " and ".join(filter(None, (settings.tls_cert, settings.tls_key)))
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CannotStart(f"the certificate {files} cannot be used: {reason}") from None


def _traced(app: Any) -> Any:
    try:
        from ..observe.tracing import trace_client, trace_websockets, traced  # for those who use it
    except ImportError:
        raise CannotStart(
            "traces need OpenTelemetry's API: pip install opentelemetry-api", 2
        ) from None
    trace_client()
    trace_websockets()
    return traced(app)


def _behind_proxies(options: Any, proxies: bool | tuple[str, ...]) -> Any:
    from ..server.options import ServerOptions

    options = options or ServerOptions()
    trusted = options.trusted_downstream
    if isinstance(proxies, tuple):
        trusted = trusted | frozenset(proxies)
    return dataclasses.replace(options, xheaders=True, trusted_downstream=trusted)


_current: ContextVar[Service | None] = ContextVar("current_service", default=None)


def current_service() -> Service | None:
    """The service that the calling task belongs to; None outside of `run`."""
    return _current.get()
