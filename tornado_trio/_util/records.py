"""`dataclass`: frozen, slotted dataclasses without a line of generated code.

The standard decorator compiles up to six functions for each class: six million instructions, where
a class without them costs seventy thousand. A program that answers its first request has loaded
ten such classes. Here one `__init__`, `__repr__`, `__eq__`, ... serve all of them, by the names and
defaults in the class. The standard decorator (half a million instructions, without functions) is
asked for its fields when somebody asks the class for them, as `fields`, `asdict` and comparing do;
all of `dataclasses`, `copy` and `pickle` work as on any dataclass. To type checkers it is the
standard one.

For settings and records; what is made many times in one request has methods of its own.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass", "replace"]

_T = TypeVar("_T")


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
    given = {**cls._defaults, **named}
    for name, make in cls._factories.items():
        if name not in named:
            given[name] = make()
    if given.keys() != cls._arguments.keys():
        raise _mismatch(cls, given, cls._arguments)
    passed = [given.pop(name) for name in cls._passed]
    put = object.__setattr__
    for name, value in given.items():
        put(self, name, value)
    if cls._checked:
        self.__post_init__(*passed)


def _compared(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self) if each.compare]


def _repr(self: Any) -> str:
    shown = [
        f"{each.name}={getattr(self, each.name)!r}"
        for each in dataclasses.fields(self)
        if each.repr
    ]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _compared(self) == _compared(other)


def _hash(self: Any) -> int:
    return hash(tuple(_compared(self)))


def _setattr(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self._names]


def _setstate(self: Any, state: list[Any]) -> None:
    for name, value in zip(self._names, state, strict=True):
        object.__setattr__(self, name, value)


class _Signature:
    """`inspect.signature` of such a class, made when asked for."""

    def __get__(self, instance: object, owner: type) -> Any:
        from inspect import Parameter, Signature

        cls: Any = owner
        parameters = [
            Parameter(
                name,
                Parameter.POSITIONAL_OR_KEYWORD if cls.__match_args__ else Parameter.KEYWORD_ONLY,
                default={**cls._defaults, **cls._factories}.get(name, Parameter.empty),
                annotation=kind,
            )
            for name, kind in cls._arguments.items()
        ]
        return Signature(parameters, return_annotation=None)


def replace(record: _T, /, **changes: Any) -> _T:
    """As `dataclasses.replace`, for what this `dataclass` made, and without asking for fields."""
    kind: Any = type(record)
    return kind(**{name: getattr(record, name) for name in kind._names} | changes)  # type: ignore[no-any-return]


class _Standard:
    """What the standard decorator sets, when asked for: it sees a class of the same body."""

    def __init__(self, name: str, body: dict[str, Any], kw_only: bool) -> None:
        self._name, self._body, self._kw_only = name, body, kw_only

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._attribute = owner, name

    def __get__(self, instance: object, owner: type) -> Any:
        twin: Any = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=self._kw_only)(
            type(self._name, (), self._body)
        )
        value = getattr(twin, self._attribute)
        setattr(self._owner, self._attribute, value)
        return value


_METHODS: dict[str, Any] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _getstate,
    "__replace__": replace,
    "__setstate__": _setstate,
    "__signature__": _Signature(),
}


def _take_default(
    cls: type, name: str, value: Any, defaults: dict[str, Any], factories: dict[str, Any]
) -> None:
    if not isinstance(value, dataclasses.Field):
        if type(value).__hash__ is None:  # as the standard decorator has it: one list for all
            raise ValueError(f"{cls.__qualname__}.{name}: a mutable default; use default_factory")
        defaults[name] = value
        return
    if not value.init or value.hash is not None or value.kw_only is not dataclasses.MISSING:
        raise TypeError(f"{cls.__qualname__}.{name}: neither init, hash nor kw_only here")
    if value.default is not dataclasses.MISSING:
        defaults[name] = value.default
    elif value.default_factory is not dataclasses.MISSING:
        factories[name] = value.default_factory


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen, slots, kw_only=False):
        """As `dataclasses.dataclass`, for classes that are frozen and have slots.

        Raises:
            TypeError: the class needs what is not made here: `ClassVar`, a base class,
                `field(init=False)`, `field(hash=...)`, or not to be frozen.
        """
        if not (frozen and slots):
            raise TypeError("only for frozen=True, slots=True: others are dataclasses.dataclass's")

        def made(cls):
            body, types = dict(vars(cls)), inspect.get_annotations(cls)
            if cls.__bases__ != (object,):
                raise TypeError(f"{cls.__qualname__}: no base classes here")
            defaults, factories = {}, {}
            for name, kind in types.items():
                if "ClassVar" in str(kind):
                    raise TypeError(f"{cls.__qualname__}: no ClassVar here")
                if name in body:
                    _take_default(cls, name, body.pop(name), defaults, factories)
            passed = [name for name, kind in types.items() if "InitVar[" in str(kind)]
            names = [name for name in types if name not in passed]
            # Where `dataclasses.replace` finds what is only passed on.
            body |= {name: defaults[name] for name in passed if name in defaults}
            for name in ("__dict__", "__weakref__"):
                body.pop(name, None)
            standard = {
                "__annotations__": types,
                "__module__": cls.__module__,
                **{name: vars(cls)[name] for name in types if name in vars(cls)},
            }
            body |= {name: method for name, method in _METHODS.items() if name not in body}
            body |= {
                "_checked": "__post_init__" in body,
                "_defaults": defaults,
                "_factories": factories,
                "_arguments": types,
                "_names": names,
                "_passed": passed,
                "__dataclass_fields__": _Standard(cls.__name__, standard, kw_only),
                "__dataclass_params__": _Standard(cls.__name__, standard, kw_only),
                "__match_args__": () if kw_only else tuple(names),
                "__qualname__": cls.__qualname__,
                "__slots__": tuple(names),
            }
            return type(cls)(cls.__name__, cls.__bases__, body)

        return made
