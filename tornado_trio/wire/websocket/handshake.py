"""The opening handshake (RFC 6455, section 4) as functions over header fields.

Knows field names and what they must hold; not where a request came from or how an answer is
sent. `headers` is any mapping with case-insensitive keys and repeated fields joined by commas
(`tornado_trio.wire.headers.HTTPHeaders`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence

from ...errors import PeerError
from .. import abnf
from .deflate import DeflateOptions, DeflateParams
from .extensions import ExtensionError, check_deflate_answer, offer_deflate, parse_extensions

__all__ = [
    "HandshakeError",
    "accept_value",
    "check_answer",
    "check_request",
    "check_upgrade",
    "key_of",
    "make_key",
    "parse_subprotocols",
    "request_headers",
    "valid_key",
    "valid_subprotocol",
]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = abnf.token


class HandshakeError(PeerError):
    """The handshake failed.

    `status` is what a server answers; `headers` are fields the answer needs.
    """

    def __init__(
        self, message: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, status)
        self.headers = dict(headers or {})


def make_key() -> str:
    """A client's Sec-WebSocket-Key: 16 random bytes in base64."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_value(key: str | bytes) -> str:
    """The Sec-WebSocket-Accept that answers `key`."""
    raw = key.encode() if isinstance(key, str) else key
    digest = hashlib.sha1(raw + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _tokens(field: str) -> set[str]:
    return {part.strip(" \t").lower() for part in field.split(",")}


def check_request(method: str, version: str, headers: Mapping[str, str]) -> str:
    """Is this a request to upgrade? Returns its key.

    Raises:
        HandshakeError: with the status to answer: 400, 405, or 426 for other versions.
    """
    check_upgrade(method, version, headers)
    if not is_spoken(headers):
        raise HandshakeError(
            "Upgrade Required", 426, {"Sec-WebSocket-Version": "13", "Upgrade": "websocket"}
        )
    return key_of(headers)


def check_upgrade(method: str, version: str, headers: Mapping[str, str]) -> None:
    """Is this a request to upgrade to a WebSocket, of whatever version?

    Raises:
        HandshakeError: with the status to answer: 400 or 405.
    """
    if method != "GET":
        raise HandshakeError("a WebSocket begins with GET", 405, {"Allow": "GET"})
    if headers.get("Upgrade", "").strip(" \t").lower() != "websocket":
        raise HandshakeError('Can "Upgrade" only to "WebSocket".')
    if "upgrade" not in _tokens(headers.get("Connection", "")):
        raise HandshakeError('"Connection" must be "Upgrade".')
    if version in ("HTTP/1.0", "HTTP/0.9"):
        # Upgrade does not exist there (RFC 9110 7.8 tells servers to ignore it).
        raise HandshakeError("WebSocket needs HTTP/1.1.")


def is_spoken(headers: Mapping[str, str]) -> bool:
    """Whether a request asks for the supported protocol version, 13 (RFC 6455)."""
    return headers.get("Sec-WebSocket-Version", "").strip(" \t") == "13"


def key_of(headers: Mapping[str, str]) -> str:
    """The key of a request.

    Raises:
        HandshakeError: a field that RFC 6455 4.2.1 demands is missing or invalid.
    """
    key = headers.get("Sec-WebSocket-Key", "").strip(" \t")
    if not (valid_key(key) and headers.get("Host") and headers.get("Sec-WebSocket-Version")):
        raise HandshakeError("Missing/Invalid WebSocket headers")
    return key


def valid_key(key: str) -> bool:
    """One Sec-WebSocket-Key: 16 bytes in base64 (RFC 6455 4.2.1). Two of them are invalid."""
    try:
        return len(base64.b64decode(key.encode("ascii"), validate=True)) == 16
    except (binascii.Error, UnicodeEncodeError):
        return False


def valid_subprotocol(name: str) -> bool:
    """Subprotocol names are tokens."""
    return _TOKEN.fullmatch(name) is not None


def parse_subprotocols(field: str | None) -> list[str]:
    """The subprotocols a client offers, in its order; invalid tokens are left out."""
    if not field:
        return []
    names = (part.strip(" \t") for part in field.split(","))
    return [name for name in names if valid_subprotocol(name)]


def request_headers(
    key: str, *, subprotocols: Sequence[str] = (), deflate: DeflateOptions | None = None
) -> dict[str, str]:
    """The fields of a client's request, but for Host and what the program adds."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    if subprotocols:
        for name in subprotocols:
            if not valid_subprotocol(name):
                raise ValueError(f"not a subprotocol name: {name!r}")
        headers["Sec-WebSocket-Protocol"] = ",".join(subprotocols)
    if deflate is not None:
        headers["Sec-WebSocket-Extensions"] = offer_deflate(deflate)
    return headers


def check_answer(
    status: int,
    headers: Mapping[str, str],
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    deflate: DeflateOptions | None = None,
) -> tuple[str | None, DeflateParams | None]:
    """Check the server's answer; returns the negotiated subprotocol and compression.

    Raises:
        HandshakeError: it is no 101, or not one for our request; `status` is the answer's.
    """
    if status != 101:
        raise HandshakeError(f"the server answered {status} instead of 101", status)
    if headers.get("Upgrade", "").strip(" \t").lower() != "websocket":
        raise HandshakeError("the answer lacks Upgrade: websocket", status)
    if "upgrade" not in _tokens(headers.get("Connection", "")):
        raise HandshakeError("the answer lacks Connection: Upgrade", status)
    if headers.get("Sec-WebSocket-Accept", "").strip(" \t") != accept_value(key):
        raise HandshakeError("wrong Sec-WebSocket-Accept", status)
    chosen = headers.get("Sec-WebSocket-Protocol")
    if chosen is not None and chosen not in subprotocols:
        raise HandshakeError("the server chose a subprotocol that was not offered", status)
    try:
        accepted = parse_extensions(headers.get("Sec-WebSocket-Extensions", ""))
        params = check_deflate_answer(accepted, deflate)
    except ExtensionError as error:
        raise HandshakeError(str(error), status) from error
    return chosen, params
