"""Converts text and bodies to typed values, and back: by msgspec, with support for pydantic's
models.

Knows types and bytes. Must not know requests. Every fault of a body is found, not only the first,
with a JSON Pointer to it (RFC 6901).
"""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Iterator
from functools import cache
from typing import Any, Union, get_args, get_origin

import msgspec

from .gaps import fill, may_have_gaps

__all__ = ["decode", "encode", "faults_of", "from_text", "has_fields", "is_model", "to_builtins"]

JSON = "application/json"
MSGPACK = "application/msgpack"


def is_model(type_: Any) -> bool:
    """Whether this is a pydantic model class (pydantic is then imported)."""
    pydantic = sys.modules.get("pydantic")
    return (
        pydantic is not None and isinstance(type_, type) and issubclass(type_, pydantic.BaseModel)
    )


def _dec_hook(type_: Any, value: Any) -> Any:
    if is_model(type_):
        try:
            return type_.model_validate(value)
        except ValueError as error:  # pydantic's ValidationError is one
            raise ModelFaults(error) from error
    raise NotImplementedError(f"no way to make a {type_!r} of a request")


def _enc_hook(value: Any) -> Any:
    if is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    raise NotImplementedError(f"a {type(value).__qualname__} cannot be sent as JSON")


class ModelFaults(ValueError):
    """The faults that a pydantic model found, as (pointer, detail)."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.found = [
            ("".join(f"/{escape(part)}" for part in each["loc"]), str(each["msg"]))
            for each in error.errors()
        ]


def escape(part: object) -> str:
    """One step of a JSON Pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")


def from_text(value: Any, type_: Any) -> Any:
    """A parameter's value from text or a list of texts. ValueError says what is wrong.

    A bool may be written as in forms: on, yes.
    """
    try:
        found = msgspec.convert(value, type_, strict=False, dec_hook=_dec_hook)
    except msgspec.ValidationError:
        word = _WORDS.get(value.lower()) if type(value) is str else None
        if word is None:
            raise
        found = msgspec.convert(word, type_)
    for each in found if isinstance(found, (list, tuple, set, frozenset)) else (found,):
        if type(each) is float and not math.isfinite(each):
            raise ValueError("is no number that JSON has")
    return found


#: What HTML's checkboxes and people write.
_WORDS = {"on": True, "yes": True, "off": False, "no": False}


def may_be_nothing(type_: Any) -> bool:
    """Whether None is one of several values of a type."""
    while hasattr(type_, "__metadata__"):
        type_ = get_args(type_)[0]
    return get_origin(type_) in (Union, types.UnionType) and types.NoneType in get_args(type_)


@cache
def _decoder(type_: Any, media_type: str) -> tuple[Any, bool]:
    make = msgspec.msgpack.Decoder if media_type == MSGPACK else msgspec.json.Decoder
    return make(type_, dec_hook=_dec_hook), may_have_gaps(type_)


def decode(body: bytes, type_: Any, media_type: str) -> Any:
    """The body as `type_`.

    An integer may be written as 1.0 in JSON (RFC 8259 6 has only numbers, and JSON Schema counts
    that as an integer).

    Raises msgspec.ValidationError (or `ModelFaults`) for a value that does not fit, other
    msgspec.DecodeErrors for malformed documents.
    """
    decoder, gaps = _decoder(type_, media_type)
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError:
        if media_type != JSON:
            raise
        value = msgspec.convert(_plain(body, JSON), type_, str_keys=True, dec_hook=_dec_hook)
    if gaps:
        fill(value)
    return value


def _plain(body: bytes, media_type: str) -> Any:
    """The document as it is, but for whole numbers that are written as floats."""
    if media_type == MSGPACK:
        return msgspec.msgpack.decode(body)
    whole = [msgspec.json.decode(body)]
    stack: list[Any] = [whole]
    while stack:
        held = stack.pop()
        for key, each in list(held.items() if type(held) is dict else enumerate(held)):
            if type(each) is float and each.is_integer():
                held[key] = int(each)
            elif type(each) in (dict, list):
                stack.append(each)
    return whole[0]


_json_encoder = msgspec.json.Encoder(enc_hook=_enc_hook)
_msgpack_encoder = msgspec.msgpack.Encoder(enc_hook=_enc_hook)


def encode(value: Any, media_type: str = JSON) -> bytes:
    """`value` as JSON or MessagePack; NotImplementedError names a type that cannot be sent."""
    encoder = _msgpack_encoder if media_type == MSGPACK else _json_encoder
    return encoder.encode(value)


