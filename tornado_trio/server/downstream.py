"""Who the client is: the peer's address, or what trusted proxies say.

Knows X-Real-Ip, X-Forwarded-For, X-Scheme, X-Forwarded-Proto, as Tornado reads them.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..net.stream import Stream
    from .exchange import Http1Exchange
    from .options import ServerOptions

__all__ = ["client_of", "origin_of", "is_ip_address"]


@lru_cache(512)
def is_ip_address(text: str) -> bool:
    """A literal IPv4 or IPv6 address (nothing is looked up)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def client_of(stream: Stream, options: ServerOptions) -> tuple[str, str]:
    """Address and protocol of a connection. Unix sockets have no address: "0.0.0.0"."""
    address = stream.remote_address
    remote_ip = "0.0.0.0"
    if isinstance(address, tuple) and address:
        # A scope ("fe80::1%eth0") is of no use to who reads the address.
        remote_ip = str(address[0]).partition("%")[0]
    return remote_ip, options.protocol or ("https" if stream.tls else "http")


def origin_of(exchange: Http1Exchange, options: ServerOptions) -> None:
    """Correct `remote_ip` and `protocol` of an exchange by the proxies' fields.

    X-Forwarded-For is read from its end: what stands left of the first untrusted address
    was written by the client, and may be a lie.
    """
    headers = exchange.headers
    candidate = exchange.remote_ip
    forwarded = headers.get("X-Forwarded-For", candidate)
    for each in reversed(forwarded.split(",")):
        candidate = each.strip()
        if candidate not in options.trusted_downstream:
            break
    candidate = headers.get("X-Real-Ip", candidate)
    if is_ip_address(candidate):
        exchange.remote_ip = candidate
    protocol = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", exchange.protocol))
    protocol = protocol.split(",")[-1].strip().lower()
    if protocol in ("http", "https"):
        exchange.protocol = protocol
