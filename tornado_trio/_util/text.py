"""Text as UTF-8 bytes and back; None passes through. Knows nothing else."""

from __future__ import annotations

from typing import overload


@overload
def utf8(value: bytes) -> bytes: ...
@overload
def utf8(value: str) -> bytes: ...
@overload
def utf8(value: None) -> None: ...
def utf8(value: str | bytes | None) -> bytes | None:
    """Text as UTF-8 bytes; bytes and None as they are. Else TypeError."""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bytes) or value is None:
        return value
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


@overload
def to_unicode(value: str) -> str: ...
@overload
def to_unicode(value: bytes) -> str: ...
@overload
def to_unicode(value: None) -> None: ...
def to_unicode(value: str | bytes | None) -> str | None:
    """UTF-8 bytes as text; text and None as they are. Else TypeError."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8")
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")
