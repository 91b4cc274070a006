"""How requests and connections end that do not end by themselves.

Knows the connection's phases and deadlines (see `connection`) and what is said to a client
whose time is up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._util.mistakes import explain_asyncio
from ..errors import PeerError, StreamClosedError
from ..log import app_log, gen_log

if TYPE_CHECKING:
    from .connection import ServerConnection
    from .exchange import Http1Exchange

__all__ = ["child_failed", "close", "handler_failed", "unanswered", "was_cut"]



def was_cut(connection: ServerConnection) -> bool:
    """The scope was cancelled: by a deadline, by the client's leave, by the drain."""
    exchange = connection.exchange
    if exchange is None:
        if connection.phase == "idle":
            return last_look(connection)
        if connection.phase == "head":
            connection.refuse(PeerError("Timeout reading head", 408))
        elif not connection.cut:
            gen_log.warning("%r: children of its request took longer than they may", connection)
        return False
    connection.fault = True
    now = trio.current_time()
    if exchange.gone is not None:
        exchange.finished = True
    elif connection.detached:
        pass  # it is no request any more, and whoever took it over ends it as it likes
    elif connection.cut:
        gen_log.warning("%r cut: %s", exchange, connection.cut)
        connection.answer_fault(exchange, 503, connection.cut)
    elif connection.body_deadline is not None and connection.body_deadline <= now:
        gen_log.info("Timeout reading body from %s", connection.remote_ip)
        connection.refuse(PeerError("Timeout reading body", 408), log=False)
    elif exchange.deadline is not None and exchange.deadline <= now:
        gen_log.warning("%r took longer than it may", exchange)
        connection.answer_fault(exchange, 503, "The request took longer than it may.")
    else:
        connection.answer_fault(exchange, 503)
    return False


def last_look(connection: ServerConnection) -> bool:
    """Idle for too long, or told to go: unless a request has arrived this moment."""
    try:
        data = connection.stream.read_nowait()
    except StreamClosedError:
        return False
    if not data:
        return False
    connection.wire.feed(data)
    return True


def handler_failed(
    connection: ServerConnection, exchange: Http1Exchange, exc: BaseException
) -> None:
    """The application let an exception through: the last resort."""
    if isinstance(exc, PeerError) and not exchange.finished:
        connection.refuse(exc)
        return
    connection.fault = True
    if connection.nursery.child_tasks:
        connection.nursery.cancel_scope.cancel()
    if exchange.gone is not None and isinstance(exc, StreamClosedError):
        return
    if exchange.finished and not isinstance(exc, Exception):
        return  # a cancellation of another library's, after the answer
    explain_asyncio(exc, "the handler")
    exc.add_note(exchange.describe())
    app_log.error("Uncaught exception in %r", exchange, exc_info=exc)
    connection.answer_fault(exchange, 500)


def unanswered(connection: ServerConnection, exchange: Http1Exchange) -> None:
    """The handler is done and its response is not."""
    if exchange.gone is None:
        app_log.error("%r: the handler ended without finishing its response", exchange)
    connection.answer_fault(exchange, 500)


def child_failed(
    connection: ServerConnection, group: BaseExceptionGroup[BaseException]
) -> None:
    """A child in the request's nursery failed, and so did the request."""
    connection.fault = True
    exchange = connection.exchange
    error = group.exceptions[0] if len(group.exceptions) == 1 else group
    if exchange is not None and isinstance(error, PeerError) and not exchange.finished:
        connection.refuse(error)
        return
    if exchange is not None:
        explain_asyncio(error, "a child of the request")
        error.add_note(f"in a child of {exchange.describe()}")
    app_log.error("Uncaught exception in a child of %r", exchange or connection, exc_info=error)
    if exchange is not None:
        # Whatever a program expects of handlers that raise: this is news to all of them.
        connection.answer_fault(exchange, 500, "A task of the request failed.")


async def close(connection: ServerConnection) -> None:
    """Let the last response reach the client. Bounded by `write` and `linger`."""
    connection.phase = "closing"
    stream = connection.stream
    if stream.closed:
        return
    if stream.unsent:
        await connection.drain()
    if (
        connection.fault or connection.wire.buffered or connection.wire.body_unread
    ) and not connection.wire.eof:
        # Closing a socket with unread input sends a reset, which may overtake the
        # response; so say goodbye first and read for a while what comes.
        with trio.move_on_after(connection.options.timeouts.linger):
            await stream.send_eof()
            while await stream.read_some():
                pass
    elif stream.tls:
        with trio.move_on_after(connection.options.timeouts.linger):
            await stream.aclose()
