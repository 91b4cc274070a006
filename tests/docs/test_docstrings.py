"""Every block of code in a docstring runs, in the bare environment of tests/docs/test_blocks.py.

A block is fenced, ```python, as on pages; around.py has the program around it. What is indented
instead, a table or a picture, must not read as Python: code cannot go untried that way.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from .around import AROUND, BEFORE
from .bare import ROOT, Bare, run

FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n+)+(?! {4})", re.MULTILINE)
RUNNER = """
import ast, pathlib, sys, trio

path, BLOCK = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
text = pathlib.Path(path).read_text()
code = compile(text, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)

async def main():
    waiting = eval(code, {"__name__": "docstring", "BLOCK": BLOCK})
    if waiting is not None:
        await waiting

trio.run(main)
"""


def docstrings() -> Iterator[tuple[str, str]]:
    """Each with the file and the name it is of."""
    for package in ("tornado_trio", "compat"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(
                    node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
                ):
                    text = ast.get_docstring(node)
                    name = "" if isinstance(node, ast.Module) else f":{node.name}"
                    if text:
                        yield f"{file.relative_to(ROOT)}{name}", text + "\n"


DOCSTRINGS = list(docstrings())
BLOCKS = {name: FENCED.findall(text) for name, text in DOCSTRINGS if "```" in text}


def reads_as_python(text: str) -> bool:
    try:
        compile(text, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except SyntaxError:
        return False
    return True


def test_each_block_has_its_program() -> None:
    assert set(BLOCKS) == set(AROUND)
    assert {name: len(found) for name, found in BLOCKS.items() if len(found) != 1} == {}


def test_no_code_goes_without_its_fence() -> None:
    hidden = [
        f"{name}:\n{part}"
        for name, text in DOCSTRINGS
        for part in INDENTED.findall(FENCED.sub("", text))
        if reads_as_python(textwrap.dedent(part))
    ]
    assert hidden == []


def program(name: str, block: str) -> str:
    """The block in its program."""
    lines = []
    for line in AROUND[name].splitlines():
        if line.strip() == "# the block":
            lines.append(textwrap.indent(block, line[: len(line) - len(line.lstrip())]))
        else:
            lines.append(line)
    text = BEFORE + "\n".join(lines)
    assert block.strip().splitlines()[0].strip() in text
    return text


@pytest.mark.timeout(600)  # the first one waits for the environment
@pytest.mark.parametrize("name", BLOCKS)
def test_block(name: str, tmp_path: Path, bare: Bare) -> None:
    (block,) = BLOCKS[name]
    (tmp_path / "block.py").write_text(block)
    (tmp_path / "program.py").write_text(program(name, block))
    python, environ = bare
    command = [python, "-W", "error", "-W", "ignore::PendingDeprecationWarning", "-c", RUNNER]
    run([*command, "program.py", "block.py"], cwd=tmp_path, env=environ)
