"""Marks in annotations that would have no effect: they are refused, as ignoring them would look
like support.

    Annotated[str, Header]         the class, not a mark
    token: str = Header()          a default
    list[Annotated[str, Query()]]  in a place that is not read
    Annotated[int, Gt(0)]          another library's constraint, which would not be checked

Knows annotations. Must not know where values come from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

from .dependencies import Depends
from .gaps import shapes_of
from .parameters import Marker
from .responses import Status
from .security import Scheme

__all__ = ["SignatureError", "check_fields", "check_marks"]

_OURS = (Marker, Depends, Scheme, Status)

#: By the package of a mark's class.
_FOREIGN = {
    "annotated_types": "write msgspec.Meta(ge=..., max_length=..., pattern=...)",
    "pydantic": "write msgspec.Meta(ge=..., max_length=..., pattern=...), or a pydantic model",
    "fastapi": "take the one of tornado_trio.api",
    "litestar": "take the one of tornado_trio.api",
}


class SignatureError(TypeError):
    """The signature of a typed method is invalid; the message begins with file and line."""


def check_marks(
    plain: Any,
    metadata: tuple[Any, ...],
    default: Any,
    allowed: tuple[type, ...],
    where: str,
) -> None:
    """Check one parameter, or the return value.

    `plain` is its type, `metadata` the marks beside it. Raises SignatureError.
    """
    _check_default(default, where)
    for mark in metadata:
        _check_mark(mark, where)
        if isinstance(mark, _OURS) and not isinstance(mark, allowed):
            raise SignatureError(f"{where}: {mark!r} says nothing here")
    if sum(isinstance(mark, _OURS) for mark in metadata) > 1:
        raise SignatureError(f"{where} has more than one source: {metadata!r}")
    for mark in _inner(plain):
        _check_mark(mark, where)
        if isinstance(mark, _OURS):
            raise SignatureError(
                f"{where}: {mark!r} belongs beside the whole type: Annotated[{plain!r}, ...]"
            )


def _check_default(default: Any, where: str) -> None:
    cls = default if isinstance(default, type) else type(default)
    foreign = _package(cls) in ("fastapi", "litestar")
    if foreign or issubclass(cls, (*_OURS, *_pydantic_fields())):
        raise SignatureError(
            f"{where}: {cls.__name__} is no default; write Annotated[..., {cls.__name__}()] and "
            "the default after it"
        )


def check_fields(type_: Any, where: str) -> None:
    """Check the fields of all classes that a body may contain."""
    for info in shapes_of(type_):
        cls = getattr(info, "cls", None)
        cls = get_origin(cls) or cls
        if cls is None or not hasattr(info, "fields"):
            continue
        for name, annotation in get_type_hints(cls, include_extras=True).items():
            for mark in _inner(annotation):
                _check_mark(mark, f"{where}: {cls.__qualname__}.{name}")
                if isinstance(mark, _OURS):
                    raise SignatureError(
                        f"{where}: {cls.__qualname__}.{name}: {mark!r} says nothing in a class"
                    )


def _inner(type_: Any) -> Iterator[Any]:
    """The metadata within a type."""
    yield from getattr(type_, "__metadata__", ())
    for each in get_args(type_)[: 1 if hasattr(type_, "__metadata__") else None]:
        yield from _inner(each)


def _check_mark(mark: Any, where: str) -> None:
    if _is_class_of_ours(mark):
        raise SignatureError(f"{where}: {mark.__name__} is a class; write {mark.__name__}()")
    advice = _FOREIGN.get(_package(mark))
    if advice is not None:
        raise SignatureError(f"{where}: {mark!r} would not be looked at; {advice}")


def _is_class_of_ours(mark: Any) -> bool:
    return isinstance(mark, type) and issubclass(mark, _OURS)


def _pydantic_fields() -> tuple[type, ...]:
    """Its type of `Field(...)`, if the program has imported it."""
    fields = sys.modules.get("pydantic.fields")
    return () if fields is None else (fields.FieldInfo,)


def _package(mark: Any) -> str:
    cls = mark if isinstance(mark, type) else type(mark)
    return str(cls.__module__).partition(".")[0]
