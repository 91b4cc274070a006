"""`AsgiApp`: an application of ours as an ASGI 3 application.

Knows exchanges, ASGI's scopes and the tables by which requests and servers end: a request counts as
a connection of a `Server` that has no listeners. Each runs in its own task and nursery.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from time import perf_counter
from typing import Any, Final

import trio

from .._util.groups import consists_of, sole
from .._util.mistakes import check_app
from ..errors import Disconnected, PeerError, StreamClosedError
from ..exchange import (
    CLIENT_LEFT,
    OUTCOMES,
    App,
    Cause,
    HTTPHeaders,
    Lifespan,
    ResponseStartLine,
    current_exchange,
    log_access,
    running,
)
from ..limits import Limits
from ..log import app_log, gen_log
from ..server import Server, ServerOptions
from ..server.forwarded import corrected_origin
from ..server.outcomes import log_refusal
from .exchange import AsgiExchange
from .outbox import message
from .sockets import UpgradeExchange
from .types import Receive, Scope, Send

__all__ = ["CANCEL_GRACE", "AsgiApp", "AsgiRequest"]

GRACE: Final = 30.0  # seconds that requests get when the lifespan ends
CANCEL_GRACE: Final = 5.0  # seconds that they get once they are cancelled
_LAST_WORDS: Final = 1.0  # seconds in which a request that is cut may still be answered


class AsgiApp:
    """Serve `app` under an ASGI server.

    Args:
        app: an `Application`, or an async function of an exchange.
        lifespan: makes an async context manager, entered before the first request and left
            after the last: what the service opens. Applications mounted in `app` have their own.
        limits: limits of bodies and websocket messages; the server has its own for heads.
        grace: seconds; requests still under way when the server ends the lifespan are cancelled
            after them, and answered 503, before the service's resources are closed.
        options: only `limits`, `on_disconnect`, the request's timeout, `xheaders` and `access_log`
            apply; connections and heads are up to the server.

    Requests are cancelled when their client disconnects, as `on_disconnect` says; a request that
    passes its deadline is answered 503, and so is one that the server cancels.
    """

    def __init__(
        self,
        app: App,
        *,
        lifespan: Lifespan | None = None,
        limits: Limits | None = None,
        grace: float = GRACE,
        options: ServerOptions | None = None,
    ) -> None:
        check_app(app, "AsgiApp")
        self.app = app
        self.lifespan = lifespan
        self.grace = grace
        self._options = options or ServerOptions()
        if limits is not None:
            self._options = dataclasses.replace(self._options, limits=limits)
        #: Counts the requests under way, and ends them.
        self.server = Server(app, self._options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await _in_trio(self._live, receive, send)
        elif kind == "http":
            await _in_trio(self._answer, AsgiRequest(self.server, scope, receive, send))
        elif kind == "websocket":
            await _in_trio(self._answer, AsgiSocket(self.server, scope, receive, send))
        else:
            raise ValueError(f"unknown ASGI scope {kind!r}: it is http, websocket or lifespan")

    async def _answer(self, request: AsgiRequest) -> None:
        await self.server.adopt(request)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        started = False
        try:
            own = nullcontext() if self.lifespan is None else self.lifespan()
            async with running(self.app), own:
                if self.server.draining:  # a server that begins again
                    self.server = Server(self.app, self._options)
                started = True
                await send(message("lifespan.startup.complete"))
                await receive()
                await self.server.drain(self.grace, CANCEL_GRACE)
        except Exception as error:
            app_log.error("the lifespan of the application failed", exc_info=error)
            kind = "shutdown" if started else "startup"
            await send(message(f"lifespan.{kind}.failed", message=str(error)))
            return
        await send(message("lifespan.shutdown.complete"))


class AsgiRequest:
    """One request as a `Server` sees it: a connection of its own (`server.interfaces`)."""

    def __init__(self, server: Server, scope: Scope, receive: Receive, send: Send) -> None:
        self._server = server
        self._exchange = self._make_exchange(scope, receive, send)
        self._exchange.on_disconnect = server.options.on_disconnect
        if server.options.xheaders:
            self._exchange.remote_ip, self._exchange.protocol = corrected_origin(
                self._exchange.headers,
                self._exchange.remote_ip,
                self._exchange.protocol,
                server.options.trusted_downstream,
            )

    def _make_exchange(self, scope: Scope, receive: Receive, send: Send) -> AsgiExchange:
        return AsgiExchange(scope, receive, send, self._server.options.limits)

    @property
    def phase(self) -> str:
        return "handling"

    @property
    def busy(self) -> bool:
        return True

    async def run(self) -> None:
        """Run one request to its end.

        Cancellation (the server will not wait any longer): the request is cut, and answered
        503 if nothing was sent.
        """
        exchange = self._exchange
        began = perf_counter()
        current_exchange.set(exchange)
        if self._server.draining:
            exchange.begin_drain()
        async with trio.open_nursery() as outer:
            exchange.outbox.nursery = outer
            try:
                await self._answer()
            except BaseException:  # `Cancelled`, or a group of them
                self._cut()
                raise
            finally:
                await _deliver(exchange)
        self._note(perf_counter() - began)

    async def _answer(self) -> None:
        exchange = self._exchange
        exchange.set_timeout(self._server.options.timeouts.request)
        await answer(self._server.app, exchange)

    def _cut(self) -> None:
        """The server has cancelled the request."""
        exchange = self._exchange
        exchange.outbox.end_by(trio.current_time() + _LAST_WORDS)
        if exchange.cause is None:
            exchange.end(Cause.DRAIN)
        if not exchange.finished:
            conclude(exchange, None)

    def _note(self, seconds: float) -> None:
        """The request's record, and its line in the log."""
        exchange, log = self._exchange, self._server.options.access_log
        record = exchange.record(seconds)
        if log is not None:
            log(record)
        elif not exchange.logged:
            log_access(record.status, exchange.describe(), seconds)

    def begin_drain(self, idle_until: float) -> None:
        self._exchange.begin_drain()

    def cancel(self, cause: Cause) -> None:
        self._exchange.end(cause)

    def close(self) -> None:
        self._exchange.outbox.fail(StreamClosedError("the server has ended"))
        self._exchange.outbox.end_by(trio.current_time())
        self._exchange.cancel_scope.cancel()

    def describe(self) -> str:
        return self._exchange.describe()

    def in_context(self, function: Callable[..., object], *args: object) -> None:
        function(*args)


