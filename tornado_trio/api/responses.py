"""Sends what a typed method returns: the value by its annotation, or a `Response`.

    -> Order                          JSON (or MessagePack, where the client prefers it)
    -> Annotated[Order, Status(201)]  another status
    -> None                           204, nothing
    -> bytes                          application/octet-stream
    -> AsyncIterator[bytes]           streamed as produced; of text, or of values as JSON Lines
    -> Response[Order]                a value with its own status, headers and media type

Knows negotiation and handlers' output methods.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..web.policies import refuse_routed
from . import codec
from .problems import Problem

if TYPE_CHECKING:
    from ..web.handler import RequestHandler

__all__ = ["Response", "Status", "acceptable", "raises", "send"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a successful response, in the annotation of the return value."""

    code: int
    description: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.code, int) or not 200 <= self.code <= 399:
            raise ValueError(f"the status of an answer is from 200 to 399, not {self.code!r}")


@dataclass(slots=True)
class Response(Generic[T]):
    """A complete response. `media_type` is for bytes and text; other values are JSON."""

    content: T
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None


def raises(*statuses: int) -> Callable[[F], F]:
    """Declare the problems that a method itself raises, for its OpenAPI document.

    ```python
    @api.raises(404)
    async def get(self, id: int) -> Order: ...
    ```

    Those that follow from its signature, and the 503 of `web.timeout`, are always included.
    ValueError if it is not an error status.
    """
    if not all(isinstance(status, int) and 400 <= status <= 599 for status in statuses):
        raise ValueError(f"{statuses} are not all statuses from 400 to 599")

    def decorate(function: F) -> F:
        refuse_routed(function, "raises")
        function._raised_statuses = statuses  # type: ignore[attr-defined]
        return function

    return decorate


def acceptable(accept: str | None) -> str | None:
    """The media type for an object by the Accept field; None if it accepts none of ours.

    RFC 9110 12.5.1: the most specific range applies, q=0 refuses. JSON if both are equally good.
    """
    if not accept or accept == "*/*":
        return codec.JSON
    ranges: dict[str, float] = {}
    for each in accept.split(","):
        name, *parameters = each.split(";")
        quality = 1.0
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    quality = float(text)
                except ValueError:
                    quality = 0.0
        ranges[name.strip().lower()] = quality
    best, found = 0.0, None
    for media_type in (codec.JSON, codec.MSGPACK):
        for candidate in (media_type, "application/*", "*/*"):
            if candidate in ranges:
                if ranges[candidate] > best:
                    best, found = ranges[candidate], media_type
                break
    return found


def send(handler: RequestHandler, value: Any, status: int, media_type: str) -> Awaitable[None]:
    """Write and finish what a method returned; a stream chunk by chunk.

    Cancellation: a stream's generator is closed; the response is cut off.
    """
    own_type: str | None = None
    if isinstance(value, _SPECIAL):
        if isinstance(value, Response):
            status, own_type = value.status, value.media_type
            for name, text in value.headers.items():
                handler.set_header(name, text)
            value = value.content
        if isinstance(value, (bytes, bytearray, memoryview)):
            own_type = own_type or _BYTES
            value = bytes(value)
    if value is None and status in (200, 204):
        handler.set_status(204)
        handler.clear_header("Content-Type")
        return handler.finish()
    if status != 200:
        handler.set_status(status)
    if hasattr(value, "__anext__"):
        # A stream may also be what a `Response` holds, or be returned by another annotation.
        handler.set_header("Content-Type", own_type or (
            _BYTES if media_type in (codec.JSON, codec.MSGPACK) else media_type
        ))  # fmt: skip
        return _stream(handler, value)
    if own_type is None:
        handler._headers["Content-Type"] = media_type
        value = codec.encode(value, media_type)
    else:
        handler.set_header("Content-Type", own_type)
        if not isinstance(value, (bytes, str)):
            value = codec.encode(value)
    return handler.finish(value)


_BYTES = "application/octet-stream"
_TEXT = "text/plain; charset=UTF-8"
_LINES = "application/jsonl"
_SPECIAL = (Response, bytes, bytearray, memoryview)


async def _stream(handler: RequestHandler, chunks: AsyncIterator[Any]) -> None:
    if isinstance(chunks, AsyncGenerator):
        async with aclosing(chunks):
            await _pump(handler, chunks)
    else:
        await _pump(handler, chunks)
    await handler.finish()


async def _pump(handler: RequestHandler, chunks: AsyncIterator[Any]) -> None:
    async for chunk in chunks:
        handler.write(chunk if isinstance(chunk, (bytes, str)) else codec.encode(chunk) + b"\n")
        await handler.flush()


def media_type_of(returns: Any, streamed: Any = None) -> str:
    """The default media type of a value; `streamed`: the type of its items, if it is a stream."""
    if returns is AsyncIterator:
        return {bytes: _BYTES, str: _TEXT}.get(streamed, _LINES)
    return _BYTES if returns is bytes else codec.JSON


def wants_value(returns: Any) -> bool:
    """Whether None is not among the values of an annotation: nothing returned is a mistake."""
    if returns in (None, type(None), Any, AsyncIterator):
        return False
    try:
        msgspec.convert(None, returns)
    except msgspec.ValidationError:
        return True
    except TypeError:  # a type that only an encoder of its own knows
        return False
    return False


def negotiated(accept: str | None) -> str:
    """`acceptable`, or 406."""
    media_type = acceptable(accept)
    if media_type is None:
        raise Problem(406, f"can be had as {codec.JSON} or {codec.MSGPACK}")
    return media_type
