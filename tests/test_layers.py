"""The import graph of `tornado_trio`: imports go down the floors of docs/design.md, no cycles.

Imports inside functions count; those under ``if TYPE_CHECKING:`` do not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "tornado_trio"



def floors() -> list[set[str]]:
    """The parts of the package, lowest floor first, as docs/design.md lists them."""
    text = (ROOT / "docs" / "design.md").read_text()
    listed = text.partition("## Floors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\d+\. ((?:`\w+`(?:, )?)+)", listed, re.M)
    return [set(re.findall(r"`(\w+)`", row)) for row in rows]


LAYERS = floors()
# Neighbours on a floor do not know each other, but for these.
NEIGHBOURS = {
    ("client", "websocket"),
    ("_util", "errors"),
    ("limits", "errors"),
    ("template", "escape"),
    ("locale", "escape"),
}

# Part of the package -> what it must not import, whatever its layer would allow.
FORBIDDEN = {
    "wire": {"trio", "asyncio", "ssl", "select"},
    "template": {"trio", "asyncio"},
    "locale": {"trio", "asyncio"},
    "escape": {"trio", "asyncio"},
    "web": {f"{PACKAGE}.server", f"{PACKAGE}.net", f"{PACKAGE}.client", "socket"},
    "net": {"h11"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}


def part(module: str) -> str:
    """The first name below the package: what the layers are made of."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from statements(other)
        else:
            yield from statements(node)


def imported(module: str, path: Path) -> Iterator[str]:
    """Full names of the modules that a module imports, of any package."""
    for node in statements(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        base = node.module or ""
        if node.level:
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            package = package[: len(package) - node.level + 1]
            base = ".".join([*package, *([base] if base else [])])
        for alias in node.names:
            full = f"{base}.{alias.name}"
            yield full if full in modules() else base


@cache
def graph() -> dict[str, frozenset[str]]:
    return {name: frozenset(imported(name, path)) for name, path in modules().items()}


def rank(name: str) -> int | None:
    return next((number for number, row in enumerate(LAYERS) if name in row), None)


def test_every_part_has_a_layer() -> None:
    parts = {part(name) for name in modules()}
    assert parts == set().union(*LAYERS) - {"compat"} | {"__init__"}


def test_imports_go_down_the_floors() -> None:
    wrong = []
    for name, targets in graph().items():
        for target in targets:
            if not (target == PACKAGE or target.startswith(f"{PACKAGE}.")):
                continue
            ours, theirs = part(name), part(target)
            mine, other = rank(ours), rank(theirs)
            if ours == theirs or "__init__" in (ours, theirs) or mine is None or other is None:
                continue
            last = mine == len(LAYERS) - 2  # the top floor may know its neighbours; compat is above
            if other > mine or (other == mine and not last and (ours, theirs) not in NEIGHBOURS):
                wrong.append(f"{name} imports {target}")
    assert wrong == []


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_what_a_part_must_not_know(name: str) -> None:
    wrong = [
        f"{module} imports {target}"
        for module, targets in graph().items()
        if part(module) == name
        for target in targets
        if any(target == bad or target.startswith(f"{bad}.") for bad in FORBIDDEN[name])
    ]
    assert wrong == []


def test_asyncio_only_in_interop() -> None:
    wrong = [
        f"{module} imports {target}"
        for module, targets in graph().items()
        if part(module) != "interop"
        for target in targets
        if target.split(".")[0] == "asyncio"
    ]
    assert wrong == []


def test_nothing_imports_the_overlay() -> None:
    wrong = [
        f"{module} imports {target}"
        for module, targets in graph().items()
        for target in targets
        if target.split(".")[0] in ("compat", "tornado")
    ]
    assert wrong == []


def test_no_cycles() -> None:
    """A depth-first walk; a package is its ``__init__``, which importing any module in it runs."""
    done: set[str] = set()
    trail: list[str] = []
    found: list[str] = []

    def visit(name: str) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
            return
        if name in done or name not in graph():
            return
        trail.append(name)
        for target in sorted(graph()[name] - {name}):  # itself: what runs as __main__ does that
            visit(target)
        trail.pop()
        done.add(name)

    for name in modules():
        visit(name)
    assert found == []
