"""`accept`: the server's handshake on an exchange, then a session.

Knows `Exchange` (so any server that makes them will do) and the session. Not the web framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import final

from .._util.groups import consists_of
from ..errors import Disconnected
from ..exchange import Exchange, ResponseStartLine
from ..log import app_log
from ..wire.headers import HTTPHeaders
from ..wire.urls import origin_matches_host
from ..wire.websocket import HandshakeError
from ..wire.websocket.upgrade import agree, first_match
from .options import WebSocketOptions
from .running import run_session
from .session import WebSocket

__all__ = ["accept", "same_origin"]

OriginCheck = Callable[[str, Exchange], bool]


def same_origin(origin: str, exchange: Exchange) -> bool:
    """The default check: a browser's page must come from the host it connects to."""
    return origin_matches_host(origin, exchange.headers.get("Host"))


def _check_origin(exchange: Exchange, check: OriginCheck) -> None:
    # Browsers of the drafts' time sent Sec-WebSocket-Origin; a page cannot set either.
    origin = exchange.headers.get("Origin") or exchange.headers.get("Sec-WebSocket-Origin")
    if origin is not None and not check(origin, exchange):
        raise HandshakeError("Cross origin websockets not allowed", 403)


@final
class accept:  # used as a function
    """Answer an upgrade request and open the session, for the length of an `async with` block.

    Args:
        subprotocols: those we speak, the best first.
        check_origin: may a page of this origin connect? Asked only when a browser sent one.
        headers: more fields for the 101 answer.

    Raises:
        HandshakeError: it was no acceptable request; the refusal has been sent.
    Cancellation: the closing handshake gets `cancel_timeout` seconds.
    """

    # A class for the reason `run_session` is one; it reads in the request's nursery.
    __slots__ = ("_arguments", "_session", "_ws")

    def __init__(
        self,
        exchange: Exchange,
        *,
        options: WebSocketOptions | None = None,
        subprotocols: Sequence[str] = (),
        check_origin: OriginCheck = same_origin,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments: _Arguments | None = (
            exchange,
            options or WebSocketOptions(),
            subprotocols,
            check_origin,
            headers or {},
        )
        self._session: run_session | None = None
        self._ws: WebSocket | None = None

    async def __aenter__(self) -> WebSocket:
        assert self._arguments is not None
        self._session = await _shake(*self._arguments)
        self._arguments = None
        self._ws = await self._session.__aenter__()
        return self._ws

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        assert self._session is not None
        assert self._ws is not None
        if (
            isinstance(error, Exception)
            and not self._ws.closed
            and consists_of(error, Disconnected)
        ):
            # Of another connection, then. Hosts cannot tell once this one is closed, too.
            app_log.error(
                "Uncaught exception in the websocket of %r", self._ws.request, exc_info=error
            )
        return await self._session.__aexit__(kind, error, traceback)


_Arguments = tuple[Exchange, WebSocketOptions, Sequence[str], OriginCheck, Mapping[str, str]]


async def _shake(
    exchange: Exchange,
    options: WebSocketOptions,
    subprotocols: Sequence[str],
    check_origin: OriginCheck,
    headers: Mapping[str, str],
) -> run_session:
    line = exchange.start_line
    try:
        _check_origin(exchange, check_origin)
        agreement = agree(
            line.method,
            line.version,
            exchange.headers,
            deflate=options.deflate,
            select_subprotocol=first_match(subprotocols),
        )
    except HandshakeError as error:
        await _refuse(exchange, error)
        raise
    answer = HTTPHeaders(agreement.headers)
    for name, value in headers.items():
        answer.add(name, value)
    await exchange.write_headers(ResponseStartLine("HTTP/1.1", 101, "Switching Protocols"), answer)
    return run_session(
        exchange.detach(),
        agreement.protocol(options.max_message_size),
        options,
        subprotocol=agreement.subprotocol,
        request=exchange,
        nursery=exchange.nursery,
        host=exchange,
        timers=exchange.timers,
    )


async def _refuse(exchange: Exchange, error: HandshakeError) -> None:
    body = f"{error}\n".encode()
    headers = HTTPHeaders(error.headers)
    headers["Content-Type"] = "text/plain; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    reasons = {400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed"}
    reason = reasons.get(error.status, "Upgrade Required")
    await exchange.write_headers(ResponseStartLine("HTTP/1.1", error.status, reason), headers, body)
    await exchange.finish()
