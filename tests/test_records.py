"""Our dataclasses are the standard ones, but for how their methods come about."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from tornado_trio._util.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class Ours:
    first: int
    second: str = "two"
    third: list[int] = dataclasses.field(default_factory=list, repr=False, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    first: int
    second: str = "two"
    third: list[int] = dataclasses.field(default_factory=list, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    first: int
    second: int = 2

    def __post_init__(self) -> None:
        if self.first > self.second:
            raise ValueError("first comes first")


BOTH = pytest.mark.parametrize("cls", [Ours, Standard])


@BOTH
def test_values(cls: type[Ours]) -> None:
    value = cls(1, third=[3])
    assert (value.first, value.second, value.third) == (1, "two", [3])
    assert repr(value) == f"{cls.__name__}(first=1, second='two')"
    assert value == cls(1) and value != cls(2) and value != (1, "two")
    assert len({value, cls(1), cls(1, "2")}) == 2
    assert cls(1).third is not cls(1).third
    assert dataclasses.replace(value, first=5) == cls(first=5)
    assert dataclasses.asdict(value) == {"first": 1, "second": "two", "third": [3]}
    assert [each.name for each in dataclasses.fields(value)] == ["first", "second", "third"]
    assert cls.__match_args__ == ("first", "second", "third")
    assert not hasattr(value, "__dict__")


@BOTH
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
def test_copies(cls: type[Ours], again: Callable[[Any], Any]) -> None:
    value = cls(1, "b", [3])
    other = again(value)
    assert other is not value and other == value and other.third == [3]


@BOTH
def test_frozen(cls: type[Ours]) -> None:
    value: Any = cls(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'first'"):
        value.first = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'first'"):
        del value.first
    assert value.first == 1


@BOTH
@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ((), {}, r"__init__\(\) .*'first'"),
        ((1,), {"first": 1}, "multiple values for argument 'first'"),
        ((1,), {"fourth": 4}, "unexpected keyword argument 'fourth'"),
        ((), {"fourth": 4}, "unexpected keyword argument 'fourth'"),
        ((1, 2, [], 4), {}, "positional arguments"),
    ],
)
def test_bad_arguments(
    cls: Callable[..., Any], values: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        cls(*values, **named)


@BOTH
def test_signature(cls: type[Ours]) -> None:
    ours = str(inspect.signature(cls)).replace("<class 'list'>", "<factory>")
    assert ours == "(first: 'int', second: 'str' = 'two', third: 'list[int]' = <factory>) -> None"


def test_keywords_only() -> None:
    assert Named(first=1) == Named(first=1, second=2)
    with pytest.raises(TypeError, match="positional"):
        Named(1)  # type: ignore[misc]
    with pytest.raises(ValueError, match="comes first"):
        Named(first=3)
    assert str(inspect.signature(Named)) == "(*, first: 'int', second: 'int' = 2) -> None"


def test_another_with_changes() -> None:
    value = Ours(1, "b", [3])
    changed = replace(value, second="c")
    assert changed == dataclasses.replace(value, second="c") == Ours(1, "c", [3])
    assert changed.third is value.third
    assert replace(Named(first=1), second=3) == Named(first=1, second=3)
    with pytest.raises(ValueError, match="comes first"):
        replace(Named(first=1), first=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'fourth'"):
        replace(value, fourth=4)
    if hasattr(copy, "replace"):
        assert copy.replace(value, second="c") == changed


def test_fields_are_made_when_somebody_asks() -> None:
    @dataclass(frozen=True, slots=True)
    class Late:
        """It has a docstring."""

        first: int
        second: tuple[int, ...] = ()

        def both(self) -> tuple[int, ...]:
            return (self.first, *self.second)

    value = Late(1, (2,))
    assert value.both() == replace(value).both() == (1, 2)
    assert not isinstance(vars(Late)["__dataclass_fields__"], dict)
    assert [(each.name, each.type) for each in dataclasses.fields(Late)] == [
        ("first", "int"),
        ("second", "tuple[int, ...]"),
    ]
    assert isinstance(vars(Late)["__dataclass_fields__"], dict)
    assert dataclasses.is_dataclass(value) and Late.__doc__ == "It has a docstring."
    assert Late.__qualname__.endswith("<locals>.Late") and Late.__module__ == __name__


def test_what_is_only_passed_on() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Renamed:
        size: int = 1
        former: dataclasses.InitVar[int | None] = None

        def __post_init__(self, former: int | None) -> None:
            if former is not None:
                object.__setattr__(self, "size", former)

    assert Renamed(former=3).size == 3
    assert Renamed(former=3) == Renamed(size=3) == replace(Renamed(), size=3)
    assert repr(Renamed()).endswith("Renamed(size=1)")
    assert [each.name for each in dataclasses.fields(Renamed)] == ["size"]
    assert dataclasses.replace(Renamed(size=2), former=4) == Renamed(size=4)
    assert list(inspect.signature(Renamed).parameters) == ["size", "former"]


def test_what_it_cannot_do() -> None:
    class Variable:
        shared: ClassVar[int] = 1

    class Set:
        late: int = dataclasses.field(init=False)

    make: Any = dataclass

    class Below(Ours):
        fourth: int = 4

    class Keyword:
        named: int = dataclasses.field(kw_only=True)

    for cls in (Variable, Set, Below, Keyword):
        with pytest.raises(TypeError, match=cls.__name__):
            make(frozen=True, slots=True)(cls)

    class Shared:
        values: list[int] = []

    with pytest.raises(ValueError, match="default_factory"):
        make(frozen=True, slots=True)(Shared)
    with pytest.raises(TypeError, match="frozen=True"):
        make(frozen=False, slots=True)
