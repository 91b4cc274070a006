"""What the handshake agrees on: the server's answer to an upgrade request, and that as read by the
client.

Pure: looks at a message's fields, returns what was agreed and, for a server, the fields to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .deflate import DeflateOptions, DeflateParams
from .extensions import ExtensionError, agree_deflate, parse_extensions
from .handshake import (
    HandshakeError,
    accept_value,
    check_answer,
    check_request,
    parse_subprotocols,
    valid_subprotocol,
)
from .protocol import WebSocketProtocol

__all__ = ["Agreement", "agree", "answer", "confirm", "first_match"]

# Gets what the client offers, in its order; returns one of them, or None for none.
SelectSubprotocol = Callable[[list[str]], "str | None"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The result of a handshake. `headers` are the fields of the 101 answer, if it is ours."""

    headers: dict[str, str]
    subprotocol: str | None
    deflate: DeflateParams | None
    options: DeflateOptions | None
    client: bool = False

    def protocol(self, max_size: int | None) -> WebSocketProtocol:
        """Our side of the connection; `max_size` bounds an incoming message."""
        return WebSocketProtocol(
            client=self.client, max_size=max_size, deflate=self.deflate, options=self.options
        )


def first_match(supported: Sequence[str]) -> SelectSubprotocol:
    """Choose the one we prefer (`supported` is in our order) among the client's offers."""

    def select(offered: list[str]) -> str | None:
        return next((name for name in supported if name in offered), None)

    return select


def agree(
    method: str,
    version: str,
    headers: Mapping[str, str],
    *,
    deflate: DeflateOptions | None = None,
    select_subprotocol: SelectSubprotocol | None = None,
) -> Agreement:
    """Check a request to upgrade and answer it.

    Raises:
        HandshakeError: with the status and fields to answer instead.
    """
    key = check_request(method, version, headers)
    return answer(headers, key, deflate=deflate, select_subprotocol=select_subprotocol)


def answer(
    headers: Mapping[str, str],
    key: str,
    *,
    deflate: DeflateOptions | None = None,
    select_subprotocol: SelectSubprotocol | None = None,
) -> Agreement:
    """Answer a request whose fields were checked.

    Raises:
        HandshakeError: Sec-WebSocket-Extensions cannot be read.
        ValueError: `select_subprotocol` returned an invalid subprotocol name.
    """
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_value(key),
    }
    subprotocol = None
    if select_subprotocol is not None:
        offered = parse_subprotocols(headers.get("Sec-WebSocket-Protocol"))
        subprotocol = select_subprotocol(offered)
        if subprotocol is not None:
            if not valid_subprotocol(subprotocol):
                raise ValueError(f"not a subprotocol name: {subprotocol!r}")
            fields["Sec-WebSocket-Protocol"] = subprotocol
    params = None
    field = headers.get("Sec-WebSocket-Extensions")
    if field:
        try:
            offers = parse_extensions(field)
        except ExtensionError as error:
            raise HandshakeError(f"Sec-WebSocket-Extensions: {error}") from error
        agreed = agree_deflate(offers, deflate) if deflate is not None else None
        if agreed is not None:
            params, fields["Sec-WebSocket-Extensions"] = agreed
    return Agreement(fields, subprotocol, params, deflate)


def confirm(
    status: int,
    headers: Mapping[str, str],
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    deflate: DeflateOptions | None = None,
) -> Agreement:
    """Check the server's answer to our request with `key`, as `check_answer`."""
    subprotocol, params = check_answer(
        status, headers, key, subprotocols=subprotocols, deflate=deflate
    )
    return Agreement({}, subprotocol, params, deflate, client=True)
