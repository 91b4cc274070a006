"""Dataclass instances that lack attributes for defaults, and how these are filled in.

When msgspec decodes a dataclass, it leaves plain defaults to the class attribute (as Python's own
`__init__` does for fields of `init=False`), and it encodes only what the instance has: an order
received without its note would be sent without it, contrary to its schema. So the instance is given
its defaults.

Knows types and values. Must not know bytes or requests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any, get_origin

import msgspec

__all__ = ["fill", "may_have_gaps", "shapes_of"]

_I = msgspec.inspect


def may_have_gaps(type_: Any) -> bool:
    """Whether values of a type may be, or hold, such dataclasses."""
    return any(
        isinstance(each, _I.DataclassType) and _defaults(get_origin(each.cls) or each.cls)
        for each in shapes_of(type_)
    )


def shapes_of(type_: Any) -> Iterator[Any]:
    """msgspec's descriptions of a type and of all types in it, each once."""
    stack: list[Any] = [_I.type_info(type_)]
    seen: set[int] = set()
    while stack:
        info = stack.pop()
        if id(info) not in seen:
            seen.add(id(info))
            yield info
            stack += _within(info)


def _within(info: Any) -> list[Any]:
    match info:
        case _I.Metadata():
            return [info.type]
        case _I.UnionType():
            return list(info.types)
        case _I.TupleType():
            return list(info.item_types)
        case _I.DictType():
            return [info.value_type]
        case _I.CollectionType():
            return [info.item_type]
        case _I.StructType() | _I.DataclassType() | _I.TypedDictType() | _I.NamedTupleType():
            return [field.type for field in info.fields]
    return []


@cache
def _defaults(cls: type[Any]) -> dict[str, Any]:
    """Field -> default, where only the class has it."""
    if not cls.__dictoffset__ or not dataclasses.is_dataclass(cls):
        return {}
    return {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.default is not dataclasses.MISSING
        and getattr(cls, field.name, None) is field.default  # __slots__ has others there
    }


@cache
def _names(cls: type[Any]) -> tuple[str, ...] | None:
    """The fields of a class that has some."""
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    if issubclass(cls, msgspec.Struct):
        names: tuple[str, ...] = cls.__struct_fields__
        return names
    attributes = getattr(cls, "__attrs_attrs__", None)
    return None if attributes is None else tuple(each.name for each in attributes)


def fill(value: Any) -> None:
    """Set the defaults that a value, and everything in it, lacks. Takes linear time."""
    stack = [value]
    seen: set[int] = set()  # a program's own values may hold themselves
    while stack:
        value = stack.pop()
        kind: Any = type(value)
        if kind in _SCALARS or id(value) in seen:
            continue
        seen.add(id(value))
        if issubclass(kind, dict):
            stack += value.values()
        elif issubclass(kind, (list, tuple, set, frozenset)):
            stack += value
        elif (names := _names(kind)) is not None:
            for name, default in _defaults(kind).items():
                value.__dict__.setdefault(name, default)
            stack += [getattr(value, name, None) for name in names]


_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})
