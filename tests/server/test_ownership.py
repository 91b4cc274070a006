"""Who owns what in `server/`: no circle of files, no object with too much, no foreign writes."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tornado_trio.server.states import TRANSITIONS, State, Trigger

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tornado_trio" / "server").glob("*.py"))
MODULES = {path.stem for path in FILES}
MOST = 16

# What another package's objects document as settable, and who may be set so here.
FOREIGN = {
    "deadline": "trio.CancelScope",
    "context": "trio.lowlevel.Task",
    "name": "trio.lowlevel.Task",
    "max_write_buffer_size": "Stream",
    "nursery": "Stream",
    "max_size": "BoundedDecoder",
}
RECEIVERS = {
    "self._scope": "trio.CancelScope",
    "self.nursery.cancel_scope": "trio.CancelScope",
    "scope": "trio.CancelScope",
    "shield": "trio.CancelScope",
    "self.task": "trio.lowlevel.Task",
    "stream": "Stream",
    "self.stream": "Stream",
    "decoder": "BoundedDecoder",
}
# What the interface says an application sets.
OF_THE_INTERFACE = {"on_disconnect", "route", "logged"}


def imports(path: Path) -> Iterator[str]:
    """The modules of `server/` that one of them names, for types too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if node.level == 1 and module:
            yield module.partition(".")[0]
        elif node.level == 1:
            yield from (alias.name for alias in node.names)
        elif node.level == 2 and module.partition(".")[0] == "server":
            yield module.partition(".")[2].partition(".")[0] or "__init__"


def test_no_circle_of_files_type_only_imports_included() -> None:
    graph = {path.stem: set(imports(path)) & MODULES for path in FILES}
    while leaves := {name for name, targets in graph.items() if not targets}:
        graph = {name: targets - leaves for name, targets in graph.items() if name not in leaves}
    assert graph == {}


def classes() -> Iterator[type]:
    for package in ("server", "exchange"):
        for path in sorted((ROOT / "tornado_trio" / package).glob("*.py")):
            module = importlib.import_module(f"tornado_trio.{package}.{path.stem}")
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ == module.__name__:
                    yield kind


def attributes(kind: type) -> set[str]:
    """Of an instance: slots, and what the methods assign."""
    names: set[str] = set()
    for each in kind.__mro__[:-1]:
        names |= set(getattr(each, "__slots__", ()))
        try:
            tree: Any = ast.parse(inspect.cleandoc("\n" + inspect.getsource(each)))
        except (OSError, TypeError, IndentationError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id == "self":
                    names.add(node.attr)
    return names - {"__weakref__", "__dict__"}


def test_no_class_has_too_many_attributes() -> None:
    counted = {kind.__name__: len(attributes(kind)) for kind in classes()}
    assert counted["Http1Connection"] > 10 and counted["Http1Exchange"] > 10
    assert {name: count for name, count in counted.items() if count > MOST} == {}


def foreign_writes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)):
            continue
        receiver = ast.unparse(node.value)
        if receiver in ("self", "cls"):
            continue
        if node.attr in FOREIGN and RECEIVERS.get(receiver) == FOREIGN[node.attr]:
            continue
        yield f"{path.name}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nobody_writes_anothers_attributes(path: Path) -> None:
    # The extras of an exchange are a part of it: one object in two, for the size of the first.
    own = {"extras"} if path.stem == "exchange" else set()
    found = [
        write for write in foreign_writes(path) if write.split()[1].partition(".")[0] not in own
    ]
    assert found == []


def test_nobody_else_writes_a_connections_or_exchanges_attributes() -> None:
    """In the whole house: assignments to something called connection or exchange."""
    owned = set()
    for kind in classes():
        if kind.__name__ in ("Http1Connection", "Http1Exchange", "Server"):
            owned |= attributes(kind)
    found = []
    for path in [*(ROOT / "tornado_trio").rglob("*.py"), *(ROOT / "compat").rglob("*.py")]:
        if path in FILES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)):
                continue
            receiver = ast.unparse(node.value).rpartition(".")[2]
            if receiver in ("connection", "exchange", "_connection", "_native", "server"):
                if node.attr in owned - OF_THE_INTERFACE:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


# --- the table of states -----------------------------------------------------------------


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {after for row in TRANSITIONS.values() for after in row.values()} == set(State)
    assert {trigger for row in TRANSITIONS.values() for trigger in row} == set(Trigger)


def test_every_connection_can_end_and_nothing_follows_that() -> None:
    over = {State.DETACHED, State.RELEASED, State.FAILED, State.CLOSING}
    for state in State:
        assert TRANSITIONS[state][Trigger.END] in over
        assert TRANSITIONS[state][Trigger.FAIL] in over
        if state in over:
            assert set(TRANSITIONS[state].values()) == {state}


def test_only_a_request_that_was_answered_is_followed_by_another() -> None:
    leads = {
        (state, trigger)
        for state, row in TRANSITIONS.items()
        for trigger, after in row.items()
        if after is State.IDLE
    }
    assert leads == {(State.REQUEST, Trigger.FINISHED)}
