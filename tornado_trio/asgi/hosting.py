"""`AsgiApp`: an application of ours as an ASGI 3 application.

Knows exchanges and ASGI's scopes. Must not know our server. Each request has a task of its own
and its nursery; what ends it is the same table as everywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from time import perf_counter
from typing import Any

import trio

from .._util.mistakes import check_app
from ..errors import PeerError
from ..exchange import (
    CLIENT_LEFT,
    OUTCOMES,
    App,
    Cause,
    HTTPHeaders,
    ResponseStartLine,
    current_exchange,
    log_access,
)
from ..limits import Limits
from .exchange import AsgiExchange
from .outbox import message
from .sockets import serve_websocket
from .types import Receive, Scope, Send

__all__ = ["AsgiApp", "serve_exchange"]

logger = logging.getLogger("tornado.general")

Lifespan = Callable[[], AbstractAsyncContextManager[object]]


class AsgiApp:
    """Serve `app` under an ASGI server.

    Args:
        app: an `Application`, or an async function of an exchange.
        lifespan: makes an async context manager, entered before the first request and left
            after the last: what the service opens.
        limits: bounds of bodies and websocket messages; the server has its own for heads.

    Requests are cancelled when their client goes, as `on_disconnect` says; deadlines answer 503.
    """

    def __init__(
        self,
        app: App,
        *,
        lifespan: Lifespan | None = None,
        limits: Limits | None = None,
    ) -> None:
        check_app(app, "AsgiApp")
        self.app = app
        self.lifespan = lifespan
        self.limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await _in_trio(self._live, receive, send)
        elif kind == "http":
            exchange = AsgiExchange(scope, receive, send, self.limits)
            await _in_trio(serve_exchange, self.app, exchange)
        elif kind == "websocket":
            await _in_trio(serve_websocket, self.app, scope, receive, send, self.limits)
        else:
            raise ValueError(f"unknown ASGI scope {kind!r}: it is http, websocket or lifespan")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            manager = nullcontext() if self.lifespan is None else self.lifespan()
            async with manager:
                await send(message("lifespan.startup.complete"))
                await receive()
        except Exception as error:
            logger.error("the lifespan of the application failed", exc_info=error)
            await send(message("lifespan.startup.failed", message=str(error)))
            return
        await send(message("lifespan.shutdown.complete"))


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


async def serve_exchange(app: App, exchange: AsgiExchange) -> None:
    """Run one request to its end, whatever that is.

    Cancellation (the server shuts down): the request is cut, and answered 503 if nothing was sent.
    """
    began = perf_counter()
    current_exchange.set(exchange)
    try:
        async with trio.open_nursery() as outer:
            exchange.outbox.nursery = outer
            await _answer(app, exchange)
            if exchange.gone is None:
                with trio.CancelScope(deadline=trio.current_time() + 30, shield=True):
                    await exchange.outbox.drain()
            outer.cancel_scope.cancel()
    except* OSError:
        # The client has gone while the last bytes were on their way.
        exchange.client_left(OSError())
    if not exchange.logged:
        status = exchange.status
        if exchange.cause in CLIENT_LEFT:
            status = OUTCOMES[exchange.cause].recorded
        log_access(status, exchange.describe(), perf_counter() - began)


async def _answer(app: App, exchange: AsgiExchange) -> None:
    failed: BaseException | None = None
    try:
        with exchange.cancel_scope:
            async with trio.open_nursery() as nursery:
                exchange.begin(nursery)
                if exchange.headers.get("Content-Length") in (None, "0") and _has_no_body(exchange):
                    await exchange.read_chunk()
                result = app(exchange)
                if result is not None:
                    await result
                else:
                    await exchange.wait_finished()
                # Children end with the request; what watched its client, too.
                nursery.cancel_scope.cancel()
    except PeerError as error:
        failed = error
    except Exception as error:
        failed = error
    if exchange.finished or exchange.cause in CLIENT_LEFT:
        return
    _end(exchange, failed)


def _has_no_body(exchange: AsgiExchange) -> bool:
    return exchange.start_line.method in ("GET", "HEAD", "OPTIONS", "DELETE")


def _end(exchange: AsgiExchange, failed: BaseException | None) -> None:
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
        logger.error("Uncaught exception in %s", exchange.describe(), exc_info=failed)
    elif outcome.level:
        client = exchange.remote_ip
        logger.log(outcome.level, outcome.log.format(request=exchange.describe(), client=client))
    if exchange.status:
        return  # broken off: a server cuts a response that has no end
    status = failed.status if isinstance(failed, PeerError) else outcome.status
    if exchange.responder is not None:
        exchange.responder(cause, status, failed)
    if not exchange.finished:
        _plain(exchange, status, outcome.text)


def _plain(exchange: AsgiExchange, status: int, text: str) -> None:
    body = (text or "The request could not be answered.").encode()
    headers = HTTPHeaders({"Content-Type": "text/plain", "Content-Length": str(len(body))})
    exchange.write_headers(ResponseStartLine("HTTP/1.1", status, ""), headers, body)
    exchange.finish()
