"""The tables of measured numbers are those of docs/figures.json."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MAKER = ROOT / "docs" / "making" / "figures.py"

spec = importlib.util.spec_from_file_location("figures", MAKER)
assert spec is not None
assert spec.loader is not None
figures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(figures)


@pytest.mark.parametrize("page", figures.PAGES)
def test_page_has_the_table_of_the_file(page: str) -> None:
    text = (ROOT / page).read_text()
    assert figures.table() in text, f"run {MAKER.relative_to(ROOT)}"
    assert figures.filled(text) == text


def test_rows_are_numbers_by_commands_that_there_are() -> None:
    targets = (ROOT / "Makefile").read_text()
    for row in json.loads((ROOT / "docs" / "figures.json").read_text())["rows"]:
        assert any(c.isdigit() for c in row["here"])
        assert "?" not in row["here"] + row["beside"]
        command = row["how"].split()
        if command[0] == "make":
            assert f"\n{command[1]}:" in targets
        else:
            assert (ROOT / command[0]).exists()