class AsgiSocket(AsgiRequest):
    """One websocket."""

    def _make_exchange(self, scope: Scope, receive: Receive, send: Send) -> UpgradeExchange:
        return UpgradeExchange(scope, receive, send, self._server.options.limits)

    async def _answer(self) -> None:
        assert isinstance(self._exchange, UpgradeExchange)
        if await self._exchange.connected():
            await answer(self._server.app, self._exchange)


async def _in_trio(async_fn: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Await `async_fn(*args)` in trio, whatever the server runs in.

    Cancellation: it is cancelled, and waited for.
    """
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        from ..interop.as_guest import run_as_guest

        await run_as_guest(async_fn, *args)
    else:
        await async_fn(*args)


async def _deliver(exchange: AsgiExchange) -> None:
    """What was said is sent, in thirty seconds; sooner if the request was cut. Then, no more."""
    if exchange.gone is None:
        with trio.CancelScope(deadline=trio.current_time() + 30, shield=True):
            try:
                await exchange.outbox.drain()
            except StreamClosedError as error:
                exchange.client_left(error)  # while the last bytes were on their way
    exchange.outbox.end_by(trio.current_time())


async def answer(app: App, exchange: AsgiExchange) -> None:
    """Have `app` answer; log its failure, conclude what it leaves unfinished.

    Raises only `Cancelled`. Cancellation of a websocket: its session is closed with 1001.
    """
    failed: BaseException | None = None
    try:
        with exchange.cancel_scope:
            async with trio.open_nursery() as nursery:
                exchange.begin(nursery)
                result = app(exchange)
                if result is not None:
                    await result
                else:
                    await exchange.wait_finished()
                if exchange.then is not None:
                    await exchange.then()
                # Children end with the request; what watched its client, too.
                if not exchange.detached:
                    nursery.cancel_scope.cancel()
    except Exception as error:
        failed = sole(error)
    if exchange.finished or exchange.cause in CLIENT_LEFT:
        if failed is not None:
            _log_failure(exchange, failed)
        return
    conclude(exchange, failed)


def _log_failure(exchange: AsgiExchange, error: BaseException) -> None:
    """What the application let through. That its client has left is no error of its."""
    if exchange.left and consists_of(error, Disconnected):
        gen_log.debug("%s: the client has gone: %r", exchange.describe(), error)
    else:
        app_log.error("Uncaught exception in %s", exchange.describe(), exc_info=error)


def conclude(exchange: AsgiExchange, failed: BaseException | None) -> None:
    """The application did not finish: the outcome of what ended the request."""
    cause = exchange.cause
    if cause is None:
        if failed is not None:
            cause = Cause.LIMIT if isinstance(failed, PeerError) else Cause.HANDLER_FAILED
        elif exchange.cancel_scope.cancelled_caught:
            timed_out = trio.current_time() >= exchange.cancel_scope.deadline
            cause = Cause.REQUEST_DEADLINE if timed_out else Cause.CANCELLED
        else:
            cause = Cause.UNFINISHED
        exchange.end(cause)
    outcome = OUTCOMES[cause]
    if failed is not None and not isinstance(failed, PeerError):
        _log_failure(exchange, failed)
    elif isinstance(failed, PeerError):
        log_refusal(failed, exchange.remote_ip)
    elif outcome.level:
        client = exchange.remote_ip
        logger = app_log if outcome.own else gen_log
        logger.log(outcome.level, outcome.log.format(request=exchange.describe(), client=client))
    if exchange.status:
        return  # broken off: a server cuts a response that has no end
    status = failed.status if isinstance(failed, PeerError) else outcome.status
    if exchange.responder is not None:
        exchange.responder(cause, status, failed)
    if not exchange.finished:
        _plain(exchange, status, str(failed) if isinstance(failed, PeerError) else outcome.text)


def _plain(exchange: AsgiExchange, status: int, text: str) -> None:
    body = (text or "The request could not be answered.").encode()
    headers = HTTPHeaders({"Content-Type": "text/plain", "Content-Length": str(len(body))})
    exchange.write_headers(ResponseStartLine("HTTP/1.1", status, ""), headers, body)
    exchange.finish()
