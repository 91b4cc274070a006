"""Writes the table of measured numbers into README.md and docs/index.md, from docs/figures.json.

    python docs/making/figures.py

The numbers are put into the file by hand, from what the commands in its rows print.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = ("README.md", "docs/index.md")
PLACE = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


def table() -> str:
    figures = json.loads((ROOT / "docs" / "figures.json").read_text())
    lines = ["| measured | here | beside it | by |", "|---|---|---|---|"]
    lines += [
        f"| {row['what']} | {row['here']} | {row['beside']} | `{row['how']}` |"
        for row in figures["rows"]
    ]
    lines.append(
        f"\nOn Linux, Python {figures['python']}, {figures['day']}. FastAPI and Starlette run on "
        "uvicorn with its parser in C; tornado_trio is pure Python."
    )
    return "\n" + "\n".join(lines) + "\n\n"


def filled(text: str) -> str:
    return PLACE.sub(lambda _: table(), text)


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text()))
