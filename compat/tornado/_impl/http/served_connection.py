"""`ServedConnection`: a connection that is served natively, as Tornado programs know it.

It is `request.server_connection`, and what `start_request` and `on_close` get.
"""

from __future__ import annotations

from typing import Any

from tornado._impl.http.loop_server import close_native
from tornado._impl.http.peer import _HTTPRequestContext
from tornado._impl.http.server_stream import stream_of
from tornado.http1connection import HTTP1ServerConnection

from tornado_trio.server.connection import Http1Connection

__all__ = ["ServedConnection"]


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
