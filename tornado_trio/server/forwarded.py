"""Who the client is: the peer's address, or what trusted proxies say.

Knows X-Real-Ip, X-Forwarded-For, X-Scheme, X-Forwarded-Proto, as Tornado reads them.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from ..net.stream import Stream
from ..wire.headers import HTTPHeaders
from .options import ServerOptions

__all__ = ["client_of", "corrected_origin", "is_ip_address"]


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
        # A scope ("fe80::1%eth0") is of no use to a reader of the address.
        remote_ip = str(address[0]).partition("%")[0]
    return remote_ip, options.protocol or ("https" if stream.tls else "http")


def corrected_origin(
    headers: HTTPHeaders, remote_ip: str, protocol: str, options: ServerOptions
) -> tuple[str, str]:
    """Address and protocol as trusted proxies tell them.

    X-Forwarded-For is read from its end: what stands left of the first untrusted address
    was written by the client, and may be a lie.
    """
    candidate = remote_ip
    for each in reversed(headers.get("X-Forwarded-For", remote_ip).split(",")):
        candidate = each.strip()
        if candidate not in options.trusted_downstream:
            break
    candidate = headers.get("X-Real-Ip", candidate)
    if is_ip_address(candidate):
        remote_ip = candidate
    said = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", protocol))
    said = said.split(",")[-1].strip().lower()
    return remote_ip, said if said in ("http", "https") else protocol
