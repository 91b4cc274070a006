"""`open_upgrade`: a request that turns its connection into something else.

For handshakes made elsewhere (websockets and the like): one request over its own connection, the
response's head, and then the stream. Not pooled; redirects are not followed.
"""

from __future__ import annotations

from typing import NamedTuple

import trio

from ..errors import HTTPOutputError, StreamClosedError
from ..limits import RESPONSES, Dialect, Limits
from ..net import Stream
from ..wire.engines import engine_for
from ..wire.events import ResponseHead
from ..wire.headers import HTTPHeaders
from .connection import Connection
from .deadlines import Deadlines
from .dial import open_route
from .errors import ConnectionLost, InvalidRequest
from .options import ClientLimits, ClientTimeouts
from .routes import Route


class Upgraded(NamedTuple):
    """The result of an upgrade request.

    `leftover` are bytes that followed the head; they are `stream`'s next bytes too (read
    them there or here, not twice). The caller closes `stream`, whatever the status.
    """

    head: ResponseHead
    stream: Stream
    leftover: bytes


async def open_upgrade(
    route: Route,
    target: str,
    headers: HTTPHeaders,
    *,
    method: str = "GET",
    timeouts: ClientTimeouts | None = None,
    limits: ClientLimits | None = None,
    dialect: Dialect = RESPONSES,
) -> Upgraded:
    """Connect by `route`, ask for `target` with `headers` (complete), return the answer.

    Informational heads except 101 are skipped. With 101, and with 2xx for CONNECT, the connection
    is no longer HTTP; with any other status, what follows is the body as framed by the head.

    Raises: `ConnectError`, `ProxyError`, `ConnectionLost`, `ResponseError`,
      `RequestTimeout`, `InvalidRequest`.
    Cancellation: the connection is closed.
    """
    limits = limits or ClientLimits()
    deadlines = Deadlines(timeouts or ClientTimeouts(), trio.current_time())
    stream = await open_route(route, deadlines)
    wire_limits = Limits(max_head_size=limits.max_head_size, max_fields=limits.max_fields)
    connection = Connection(stream, wire_limits, engine_for(None, dialect), route)
    try:
        try:
            if not connection.send_head(method, target, headers, b""):
                deadlines.phase = "send"
                at = deadlines.after(deadlines.timeouts.idle)
                await deadlines.wait("idle", at, stream.drain)
        except HTTPOutputError as error:
            raise InvalidRequest(str(error)) from error
        except StreamClosedError as error:
            raise ConnectionLost(f"Connection lost: {error}", "send") from error
        deadlines.phase = "first_byte"
        at = deadlines.after(deadlines.timeouts.first_byte)
        head = await connection.read_head(deadlines, at)
        while head.informational and head.start_line.code != 101:
            head = connection.head_nowait() or await connection.read_head(deadlines, at)
    except BaseException:
        stream.close()
        raise
    leftover = connection.wire.take_rest()
    stream.unread(leftover)
    return Upgraded(head, stream, leftover)
