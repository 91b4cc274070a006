"""`open_websocket`: a client's WebSocket, over this client's connections.

Knows the client (which brings proxies, TLS, credentials, cookies) and the session. The
handshake's fields are made and checked by `wire.websocket`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from ..websocket.options import WebSocketOptions
from ..websocket.running import run_session
from ..websocket.session import WebSocket
from ..wire.headers import HTTPHeaders
from ..wire.websocket import HandshakeError
from ..wire.websocket.handshake import make_key, request_headers
from ..wire.websocket.upgrade import confirm
from .client import Client
from .errors import InvalidRequest
from .opening import open_client
from .options import ClientTimeouts, Network
from .response import Response
from .targets import join_base, show_url

__all__ = ["WebSocketRefused", "open_websocket"]

# As a browser's: connect and handshake in a time a person would wait.
_TIMEOUTS = ClientTimeouts(connect=20, first_byte=20, total=40)


class WebSocketRefused(HandshakeError):
    """The server answered, but not with a WebSocket.

    `status` and `response` are its answer; a short body is in `body`.
    """

    def __init__(self, error: HandshakeError, response: Response, body: bytes) -> None:
        super().__init__(str(error), error.status)
        self.response = response
        self.body = body


def _http_url(url: str, client: Client | None) -> str:
    base = None if client is None else client.base_url
    if base is not None and join_base(base, url) != url:
        return url  # which the client completes
    for scheme, other in (("ws://", "http://"), ("wss://", "https://")):
        if url[: len(scheme)].lower() == scheme:
            return other + url[len(scheme) :]
    raise InvalidRequest(f"not a ws:// or wss:// URL: {show_url(url)!r}")


def _tunnelling(network: Network | None) -> Network | None:
    """A proxy that forwards knows nothing of upgrades; one with a tunnel need not."""
    if network is None or network.proxy is None:
        return network
    return replace(network, proxy=replace(network.proxy, tunnel=True))


@asynccontextmanager
async def open_websocket(
    url: str,
    *,
    client: Client | None = None,
    options: WebSocketOptions | None = None,
    subprotocols: Sequence[str] = (),
    headers: Sequence[tuple[str, str]] = (),
    network: Network | None = None,
    timeouts: ClientTimeouts | None = None,
) -> AsyncIterator[WebSocket]:
    """Connect to `url` (ws:// or wss://) and open a session for the duration of a block.

    Args:
        client: whose network, credentials, cookies and base URL to use; otherwise a client is
            opened, with `network`. It has the keepalive's timers: its block is to end last.
        subprotocols: those offered, the preferred one first.
        headers: additional fields of the request.
        timeouts: of connecting and the handshake; 40 seconds in all unless set.

    Raises:
        WebSocketRefused: the server answered otherwise. Redirects are not followed.
        ClientError: no connection, or no answer in time; or `InvalidRequest`.
    Cancellation: the closing handshake gets `cancel_timeout` seconds.
    """
    options = options or WebSocketOptions()
    address, key = _http_url(url, client), make_key()
    made = request_headers(key, subprotocols=subprotocols, deflate=options.deflate)
    fields = [*HTTPHeaders(made).get_all(), *headers]
    async with AsyncExitStack() as stack:
        if client is None:
            client = await stack.enter_async_context(open_client(network=_tunnelling(network)))
        async with client.stream(
            "GET",
            address,
            headers=fields,
            follow_redirects=False,
            decompress=False,
            timeouts=timeouts or _TIMEOUTS,
        ) as response:
            try:
                agreement = confirm(
                    response.status,
                    response.headers,
                    key,
                    subprotocols=subprotocols,
                    deflate=options.deflate,
                )
            except HandshakeError as error:
                body = b"" if response.status == 101 else await response.read_chunk()
                raise WebSocketRefused(error, response, body) from None
            stream = response._hop.detach()
        async with run_session(
            stream,
            agreement.protocol(options.max_message_size),
            options,
            subprotocol=agreement.subprotocol,
            request=response,
            timers=client.timers,
        ) as ws:
            yield ws
