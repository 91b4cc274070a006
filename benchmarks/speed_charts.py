"""Charts of measured figures: SVG, light or dark as the reader's system is.

Knows a table of the data file (`docs/speed.json`); must not know pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Any

Table = dict[str, Any]

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.quiet { fill: #59636e; font-size: 12px }
.axis { stroke: #d1d9e0; fill: none }
.ours { fill: #00796b; stroke: #00796b }
.others { fill: #8c959f; stroke: #8c959f }
polyline { fill: none !important; stroke-width: 2 }
rect, circle { stroke: none !important }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .axis { stroke: #3d444d }
  .ours { fill: #4db6ac; stroke: #4db6ac }
  .others { fill: #768390; stroke: #768390 }
}
"""


def shown(value: float | None) -> str:
    if value is None:
        return "–"
    if not value:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ours(name: str) -> bool:
    return name.partition(",")[0] in ("native", "compat")


def bars(section: Table) -> str:
    """One group of bars for each column, the best first (`higher`: the longest)."""
    parts: list[str] = []
    top = 62.0
    for index, column in enumerate(section["columns"]):
        pairs = [(values[index], name) for name, values in section["rows"].items()]
        known = sorted((value, name) for value, name in pairs if value is not None)
        if not known:
            continue
        longest = known[-1][0] or 1.0
        if section.get("higher"):
            known.reverse()
        parts.append(f'<text x="16" y="{top:.0f}" class="quiet">{escape(column)}</text>')
        top += 8
        for value, name in known:
            width = max(1.0, value / longest * 400)
            kind = "ours" if ours(name) else "others"
            parts.append(
                f'<text x="180" y="{top + 13:.0f}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="190" y="{top + 2:.0f}" width="{width:.1f}" height="14" rx="2" '
                f'class="{kind}"/>'
                f'<text x="{197 + width:.1f}" y="{top + 13:.0f}">{shown(value)}</text>'
            )
            top += 20
        top += 24
    return drawing(section, parts, top - 10)


def curves(section: Table) -> str:
    """A line for each row, over columns that are numbers; both axes are logarithmic."""
    sizes = [float(column) for column in section["columns"]]
    values = [v for row in section["rows"].values() for v in row if v]
    low, high = math.log(min(values) / 1.2), math.log(max(values) * 1.2)
    left, right, top, bottom = 70.0, 470.0, 60.0, 330.0
    span = math.log(sizes[-1] / sizes[0]) or 1.0

    def x(size: float) -> float:
        return left + math.log(size / sizes[0]) / span * (right - left)

    def y(value: float) -> float:
        return bottom - (math.log(value) - low) / (high - low) * (bottom - top)

    parts = [f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>']
    for column, size in zip(section["columns"], sizes, strict=True):
        where = f'x="{x(size):.0f}" y="{bottom + 18:.0f}"'
        parts.append(f'<text {where} text-anchor="middle" class="quiet">{escape(column)}</text>')
    for power in range(math.ceil(low / math.log(10)), math.floor(high / math.log(10)) + 1):
        height = y(10.0**power)
        parts.append(f'<path class="axis" d="M{left} {height:.1f}H{right}"/>')
        where = f'x="{left - 8:.0f}" y="{height + 4:.1f}"'
        parts.append(f'<text {where} text-anchor="end" class="quiet">{10**power:,}</text>')
    ends: list[tuple[float, str, str]] = []
    for number, (name, row) in enumerate(section["rows"].items()):
        points = [(x(size), y(v)) for size, v in zip(sizes, row, strict=True) if v]
        kind = "ours" if ours(name) else "others"
        dashes = f' stroke-dasharray="{1 + number * 2} {number + 1}"' if number else ""
        drawn = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline class="{kind}"{dashes} points="{drawn}"/>')
        last = [value for value in row if value][-1]
        ends.append((points[-1][1], f"{name} {shown(last)}", f"{points[-1][0]:.1f}"))
    parts += labels(ends)
    return drawing(section, parts, bottom + 36)


def labels(ends: list[tuple[float, str, str]]) -> Iterator[str]:
    """Names at the lines' ends, apart from one another."""
    free = 0.0
    for height, text, where in sorted(ends):
        free = max(height, free)
        yield f'<circle class="quiet" cx="{where}" cy="{height:.1f}" r="3"/>'
        yield f'<text x="480" y="{free + 4:.1f}">{escape(text)}</text>'
        free += 17


def drawing(section: Table, parts: list[str], height: float) -> str:
    title = escape(section["title"])
    unit = escape(f"{section['unit']}; {section['day']}; {section['note']}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {height:.0f}" role="img" '
        f'aria-label="{title}"><style>{STYLE}</style>\n'
        f'<text x="16" y="24" class="title">{title}</text>'
        f'<text x="16" y="42" class="quiet">{unit}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def chart(section: Table) -> str:
    return curves(section) if section["curve"] and len(section["columns"]) > 2 else bars(section)
