"""SOCKS5 (RFC 1928, 1929), client side: bytes in, bytes out. No I/O.

`negotiate` is a generator that yields what it wants, an `Ask`: bytes to send and how many
bytes to read next; the driver sends the bytes read back in. It returns when the tunnel is
established. Reading exactly what was asked for leaves the tunnelled bytes untouched.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator
from typing import NamedTuple

from .errors import InvalidRequest, ProxyError

_REPLIES = {
    1: "general failure",
    2: "connection not allowed by the ruleset",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class Ask(NamedTuple):
    """Send `data` (may be empty), then read exactly `read` bytes."""

    data: bytes
    read: int


Negotiation = Generator[Ask, bytes, None]


def negotiate(
    host: str, port: int, username: str | None = None, password: str | None = None
) -> Negotiation:
    """Ask a SOCKS5 proxy for a connection to `host` (name or address) and `port`.

    Raises `ProxyError` when the proxy refuses or does not speak SOCKS5, `InvalidRequest`
    when name or credentials do not fit into the protocol.
    """
    address = _address(host)
    methods = b"\x00" if username is None else b"\x00\x02"
    version, method = yield Ask(b"\x05" + bytes([len(methods)]) + methods, 2)
    if version != 5:
        raise ProxyError(f"not a SOCKS5 proxy (answered version {version})")
    if method == 2 and username is not None:
        yield from _log_in(username, password or "")
    elif method != 0:
        raise ProxyError("the SOCKS5 proxy accepts none of our authentication methods", method)
    request = b"\x05\x01\x00" + address + port.to_bytes(2, "big")
    version, reply, _, kind = yield Ask(request, 4)
    if version != 5:
        raise ProxyError(f"not a SOCKS5 proxy (answered version {version})")
    if reply != 0:
        text = _REPLIES.get(reply, f"reply {reply}")
        raise ProxyError(f"SOCKS5 proxy: {text} ({host}:{port})", reply)
    # The bound address is of no use to us but has to be read to its end.
    if kind == 1:
        yield Ask(b"", 4 + 2)
    elif kind == 4:
        yield Ask(b"", 16 + 2)
    elif kind == 3:
        (length,) = yield Ask(b"", 1)
        yield Ask(b"", length + 2)
    else:
        raise ProxyError(f"SOCKS5 proxy answered with address type {kind}")


def _log_in(username: str, password: str) -> Negotiation:
    user, secret = username.encode(), password.encode()
    if not 1 <= len(user) <= 255 or len(secret) > 255:
        raise InvalidRequest("SOCKS5 user name and password have at most 255 bytes")
    message = b"\x01" + bytes([len(user)]) + user + bytes([len(secret)]) + secret
    _, status = yield Ask(message, 2)
    if status != 0:
        raise ProxyError("the SOCKS5 proxy refused the user name or password", status)


def _address(host: str) -> bytes:
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError:
        name = host.encode("ascii")
        if not 1 <= len(name) <= 255:
            raise InvalidRequest(f"host name too long for SOCKS5: {host!r}") from None
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if len(packed) == 4 else b"\x04") + packed
