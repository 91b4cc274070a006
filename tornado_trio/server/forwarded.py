"""Who the client is: the peer's address, or what trusted proxies say.

Knows X-Real-Ip, X-Forwarded-For, X-Scheme, X-Forwarded-Proto, as Tornado reads them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from functools import lru_cache

from .._util.late import pattern_later
from ..net.stream import Stream
from ..wire.headers import HTTPHeaders
from .options import ServerOptions

__all__ = ["address_in", "client_of", "corrected_origin"]

# An IPv6 address in brackets, or an address with a port, as some proxies write it.
_BRACKETED = pattern_later(r"\[([^\[\]]+)\](?::[0-9]{1,5})?", globals())
_WITH_PORT = pattern_later(r"([0-9.]+):[0-9]{1,5}", globals())
# Of an interface ("fe80::1%eth0"). ipaddress takes anything there.
_SCOPE = pattern_later(r"[0-9A-Za-z][0-9A-Za-z._\-]{0,31}", globals())


@lru_cache(512)
def address_in(text: str) -> str | None:
    """The IPv4 or IPv6 address that `text` is, in brackets or with a port too; None if it is
    none. Nothing is looked up."""
    text = text.strip(" \t")
    found = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    address = text if found is None else found[1]
    plain, percent, scope = address.partition("%")
    if percent and _SCOPE.fullmatch(scope) is None:
        return None
    try:
        parsed = ipaddress.ip_address(plain)
    except ValueError:
        return None
    if parsed.version == 4 and (percent or text[0] == "["):
        return None
    return address


def client_of(stream: Stream, options: ServerOptions) -> tuple[str, str]:
    """Address and protocol of a connection. Unix sockets have no address: "0.0.0.0"."""
    address = stream.remote_address
    remote_ip = "0.0.0.0"
    if isinstance(address, tuple) and address:
        # A scope ("fe80::1%eth0") is of no use to a reader of the address.
        remote_ip = str(address[0]).partition("%")[0]
    return remote_ip, options.protocol or ("https" if stream.tls else "http")


def corrected_origin(
    headers: HTTPHeaders, remote_ip: str, protocol: str, trusted: Collection[str]
) -> tuple[str, str]:
    """Address and protocol as trusted proxies tell them.

    X-Forwarded-For is read from its end: what stands left of the first untrusted address
    was written by the client, and may be a lie.
    """
    candidate: str | None = remote_ip
    for each in reversed(headers.get("X-Forwarded-For", remote_ip).split(",")):
        candidate = address_in(each)
        if candidate not in trusted:
            break
    if "X-Real-Ip" in headers:
        candidate = address_in(headers["X-Real-Ip"])
    if candidate is not None:
        remote_ip = candidate
    said = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", protocol))
    said = said.split(",")[-1].strip().lower()
    return remote_ip, said if said in ("http", "https") else protocol
