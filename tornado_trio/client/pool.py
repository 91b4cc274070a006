"""Which connection serves which request: the pool's policy, without any I/O.

Knows connections only through `is_stale` and `idle_since`, and neither clock nor tasks. Every event
(a request arrives, a connection is returned or lost, a request is withdrawn) changes the tables and
then calls `Pool.settle`, the one function that decides. It is synchronous, so no half-changed state
is ever visible, and it *returns* the connections to be closed: closing is I/O and is done by the
caller, outside.

For each waiting request, oldest first, `settle` has three cases:

1. reuse: an idle connection of its origin that is neither expired nor stale (nor too
   old for a request that cannot be repeated);
2. create: there is room under `max_connections` and `max_per_origin`; the request gets a
   permit to open a connection, which counts from that moment;
3. evict: all room is taken, but a connection of another origin is idle: it is closed to make room.

Otherwise the request keeps waiting. Idle connections are reused last in, first out, so that surplus
ones age and expire.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar, final
from weakref import WeakSet, finalize

from .options import ClientLimits

#: Seconds within which a server practically never drops a connection it has just used:
#: the shortest keep-alive of common servers is 5 s (node, Apache).
CAREFUL_AGE = 2.0


class Poolable(Protocol):
    """What the policy needs of a connection."""

    def is_stale(self) -> bool:
        """Whether an idle connection is readable: the server hung up or misbehaves."""
        ...


C = TypeVar("C", bound=Poolable)


@final
class Ticket(Generic[C]):
    """One request that wants a connection.

    Done when `connection` is set (reuse it) or `permit` is true (open a new one).
    `wake`, if set, is called once when that happens after the ticket had to wait.
    A `careful` request cannot be repeated, so it only gets connections that were in use
    a moment ago: an older one may be closed by its server just as the request is sent.
    """

    __slots__ = ("asked", "careful", "connection", "origin", "permit", "serial", "wake")

    def __init__(self, origin: Hashable, serial: int, careful: bool, asked: float) -> None:
        self.asked = asked
        self.origin = origin
        self.serial = serial
        self.careful = careful
        self.connection: C | None = None
        self.permit = False
        self.wake: Callable[[], None] | None = None

    @property
    def done(self) -> bool:
        """Whether the request may proceed."""
        return self.permit or self.connection is not None


@final
class _Lane(Generic[C]):
    """The state of one origin."""

    __slots__ = ("idle", "taken", "waiting")

    def __init__(self) -> None:
        self.idle: dict[C, float] = {}  # connection -> when it expires; newest last
        self.taken = 0  # in use, or permitted and not open yet
        self.waiting: deque[Ticket[C]] = deque()


#: Upper bounds, in seconds, of the classes that waits for a connection are counted by.
WAIT_BOUNDS = (0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0)


class PoolCounts:
    """What a pool has counted since its start.

    Attributes:
      events: how often each kind has occurred.
      waits: of the requests that had to wait for a connection, how many by WAIT_BOUNDS, and the
        rest; withdrawn requests are not counted.
      waited: seconds, total of these waits.
    """

    __slots__ = ("events", "waited", "waits")

    def __init__(self) -> None:
        self.events = {"reused": 0, "opened": 0, "expired": 0, "stale": 0, "evicted": 0}
        self.waits = [0] * (len(WAIT_BOUNDS) + 1)
        self.waited = 0.0

    def note_wait(self, seconds: float) -> None:
        self.waits[bisect_left(WAIT_BOUNDS, seconds)] += 1
        self.waited += seconds

    def add(self, other: PoolCounts) -> None:
        """Count what `other` has counted, too."""
        for name, count in other.events.items():
            self.events[name] += count
        self.waits = [a + b for a, b in zip(self.waits, other.waits, strict=True)]
        self.waited += other.waited


#: All that there are, for those who look in from outside (`observe`), and what those have counted
#: that are no more: counters must not fall.
pools: WeakSet[Pool[Any]] = WeakSet()
gone = PoolCounts()


@final
class Pool(Generic[C]):
    """The tables and the policy. `limits` are fixed for life. `counts`: what it has counted."""

    def __init__(self, limits: ClientLimits) -> None:
        self.limits = limits
        pools.add(self)
        self._lanes: dict[Hashable, _Lane[C]] = {}
        # Idle connections of all origins, oldest first: what eviction and expiry take.
        self._idle: OrderedDict[C, Hashable] = OrderedDict()
        self._taken = 0
        self._queued: dict[Hashable, _Lane[C]] = {}  # lanes with waiting tickets
        self._waiting = 0
        self._serial = 0
        self.counts = PoolCounts()
        self._counts = self.counts.events
        finalize(self, gone.add, self.counts).atexit = False

    # --- events: each returns the connections to close ------------------------
    def request(
        self, origin: Hashable, now: float, *, careful: bool = False
    ) -> tuple[Ticket[C], list[C]]:
        """A request arrives. The ticket may be done already."""
        self._serial += 1
        ticket: Ticket[C] = Ticket(origin, self._serial, careful, now)
        lane = self._lanes.get(origin)
        if lane is None:
            lane = self._lanes[origin] = _Lane()
        lane.waiting.append(ticket)
        self._queued[origin] = lane
        self._waiting += 1
        return ticket, self.settle(now)

    def give_back(self, origin: Hashable, connection: C, now: float) -> list[C]:
        """A connection is ready for the next request."""
        lane = self._lanes[origin]
        lane.taken -= 1
        self._taken -= 1
        lane.idle[connection] = now + self.limits.idle_expiry
        self._idle[connection] = origin
        if self._queued or len(self._idle) > self.limits.max_idle:
            return self.settle(now)
        return []

    def gone(self, origin: Hashable, now: float) -> list[C]:
        """A connection in use was closed, or a permit was not used."""
        lane = self._lanes[origin]
        lane.taken -= 1
        self._taken -= 1
        closing = self.settle(now) if self._queued else []
        self._forget_if_empty(origin, lane)
        return closing

    def withdraw(self, ticket: Ticket[C], now: float) -> list[C]:
        """Withdraw a request that is waiting, or whose connection is no longer wanted."""
        if ticket.connection is not None:
            connection, ticket.connection = ticket.connection, None
            return self.give_back(ticket.origin, connection, now)
        if ticket.permit:
            ticket.permit = False
            return self.gone(ticket.origin, now)
        lane = self._lanes.get(ticket.origin)
        if lane is not None and ticket in lane.waiting:
            lane.waiting.remove(ticket)
            self._waiting -= 1
            if not lane.waiting:
                self._queued.pop(ticket.origin, None)
            self._forget_if_empty(ticket.origin, lane)
        return []

    def expire(self, now: float) -> list[C]:
        """Take out what has been idle too long. The order is the order of expiry."""
        closing: list[C] = []
        while self._idle:
            connection, origin = next(iter(self._idle.items()))
            if self._lanes[origin].idle[connection] > now:
                break
            self._take_out(connection, origin)
            self._counts["expired"] += 1
            closing.append(connection)
        return closing

    def clear(self) -> list[C]:
        """Take out every idle connection."""
        closing = list(self._idle)
        for connection, origin in list(self._idle.items()):
            self._take_out(connection, origin)
        return closing

    # --- the policy -----------------------------------------------------------
    def settle(self, now: float) -> list[C]:
        """Serve what can be served; return what is to be closed."""
        closing = self.expire(now)
        limits = self.limits
        while self._queued:
            served = False
            for origin, lane in self._by_age():
                if self._reuse(origin, lane, closing, now) or self._create(
                    origin, lane, closing, now
                ):
                    served = True
                    break
            if not served:
                break
        while len(self._idle) > limits.max_idle:
            closing.append(self._evict_oldest())
        return closing

    def _by_age(self) -> list[tuple[Hashable, _Lane[C]]]:
        """Lanes with waiting tickets, the one with the oldest ticket first."""
        lanes = list(self._queued.items())
        if len(lanes) > 1:
            lanes.sort(key=lambda item: item[1].waiting[0].serial)
        return lanes

    def _reuse(self, origin: Hashable, lane: _Lane[C], closing: list[C], now: float) -> bool:
        careful = lane.waiting[0].careful
        while lane.idle:
            connection = next(reversed(lane.idle))
            idle_since = lane.idle[connection] - self.limits.idle_expiry
            if careful and now - idle_since > CAREFUL_AGE:
                return False
            del lane.idle[connection]
            del self._idle[connection]
            if connection.is_stale():
                self._counts["stale"] += 1
                closing.append(connection)
                continue
            self._counts["reused"] += 1
            self._serve(origin, lane, connection, now)
            return True
        return False

    def _create(self, origin: Hashable, lane: _Lane[C], closing: list[C], now: float) -> bool:
        limits = self.limits
        if lane.taken >= limits.max_per_origin:
            return False
        if lane.taken + len(lane.idle) >= limits.max_per_origin:
            # Only a careful request leaves idle connections of its own origin unused.
            oldest = next(iter(lane.idle))
            self._take_out(oldest, origin)
            self._counts["evicted"] += 1
            closing.append(oldest)
        elif self._taken + len(self._idle) >= limits.max_connections:
            if not self._idle:
                return False
            closing.append(self._evict_oldest())
        self._counts["opened"] += 1
        self._serve(origin, lane, None, now)
        return True

    def _serve(self, origin: Hashable, lane: _Lane[C], connection: C | None, now: float) -> None:
        ticket = lane.waiting.popleft()
        self._waiting -= 1
        if not lane.waiting:
            del self._queued[origin]
        lane.taken += 1
        self._taken += 1
        if connection is None:
            ticket.permit = True
        else:
            ticket.connection = connection
        if ticket.wake is not None:
            self.counts.note_wait(now - ticket.asked)
            ticket.wake()

    def _evict_oldest(self) -> C:
        connection, origin = next(iter(self._idle.items()))
        self._take_out(connection, origin)
        self._counts["evicted"] += 1
        return connection

    def _take_out(self, connection: C, origin: Hashable) -> None:
        del self._idle[connection]
        lane = self._lanes[origin]
        del lane.idle[connection]
        self._forget_if_empty(origin, lane)

    def _forget_if_empty(self, origin: Hashable, lane: _Lane[C]) -> None:
        # An origin seen once must not cost memory forever (a crawler sees millions).
        if not lane.taken and not lane.idle and not lane.waiting:
            self._lanes.pop(origin, None)

    # --- looking in -----------------------------------------------------------
    @property
    def next_expiry(self) -> float:
        """When `expire` has something to do next; infinity if nothing is idle."""
        if not self._idle:
            return math.inf
        connection, origin = next(iter(self._idle.items()))
        return self._lanes[origin].idle[connection]

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting

    def tickets(self) -> list[Ticket[C]]:
        """The requests that wait."""
        return [ticket for lane in self._queued.values() for ticket in lane.waiting]

    def statistics(self) -> dict[str, Any]:
        """Counts now, counts since the start, and the same per origin."""
        return {
            "in_use": self._taken,
            "idle": len(self._idle),
            "waiting": self._waiting,
            **self._counts,
            "origins": {
                origin: {
                    "in_use": lane.taken,
                    "idle": len(lane.idle),
                    "waiting": len(lane.waiting),
                }
                for origin, lane in self._lanes.items()
            },
        }

    def __repr__(self) -> str:
        return f"<Pool in_use={self._taken} idle={len(self._idle)} waiting={self._waiting}>"
