"""What `write` and `finish` return: awaitables for back pressure that need no task.

Knows that something can be drained, and trio's checkpoint. Not awaiting them is allowed, so
none is a coroutine. `READY` and `CHECKPOINT` exist once: ask for them with `is`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from .._util.late import later

if TYPE_CHECKING:
    import trio
else:
    trio = later("trio", globals())

__all__ = ["CHECKPOINT", "READY", "Checkpoint", "Failed", "Pending", "Ready"]


class _Drains(Protocol):
    def drain(self) -> Awaitable[None]: ...


class Ready:
    """The transport took everything. Awaiting it is not a checkpoint."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(())  # type: ignore[return-value]

    def __repr__(self) -> str:
        return "<ready>"


#: One for all: the usual case costs no object.
READY = Ready()


class Checkpoint:
    """Ready too, but other tasks get a turn: awaiting it is a checkpoint.

    A client that reads as fast as we write never makes a handler wait, and would keep all
    others waiting.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return trio.lowlevel.checkpoint().__await__()

    def __repr__(self) -> str:
        return "<checkpoint>"


CHECKPOINT = Checkpoint()


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
