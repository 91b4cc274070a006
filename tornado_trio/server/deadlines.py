"""When a request has to be over: several times, the earliest on one cancel scope, and which.

Knows causes and cancel scopes. Must not know what is done to a request whose time is up.
"""

from __future__ import annotations

from math import inf

import trio

from ..exchange import Cause

__all__ = ["RequestDeadlines"]


class RequestDeadlines:
    """The deadlines of one request after the other, of one connection.

    A handler that never waits is spared all of it: only `start` puts the earliest on the
    scope, and it stays there until `stop`.

    Attributes:
      due: when, in trio's time, by cause; None: there is nothing to `clear`.
    """

    __slots__ = ("_held_until", "_scope", "due")

    def __init__(self) -> None:
        # Few requests have one: no dictionary for the others.
        self.due: dict[Cause, float] | None = None
        self._held_until = -inf
        self._scope: trio.CancelScope | None = None

    def __repr__(self) -> str:
        due = {cause.value: when for cause, when in (self.due or {}).items()}
        return f"<RequestDeadlines {due}>"

    def set(self, cause: Cause, when: float | None) -> None:
        """The request ends for `cause` at `when`, in trio's time; None: it does not."""
        if when is not None:
            if self.due is None:
                self.due = {}
            self.due[cause] = when
        elif self.due is not None:
            self.due.pop(cause, None)
        self._apply()

    def clear(self) -> None:
        """The request is over."""
        self.due = None
        self._held_until = -inf

    def start(self, scope: trio.CancelScope) -> None:
        """The handler waits: from now on its time may be up."""
        self._scope = scope
        self._apply()

    def stop(self) -> None:
        """The scope is needed for something else."""
        self._scope = None

    def earliest(self) -> float:
        """When the first of them is due; `inf` for none."""
        return min(self.due.values()) if self.due else inf

    def passed(self) -> Cause | None:
        """The cause whose time is up, the first if there are several."""
        if not self.due:
            return None
        cause = min(self.due, key=self.due.__getitem__)
        return cause if self.due[cause] <= trio.current_time() else None

    # --- blocks that must not be cut ------------------------------------------------
    @property
    def held(self) -> bool:
        return self._held_until > trio.current_time()

    def hold(self, until: float) -> None:
        """Nothing is due before `until`, whatever was set or will be."""
        self._held_until = until
        self._apply()

    def release(self) -> None:
        """What became due meanwhile takes effect now."""
        self._held_until = -inf
        self._apply()

    def _apply(self) -> None:
        if self._scope is not None:
            self._scope.deadline = max(self.earliest(), self._held_until)