def to_builtins(value: Any) -> Any:
    """`value` as JSON represents it: plain dicts, lists, text and numbers."""
    return msgspec.to_builtins(value, enc_hook=_enc_hook)


# --- which types are bodies -----------------------------------------------------------------------

_FIELDS = (
    msgspec.inspect.StructType,
    msgspec.inspect.DataclassType,
    msgspec.inspect.TypedDictType,
    msgspec.inspect.NamedTupleType,
    msgspec.inspect.DictType,
)


def check_type(type_: Any) -> None:
    """TypeError for a type that a document cannot hold."""
    info = msgspec.inspect.type_info(type_)
    if isinstance(info, msgspec.inspect.CustomType) and not is_model(info.cls):
        raise TypeError(f"a {info.cls.__qualname__} has no JSON form")


def has_fields(type_: Any) -> bool:
    """Whether a parameter of this type cannot be a single text: an object, or a list of objects."""
    if is_model(type_):
        return True
    check_type(type_)
    return _is_compound(msgspec.inspect.type_info(type_))


def _is_compound(info: Any) -> bool:
    if isinstance(info, msgspec.inspect.Metadata):
        return _is_compound(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        return any(_is_compound(each) for each in info.types)
    if isinstance(info, msgspec.inspect.CollectionType):
        return _is_compound(info.item_type)
    if isinstance(info, msgspec.inspect.CustomType):
        return is_model(info.cls)
    return isinstance(info, _FIELDS)


# --- every fault ----------------------------------------------------------------------------------


def faults_of(body: bytes, type_: Any, media_type: str) -> list[tuple[str, str]]:
    """The faults of a document that failed validation, as (JSON Pointer, detail)."""
    return list(_faults(_plain(body, media_type), type_, "", media_type == JSON))


def _faults(value: Any, type_: Any, pointer: str, str_keys: bool) -> Iterator[tuple[str, str]]:
    """Goes down to the smallest values that do not fit."""
    try:
        msgspec.convert(value, type_, str_keys=str_keys, dec_hook=_dec_hook)
        return
    except msgspec.ValidationError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ModelFaults) and is_model(type_):
            yield from ((pointer + inner, detail) for inner, detail in cause.found)
            return
        detail = str(error)
    present = _present(type_)
    if present is not type_ and is_model(present) and value is not None:
        yield from _faults(value, present, pointer, str_keys)
        return
    inner = list(_inner(value, present, pointer, str_keys))
    yield from inner or [(pointer, detail.partition(" - at `")[0])]


def _present(type_: Any) -> Any:
    """`T` of `T | None`."""
    while hasattr(type_, "__metadata__"):
        type_ = get_args(type_)[0]
    if get_origin(type_) in (Union, types.UnionType):
        others = [each for each in get_args(type_) if each is not types.NoneType]
        if len(others) == 1:
            return others[0]
    return type_


def _inner(value: Any, type_: Any, pointer: str, str_keys: bool) -> Iterator[tuple[str, str]]:
    if type(value) is list and (item := _item_type(type_)) is not None:
        for number, each in enumerate(value):
            yield from _faults(each, item, f"{pointer}/{number}", str_keys)
    elif type(value) is dict:
        fields = _fields(type_)
        for name, (field_type, required) in fields.items():
            where = f"{pointer}/{escape(name)}"
            if name in value:
                yield from _faults(value[name], field_type, where, str_keys)
            elif required:
                yield where, f"Object missing required field `{name}`"


def _item_type(type_: Any) -> Any:
    while hasattr(type_, "__metadata__"):
        type_ = get_args(type_)[0]
    if get_origin(type_) in (list, set, frozenset) or (
        get_origin(type_) is tuple and get_args(type_)[1:] == (...,)
    ):
        return get_args(type_)[0]
    return None


@cache
def _fields(type_: Any) -> dict[str, tuple[Any, bool]]:
    """Name in the document -> (type, whether it has to be there)."""
    while hasattr(type_, "__metadata__"):
        type_ = get_args(type_)[0]
    try:
        info = msgspec.inspect.type_info(type_)
    except TypeError:
        return {}
    if not isinstance(
        info,
        (
            msgspec.inspect.StructType,
            msgspec.inspect.DataclassType,
            msgspec.inspect.TypedDictType,
        ),
    ):
        return {}
    hints = _hints(type_)
    return {
        field.encode_name: (hints[field.name], field.required)
        for field in info.fields
        if field.name in hints
    }


def _hints(type_: Any) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(type_, include_extras=True)
