"""`Finished`: what is left of a request: its record, its id, its line in the access log.

Knows causes and the loggers. Must not know servers, handlers or where a request came from.
"""

from __future__ import annotations

import itertools
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .._util.late import pattern_later
from .._util.records import dataclass
from ..log import access_log
from .causes import Cause
from .failure import Failure

__all__ = [
    "ExchangeHook",
    "Finished",
    "log_access",
    "new_request_id",
    "usable_request_id",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One request that had a head, answered by the application or the server. Made once, when it is
    over.

    Attributes:
      id: of the request; unique across processes.
      method, target: of the request line.
      route: the pattern that led to the answer, or the name of what gave it; one for all
        requests of a kind, so good for counting. None if nothing was found.
      handler: the full name of the handler's class, or None.
      status: sent to the client; 101 of an upgrade, 499 if the client left before an answer.
      cause: why it ended.
      seconds: from the end of its head to the end of its response.
      bytes_in, bytes_out: of the two bodies, as they came and went on the wire but for the
        framing.
      client: its address, behind proxies that are trusted.
      tls: the client speaks TLS, to us or to a proxy that says so.
      failure: the exception of the program's that led to its end, or None.
    """

    id: str
    method: str
    target: str
    route: str | None
    handler: str | None
    status: int
    cause: Cause
    seconds: float
    bytes_in: int
    bytes_out: int
    client: str
    tls: bool
    failure: Failure | None = None

    @property
    def complete(self) -> bool:
        """The client was sent all of the response, or has the connection for itself."""
        return self.cause is Cause.COMPLETE or self.cause is Cause.UPGRADED


class ExchangeHook(ABC):
    """An access log hook that is shown the exchange itself, in no context.

    For counting: a `Finished` costs 450 bytecodes, an eighth of a small request.

    Attributes:
      then: the hook that gets the record.
    """

    then: Callable[[Finished], object] | None = None

    @abstractmethod
    def see(self, exchange: Any) -> None:
        """The request is over; `exchange.make_record()` is its record."""

    @abstractmethod
    def __call__(self, record: Finished) -> None:
        """As any hook, for those that have records only."""


def log_access(status: int, summary: str, seconds: float) -> None:
    """The line of a request in `tornado.access`: INFO, WARNING from 400, ERROR from 500."""
    if status < 400:
        level = logging.INFO
    elif status < 500:
        level = logging.WARNING
    else:
        level = logging.ERROR
    if access_log.isEnabledFor(level):
        access_log.log(level, "%d %s %.2fms", status, summary, 1000.0 * seconds)


_ID = pattern_later(r"[!-~]{1,128}", globals())
_numbers = itertools.count(1)
_process = os.urandom(4).hex()


def _forked() -> None:
    global _process
    _process = os.urandom(4).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def new_request_id() -> str:
    """Eight digits for the process, then a number: "5e0c9a31-0001f3"."""
    return f"{_process}-{next(_numbers):06x}"


def usable_request_id(text: str | None) -> bool:
    """Whether an id that a proxy gave may stand in our logs."""
    return text is not None and _ID.fullmatch(text) is not None
