"""Which way leads to an origin: direct, by proxy, through a Unix socket. Pure.

Connections are shared by `Route`: two requests with the same route may use the same one.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ..net import Stream
from .errors import InvalidRequest
from .options import Proxy
from .targets import Origin, ascii_host, encode_basic

#: Opens a stream to a host and port instead of TCP (an in-memory network, a tunnel).
Dial = Callable[[str, int], Awaitable[Stream]]
#: `net.connect.Resolve`.
Resolver = Callable[[str, int, int], Awaitable[list[tuple[int, Any]]]]

_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class ProxyAddress(NamedTuple):
    """A proxy taken apart. `authorization` is a Basic value for http proxies."""

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None
    authorization: str | None

    @property
    def socks(self) -> bool:
        """SOCKS5 and not HTTP."""
        return self.scheme.startswith("socks")


class Route(NamedTuple):
    """How to connect for an origin, and therefore who may share the connection.

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
        """Requests are handed to an http proxy in absolute form, not tunnelled."""
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
    """Take a proxy's URL apart; raise `InvalidRequest` if it is of no use."""
    try:
        parts = urlsplit(proxy.url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(f"bad proxy URL: {error}") from error
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


def bypasses(proxy: Proxy, host: str) -> bool:
    """Whether `host` is reached directly in spite of the proxy (`Proxy.no_proxy`)."""
    for pattern in proxy.no_proxy:
        suffix = pattern.lower().lstrip(".")
        if pattern == "*" or host == suffix or host.endswith("." + suffix):
            return True
    return False
