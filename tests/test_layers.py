"""The import graphs, of `tornado_trio` and of the overlay: down the floors of docs/design.md.

Imports inside functions count; those under ``if TYPE_CHECKING:`` do not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
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
    ("log", "_util"),
    ("limits", "errors"),
    ("limits", "_util"),
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


def imported_later(tree: ast.AST) -> Iterator[str]:
    """Names of the modules that `later` and `class_later` import when they are used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("later", "class_later"):
            name = node.args[0]
            if isinstance(name, ast.Constant):  # other functions have the name, too
                yield name.value


def imported(module: str, path: Path, known: Collection[str]) -> Iterator[str]:
    """Full names of the modules that a module imports, of any package."""
    tree = ast.parse(path.read_text(), str(path))
    yield from imported_later(tree)
    for node in statements(tree):
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
            yield full if full in known else base


@cache
def graph() -> dict[str, frozenset[str]]:
    return {name: frozenset(imported(name, path, modules())) for name, path in modules().items()}


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


def cycles(graph: Mapping[str, Collection[str]]) -> list[str]:
    """A depth-first walk; a package is its ``__init__``, which importing any module in it runs."""
    done: set[str] = set()
    trail: list[str] = []
    found: list[str] = []

    def visit(name: str) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
            return
        if name in done or name not in graph:
            return
        trail.append(name)
        for target in sorted({*graph[name]} - {name}):  # itself: what runs as __main__ does that
            visit(target)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)
    return found


def test_no_cycles() -> None:
    assert cycles(graph()) == []


# --- the overlay --------------------------------------------------------------------------
OVERLAY = ROOT / "compat"


def overlay_floors() -> list[str]:
    """The parts of compat/tornado/_impl, lowest floor first, as design-compat.md lists them.

    What is in `legacy` stands beside the floor that it adds to.
    """
    page = ROOT / "docs" / "discussion" / "design-compat.md"
    plan = page.read_text().partition("## compat: the plan")[2]
    parts = re.findall(r"^ +_impl/(\w+)", plan.partition("\n## ")[0], re.M)
    return [name for name in parts if name != "legacy"]


FLOORS = overlay_floors()

# What Tornado 2 to 6 have at the top of the package, and in `platform`.
PUBLIC = set(
    """
    __init__ _locale_data auth autoreload concurrent curl_httpclient database escape gen
    http1connection httpclient httpserver httputil ioloop iostream locale locks log netutil options
    process queues
    routing simple_httpclient stack_context tcpclient tcpserver template testing util web websocket
    wsgi
    platform.__init__ platform.asyncio platform.auto platform.caresresolver platform.common
    platform.epoll platform.interface platform.kqueue platform.posix platform.select
    platform.trio platform.twisted platform.windows
    """.split()
)


@cache
def overlay() -> dict[str, frozenset[str]]:
    paths = {}
    for path in sorted((OVERLAY / "tornado").rglob("*.py")):
        parts = path.relative_to(OVERLAY).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: frozenset(imported(name, path, paths)) for name, path in paths.items()}


def floor(module: str) -> int | None:
    """The number of a module's floor; None for public modules and those of old releases."""
    names = module.split(".")
    return FLOORS.index(names[2]) if names[1:2] == ["_impl"] and names[2:3] != ["legacy"] else None


def test_every_part_of_the_overlay_has_a_floor() -> None:
    paths = (OVERLAY / "tornado" / "_impl").iterdir()
    found = {path.stem for path in paths} - {"__init__", "__pycache__"}
    assert found == {*FLOORS, "legacy"}


def test_overlay_has_no_cycles() -> None:
    assert cycles(overlay()) == []


def test_overlay_shows_only_what_tornado_has() -> None:
    top = OVERLAY / "tornado"
    shown = {
        ".".join(path.relative_to(top).with_suffix("").parts)
        for path in [*top.glob("*.py"), *(top / "platform").glob("*.py")]
    }
    assert shown == PUBLIC
    # The folder beside them: certificates that programs know by this path.
    assert {path.name for path in top.iterdir() if path.is_dir()} - {"__pycache__"} == {
        "_impl",
        "platform",
        "test",
    }


def test_overlay_keeps_to_its_floors() -> None:
    """Whatever a module of a floor leads to, through public modules too, is no higher."""
    wrong = []
    for name in overlay():
        mine = floor(name) if name.count(".") > 1 else None
        if mine is None:
            continue
        seen, todo = {name}, [name]
        while todo:
            for target in overlay().get(todo.pop(), ()):
                if target in seen or not target.startswith("tornado."):
                    continue
                seen.add(target)
                todo.append(target)
                other = floor(target) if target.count(".") > 1 else None
                if other is not None and other > mine:
                    wrong.append(f"{name} leads to {target}")
    assert wrong == []
