"""`Exchange`: one request being read and one response being written.

The seam between who produces requests (our server, the in-memory test network, an ASGI
host, compat's delegate-based HTTPServer) and who answers them (`web.Application`, a bare
async function, a hosted ASGI or WSGI app). Knows neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .wire.headers import HTTPHeaders


class RequestStartLine(NamedTuple):
    """`method` and `path` (the request target, undecoded) and `version` ("HTTP/1.1")."""

    method: str
    path: str
    version: str


class ResponseStartLine(NamedTuple):
    """`version` ("HTTP/1.1"), `code` and `reason`."""

    version: str
    code: int
    reason: str


class Exchange(ABC):
    """One request/response pair.

    Attributes: `start_line`, `headers` (of the request), `protocol` ("http" or "https"),
    `remote_ip`, `remote_address`, `context` (the connection's own object, if any).

    Backpressure: `write_headers`, `write` and `finish` act at once (they send what the
    transport takes and buffer the rest, bounded) and return an awaitable that is ready
    when the transport has caught up. Not awaiting it is allowed.
    """

    __slots__ = ()

    start_line: RequestStartLine
    headers: HTTPHeaders
    protocol: str
    remote_ip: str

    # --- request -------------------------------------------------------------
    @abstractmethod
    def body(self) -> AsyncIterator[bytes]:
        """The request body in chunks, as they arrive; reading is the back pressure."""

    @abstractmethod
    async def read_body(self) -> bytes:
        """The whole request body, bounded by `max_body_size` (LimitError 413)."""

    # --- response ------------------------------------------------------------
    @abstractmethod
    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        """Send the response head, with the first body bytes if given."""

    @abstractmethod
    def write(self, chunk: bytes) -> Awaitable[None]:
        """Send body bytes."""

    @abstractmethod
    def finish(self) -> Any:
        """The response is complete. A body shorter than its Content-Length is an error."""

    # --- the connection ------------------------------------------------------
    @abstractmethod
    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """`callback` runs once if the peer goes away before the exchange is done."""

    @abstractmethod
    def detach(self) -> Any:
        """Take over the connection's stream (after an upgrade or CONNECT answer)."""
