"""Whether what a typed method returned is what its annotation promises; in debug mode.

Knows signatures and the codec. The value is looked at as the document that it becomes, so that a
dict is as good as the object that it stands for. Not done in production: encoding checks no types,
and a second look would cost as much as the answer.
"""

from __future__ import annotations

import types
from collections.abc import AsyncIterator
from typing import Any, get_args

import msgspec

from .._util.mistakes import name_of
from . import codec
from .gaps import shapes_of
from .responses import Response
from .signatures import Signature

__all__ = ["can_be_checked", "check_result"]

_NO_PROMISE = (None, types.NoneType, Any, AsyncIterator, Response)
_BYTES = (bytes, bytearray, memoryview)
_SHOWN = 3


def can_be_checked(returns: Any) -> bool:
    """Whether values of an annotation can be checked by their documents.

    Not those with pydantic's models within: what a model writes need not be what it reads.
    """
    if returns in _NO_PROMISE:
        return False
    if returns is bytes or codec.is_model(returns):
        return True
    return not any(isinstance(each, msgspec.inspect.CustomType) for each in shapes_of(returns))


def check_result(signature: Signature, result: Any) -> None:
    """TypeError that names the function and each field that is not as promised.

    Not looked at: None (see `wants_value`), a stream, a `Response` with its own media type.
    """
    if isinstance(result, Response):
        if result.media_type is not None:
            return
        result = result.content
    returns = signature.returns
    if result is None or hasattr(result, "__anext__"):
        return
    if isinstance(result, _BYTES) or returns is bytes:
        if not isinstance(result, _BYTES):
            _refuse(signature, [("", f"Expected `bytes`, got `{type(result).__name__}`")])
        elif returns is not bytes:
            _refuse(signature, [("", f"Expected {name_of(returns)}, got `bytes`")])
        return
    if codec.is_model(returns) and isinstance(result, returns):
        return  # it has validated itself
    faults = codec.faults_of(codec.encode(result), returns, codec.JSON)
    if faults:
        _refuse(signature, faults)


def _refuse(signature: Signature, faults: list[tuple[str, str]]) -> None:
    listed = "; ".join(
        f"{pointer}: {detail}" if pointer else detail for pointer, detail in faults[:_SHOWN]
    )
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    returns = signature.returns
    promised = name_of(returns) if isinstance(returns, type) and not get_args(returns) else returns
    raise TypeError(
        f"{name_of(signature.function)} returned what is not its annotation, "
        f"{promised}: {listed}{more} (checked in debug mode only)"
    )
