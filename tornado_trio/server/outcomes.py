"""Carrying out what a cause leads to: the answer, the log line, the note of an exception.

Knows the table of `exchange.causes`, exceptions of handlers and pages of the server's own.
Must not know connections, nor who decides that a request ends.
"""

from __future__ import annotations

import trio

from .._util.groups import consists_of
from .._util.mistakes import explain_asyncio
from ..errors import Disconnected, LimitError, PeerError, StreamClosedError
from ..exchange import OUTCOMES, Cause
from ..log import app_log, gen_log
from ..net.stream import Stream
from ..wire.http1 import ServerWire
from .errors import error_page
from .exchange import Http1Exchange
from .options import ServerOptions

__all__ = [
    "EXITS",
    "annotate",
    "carry_out",
    "dismiss",
    "is_exit",
    "log_cause",
    "log_error",
    "log_refusal",
    "refuse",
]

#: What ends the task and not just the request.
EXITS = (trio.Cancelled, KeyboardInterrupt, SystemExit, GeneratorExit)

_CLIENTS_FAULT = frozenset(
    (Cause.LIMIT, Cause.PROTOCOL_ERROR, Cause.BODY_DEADLINE, Cause.BODY_STALLED)
)


def is_exit(error: BaseException) -> bool:
    """Cancellation or the like, itself or out of a nursery."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(EXITS) is not None
    return isinstance(error, EXITS)


# --- the log ---------------------------------------------------------------------------


def log_cause(exchange: Http1Exchange, cause: Cause) -> None:
    """The line of the table."""
    outcome = OUTCOMES[cause]
    logger = app_log if outcome.own else gen_log
    if outcome.level and logger.isEnabledFor(outcome.level):
        text = outcome.log.format(request=exchange.describe(), client=exchange.remote_ip)
        logger.log(outcome.level, "%s", text)


def annotate(exchange: Http1Exchange, error: BaseException, *, child: bool) -> None:
    """Note on the error which request it belongs to, for whatever logs it."""
    where = exchange.describe()
    explain_asyncio(error, "a child of the request" if child else "the handler")
    error.add_note(f"in a child of {where}" if child else where)


def log_error(
    exchange: Http1Exchange, error: BaseException, *, child: bool, client_left: bool
) -> None:
    """What the application let through. A client that left is no error of its."""
    if client_left and consists_of(error, Disconnected):
        if exchange.gone is None:  # of a connection that was taken over: not notified yet
            gen_log.debug("%s: the peer has gone: %r", exchange.describe(), error)
        return
    if exchange.finished and not isinstance(error, (Exception, BaseExceptionGroup)):
        return  # a cancellation of another library's, after the answer
    text = "Uncaught exception in a child of %r" if child else "Uncaught exception in %r"
    app_log.error(text, exchange, exc_info=error)


# --- the answer --------------------------------------------------------------------------


def carry_out(
    exchange: Http1Exchange,
    cause: Cause,
    error: BaseException | None,
    *,
    stream: Stream,
    wire: ServerWire,
    options: ServerOptions,
) -> None:
    """End a request that was not answered: by its application, by a page, by a cut."""
    if wire.responded:
        exchange.give_up(cause)
        _break_off(stream, wire)
        return
    wire.end_after_response()
    status, text = OUTCOMES[cause].status, OUTCOMES[cause].text
    if isinstance(error, PeerError):
        status, text = error.status, str(error)
    if not status or exchange.gone is not None:
        _tell_application(exchange, cause, 0, error)
        exchange.give_up(cause)
        stream.close()
        return
    raw = options.refuse if cause in _CLIENTS_FAULT else None
    _tell_application(exchange, cause, status if raw is None else 0, error)
    if exchange.finished:
        return
    exchange.give_up(cause)
    if wire.responded:
        _break_off(stream, wire)
        return
    exchange.answered_by_server(status)
    if OUTCOMES[cause].own and options.refuse is not None:
        stream.close()
    elif raw is None:
        _send(stream, wire, error_page(status, text))
    else:
        refused = error if isinstance(error, PeerError) else PeerError(text, status)
        _send(stream, wire, raw(refused))


def _tell_application(
    exchange: Http1Exchange, cause: Cause, status: int, error: BaseException | None
) -> None:
    responder = exchange.take_responder()
    if responder is None:
        return
    try:
        responder(cause, status, error)
    except Exception:
        app_log.exception("Uncaught exception in the error responder of %r", exchange)


def dismiss(exchange: Http1Exchange) -> None:
    """The request is over: notify its application, if it waits for that; there is nothing to
    answer."""
    _tell_application(exchange, exchange.cause or Cause.CANCELLED, 0, None)


def _break_off(stream: Stream, wire: ServerWire) -> None:
    """Closing before the announced end tells the client that the response is incomplete."""
    if wire.ends_by_closing:
        stream.reset()
    else:
        stream.close()


def refuse(
    error: PeerError, client: str, *, stream: Stream, wire: ServerWire, options: ServerOptions
) -> None:
    """Answer what came in the place of a request."""
    log_refusal(error, client)
    page = error_page(error.status, str(error)) if options.refuse is None else options.refuse(error)
    _send(stream, wire, page)


def log_refusal(error: PeerError, client: str) -> None:
    """One line about what the client did wrong."""
    if isinstance(error, LimitError) and error.status in (414, 431):
        gen_log.info("Unsatisfiable read, closing connection of %s: %s", client, error)
    else:
        gen_log.info("Malformed HTTP message from %s: %s", client, error)


def _send(stream: Stream, wire: ServerWire, data: bytes) -> None:
    if wire.head is not None and wire.head.start_line.method == "HEAD":
        data = b"".join(data.partition(b"\r\n\r\n")[:2])
    if not data:
        return
    try:
        stream.write(data)
    except StreamClosedError:
        pass  # there is no client left to receive it
