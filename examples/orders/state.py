"""What the handlers share: part of examples/orders."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tornado_trio import web
from tornado_trio.client import Client
from tornado_trio.service import current_service

from .db import Database, Event

KEPT = 200  # events that each process has at hand; older ones are the database's


class Feed:
    """The events of the database, as they come, for any number of followers.

    Whichever worker changes an order: `poll`, called now and then, finds it.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._recent: deque[Event] = deque(maxlen=KEPT)
        self._more = trio.Event()
        self._polling = trio.Lock()
        self.last = 0
        self.closed = False

    async def start(self) -> None:
        """Begin with what comes next."""
        self.last = await self._db.last_event()

    async def poll(self) -> None:
        """Fetch what is new."""
        async with self._polling:  # two at once would both find the same
            while events := await self._db.events(self.last):
                self._recent.extend(events)
                self.last = events[-1].number
                self._wake()

    def close(self) -> None:
        """Followers learn that there will be no more."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = trio.Event()

    async def after(self, number: int) -> list[Event]:
        """The events since `number`, as soon as there are any; none: closed."""
        while number >= self.last and not self.closed:
            await self._more.wait()
        if self._recent and self._recent[0].number <= number + 1:
            return [event for event in self._recent if event.number > number]
        return await self._db.events(number)


@dataclass(eq=False, slots=True)
class Metrics:
    """Counts of this worker, in Prometheus' text format."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)

    def record(self, handler: web.RequestHandler) -> None:
        route = type(handler).__name__
        method = handler.request.method or "?"
        self.requests[method, route, handler.get_status()] += 1
        self.seconds[route] += handler.request.request_time()  # type: ignore[assignment]

    def lines(self) -> Iterator[str]:
        service = current_service()
        worker = f'worker="{service.number or 1 if service else 1}"'
        yield "# TYPE orders_requests_total counter"
        for (method, route, status), count in sorted(self.requests.items()):
            labels = f'method="{method}",route="{route}",status="{status}",{worker}'
            yield f"orders_requests_total{{{labels}}} {count}"
        yield "# TYPE orders_request_seconds_total counter"
        for route, seconds in sorted(self.seconds.items()):
            yield f'orders_request_seconds_total{{route="{route}",{worker}}} {seconds:.6f}'


@dataclass(eq=False, slots=True)
class State:
    db: Database
    client: Client
    feed: Feed
    uploads: Path
    quote_url: str
    work: trio.Event = field(default_factory=trio.Event)  # set: the consumer has something to do
    metrics: Metrics = field(default_factory=Metrics)
