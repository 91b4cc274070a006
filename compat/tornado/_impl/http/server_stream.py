"""`request.connection.stream`: the stream of a connection that is served natively.

Knows native connections, and how a native stream is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado._impl.streams.errors import StreamClosedError

from tornado_trio._util.late import later
from tornado_trio.net.stream import Stream

if TYPE_CHECKING:
    from tornado._impl.streams import adapter, shown

    from tornado_trio.server.interfaces import Channel
else:
    adapter = later("tornado._impl.streams.adapter", globals())
    shown = later("tornado._impl.streams.shown", globals())

__all__ = ["stream_of"]


def stream_of(connection: Channel) -> Any:
    """What programs see as the stream of a connection; None once it was detached."""
    seen: Any = connection.context
    if seen is None:
        if connection.detached:
            return None
        seen = shown.show(connection.stream, _OfRequest(connection))
        if not isinstance(seen, shown.ShownStream):
            return seen  # a program's own
        connection.set_context(seen)
    # Once it was taken by reading it is the program's; once it was detached another is.
    return None if connection.detached and isinstance(seen, shown.ShownStream) else seen


class _OfRequest:
    """The request under way has the stream."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Channel) -> None:
        self._connection = connection

    def _exchange(self) -> Any:
        exchange: Any = self._connection.exchange
        return None if exchange is None or exchange.finished else exchange

    def let_go(self) -> Stream:
        exchange = self._exchange()
        if exchange is None:
            raise StreamClosedError()
        native: Stream = exchange.detach_native()
        if isinstance(native, adapter.IOStreamAdapter):
            self._connection.set_context(native.iostream)
        return native

    def when_closed(self, callback: Callable[[], None] | None) -> None:
        exchange = self._exchange()
        if exchange is not None:
            exchange.set_close_callback(callback)
