"""Every advisory we know of is held by a test that exists, or does not concern us."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

from .advisories import LINES, Line

HERE = Path(__file__).parent


@functools.cache
def functions_of(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@functools.cache
def text_of(path: Path) -> str:
    """Where a file's cases are: itself, or the corpus beside it."""
    corpus = path.with_name("corpus.py")
    return path.read_text() + (corpus.read_text() if corpus.exists() else "")


def problem(test: str) -> str | None:
    """What is wrong with the name of a test; None if nothing is."""
    file, _, function = test.partition("::")
    name, bracket, case = function.partition("[")
    path = HERE / file
    if not path.is_file():
        return f"no file {file}"
    if not name.startswith("test_") or name not in functions_of(path):
        return f"no test {name} in {file}"
    if bracket and case[:-1] not in text_of(path):
        return f"no case {case[:-1]!r} in {file}"
    return None


@pytest.mark.parametrize("line", LINES, ids=[line.advisory for line in LINES])
def test_is_held(line: Line) -> None:
    assert bool(line.tests) is not bool(line.reason)
    assert [found for test in line.tests if (found := problem(test))] == []


def test_the_table_is_whole() -> None:
    assert len(LINES) >= 125
    assert len({line.advisory for line in LINES}) == len(LINES)
    assert sum(bool(line.reason) for line in LINES) <= 3


def test_what_is_missing_is_found() -> None:
    assert problem("server/test_none.py::test_case") == "no file server/test_none.py"
    assert problem("test_advisories.py::test_nothing") is not None
    assert problem("test_advisories.py::problem") is not None
    assert problem("server/test_corpus.py::test_case[no such " + "case]") is not None
    assert problem("server/test_corpus.py::test_case[two lengths]") is None
