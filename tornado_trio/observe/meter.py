"""`Meter`: counts requests as they end. It is an access log hook: `ServerOptions.access_log`.

Knows `Finished` records. Must not know servers, nor who reads the counts.

Labels are bounded, whatever clients send: routes, never paths; methods that HTTP knows; statuses.
A program that names its routes by what clients send has MOST_SERIES, then "(other)".
"""

from __future__ import annotations

import dataclasses
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from itertools import accumulate

from ..exchange import Finished
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
_EDGES = [0, *(FINE.index(bound) + 1 for bound in BOUNDS), len(FINE) + 1]
_METHODS = frozenset("GET HEAD POST PUT DELETE PATCH OPTIONS CONNECT TRACE QUERY".split())


class _Series:
    """One route, method and status."""

    __slots__ = ("bytes_in", "bytes_out", "counts", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.counts = [0] * (len(FINE) + 1)


class Meter:
    """Call it with each `Finished`.

    Attributes:
      errors: of the last requests that were answered with 500 or more, the newest last: time
        (seconds since 1970), id, method, path (without its query), route, status, cause, seconds.
    """

    def __init__(self) -> None:
        self.errors: deque[dict[str, object]] = deque(maxlen=KEPT_ERRORS)
        self._series: dict[tuple[str, str | None, int], _Series] = {}
        self._recent = [0] * (len(FINE) + 1)
        self._classes = [0] * 6

    def __call__(self, record: Finished) -> None:
        status = record.status
        series = self._series.get((record.method, record.route, status))
        if series is None:
            series = self._open(record)
        seconds = record.seconds
        series.seconds += seconds
        series.bytes_in += record.bytes_in
        series.bytes_out += record.bytes_out
        place = bisect_left(FINE, seconds)
        series.counts[place] += 1
        if record.cause.value != "upgraded":  # a websocket's hours are no latency
            self._recent[place] += 1
        self._classes[status // 100 if status < 600 else 0] += 1
        if status >= 500:
            self._note(record)

    def _open(self, record: Finished) -> _Series:
        method = record.method if record.method in _METHODS else OTHER
        route = record.route
        if len(self._series) >= MOST_SERIES:
            route = OTHER
        return self._series.setdefault((method, route, record.status), _Series())

    def _note(self, record: Finished) -> None:
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
            }
        )

    def options(self, options: ServerOptions | None) -> ServerOptions:
        """These options with the meter in them; an access log hook that is there goes on."""
        options = options or ServerOptions()
        before = options.access_log
        return dataclasses.replace(
            options, access_log=self if before is None else _both(self, before)
        )

    def take_recent(self) -> tuple[list[int], list[int]]:
        """Counts since the last call: by status class (index 2: 200 to 299), and by FINE."""
        classes, self._classes = self._classes, [0] * 6
        recent, self._recent = self._recent, [0] * (len(FINE) + 1)
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
            requests.add(sum(series.counts), **place, status=str(status))
            counts = [sum(series.counts[a:b]) for a, b in zip(_EDGES, _EDGES[1:], strict=False)]
            seconds.add_histogram(BOUNDS, counts, series.seconds, **place)
            came.add(series.bytes_in, **place)
            went.add(series.bytes_out, **place)
        return [requests, seconds, came, went]


def _both(
    one: Callable[[Finished], object], other: Callable[[Finished], object]
) -> Callable[[Finished], object]:
    def hooks(record: Finished) -> None:
        one(record)
        other(record)

    return hooks


def quantile(counts: list[int], share: float) -> float | None:
    """The value below which `share` (0 to 1) of what was counted by FINE lies, in seconds."""
    total = sum(counts)
    if not total:
        return None
    place = bisect_left(list(accumulate(counts)), share * total)
    return FINE[min(place, len(FINE) - 1)]


def shown_path(target: str) -> str:
    """A request's target as it may be shown: queries hold tokens."""
    path, mark, _ = target.partition("?")
    return path[:200] + ("?…" if mark else "")
