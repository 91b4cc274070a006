"""`Inspector`: the state of one process as plain data: metrics, tree, requests, errors.

Knows the meter, the tree, the watchdog, servers and pools. Must not know its readers: the
same data serve the page of this process and, over a socket, that of its parent.
"""

from __future__ import annotations

import os
import sys
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import trio

from ..server.server import Server
from .families import Family
from .meter import BOUNDS, Meter, shown_path
from .prometheus import program_families
from .tree import Ages, place_in, task_tree
from .waits import waits
from .watchdog import Watchdog

if TYPE_CHECKING:
    from ..exchange import Exchange

__all__ = ["KEPT_SECONDS", "Inspector"]

KEPT_SECONDS = 600  # of history
LOOK_EVERY = 0.25  # seconds between measurements of the loop's delay
SHOWN_REQUESTS = 100


class Inspector:
    """Inspects its own process. `run` is its task; without it there is no history.

    Args:
      servers: returns the servers to inspect, called each time.
      number: of the worker; None: the only process.
      state: the state of the process, in a word.
      watchdog: started by `run`, if it is not running yet.

    Attributes:
      watchdog: whose findings are shown.
      meter: give it to the servers' options: `meter.options(options)`.
    """

    def __init__(
        self,
        servers: Callable[[], Iterable[Server]],
        *,
        number: int | None = None,
        state: Callable[[], str] = lambda: "serving",
        watchdog: Watchdog | None = None,
    ) -> None:
        self.number = number
        self.meter = Meter()
        self.watchdog = watchdog
        self._servers = servers
        self._state = state
        self._ages = Ages()
        self._ticks: deque[dict[str, Any]] = deque(maxlen=KEPT_SECONDS)
        self._delays = [0] * (len(BOUNDS) + 1)
        self._delay_sum = 0.0

    def __repr__(self) -> str:
        return f"<Inspector {self._state()}, {len(self._ticks)} s of history>"

    # --- the task ------------------------------------------------------------------------
    async def run(self) -> None:
        """Measure at intervals, until cancelled."""
        if self.watchdog is not None:
            self.watchdog.start()
        trio.lowlevel.add_instrument(self._ages)
        try:
            await self._measure()
        finally:
            trio.lowlevel.remove_instrument(self._ages)
            if self.watchdog is not None:
                self.watchdog.stop()

    async def _measure(self) -> None:
        worst, due = 0.0, int(time.time()) + 1
        while True:
            wanted = trio.current_time() + LOOK_EVERY
            await trio.sleep_until(wanted)
            late = max(0.0, trio.current_time() - wanted)
            self._delays[bisect_left(BOUNDS, late)] += 1
            self._delay_sum += late
            worst = max(worst, late)
            if time.time() >= due:
                self._tick(worst)
                worst, due = 0.0, int(time.time()) + 1

    def _tick(self, delay: float) -> None:
        classes, counts = self.meter.take_recent()
        phases = self._phases()
        self._ticks.append(
            {
                "t": int(time.time()),
                "classes": classes,
                "counts": {place: count for place, count in enumerate(counts) if count},
                "delay": delay,
                "memory": _memory(),
                "connections": sum(phases.values()),
                "in_flight": sum(1 for _ in self._busy()),
            }
        )

    # --- servers ---------------------------------------------------------------------------
    def _phases(self) -> dict[str, int]:
        phases: dict[str, int] = {}
        for server in self._servers():
            for phase, count in server.statistics()["phases"].items():
                phases[phase] = phases.get(phase, 0) + count
        return phases

    def _busy(self) -> Iterator[tuple[Any, Exchange]]:
        """The connections with a request under way, and those requests."""
        for server in self._servers():
            for connection in server.connections:
                exchange = getattr(connection, "exchange", None)
                if exchange is not None:
                    yield connection, exchange

    def requests(self) -> list[dict[str, Any]]:
        """The requests under way, the oldest first, and where each of them waits."""
        now = time.perf_counter()
        busy = sorted(self._busy(), key=lambda pair: getattr(pair[1], "began", now))
        shown = []
        for connection, exchange in busy[:SHOWN_REQUESTS]:
            method, target, _ = exchange.start_line
            shown.append(
                {
                    "id": exchange.request_id,
                    "method": method,
                    "path": shown_path(target),
                    "route": exchange.route_pattern,
                    "seconds": now - getattr(exchange, "began", now),
                    "status": exchange.status or None,
                    "where": place_in(connection.handler.task),
                    "unsent": connection.stream.unsent,
                }
            )
        return shown

    def _unsent(self) -> dict[trio.lowlevel.Task, int]:
        """Bytes waiting to be sent, by the task of the connection."""
        unsent = {}
        for server in self._servers():
            for connection in server.connections:
                handler = getattr(connection, "handler", None)
                stream = getattr(connection, "stream", None)
                if handler is not None and stream is not None and (size := stream.unsent):
                    unsent[handler.task] = size
        return unsent

    # --- what it answers -------------------------------------------------------------------
    def state(
        self, since: float = 0.0, find: str = "", *, tree: bool = True, frames: bool = False
    ) -> dict[str, Any]:
        """Everything that a page shows.

        Args:
          since: seconds since 1970; of the history only what is later.
          find: only the parts of the tree with this text in their name or place, and their parents.
          tree, frames: with the tree; with every frame of its tasks.
        """
        return {
            "number": self.number,
            "pid": os.getpid(),
            "state": self._state(),
            "ticks": [tick for tick in self._ticks if tick["t"] > since],
            "phases": self._phases(),
            "requests": self.requests(),
            "errors": list(self.meter.errors),
            "blocks": [] if self.watchdog is None else list(self.watchdog.blocks),
            "tree": task_tree(self._ages, self._unsent(), find, frames=frames) if tree else [],
        }

    def families(self) -> list[Family]:
        """The metrics of this process: ours, and those of its `prometheus_client` registry."""
        worker = None if self.number is None else str(self.number)
        ours = [*self.meter.families(), *self._gauges(), *waits(self._servers())]
        ours += self._loop(worker or "0")
        names = {family.name for family in ours}
        return ours + [each for each in program_families(worker) if each.name not in names]

    def _gauges(self) -> list[Family]:
        phases = self._phases()
        connections = Family("tornado_connections", "gauge", "Open connections, by what they do.")
        for phase in ("idle", "head", "request", "detached", "released", "closing"):
            connections.add(phases.get(phase, 0), phase=phase)
        return [
            Family("tornado_http_requests_in_progress", "gauge", "Requests under way.").add(
                sum(1 for _ in self._busy())
            ),
            connections,
            Family("tornado_websockets", "gauge", "Connections that were upgraded.").add(
                phases.get("detached", 0)
            ),
            Family("tornado_draining", "gauge", "Processes that have begun to end.").add(
                int(self._state() not in ("starting", "serving"))
            ),
        ]

    def _loop(self, worker: str) -> list[Family]:
        delay = Family(
            "tornado_loop_delay_seconds", "histogram", "How much later than due timers ran."
        )
        delay.add_histogram(BOUNDS, self._delays, self._delay_sum)
        blocked = 0 if self.watchdog is None else self.watchdog.count
        return [
            delay,
            Family(
                "tornado_loop_blocked_total", "counter", "Steps that held the loop for too long."
            ).add(blocked),
            Family("tornado_worker_memory_bytes", "gauge", "Resident memory.").add(
                _memory(), worker=worker
            ),
            Family("tornado_worker_cpu_seconds_total", "counter", "Processor time used.").add(
                time.process_time(), worker=worker
            ),
        ]


if sys.platform == "linux":
    _PAGE = os.sysconf("SC_PAGE_SIZE")

    def _memory() -> int:
        try:
            with open("/proc/self/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE
        except OSError:
            return 0  # a root without /proc: what looks at a service must not end it

elif sys.platform == "win32":

    def _memory() -> int:
        return 0  # not without a library

else:

    def _memory() -> int:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the most it was, in bytes
