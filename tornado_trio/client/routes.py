"""How an origin is reached: directly, by a proxy, through a Unix socket. Pure.

Connections are shared by `Route`: two requests with the same route may use the same one.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from .._util.late import pattern_later
from ..net import Stream
from .errors import InvalidRequest
from .options import Proxy
from .targets import Origin, ascii_host, encode_basic, show_url

#: Opens a stream to a host and port instead of TCP (an in-memory network, a tunnel).
Dial = Callable[[str, int], Awaitable[Stream]]
#: `net.connect.Resolve`.
Resolver = Callable[[str, int, int], Awaitable[list[tuple[int, Any]]]]

_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class ProxyAddress(NamedTuple):
    """A parsed proxy URL. `authorization` is a Basic value for http proxies."""

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None
    authorization: str | None

    def __repr__(self) -> str:
        return f"<ProxyAddress {self.scheme}://{self.host}:{self.port}>"

    @property
    def socks(self) -> bool:
        """SOCKS5 and not HTTP."""
        return self.scheme.startswith("socks")


class Route(NamedTuple):
    """How to connect to an origin, and therefore which requests may share the connection.

    `context` is there for https origins only. `server_hostname` None: the origin's host.
    """

    origin: Origin
    proxy: Proxy | None = None
    context: ssl.SSLContext | None = None
    server_hostname: str | None = None
    unix: str | None = None
    family: int = 0
    source_address: tuple[str, int] | None = None
    dial: Dial | None = None
    resolver: Resolver | None = None

    @property
    def forward(self) -> bool:
        """Requests are sent to an http proxy in absolute form, not tunnelled."""
        proxy = self.proxy
        if proxy is None or proxy.tunnel or self.origin.scheme == "https":
            return False
        return not parse_proxy(proxy).socks

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        host, port = self.origin.host, self.origin.port
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(maxsize=64)
def parse_proxy(proxy: Proxy) -> ProxyAddress:
    """Parse a proxy's URL; raise `InvalidRequest` if it is not usable."""
    try:
        parts = urlsplit(proxy.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequest(f"bad host or port in the proxy URL {show_url(proxy.url)!r}") from None
    scheme = parts.scheme.lower()
    if scheme not in _PROXY_PORTS or not host:
        raise InvalidRequest("a proxy URL is http, https, socks5 or socks5h://host:port")
    username = proxy.username
    password = proxy.password
    if username is None and "@" in parts.netloc:
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
    authorization = None
    if username is not None and not scheme.startswith("socks"):
        authorization = encode_basic(username, password or "")
    return ProxyAddress(
        scheme, ascii_host(host), port or _PROXY_PORTS[scheme], username, password, authorization
    )


class _Exception(NamedTuple):
    """One entry of `Proxy.no_proxy`: a network, or a domain ("": all); a port or all."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None
    domain: str
    port: int | None


# [address], name, address or network; and a port, unless the colon is an IPv6 address's.
_NO_PROXY = pattern_later(
    r"(?:\[([^\]]*)\]|([^:]*)|([^\[\]]*:[^\[\]]*:[^\[\]]*))(?::([0-9]{1,5}))?", globals()
)


@lru_cache(maxsize=64)
def parse_no_proxy(patterns: tuple[str, ...]) -> tuple[_Exception, ...]:
    """Parse `Proxy.no_proxy`; raise `InvalidRequest` for an invalid entry."""
    if isinstance(patterns, str):
        raise InvalidRequest("no_proxy is a tuple of hosts, not one string: split it at its commas")
    return tuple(_exception(entry.strip()) for entry in patterns if entry.strip())


def _exception(entry: str) -> _Exception:
    match = _NO_PROXY.fullmatch(entry)
    if match is None:
        raise InvalidRequest(f"no_proxy entry {entry!r} is no host, address or network")
    host = match[1] or match[2] or match[3] or ""
    port = None if match[4] is None else int(match[4])
    if host == "*":
        return _Exception(None, "", port)
    try:
        return _Exception(ipaddress.ip_network(host, strict=False), "", port)
    except ValueError:
        if "/" in host or match[2] is None:
            raise InvalidRequest(f"no_proxy entry {entry!r} is no address or network") from None
    domain = host.removeprefix("*").lstrip(".")
    return _Exception(None, ascii_host(domain), port)


def bypasses(proxy: Proxy, host: str, port: int | None = None) -> bool:
    """Whether `host` (and `port`) is reached directly in spite of the proxy (`Proxy.no_proxy`)."""
    exceptions = parse_no_proxy(proxy.no_proxy)
    if not exceptions:
        return False
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
    try:
        address = ipaddress.ip_address(host)
        address = getattr(address, "ipv4_mapped", None) or address
    except ValueError:
        address = None
    for each in exceptions:
        if each.port is not None and each.port != port:
            continue
        if each.network is not None:
            if address is not None and address in each.network:
                return True
        elif not each.domain or host == each.domain:
            return True
        elif address is None and host.endswith("." + each.domain):
            return True
    return False
