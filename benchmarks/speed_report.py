"""Tables and charts of the figures that `side_by_side.py` measured.

    python benchmarks/speed_report.py

Reads docs/speed.json; writes the tables into the pages of docs/discussion/ (see `PAGES`), charts
into docs/images/; and, into README and the site's first page, how much faster than Tornado each
server is, and the rows of the table of figures that are from there (docs/figures.json).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from speed_charts import Table, chart, ours, shown

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "speed.json"
PLACE = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- end of speed -->)", re.DOTALL)
#: File of docs/discussion -> its sections; several, so that none is long.
PAGES = {
    "speed.md": ("instructions", "requests", "engines"),
    "speed-with-load.md": ("connections", "routes", "workers"),
    "speed-with-size.md": ("bodies", "idle", "ends"),
    "speed-beside-tornado.md": ("tornado",),
}
#: What a page has a table of, and no chart.
NO_CHART = ("tornado", "ends")
#: Where the comparison with Tornado stands -> the folder of images, as seen from there.
FRONT = {"README.md": "docs/images", "docs/index.md": "images"}
FRONT_PLACE = re.compile(r"(?<=<!-- ratios -->\n).*?(?=<!-- end of ratios -->)", re.DOTALL)


def table(section: Table) -> str:
    """In Markdown; with its unit, its command, and what was so at the time."""
    columns = section["columns"]
    lines = [f"| {section['unit']} | " + " | ".join(columns) + " |"]
    lines.append("|---|" + "---:|" * len(columns))
    for name, values in section["rows"].items():
        lines.append(f"| {name} | " + " | ".join(shown(value) for value in values) + " |")
    lines.append(f"\n`{section['how']}`, {section['day']}, Python {section['python']}; ")
    lines[-1] += f"{section['note']}. {section['versions']}."
    return "\n".join(lines)


# --- pages -----------------------------------------------------------------------------------


def page(data: dict[str, Table]) -> str:
    """What stands on the page between its marks."""
    parts = []
    for name, section in data.items():
        parts.append(f"### {section['title']}\n\n{table(section)}\n")
        if name not in NO_CHART:
            parts.append(f"![Chart: {section['title']}](../images/speed-{name}.svg)\n")
    return "\n" + "\n".join(parts) + "\n"


def pages(data: dict[str, Table]) -> dict[str, dict[str, Table]]:
    """File of docs/discussion -> the sections that it shows."""
    return {
        place: {name: data[name] for name in names if name in data}
        for place, names in PAGES.items()
    }


def _between_marks(text: str, _: re.Match[str]) -> str:
    return text


def ratios(section: Table) -> Table:
    """`requests`, as times of Tornado's speed."""
    tornado = section["rows"]["Tornado"]
    rows = {
        name: [
            base / value if value and base else None
            for value, base in zip(row, tornado, strict=True)
        ]
        for name, row in section["rows"].items()
    }
    unit = "times Tornado's speed"
    title = "Requests by processor time, beside Tornado 6.6.1"
    return {**section, "title": title, "unit": unit, "rows": rows, "higher": True}


def front(section: Table, images: str) -> str:
    """What README says of speed: a table of ratios, and its chart."""
    found = ratios(section)
    lines = [f"| {found['unit']} | " + " | ".join(found["columns"]) + " |"]
    lines.append("|---|" + "---:|" * len(found["columns"]))
    for name, row in found["rows"].items():
        values = (f"{value:.1f}" if value else "–" for value in row)
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    chart_of = f"![Chart: {found['title']}]({images}/speed-ratios.svg)"
    return "\n" + "\n".join([*lines, "", chart_of]) + "\n\n"


# --- rows of the table of figures ------------------------------------------------------------


def _sides(section: Table, column: str, form: str) -> tuple[str, str]:
    """One column in words: ours, and the others."""
    index = section["columns"].index(column)
    texts: dict[bool, list[str]] = {True: [], False: []}
    for name, values in section["rows"].items():
        if values[index] is not None:
            value = form.format(values[index])
            texts[ours(name)].append(f"{name.removeprefix('uvicorn + ')} {value}")
    return ", ".join(texts[True]), ", ".join(texts[False])


#: Of a row of docs/figures.json: what it says, of which section and column, in which form.
ROWS: dict[str, tuple[str, str, str]] = {
    "Thousand instructions for a hello": ("instructions", "hello", "{:.0f}"),
    "Memory of an idle kept connection": ("idle", "1000 kept", "{:.1f} KiB"),
    "Requests lost at SIGTERM, of 500 under way (compat with `--drain`)": (
        "ends",
        "lost of 500",
        "{:.0f}",
    ),
}


def figures_rows(data: dict[str, Table]) -> Iterator[dict[str, str]]:
    """The rows of docs/figures.json that are measured here."""
    for what, (name, column, form) in ROWS.items():
        if name in data and column in data[name]["columns"]:
            here, beside = _sides(data[name], column, form)
            how = f'make bench ARGS="--only {name}"'
            yield {"what": what, "here": here, "beside": beside, "how": how}


def _write_figures(root: Path, data: dict[str, Table]) -> None:
    figures = root / "docs" / "figures.json"
    if not figures.exists():
        return
    known = json.loads(figures.read_text())
    new = {row["what"]: row for row in figures_rows(data)}
    known["rows"] = [new.get(old["what"], old) for old in known["rows"]]
    figures.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n")
    maker = root / "docs" / "making" / "figures.py"
    subprocess.run([sys.executable, maker], check=True, timeout=60)


def write(root: Path) -> None:
    """Tables and charts, and what README shows, from the data file."""
    docs = root / "docs"
    data = json.loads((docs / "speed.json").read_text())
    for name, section in data.items():
        if name not in NO_CHART:
            (docs / "images" / f"speed-{name}.svg").write_text(chart(section))
    for place, shown_there in pages(data).items():
        path = docs / "discussion" / place
        path.write_text(PLACE.sub(partial(_between_marks, page(shown_there)), path.read_text()))
    if "Tornado" in data.get("requests", {}).get("rows", {}):
        (docs / "images" / "speed-ratios.svg").write_text(chart(ratios(data["requests"])))
        for name, images in FRONT.items():
            text = partial(_between_marks, front(data["requests"], images))
            path = root / name
            path.write_text(FRONT_PLACE.sub(text, path.read_text()))
    _write_figures(root, data)


if __name__ == "__main__":
    write(ROOT)
