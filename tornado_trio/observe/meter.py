"""`Meter`: counts requests as they end. It is an access log hook: `ServerOptions.access_log`.

Knows `Finished` records. Must not know servers, nor the readers of the counts.

Labels are bounded, whatever clients send: routes, never paths; standard methods; statuses. If a
program names its routes by client input, there are MOST_SERIES of them, then "(other)".
"""

from __future__ import annotations

import dataclasses
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from itertools import accumulate
from operator import add
from time import perf_counter
from typing import Any

from ..exchange import Cause, ExchangeHook, Finished
from ..server.exchange import Http1Exchange
from ..server.options import ServerOptions
from .families import Family

__all__ = ["BOUNDS", "FINE", "Meter", "quantile", "shown_path"]

MOST_SERIES = 1000
KEPT_ERRORS = 50
OTHER = "(other)"
#: Upper bounds of the histogram's buckets, in seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Finer ones, for quantiles that are right to a tenth; each of BOUNDS is among them.
FINE = tuple(sorted({*BOUNDS, *(0.0001 * 1.2**n for n in range(74))}))
_PLACES = len(FINE) + 1
_EDGES = [0, *(FINE.index(bound) + 1 for bound in BOUNDS), _PLACES]
#: Method, route, status, cause: what led to a series.
_Key = tuple[str, Any, int, Cause | None]
_METHODS = frozenset("GET HEAD POST PUT DELETE PATCH OPTIONS CONNECT TRACE QUERY".split())


class _Series:
    """One route, method and status: sums, and how many by FINE, since the last look and before."""

    __slots__ = ("before", "bytes_in", "bytes_out", "counts", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.counts = [0] * _PLACES
        self.before = [0] * _PLACES

    def take(self) -> list[int]:
        """The counts since the last call; none: an empty list."""
        counts = self.counts
        if not any(counts):
            return []
        self.counts = [0] * _PLACES
        self.before = list(map(add, self.before, counts))
        return counts

    def all(self) -> list[int]:
        return list(map(add, self.before, self.counts))


class Meter(ExchangeHook):
    """Sees each exchange at its end, or is called with each `Finished`.

    Costs 130 bytecodes for a successful request: 4.5 % of a hello (`benchmarks/inspection.py`). To
    keep it so low, there is one sum per route, `take_recent` computes the changes of each second,
    and a record is made only of errors.

    Attributes:
      errors: of the last requests that were answered with 500 or more, the newest last: time
        (seconds since 1970), id, method, path (without its query), route, status, cause, seconds,
        and of an exception error, message, place (else "").
    """

    def __init__(self) -> None:
        self.errors: deque[dict[str, object]] = deque(maxlen=KEPT_ERRORS)
        self._series: dict[tuple[str, str | None, int], _Series] = {}
        # The same series by what led to them, which need not be made text each time.
        self._known: dict[_Key, _Series] = {}

    def see(self, exchange: Http1Exchange) -> None:
        key = (exchange.start_line.method, exchange.route, exchange.status, exchange.cause)
        series = self._known.get(key)
        if series is None:
            series = self._know(key, exchange)
            if series is None:
                return
        seconds = perf_counter() - exchange.began
        series.seconds += seconds
        series.bytes_out += exchange.sent
        head = exchange.head
        if head.content_length or head.chunked:
            series.bytes_in += exchange.received
        series.counts[bisect_left(FINE, seconds)] += 1

    def __call__(self, record: Finished) -> None:
        series = self._of(record.method, record.route, record.status)
        series.seconds += record.seconds
        series.bytes_in += record.bytes_in
        series.bytes_out += record.bytes_out
        series.counts[bisect_left(FINE, record.seconds)] += 1
        if record.status >= 500:
            self._note(record)

    def _know(self, key: _Key, exchange: Http1Exchange) -> _Series | None:
        """The series of such requests from now on; None: each has a record of its own."""
        method, _, status, cause = key
        if cause is not None or not 100 < status < 500:
            self(exchange.make_record())
            return None
        if len(self._known) >= 4 * MOST_SERIES:  # a program that makes its routes as it goes
            self._known.clear()
        series = self._known[key] = self._of(method, exchange.route_pattern, status)
        return series

    def _of(self, method: str, route: str | None, status: int) -> _Series:
        key = (method if method in _METHODS else OTHER, route, status)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= MOST_SERIES:
                key = (key[0], OTHER, status)
            series = self._series.setdefault(key, _Series())
        return series

    def _note(self, record: Finished) -> None:
        failure = record.failure
        self.errors.append(
            {
                "time": time.time(),
                "id": record.id,
                "method": record.method,
                "path": shown_path(record.target),
                "route": record.route,
                "status": record.status,
                "cause": record.cause.value,
                "seconds": record.seconds,
                "error": "" if failure is None else failure.kind,
                "message": "" if failure is None else failure.message,
                "place": "" if failure is None else failure.place,
            }
        )

    def options(self, options: ServerOptions | None) -> ServerOptions:
        """These options with the meter added; an existing access log hook is still called."""
        options = options or ServerOptions()
        before = options.access_log
        return dataclasses.replace(
            options, access_log=self if before is None else _Beside(self, before)
        )

    def take_recent(self) -> tuple[list[int], list[int]]:
        """Counts since the last call: by status class (index 2: 200 to 299), and by FINE.

        Upgraded requests count by class only (the hours of a websocket are no latency).
        """
        classes, recent = [0] * 6, [0] * _PLACES
        for (method, _, status), series in self._series.items():
            if counts := series.take():
                classes[status // 100 if status < 600 else 0] += sum(counts)
                if status != 101 and method != "CONNECT":
                    recent = list(map(add, recent, counts))
        return classes, recent

    def families(self) -> list[Family]:
        """What was counted since the start."""
        requests = Family(
            "tornado_http_requests_total", "counter", "Requests answered, by route and status."
        )
        seconds = Family(
            "tornado_http_request_duration_seconds",
            "histogram",
            "From the end of a request's head to the end of its response.",
        )
        came = Family(
            "tornado_http_request_body_bytes_total", "counter", "Bytes of request bodies."
        )
        went = Family(
            "tornado_http_response_body_bytes_total", "counter", "Bytes of response bodies."
        )
        for (method, route, status), series in self._series.items():
            place = {"method": method, "route": route or ""}
            fine = series.all()
            requests.add(sum(fine), **place, status=str(status))
            counts = [sum(fine[a:b]) for a, b in zip(_EDGES, _EDGES[1:], strict=False)]
            seconds.add_histogram(BOUNDS, counts, series.seconds, **place)
            came.add(series.bytes_in, **place)
            went.add(series.bytes_out, **place)
        return [requests, seconds, came, went]


class _Beside(ExchangeHook):
    """A meter, of which there is one for all servers, beside the hook of one of them."""

    def __init__(self, meter: Meter, then: Callable[[Finished], object]) -> None:
        self._meter, self.then = meter, then

    def see(self, exchange: Http1Exchange) -> None:
        self._meter.see(exchange)

    def __call__(self, record: Finished) -> None:
        self._meter(record)
        if self.then is not None:
            self.then(record)


def quantile(counts: list[int], share: float) -> float | None:
    """The value below which `share` (0 to 1) of what was counted by FINE lies, in seconds."""
    total = sum(counts)
    if not total:
        return None
    place = bisect_left(list(accumulate(counts)), share * total)
    return FINE[min(place, len(FINE) - 1)]


def shown_path(target: str) -> str:
    """A request's target without its query, which may contain tokens."""
    path, mark, _ = target.partition("?")
    return path[:200] + ("?…" if mark else "")
