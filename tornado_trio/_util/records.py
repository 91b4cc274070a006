"""`dataclass`: frozen, slotted dataclasses without a line of generated code.

The standard decorator compiles up to six functions for each class: six million instructions, where
a class without them costs seventy thousand. A program that answers its first request has loaded
twenty such classes. Here one `__init__`, `__repr__`, `__eq__`, ... serve all of them, by the
fields that the standard decorator has found; `replace`, `fields`, `asdict`, `copy` and `pickle`
work as on any dataclass. To type checkers it is the standard one.

For settings and records; what is made many times in one request has methods of its own.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


def _described(cls: type) -> str:
    return f"{cls.__qualname__}.__init__()"


def _mismatch(cls: type, given: dict[str, Any], fields: dict[str, Any]) -> TypeError:
    """What is wrong with names that are not those of the fields, in Python's words."""
    for name in given:
        if name not in fields:
            return TypeError(f"{_described(cls)} got an unexpected keyword argument {name!r}")
    missing = [repr(name) for name in fields if name not in given]
    return TypeError(f"{_described(cls)} misses {len(missing)} arguments: {', '.join(missing)}")


def _by_position(cls: Any, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    names = cls.__match_args__
    if len(values) > len(names):
        raise TypeError(
            f"{_described(cls)} takes {len(names)} positional arguments, {len(values)} were given"
        )
    given = dict(zip(names, values, strict=False))
    if twice := given.keys() & named.keys():
        raise TypeError(f"{_described(cls)} got multiple values for argument {min(twice)!r}")
    return given | named


def _init(self: Any, /, *values: Any, **named: Any) -> None:
    cls = type(self)
    if values:
        named = _by_position(cls, values, named)
    fields: dict[str, Any] = cls.__dataclass_fields__
    given = {**cls._defaults, **named}
    for name, make in cls._factories.items():
        if name not in named:
            given[name] = make()
    if given.keys() != fields.keys():
        raise _mismatch(cls, given, fields)
    put = object.__setattr__
    for name, value in given.items():
        put(self, name, value)
    if cls._checked:
        self.__post_init__()


def _values(self: Any, role: str = "init") -> list[Any]:
    fields = self.__dataclass_fields__.items()
    return [getattr(self, name) for name, each in fields if getattr(each, role)]


def _repr(self: Any) -> str:
    shown = [
        f"{name}={getattr(self, name)!r}"
        for name, each in self.__dataclass_fields__.items()
        if each.repr
    ]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self, "compare") == _values(other, "compare")


def _hash(self: Any) -> int:
    return hash(tuple(_values(self, "compare")))


def _setattr(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _setstate(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        object.__setattr__(self, name, value)


class _Signature:
    """`inspect.signature` of such a class, made when asked for."""

    def __get__(self, instance: object, owner: type) -> Any:
        from inspect import Parameter, Signature

        parameters = []
        for each in dataclasses.fields(owner):
            default = each.default
            if each.default_factory is not dataclasses.MISSING:
                default = each.default_factory
            parameters.append(
                Parameter(
                    each.name,
                    Parameter.KEYWORD_ONLY if each.kw_only else Parameter.POSITIONAL_OR_KEYWORD,
                    default=Parameter.empty if default is dataclasses.MISSING else default,
                    annotation=each.type,
                )
            )
        return Signature(parameters, return_annotation=None)


_METHODS: dict[str, Any] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _values,
    "__setstate__": _setstate,
    "__signature__": _Signature(),
}


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen, slots, kw_only=False):
        """As `dataclasses.dataclass`, for classes that are frozen and have slots.

        Raises:
            TypeError: the class needs what is not made here: `ClassVar`, `InitVar`,
                `field(init=False)`, `field(hash=...)`, or not to be frozen.
        """
        if not (frozen and slots):
            raise TypeError("only for frozen=True, slots=True: others are dataclasses.dataclass's")

        def made(cls):
            for name, method in _METHODS.items():
                if name not in vars(cls):
                    setattr(cls, name, method)
            defaults, factories = {}, {}
            cls._defaults, cls._factories = defaults, factories
            cls._checked = hasattr(cls, "__post_init__")
            cls = dataclasses.dataclass(
                init=False, repr=False, eq=False, slots=True, kw_only=kw_only
            )(cls)
            if len(cls.__dataclass_fields__) != len(dataclasses.fields(cls)):
                raise TypeError(f"{cls.__qualname__}: neither ClassVar nor InitVar here")
            for each in dataclasses.fields(cls):
                if not each.init or each.hash is not None:
                    raise TypeError(f"{cls.__qualname__}.{each.name}: neither init nor hash here")
                if each.default is not dataclasses.MISSING:
                    defaults[each.name] = each.default
                elif each.default_factory is not dataclasses.MISSING:
                    factories[each.name] = each.default_factory
            return cls

        return made
