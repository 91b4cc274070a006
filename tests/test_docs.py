"""The pages of the documentation are all in the table of contents, and lead somewhere.

And the reference has every public class and function, with every field of those that are data.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_page_is_listed() -> None:
    listed = set(re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]}
    assert listed == pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_table_of_features_names_tests_that_there_are() -> None:
    """A cell of ours says which tests hold it."""
    text = (ROOT / "docs/reference/features.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert named or row.endswith("| no |"), row
        for path in named:
            assert (ROOT / path).exists(), path


PUBLIC = """service jobs server web web.middleware client websocket template locale escape oauth net
limits options log autoreload testing observe""".split()
ENTRY = re.compile(r"^::: (tornado_trio\S*)\n((?:    .*\n)*)", re.MULTILINE)


def public(package: str) -> list[tuple[str, Any]]:
    """What a module lists that can be called."""
    module = importlib.import_module(f"tornado_trio.{package}")
    return [(name, thing) for name in module.__all__ if callable(thing := getattr(module, name))]


def resolved(path: str) -> Any:
    """The object that an entry of the reference names: a module, or something in one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        home, _, name = path.rpartition(".")
        return getattr(resolved(home), name)


def rendered(path: str, options: str) -> set[int]:
    """The identities of the objects that an entry of the reference shows."""
    thing = resolved(path)
    if not isinstance(thing, ModuleType):
        return {id(thing)}
    members = re.search(r"members: \[(.*)\]", options)
    names = members[1].split(", ") if members else getattr(thing, "__all__", list(vars(thing)))
    # The page's maker takes a name for the submodule where there is one.
    return {id(getattr(thing, name)) for name in names if not is_module(f"{path}.{name}")}


def is_module(path: str) -> bool:
    try:
        return isinstance(importlib.import_module(path), ModuleType)
    except ModuleNotFoundError:
        return False


def test_every_method_of_a_split_class_is_on_some_page() -> None:
    """Of `RequestHandler`, which four pages tell: what it has a docstring for."""
    text = "".join(page.read_text() for page in (ROOT / "docs/reference").glob("handler*.md"))
    options = dict(ENTRY.findall(text))["tornado_trio.web.RequestHandler"]
    listed = re.search(r"members: \[(.*)\]", options)
    assert listed is not None
    shown = set(listed[1].split(", "))
    shown |= set(re.findall(r"^::: tornado_trio\.web\.RequestHandler\.(\w+)", text, re.MULTILINE))
    handler = importlib.import_module("tornado_trio.web").RequestHandler
    methods = {
        name
        for base in handler.__mro__[:-1]
        for name, thing in vars(base).items()
        if not name.startswith("_") and inspect.isroutine(thing) and inspect.getdoc(thing)
    }
    assert len(methods) > 60
    assert methods - shown == set()


@pytest.mark.parametrize("package", PUBLIC)
def test_reference_is_complete(package: str) -> None:
    text = "".join(page.read_text() for page in (ROOT / "docs/reference").glob("*.md"))
    shown = set().union(*(rendered(*entry) for entry in ENTRY.findall(text)))
    assert [name for name, thing in public(package) if id(thing) not in shown] == []


@pytest.mark.parametrize("package", PUBLIC)
def test_fields_are_documented(package: str) -> None:
    """By a comment above, a string below, or a line of the class's own docstring."""
    missing = []
    for name, thing in public(package):
        if not (isinstance(thing, type) and dataclasses.is_dataclass(thing)):
            continue
        source, doc = inspect.getsource(thing), thing.__doc__ or ""
        for field in dataclasses.fields(thing):
            own = field.name in thing.__annotations__ and not field.name.startswith("_")
            line = rf"\n    {field.name}: "
            above = re.search(rf"\n    #: [^\n]+{line}", source)
            below = re.search(rf'{line}[^\n]+\n    """', source)
            if own and not above and not below and not re.search(rf"\b{field.name}\b", doc):
                missing.append(f"{name}.{field.name}")
    assert missing == []
