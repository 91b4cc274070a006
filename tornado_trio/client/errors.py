"""What a client call can raise, and what is at fault.

Knows the package's own errors only. Every error carries `phase`: what the client was
doing when it happened (one of `PHASES`).

- `InvalidRequest`: the program; nothing was sent.
- `RequestTimeout`: a deadline; `phase` says which.
- `ConnectError`, `ProxyError`: the connection could not be made; no request was sent.
- `ConnectionLost`, `ResponseError`: the server, after the request (or a part) was sent.
- `BodyTooLarge`, `TooManyRedirects`: a limit of the client.
- `HTTPStatusError`: a complete answer that `raise_for_status()` refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DeadlineError, LimitError, PeerError, StreamClosedError, TornadoTrioError

if TYPE_CHECKING:
    from .response import Response

#: In the order in which a request passes through them; `total` spans them all.
PHASES = ("queue", "resolve", "connect", "proxy", "tls", "send", "first_byte", "body", "total")


class ClientError(TornadoTrioError):
    """Base of the client's errors."""

    phase: str = ""


class ClientClosed(ClientError, RuntimeError):
    """The client was closed before or while the call ran."""


class QueueFull(ClientError):
    """`ClientLimits.max_queued` requests are already waiting for a connection."""

    phase = "queue"


class InvalidRequest(ClientError, ValueError):
    """The request cannot be sent as it is (method, URL, header, body)."""


class RequestTimeout(ClientError, DeadlineError):
    """A deadline passed while in `phase`.

    `limit` names the field of `Timeouts` that set it: "queue", "connect", "first_byte",
    "idle" or "total".
    """

    def __init__(self, message: str, phase: str, limit: str) -> None:
        super().__init__(message, phase)
        self.phase = phase
        self.limit = limit


class ConnectError(ClientError, OSError):
    """No connection could be made; `phase` is "resolve", "connect", "proxy" or "tls".

    `os_error` is the operating system's, resolver's or TLS library's error, if one of them is
    the cause (an `ssl.SSLError`, `socket.gaierror`, `ConnectionRefusedError`, ...), and `errno`
    its number. It is not chained: the one line of the message is enough.
    """

    def __init__(self, message: str, phase: str, os_error: OSError | None = None) -> None:
        super().__init__(message)
        self.phase = phase
        self.os_error = os_error
        if os_error is not None:
            self.errno = os_error.errno
            for note in getattr(os_error, "__notes__", ()):
                self.add_note(note)


class ProxyError(ConnectError):
    """The proxy refused; `status` is its HTTP status or SOCKS reply code, if it gave one."""

    def __init__(
        self, message: str, status: int | None = None, os_error: OSError | None = None
    ) -> None:
        super().__init__(message, "proxy", os_error)
        self.status = status


class ConnectionLost(ClientError, StreamClosedError):
    """The server closed, or broke, the connection before the response was complete."""

    def __init__(self, message: str, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class ResponseError(ClientError, PeerError):
    """The server's response violates the protocol. `status` is what a gateway would answer: 502."""

    def __init__(self, message: str, phase: str = "first_byte") -> None:
        super().__init__(message, 502)
        self.phase = phase


class BodyTooLarge(ClientError, LimitError):
    """The response body is longer, after decoding, than `max_body_size`."""

    phase = "body"

    def __init__(self, message: str) -> None:
        super().__init__(message, 502)


class TooManyRedirects(ClientError):
    """More redirects than `max_redirects`; `response` is the last one, unread."""

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(message)
        self.response = response


class HTTPStatusError(ClientError):
    """A response with status 400 or above (`Response.raise_for_status`).

    `status` and `code` are the status.
    """

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(message)
        self.response = response
        self.status = self.code = response.status
