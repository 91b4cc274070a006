"""Modules that are imported when they are first used."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import threading
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from tests.python import python
from tornado_trio._util.late import (
    _StandIn,
    class_later,
    in_trio_run,
    in_trio_task,
    later,
    pattern_later,
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that counts how often it is imported, slowly."""
    (tmp_path / "late_example.py").write_text(
        "import sys, time\nsys.late_example = getattr(sys, 'late_example', 0) + 1\n"
        "time.sleep(0.01)\nvalue = [1]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "late_example", 0, raising=False)
    monkeypatch.delitem(sys.modules, "late_example", raising=False)
    return "late_example"


def imports() -> int:
    return int(sys.late_example)  # type: ignore[attr-defined]


def test_each_variable_gets_the_module_when_it_is_used(module: str) -> None:
    first: dict[str, Any] = {"other": 1}
    second: dict[str, Any] = {}
    first["example"] = first["again"] = later(module, first)
    second["another_name"] = later(module, second)
    assert module not in sys.modules and imports() == 0
    assert first["example"].value == [1]
    assert first == {"other": 1, "example": sys.modules[module], "again": sys.modules[module]}
    assert second["another_name"].value == [1]
    assert second == {"another_name": sys.modules[module]}
    assert later(module, {}) is sys.modules[module]
    assert imports() == 1


def test_what_is_replaced_is_replaced_in_the_module(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables: dict[str, Any] = {}
    variables["example"] = later(module, variables)
    with monkeypatch.context() as patch:
        patch.setattr(variables["example"], "value", 2)
        assert sys.modules[module].value == 2
    assert sys.modules[module].value == [1]
    stand_in = _StandIn(module, {})
    stand_in.added = 3
    assert sys.modules[module].added == 3
    del stand_in.added
    assert not hasattr(sys.modules[module], "added")


def test_a_stand_in_that_was_kept_still_works(module: str) -> None:
    kept = later(module, {})
    assert kept.value is kept.value is sys.modules[module].value


def test_looking_is_not_using(module: str) -> None:
    stand_in = later(module, {})
    assert not hasattr(stand_in, "__file__") and not hasattr(stand_in, "__wrapped__")
    assert imports() == 0


def test_errors_are_those_of_the_import_and_come_again() -> None:
    variables: dict[str, Any] = {}
    variables["missing"] = later("no_such_module_here", variables)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_here"):
            variables["missing"].value  # noqa: B018 - asking is the point


def test_a_name_that_the_module_lacks(module: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        later(module, {}).no_such_name  # noqa: B018 - asking is the point


def test_many_threads_at_once(module: str) -> None:
    variables: dict[str, Any] = {}
    variables["example"] = later(module, variables)
    found = []
    start = threading.Barrier(8)

    def use() -> None:
        start.wait()
        found.append(variables["example"].value)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[1]] * 8 and imports() == 1


def test_used_while_the_module_that_has_it_is_being_defined(module: str) -> None:
    # One thread uses the variable; another is at the rest of the module's body.
    variables: dict[str, Any] = {}
    variables["example"] = later(module, variables)
    done = threading.Event()

    def define() -> None:
        for number in range(200_000):
            variables[f"name{number}"] = number
            if done.is_set():
                break

    thread = threading.Thread(target=define)
    thread.start()
    try:
        assert variables["example"].value == [1]
    finally:
        done.set()
        thread.join()
    assert variables["example"] is sys.modules[module]


def test_inspecting_a_module_that_waits(module: str) -> None:
    holder = types.ModuleType("holder")
    vars(holder)["example"] = later(module, vars(holder))
    assert dict(inspect.getmembers(holder))["example"] is holder.example
    assert inspect.ismodule(holder.example) and imports() == 0
    assert repr(holder.example) == f"<module {module!r}>"

    def function(argument):  # type: ignore[no-untyped-def]
        pass

    function.__annotations__ = {"argument": "example.Kind"}
    holder.example.Kind = int
    assert typing.get_type_hints(function, vars(holder)) == {"argument": int}


def test_each_variable_gets_the_pattern_when_it_is_used() -> None:
    variables: dict[str, Any] = {"other": 1}
    kept = variables["late"] = variables["again"] = pattern_later("a(b)", variables, re.IGNORECASE)
    assert not isinstance(kept, re.Pattern)
    assert kept.sub("c", "xABx") == "xcx"
    pattern = re.compile("a(b)", re.IGNORECASE)
    assert variables == {"other": 1, "late": pattern, "again": pattern}
    assert kept.fullmatch("AB") and kept.pattern == "a(b)" and kept.groups == 1
    with pytest.raises(AttributeError, match="no_such_name"):
        kept.no_such_name  # type: ignore[attr-defined]  # noqa: B018 - asking is the point


def test_patterns_of_bytes_and_wrong_ones() -> None:
    assert pattern_later(rb"\s+", {}).split(b"a b") == [b"a", b"b"]
    wrong = pattern_later("(", {})
    for _ in range(2):
        with pytest.raises(re.error, match="missing"):
            wrong.search("")


def test_every_late_pattern_compiles() -> None:
    found = 0
    for path in Path(__file__).parent.parent.joinpath("tornado_trio").rglob("*.py"):
        if "= pattern_later(" in path.read_text():
            name = ".".join(path.relative_to(path.parents[-2]).with_suffix("").parts)
            name = name[name.index("tornado_trio.") :]
            module = importlib.import_module(name)
            for value in list(vars(module).values()):
                if type(value).__name__ == "_PatternStandIn":
                    assert value.flags >= 0
                    found += 1
            assert not any(type(v).__name__ == "_PatternStandIn" for v in vars(module).values())
    assert found > 0


def test_a_class_of_a_class(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class User:
        kind = class_later(module, "value")

    class Other(User):
        kind = int

    assert imports() == 0 and Other.kind is int
    assert User.kind is User().kind is sys.modules[module].value
    monkeypatch.setattr(sys.modules[module], "value", str)
    assert User.kind is str


async def test_in_trio() -> None:
    assert in_trio_run() and in_trio_task()


def test_outside_of_trio() -> None:
    assert not in_trio_run() and not in_trio_task()
    ended = python(
        "-c",
        "import sys; from tornado_trio._util.late import in_trio_run, in_trio_task\n"
        "print(in_trio_run(), in_trio_task(), 'trio' in sys.modules)",
    )
    assert ended.stdout.split() == ["False", "False", "False"], ended.stderr


def test_names_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "late_package"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from tornado_trio._util.late import names_later\nhere = 1\n"
        "__getattr__, __dir__ = names_later(globals(), {'value': 'inner', 'gone': 'inner'})\n"
    )
    (package / "inner.py").write_text("value = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("late_package")
    assert {"here", "value"} <= set(dir(made)) and "late_package.inner" not in sys.modules
    assert made.value is made.value is sys.modules["late_package.inner"].value
    assert "value" in vars(made)
    with pytest.raises(AttributeError, match="'late_package' has no attribute 'other'"):
        _ = made.other
    with pytest.raises(AttributeError, match="gone"):
        _ = made.gone
    for name in ("late_package", "late_package.inner"):
        monkeypatch.delitem(sys.modules, name)
