"""The interfaces between the modules of this package, so that they need no import cycle.

`Server` knows `Connection` and nothing of HTTP/1: another protocol stands beside it by having
these six names. A connection knows its server as `Serving`. What belongs to it knows it by what it
needs: who sends by `ToClient`, who watches the client by `Watched`, exchange and body by `Channel`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import trio

from ..errors import PeerError
from ..exchange import App, Cause, Exchange
from ..net.listeners import Listener
from ..net.readiness import ReadinessHub
from ..net.stream import Stream
from ..net.timers import Timers
from ..wire.engines import WireEngine
from ..wire.events import RequestHead
from ..wire.http1 import ServerWire
from .body_timeouts import BodyReadTimeouts
from .deadlines import RequestDeadlines
from .handler_task import HandlerTask
from .limiter import ConnectionLimiter
from .options import ServerOptions
from .watch import DisconnectWatch

__all__ = ["Channel", "Connection", "Reception", "Serving", "ToClient", "Watched"]


class Connection(Protocol):
    """One client's connection, of whatever protocol, as its server sees it."""

    @property
    def phase(self) -> str:
        """Where it stands, in a word; for `Server.statistics`."""

    @property
    def busy(self) -> bool:
        """A request is being answered, or its handler still runs."""

    async def run(self) -> None:
        """Serve it to its end. Raises nothing but cancellation, and closes the stream."""

    def begin_drain(self, idle_until: float) -> None:
        """Take no request after the one under way; when idle, end at `idle_until`."""

    def cancel(self, cause: Cause) -> None:
        """End what is under way, because of `cause`."""

    def close(self) -> None:
        """Drop the transport now, whatever is under way."""

    def describe(self) -> str:
        """What is under way, for how long, and the line it waits in; for logs."""

    def in_context(self, function: Callable[..., object], *args: object) -> None:
        """Call it in the context of the request under way: log lines belong to that then."""


class Reception(Protocol):
    """Where connections come in, while `serve_connections` runs."""

    def listen(self, listener: Listener) -> None:
        """Take the connections of one more listener, which is closed at the end."""

    def start(self, stream: Stream) -> None:
        """Serve a stream that is ready for requests: TLS and proxies are its maker's."""


class Serving(Protocol):
    """A server as its connections see it."""

    @property
    def app(self) -> App: ...
    @property
    def exchange_type(self) -> Callable[[Channel, RequestHead], Any]:
        """Makes the exchange of each request."""

    @property
    def options(self) -> ServerOptions: ...
    @property
    def engine(self) -> WireEngine: ...
    @property
    def draining(self) -> bool: ...
    @property
    def watch(self) -> DisconnectWatch: ...
    @property
    def hub(self) -> ReadinessHub: ...
    @property
    def body_timeouts(self) -> BodyReadTimeouts: ...
    @property
    def timers(self) -> Timers: ...
    @property
    def limiter(self) -> ConnectionLimiter | None: ...
    @property
    def nursery(self) -> trio.Nursery | None:
        """Owner of tasks beside connections; None: no such tasks can be started."""

    def client_of(self, stream: Stream) -> tuple[str, str]:
        """Whose connection it is: its address, and "http" or "https"."""

    async def adopt(self, connection: Connection) -> None:
        """Count a connection in, and run it."""


class ToClient(Protocol):
    """A connection as those see it who send to its client."""

    @property
    def stream(self) -> Stream: ...
    @property
    def options(self) -> ServerOptions: ...
    def on_disconnect(self, cause: Cause, error: Exception) -> None:
        """The client is gone."""


class Watched(ToClient, Protocol):
    """A connection as those see it who look whether its client is there."""

    @property
    def wire(self) -> ServerWire: ...
    @property
    def exchange(self) -> Exchange | None: ...
    def start_beside(self, *task: object, name: str) -> bool:
        """Start a task beside the connection; False: there is no nursery for it."""

    def on_input(self) -> None:
        """More came from the client while the handler waits."""

    def on_end(self) -> None:
        """The client's stream ended, and the response is complete."""


class Channel(ToClient, Protocol):
    """A connection as the exchange on it sees it, and the exchange's body."""

    @property
    def server(self) -> Serving: ...
    @property
    def wire(self) -> ServerWire: ...
    @property
    def deadlines(self) -> RequestDeadlines: ...
    @property
    def body_timeouts(self) -> BodyReadTimeouts: ...
    @property
    def client(self) -> tuple[str, str]:
        """Its address, and "http" or "https"."""

    @property
    def context(self) -> Any: ...
    @property
    def handler(self) -> HandlerTask: ...
    @property
    def exchange(self) -> Exchange | None: ...
    @property
    def detached(self) -> bool: ...

    def set_context(self, context: Any) -> None: ...
    def refuse(self, error: PeerError) -> None: ...
    def lend_nursery(self) -> trio.Nursery: ...
    def cork(self, uncork: Callable[[], None]) -> bool: ...
    @property
    def sees_waits(self) -> bool: ...
    async def drain(self) -> None: ...
    async def send_file(self, file: Any, offset: int, count: int) -> None: ...
    def response_finished(self) -> None: ...
    def on_body_over(self) -> None: ...
    def cancel(self, cause: Cause) -> None: ...
    def conclude(self, cause: Cause) -> None: ...
    def hold(self, until: float) -> bool: ...
    def release(self) -> None: ...
    def detach(self) -> Stream: ...
    def continue_with(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None: ...
    def set_drain_callback(self, callback: Callable[[], object] | None) -> None: ...
