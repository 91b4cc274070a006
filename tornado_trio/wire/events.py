"""What an HTTP/1.1 message is made of once parsed. Knows headers.

`ServerWire.next_event` and `ClientWire.next_event` return one of: a head, body bytes
(plain `bytes`: an object around each chunk would cost time and add nothing), `EndOfMessage`,
or a `Signal`. No type of the engine behind them (h11, or another) appears above `wire`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

from .headers import HTTPHeaders

__all__ = [
    "AbsoluteStartLine",
    "ClientEvent",
    "EndOfMessage",
    "RequestHead",
    "RequestStartLine",
    "ResponseHead",
    "ResponseStartLine",
    "ServerEvent",
    "Signal",
]


class RequestStartLine(NamedTuple):
    """`method` and `path` (the request target, undecoded) and `version` ("HTTP/1.1")."""

    method: str
    path: str
    version: str

    @property
    def target(self) -> str:
        """The request target as it was sent; only clients of proxies send another than `path`
        (RFC 9112 3.2.2)."""
        return self.path


class AbsoluteStartLine(RequestStartLine):
    """Of a request whose target was a whole URI: `path` has the origin form of it."""

    _target: str

    @property
    def target(self) -> str:
        return self._target

    @classmethod
    def of(cls, method: str, path: str, version: str, target: str) -> AbsoluteStartLine:
        line = cls(method, path, version)
        line._target = target
        return line


class ResponseStartLine(NamedTuple):
    """`version` ("HTTP/1.1"), `code` and `reason`."""

    version: str
    code: int
    reason: str


class Signal(Enum):
    """Why there is no event."""

    #: More bytes are needed (call `feed`).
    NEED_DATA = "need data"
    #: The message is over; `next_cycle` allows the next one.
    PAUSED = "paused"
    #: The peer ended its sending side between two messages.
    CLOSED = "closed"
    #: The connection no longer speaks HTTP/1.1 (upgrade, CONNECT): `take_rest`.
    SWITCHED = "switched"


class RequestHead:
    """A request line with its fields, and what they say about framing.

    Attributes:
      start_line: `path` is the target in origin form ("*" for OPTIONS, "host:port" for
        CONNECT); of an absolute-form target (its `target`) the authority went to the Host field.
      content_length: None if not given.
      chunked: the body comes in chunks.
      keep_alive: the client allows another request on this connection.
      expect_continue: the client waits for "100 Continue" before it sends the body.
      upgrade: Connection names Upgrade and an Upgrade field is present.
    """

    __slots__ = (
        "chunked",
        "content_length",
        "expect_continue",
        "headers",
        "keep_alive",
        "start_line",
        "upgrade",
    )

    def __init__(self, start_line: RequestStartLine, headers: HTTPHeaders) -> None:
        self.start_line = start_line
        self.headers = headers
        self.content_length: int | None = None
        self.chunked = False
        self.keep_alive = True
        self.expect_continue = False
        self.upgrade = False

    def again(self, start_line: RequestStartLine, headers: HTTPHeaders) -> RequestHead:
        """A copy, for another message with the same fields."""
        head = _new_request_head(RequestHead)
        head.start_line = start_line
        head.headers = headers
        head.content_length = self.content_length
        head.chunked = self.chunked
        head.keep_alive = self.keep_alive
        head.expect_continue = self.expect_continue
        head.upgrade = self.upgrade
        return head

    def __repr__(self) -> str:
        return f"<RequestHead {' '.join(self.start_line)}>"


_new_request_head = RequestHead.__new__


class ResponseHead:
    """A status line with its fields, and what they say about framing.

    Attributes: as `RequestHead`; `informational` is true of 1xx heads, which more heads
    follow (but for 101).
    """

    __slots__ = ("chunked", "content_length", "headers", "keep_alive", "start_line", "upgrade")

    def __init__(self, start_line: ResponseStartLine, headers: HTTPHeaders) -> None:
        self.start_line = start_line
        self.headers = headers
        self.content_length: int | None = None
        self.chunked = False
        self.keep_alive = True
        self.upgrade = False

    @property
    def informational(self) -> bool:
        return self.start_line.code < 200

    def __repr__(self) -> str:
        return f"<ResponseHead {self.start_line.code} {self.start_line.reason}>"


class EndOfMessage:
    """The message is complete. `trailers` is None unless the body brought some."""

    __slots__ = ("trailers",)

    def __init__(self, trailers: HTTPHeaders | None = None) -> None:
        self.trailers = trailers


#: The end of every message without trailers.
END = EndOfMessage()

ServerEvent: TypeAlias = RequestHead | bytes | EndOfMessage | Signal
ClientEvent: TypeAlias = ResponseHead | bytes | EndOfMessage | Signal
