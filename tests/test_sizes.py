"""The rule that the project gave itself: files and functions that are read in one go."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("tornado_trio/**/*.py"), *ROOT.glob("compat/**/*.py")])
MAX_FILE = 600
MAX_FUNCTION = 60


def test_files() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE} == {}


def test_functions() -> None:
    """From `def` to the last line; decorators are not counted."""
    found = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > MAX_FUNCTION:
                    found[f"{path.relative_to(ROOT)}: {node.name}"] = size
    assert found == {}


def test_types_between_two_libraries() -> None:
    """interop passes on what either library gives it; what that is has names (`host.py`)."""
    files = sorted((ROOT / "tornado_trio" / "interop").glob("*.py"))
    lines = sum(len(path.read_text().splitlines()) for path in files)
    unnamed = sum(len(re.findall(r"\bAny\b", path.read_text())) for path in files)
    assert unnamed / lines < 20 / 1000
