"""`Family`: a metric as defined by Prometheus, its samples as plain numbers; summing, and the text
format.

Knows the text format (https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4).
Must not know what is counted. Ours need no library: there is no registry to update, a family is
made for each scrape. Families of `prometheus_client` are converted to these (`prometheus`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["CONTENT_TYPE", "Family", "add_up", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram", "summary", "untyped"]
#: The suffix of a sample's name ("", "_bucket", "_sum", ...) and its labels, in order.
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Family:
    """A metric with all its samples.

    Attributes:
      name: without the suffix of a sample; of counters with `_total`.
      kind: "counter", "gauge", "histogram", "summary" or "untyped".
      help: one line.
      samples: value by suffix and labels.
    """

    name: str
    kind: Kind
    help: str
    samples: dict[Key, float] = field(default_factory=dict)

    def add(self, value: float, /, suffix: str = "", **labels: str) -> Family:
        """Add `value` to a sample."""
        key = (suffix, tuple(labels.items()))
        self.samples[key] = self.samples.get(key, 0) + value
        return self

    def add_histogram(
        self, bounds: Iterable[float], counts: Iterable[int], total: float, **labels: str
    ) -> None:
        """Add a distribution: counts up to each of `bounds`, one more for the rest, and the sum of
        all values."""
        seen = 0
        for bound, count in zip([*bounds, math.inf], counts, strict=True):
            seen += count
            self.add(seen, "_bucket", **labels, le=_number(bound))
        self.add(total, "_sum", **labels)
        self.add(seen, "_count", **labels)

    def as_json(self) -> list[Any]:
        """For other processes; `from_json` makes a family of it."""
        return [self.name, self.kind, self.help, [[*key, v] for key, v in self.samples.items()]]

    @classmethod
    def from_json(cls, data: list[Any]) -> Family:
        family = cls(*data[:3])
        for suffix, labels, value in data[3]:
            family.samples[suffix, tuple((name, text) for name, text in labels)] = value
        return family


def add_up(groups: Iterable[Iterable[Family]]) -> list[Family]:
    """Merge the families of several processes: samples with the same labels are summed."""
    found: dict[str, Family] = {}
    for group in groups:
        for family in group:
            mine = found.setdefault(family.name, Family(family.name, family.kind, family.help))
            for key, value in family.samples.items():
                mine.samples[key] = mine.samples.get(key, 0) + value
    return list(found.values())


def render(families: Iterable[Family]) -> str:
    """The text that Prometheus reads."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escape(family.help)}"
    yield f"# TYPE {family.name} {family.kind}"
    for (suffix, labels), value in family.samples.items():
        yield f"{family.name}{suffix}{_labels(dict(labels))} {_number(value)}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    quote = '\\"'
    inside = ",".join(f'{n}="{_escape(v).replace(chr(34), quote)}"' for n, v in labels.items())
    return f"{{{inside}}}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    if value == -math.inf:
        return "-Inf"
    return "NaN" if value != value else repr(float(value))
