"""Commands that pages show and tests/docs/test_bare.py does not run: they can be run.

Their options are those there are; so are the modules, the programs and the targets they name.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from tornado_trio.cli import _take_options
from tornado_trio.service.command import parse

from .bare import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples" / "README.md",
]
FIRST = r"(?:[A-Z_]+=\S+ )*(?:tornado-trio|python3?|make|pip|\.venv/bin/python) "
# Indented, or the whole of a piece of inline code; what follows two blanks or # explains it.
INDENTED = re.compile(rf"^    (?:\$ )?({FIRST}[^\n]+?)(?:  +.*| +#.*)?$", re.MULTILINE)
INLINE = re.compile(rf"`({FIRST}[^`]+)`")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(page: Path) -> set[str]:
    text = FENCED.sub("", page.read_text("utf-8"))
    found = [re.sub(r"\s+", " ", each) for each in INDENTED.findall(text) + INLINE.findall(text)]
    # A synopsis names what one puts there: SCRIPT, [ARGUMENT...], and goes on with "...".
    return {each for each in found if not re.search(r"\[\w*[A-Z]{2}|\.\.\.(?:$| )|…", each)}


FOUND = sorted((str(page.relative_to(ROOT)), each) for page in PAGES for each in commands(page))


def test_there_are_many() -> None:
    assert len(FOUND) > 60


@pytest.mark.parametrize(("page", "command"), FOUND)
def test_command(page: str, command: str) -> None:
    words = shlex.split(command, comments=True)
    while re.match(r"[A-Z_]+=", words[0]):
        del words[0]
    match words:
        case ["tornado-trio", "serve", *options]:
            takes = [option for option in options if not option.startswith("-")]
            parse(options if takes or "--help" in options else [*options, "app:app"])
        case ["tornado-trio", "run", *options] | [_, "-m", "compat", *options]:
            _take_options(options)
        case ["tornado-trio", verb, *_]:
            assert verb in ("inspect", "openapi", "explain", "path"), command
        case ["make", *rest]:
            assert {word for word in rest if "=" not in word} <= TARGETS, command
        case [_, "-m", "pip", *_] | ["pip", *_]:
            # There is nothing of ours at an index; ./tornado_trio is the clone.
            assert not re.search(r"tornado-trio|(?<!\./)tornado_trio", command), command
        case [_, "-m", module, *_]:
            assert importlib.util.find_spec(module) is not None, command
        case [_, program, *_] if "/" in program and program.endswith(".py"):
            assert (ROOT / program).exists(), command
