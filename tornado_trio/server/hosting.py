"""The seam between `serve` and whatever runs the process that calls it.

Knows what a call of `serve` consists of; must not know signals or processes: the host
(`service.Service`) does. Outside of a host `serve` listens, and ends, by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from .._util.records import dataclass
from ..net.listeners import open_tcp_listeners

if TYPE_CHECKING:
    import ssl

    from ..exchange import App
    from ..net.listeners import Listener
    from ..net.tls_contexts import ServerTls
    from .options import ServerOptions
    from .server import Server

__all__ = ["Carrier", "Host", "ServeCall", "current_host"]

#: Serves a call until cancelled, as `serve` does, and tells the second argument its listeners.
Carrier: TypeAlias = "Callable[[ServeCall, Any], Awaitable[None]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeCall:
    """What `serve` was asked for; a host may answer with something else."""

    app: App
    port: int | None
    host: str | None
    listeners: Sequence[Listener] | None
    tls: ssl.SSLContext | ServerTls | None
    options: ServerOptions | None
    grace: float | None
    #: Serves the call in our server's place; None: ours does.
    carrier: Carrier | None = None

    def opened(self) -> Sequence[Listener]:
        """The listeners, opened if they were not given. Errors: see `serve`."""
        if self.listeners is not None:
            return self.listeners
        if self.port is None:
            raise ValueError("serve needs a port or listeners: serve(app, 8888)")
        return open_tcp_listeners(self.port, self.host)


class Host(Protocol):
    """Runs the process: chooses addresses, ends what serves."""

    def prepared(self, call: ServeCall) -> ServeCall:
        """The call as it is to be made, with its `listeners`. Errors as for `serve`."""

    def serving(
        self, server: Server, listeners: Sequence[Listener]
    ) -> AbstractContextManager[object]:
        """Around serving. The host ends it by cancelling a scope of its own there."""


#: The host of the running tasks, if there is one.
current_host: ContextVar[Host | None] = ContextVar("current_host", default=None)
