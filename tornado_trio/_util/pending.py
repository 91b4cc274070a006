"""What `write` and `finish` return: awaitables for back pressure that need no task.

Leaf: knows that a connection can be drained. Not awaiting them is allowed, so none is a
coroutine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Protocol

__all__ = ["READY", "Failed", "Pending", "Ready"]


class _Drains(Protocol):
    def drain(self) -> Awaitable[None]: ...


class Ready:
    """The transport took everything."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


#: One for all: the usual case costs no object.
READY = Ready()


class Pending:
    """Bytes are left over; awaiting waits until they are on their way."""

    __slots__ = ("_connection",)

    def __init__(self, connection: _Drains) -> None:
        self._connection = connection

    def __await__(self) -> Generator[Any, Any, None]:
        return self._connection.drain().__await__()


class Failed:
    """The client is gone; awaiting raises."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __await__(self) -> Generator[Any, Any, None]:
        raise self.error
        yield
