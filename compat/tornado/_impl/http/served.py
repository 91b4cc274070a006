"""`Connections`: those of a server, as Tornado programs know them (`HTTPServer._connections`)."""

from __future__ import annotations

from collections.abc import Iterator, MutableSet
from typing import TYPE_CHECKING, Any

from tornado._impl.http.serving import NativeServer

if TYPE_CHECKING:
    from tornado.http1connection import HTTP1ServerConnection

__all__ = ["Connections"]


class Connections(MutableSet[Any]):
    """`HTTPServer._connections`: those whose requests are answered, and what a program adds.

    As in Tornado, a connection that was detached (for a websocket) does not count.
    """

    def __init__(self, native: NativeServer) -> None:
        self._native = native
        self._added: set[HTTP1ServerConnection] = set()

    def __iter__(self) -> Iterator[HTTP1ServerConnection]:
        native: list[Any] = list(self._native.connections)
        served = [each.server.served(each) for each in native if not each.detached]
        return iter(dict.fromkeys([*served, *self._added]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, connection: object) -> bool:
        return any(each is connection for each in self)

    def add(self, value: HTTP1ServerConnection) -> None:
        self._added.add(value)

    def discard(self, value: HTTP1ServerConnection) -> None:
        self._added.discard(value)
