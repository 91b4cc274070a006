"""`Source`: where a page gets its data from: one process, or many, and how these are merged.

Knows the data of `Inspector`. Must not know how they are fetched: `service.inspection` does that.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from .families import Family, add_up
from .inspector import Inspector
from .meter import FINE, quantile
from .prometheus import shared_families

__all__ = ["LocalSource", "Source", "merged_ticks"]

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


class Source(Protocol):
    """Provides the data of the pages."""

    async def families(self) -> list[Family]:
        """The metrics of all processes."""

    async def states(self, **question: Any) -> list[dict[str, Any]]:
        """`Inspector.state(**question)` of each process; for one that does not answer: `number`,
        `pid`, `state` and `silent`, the seconds since its last answer."""


class LocalSource:
    """The process that serves the page."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector

    async def families(self) -> list[Family]:
        return add_up([self._inspector.families(), shared_families()])

    async def states(self, **question: Any) -> list[dict[str, Any]]:
        return [self._inspector.state(**question)]


def merged_ticks(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The merged histories of processes: a dict per second, with what a page draws.

    `t`; `classes`, answers by status class; `p50` to `p999`, seconds (None: no answers); `delay`,
    the worst; `memory`, bytes; `connections`; `in_flight`.
    """
    seconds: dict[int, dict[str, Any]] = {}
    for state in states:
        for tick in state.get("ticks", ()):
            sum_ = seconds.setdefault(
                tick["t"],
                {
                    "t": tick["t"],
                    "classes": [0] * 6,
                    "counts": [0] * (len(FINE) + 1),
                    "delay": 0.0,
                    "memory": 0,
                    "connections": 0,
                    "in_flight": 0,
                },
            )
            sum_["classes"] = [a + b for a, b in zip(sum_["classes"], tick["classes"], strict=True)]
            for place, count in tick["counts"].items():
                sum_["counts"][int(place)] += count  # JSON has text for keys
            sum_["delay"] = max(sum_["delay"], tick["delay"])
            for name in ("memory", "connections", "in_flight"):
                sum_[name] += tick[name]
    newest = int(time.time())
    merged = []
    for t in sorted(seconds):
        if t >= newest and len(states) > 1:
            continue  # others have not got there yet
        tick = seconds[t]
        counts = tick.pop("counts")
        tick.update({name: quantile(counts, share) for name, share in QUANTILES.items()})
        merged.append(tick)
    return merged
