"""The deadlines of one call, and the errors that name the phase they end.

Knows trio's clock and the client's errors. A phase that does not wait costs no cancel scope: only
the waits themselves run in one.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar, TypeVarTuple, final

import trio

from .errors import RequestTimeout
from .options import ClientTimeouts

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_DOING = {
    "queue": "in request queue",
    "resolve": "while resolving {where}",
    "connect": "while connecting to {where}",
    "proxy": "during the proxy handshake for {where}",
    "tls": "during TLS handshake with {where}",
    "send": "while sending the request to {where}",
    "first_byte": "while waiting for the response of {where}",
    "body": "while reading the response of {where}",
}


@final
class Deadlines:
    """When each phase of a call must be over.

    `phase` and `where` say what is being done, for the error; `total_at` is absolute
    (trio's clock), the rest counts from the start of its phase.
    """

    __slots__ = ("phase", "timeouts", "total_at", "where")

    def __init__(self, timeouts: ClientTimeouts, start: float) -> None:
        self.timeouts = timeouts
        self.total_at = math.inf if timeouts.total is None else start + timeouts.total
        self.phase = "queue"
        self.where = ""

    def after(self, seconds: float | None) -> float:
        """`seconds` from now; None is never."""
        return math.inf if seconds is None else trio.current_time() + seconds

    async def wait(
        self, limit: str, at: float, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts
    ) -> T:
        """`await async_fn(*args)` until `at` or the total deadline, whichever is sooner.

        Raises `RequestTimeout` naming `limit` or "total".
        Cancellation: that of `async_fn`.
        """
        total_at = self.total_at
        deadline = at if at < total_at else total_at
        if deadline == math.inf:
            return await async_fn(*args)
        with trio.CancelScope(deadline=deadline) as scope:
            return await async_fn(*args)
        assert scope.cancelled_caught  # nothing else leaves the block without a value
        self.expired(limit if at <= total_at else "total")

    def expired(self, limit: str) -> NoReturn:
        """Raise the error of a deadline that passed now."""
        doing = _DOING[self.phase].format(where=self.where)
        raise RequestTimeout(f"Timeout {doing}", self.phase, limit)

    def check_total(self) -> None:
        """Raise if the total deadline has passed: for loops that never had to wait."""
        if self.total_at != math.inf and trio.current_time() >= self.total_at:
            self.expired("total")
