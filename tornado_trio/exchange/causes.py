"""Why a request ends, and what follows from it: a table.

Theory. Code that ends a request names the cause, and only the first cause counts; what comes after
it is a consequence (a handler that is cancelled by its deadline may fail while it unwinds; the
client it kept waiting may leave). So nothing has to be inferred afterwards from the state of the
request, its scope and its stream.

Rules:
 1. A cause leads to one `Outcome`; the host carries it out (`OUTCOMES`). There is no other
    place that decides what a client gets, or what is logged at which level.
 2. A response of which something was sent cannot be taken back: whatever the outcome's
    status, it is broken off so that the client sees it. Only `COMPLETE` and `UPGRADED` leave
    the connection as it is.
 3. As long as nothing was sent the application writes the answer, if it has a way to
    (`Exchange.set_error_responder`); else it is a short plain page.

Knows status codes and log levels. Must not know servers or handlers.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Final

from .._util.records import dataclass
from .._util.troubles import Trouble

__all__ = ["CLIENT_LEFT", "OUTCOMES", "Cause", "Outcome"]


class Cause(Enum):
    """Why a request ended."""

    #: The response was sent whole.
    COMPLETE = "complete"
    #: The connection was taken over: an upgrade (101), or a tunnel.
    UPGRADED = "upgraded"
    #: The client closed the connection, or reset it.
    CLIENT_GONE = "client gone"
    #: The client ended its sending side, and gave no sign of life since.
    HALF_CLOSED = "half-closed"
    #: The client took nothing of its response for `Timeouts.write`.
    NOT_READING = "client does not read"
    #: `Timeouts.request`, `set_timeout`, `@timeout`.
    REQUEST_DEADLINE = "request deadline"
    #: `Timeouts.body`, `set_body_timeout`.
    BODY_DEADLINE = "body deadline"
    #: No bytes of an awaited body arrived within `Timeouts.stall`.
    BODY_STALLED = "stalled body"
    #: The server's grace was over.
    DRAIN = "drain"
    #: A second signal, or the second cancellation of the service.
    INTERRUPTED = "second interrupt"
    #: A task in the request's nursery failed.
    CHILD_FAILED = "child failed"
    #: The application let an exception through.
    HANDLER_FAILED = "handler failed"
    #: The application returned and its response was not complete.
    UNFINISHED = "handler ended without finishing"
    #: What the client sent crossed a bound of `Limits`.
    LIMIT = "limit"
    #: What the client sent is not HTTP.
    PROTOCOL_ERROR = "protocol error"
    #: The program broke the response off (`Exchange.abort`).
    ABORTED = "connection aborted by the program"
    #: The program cancelled the request's scope.
    CANCELLED = "request cancelled by the program"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from a cause while nothing of a response was sent."""

    #: The status of the answer; 0: none, the connection is cut.
    status: int
    #: The level at which `log` is written; 0: the code that named the cause has logged it.
    level: int = 0
    #: With `{request}` and `{client}`.
    log: str = ""
    #: For the client, in a plain answer.
    text: str = ""
    #: The program's own doing: hosts may cut instead (`ServerOptions.refuse`).
    own: bool = False
    #: The status in the request's record, where that is not the status of an answer.
    recorded: int = 0


_GONE: Final = 499  # nginx's: there is no status for a response that was not sent

OUTCOMES: Final[dict[Cause, Outcome]] = {
    Cause.COMPLETE: Outcome(0),
    Cause.UPGRADED: Outcome(0, recorded=101),
    Cause.CLIENT_GONE: Outcome(0, logging.DEBUG, "{request}: the client has gone", recorded=_GONE),
    Cause.HALF_CLOSED: Outcome(
        0,
        logging.DEBUG,
        "{request}: the client closed its side and was not heard of since",
        recorded=_GONE,
    ),
    Cause.NOT_READING: Outcome(
        0, logging.DEBUG, "{request}: the client does not read its response", recorded=_GONE
    ),
    Cause.REQUEST_DEADLINE: Outcome(
        503,
        logging.WARNING,
        f"{{request}}: took longer than it may {Trouble.TOO_SLOW}",
        "The request took longer than it may.",
    ),
    Cause.BODY_DEADLINE: Outcome(
        408, logging.INFO, "Timeout reading body from {client}", "Timeout reading body"
    ),
    Cause.BODY_STALLED: Outcome(
        408, logging.INFO, "Timeout reading body from {client}", "Timeout reading body"
    ),
    Cause.DRAIN: Outcome(
        503,
        logging.WARNING,
        "{request}: cut: the server is shutting down",
        "The server is shutting down.",
    ),
    Cause.INTERRUPTED: Outcome(
        503,
        logging.WARNING,
        "{request}: cut: the server was told to stop at once",
        "The server is shutting down.",
    ),
    # The error itself is logged where it is caught, with its traceback.
    Cause.CHILD_FAILED: Outcome(500, text="A task of the request failed."),
    Cause.HANDLER_FAILED: Outcome(500, own=True),
    Cause.UNFINISHED: Outcome(
        500,
        logging.ERROR,
        f"{{request}}: the handler ended without finishing its response {Trouble.UNFINISHED}",
        own=True,
    ),
    # Status and text are the error's.
    Cause.LIMIT: Outcome(413),
    Cause.PROTOCOL_ERROR: Outcome(400),
    # Nor can the handler's error page, then: compat answers this, too.
    Cause.ABORTED: Outcome(500, text="The response could not be written."),
    Cause.CANCELLED: Outcome(503),
}

#: The causes that are no error, but the client's right.
CLIENT_LEFT: Final = frozenset((Cause.CLIENT_GONE, Cause.HALF_CLOSED, Cause.NOT_READING))
