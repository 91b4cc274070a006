"""Families of `prometheus_client`, where it is installed: a program's own metrics next to ours.

Knows that library's registry and its multiprocess mode. Must not import it unless the
program has: otherwise its registry is empty anyway.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from .families import Family, Kind

__all__ = ["RegistryCollector", "program_families", "shared_families"]

_KINDS: dict[str, Kind] = {
    "counter": "counter",
    "gauge": "gauge",
    "histogram": "histogram",
    "summary": "summary",
}


def _multiprocess() -> bool:
    return any(
        name in os.environ for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
    )


def program_families(worker: str | None = None) -> list[Family]:
    """The families of this process's registry; none in multiprocess mode, where they are in files.
    `worker`, if given, becomes a label of what cannot be summed (gauges)."""
    if _multiprocess() or "prometheus_client" not in sys.modules:
        return []
    from prometheus_client import REGISTRY

    return list(_converted(REGISTRY.collect(), worker))


def shared_families() -> list[Family]:
    """The families that all processes have written to files, in multiprocess mode; else none."""
    if not _multiprocess():
        return []
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector
    except ImportError:
        return []
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return list(_converted(registry.collect(), None))


def _converted(metrics: Iterable[Any], worker: str | None) -> Iterator[Family]:
    for metric in metrics:
        if metric.name.startswith("tornado_http_"):
            continue  # ours, by way of a `RegistryCollector`
        kind = _KINDS.get(metric.type, "untyped")
        name = metric.name
        if kind == "counter":
            name += "_total"
        elif metric.type == "info":
            name, kind = f"{name}_info", "gauge"
        family = Family(name, kind, metric.documentation)
        created = Family(f"{metric.name}_created", "gauge", metric.documentation)
        own = () if worker is None else (("worker", worker),)
        for sample in metric.samples:
            labels = tuple(sample.labels.items())
            if sample.name == f"{metric.name}_created":
                created.samples["", labels + own] = sample.value
                continue
            if kind in ("gauge", "untyped"):
                labels += own
            family.samples[sample.name.removeprefix(name), labels] = sample.value
        yield family
        if created.samples:
            yield created


class RegistryCollector:
    """Our families as a collector of `prometheus_client`: `REGISTRY.register(...)`, for programs
    that have a `/metrics` of their own.

    Args:
      families: called at each scrape; `Inspector.families`, for one.
    """

    def __init__(self, families: Any) -> None:
        self._families = families

    def describe(self) -> list[Any]:
        """Empty: nothing is known before it is counted."""
        return []

    def collect(self) -> Iterator[Any]:
        """`prometheus_client.Metric`s. ImportError: it is not installed."""
        from prometheus_client.metrics_core import Metric

        for family in self._families():
            metric = Metric(family.name.removesuffix("_total"), family.help, family.kind)
            for (suffix, labels), value in family.samples.items():
                metric.add_sample(family.name + suffix, dict(labels), value)
            yield metric
