"""Objects with the lifetime of a natively served connection, as Tornado programs know them.

`ServedConnection` is what `request.server_connection` is, and what `start_request` and `on_close`
get; `Connections` are those of a server.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSet
from typing import Any

from tornado._impl.http.loop_server import close_native
from tornado._impl.http.peer import _HTTPRequestContext
from tornado._impl.http.server_stream import stream_of
from tornado._impl.http.serving import NativeServer
from tornado.http1connection import HTTP1ServerConnection

from tornado_trio.server.connection import Http1Connection

__all__ = ["Connections", "ServedConnection"]


class ServedConnection(HTTP1ServerConnection):
    """One for all requests of a connection. Made when a program asks for it.

    Its serving is native, so it cannot be started, only looked at and closed.
    """

    _context: _HTTPRequestContext | None = None

    def __init__(self, native: Http1Connection, params: Any) -> None:
        self._native = native
        self.params = params

    @property
    def stream(self) -> Any:  # type: ignore[override]
        """The connection's stream; None once it was detached."""
        return stream_of(self._native)

    @property
    def context(self) -> Any:  # type: ignore[override]
        """Who is at the other end: `remote_ip`, `protocol`, `address`."""
        if self._context is None:
            self._context = _HTTPRequestContext.of(self._native)
        return self._context

    def start_serving(self, delegate: Any) -> None:
        raise RuntimeError("this connection is being served")

    async def close(self) -> None:
        """Close the stream at once; the handler of a request under way is notified."""
        close_native(self._native)

    def __repr__(self) -> str:
        return f"<ServedConnection of {self._native!r}>"


class Connections(MutableSet[HTTP1ServerConnection]):
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
