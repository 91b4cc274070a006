"""Options of the client, grouped by concern. Pure data; knows nothing of connections.

All are frozen and keyword-only. Times are seconds; `None` switches a bound off.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import InitVar, field
from typing import TYPE_CHECKING, Any

from .._util.records import dataclass
from ..limits import RESPONSES, check_amounts
from ..wire.engines import engine_for
from .targets import check_base, show_url

if TYPE_CHECKING:
    from ..net import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Limits on what the client holds and on what a server can make it hold."""

    #: Connections open or being opened, all origins together. Requests beyond it queue.
    max_connections: int = 100
    #: Connections to one origin (scheme, host, port and proxy).
    max_per_origin: int = 20
    #: Idle connections kept for reuse, all origins together.
    max_idle: int = 50
    #: Requests that may wait for a connection; one more fails at once.
    max_queued: int = 10_000
    #: Seconds an unused connection is kept. Below the 60 s and 75 s at which common
    #: servers hang up, so that we rarely race with them.
    idle_expiry: float = 50.0
    #: Bytes of a response's head (status line and fields). Tornado's bound.
    max_head_size: int = 64 * 1024
    #: Bytes of a response's body, after decoding. Tornado's bound.
    max_body_size: int | None = 100 * 1024 * 1024
    #: Fields of a response's head.
    max_fields: int = 256
    #: The former name of `max_head_size`, to set it by.
    max_header_size: InitVar[int | None] = None

    def __post_init__(self, max_header_size: int | None) -> None:
        check_amounts(self)
        if max_header_size is not None:
            object.__setattr__(self, "max_head_size", max_header_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTimeouts:
    """Deadlines, each for one phase; `RequestTimeout.limit` names the one that passed."""

    #: Waiting for a free connection when the limits are reached.
    queue: float | None = 20.0
    #: Name resolution, TCP, proxy and TLS handshakes together. Tornado's default.
    connect: float | None = 20.0
    #: From the request being sent until the response's head is complete.
    first_byte: float | None = 60.0
    #: Without a byte taken (sending the body) or given (receiving it).
    idle: float | None = 60.0
    #: From the call to the end of the body, redirects included. It bounds servers that
    #: trickle; pass None for streams that are meant to be endless.
    total: float | None = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Defaults for requests; each call may override them.

    ValueError for a `base_url` that is none.
    """

    #: Redirects are followed; False: they are the response.
    follow_redirects: bool = True
    #: Browsers allow 20; Tornado 5.
    max_redirects: int = 10
    #: Ask for compressed bodies and decode them.
    decompress: bool = True
    #: The User-Agent field; None for none.
    user_agent: str | None = "tornado_trio"
    #: Fields of every request that does not set them itself. Not shown: they may be secret.
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: What comes before a URL that has no scheme: "/things" of "https://api.example/v1" is
    #: "https://api.example/v1/things". None: URLs are whole.
    base_url: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.base_url is not None:
            check_base(self.base_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How servers are verified, and the client's own certificate."""

    #: Used as it is, instead of all below.
    context: ssl.SSLContext | None = None
    #: False accepts any certificate: for tests only.
    verify: bool = True
    #: PEM file of authorities to trust instead of the system's.
    ca_file: str | None = None
    #: PEM file with the client's certificate (chain).
    cert_file: str | None = None
    #: PEM file with its key; None: in `cert_file` too.
    key_file: str | None = None
    #: What the key is encrypted with.
    key_password: str | None = field(default=None, repr=False)
    #: Name to verify and to send as SNI instead of the URL's host.
    server_hostname: str | None = None

    def make_context(self) -> ssl.SSLContext:
        """A context for these options. Raises OSError or ssl.SSLError for unusable files."""
        if self.context is not None:
            return self.context
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file, self.key_password)
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """How to reach servers through a proxy.

    `url` is `http://host:port`, `https://host:port` (TLS to the proxy itself),
    `socks5://host:port` (names are resolved here) or `socks5h://host:port` (by the
    proxy). The URL may contain credentials. Plain http requests through an http proxy
    are forwarded; everything else is tunnelled (CONNECT).
    """

    #: Where the proxy is.
    url: str
    #: Credentials, instead of those in the URL.
    username: str | None = None
    #: Its password.
    password: str | None = None
    #: Additional fields of CONNECT and of forwarded requests.
    headers: tuple[tuple[str, str], ...] = ()
    #: What is reached directly: names ("example.com" and ".example.com" cover subdomains),
    #: addresses, networks ("10.0.0.0/8"), each with a port or for all; "*" is everything.
    no_proxy: tuple[str, ...] = ()
    #: Tunnel plain http requests too.
    tunnel: bool = False
    #: For https proxies: how the proxy itself is verified.
    tls: TlsOptions = TlsOptions()

    def __repr__(self) -> str:  # the other fields hold passwords too
        return f"<Proxy {show_url(self.url)}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How servers are reached."""

    #: How https servers are verified.
    tls: TlsOptions = TlsOptions()
    #: The proxy to go through; None: straight to the server.
    proxy: Proxy | None = None
    #: Path of a Unix socket that answers for every host (a container's daemon, a test).
    unix: str | None = None
    #: `async (host, port) -> Stream` instead of TCP: an in-memory network, a tunnel.
    dial: Callable[[str, int], Awaitable[Stream]] | None = None
    #: `async (host, port, family) -> [(family, address), ...]` instead of the system's.
    resolver: Callable[[str, int, int], Awaitable[list[tuple[int, Any]]]] | None = None
    #: socket.AF_INET or AF_INET6 to use one family only.
    family: int = 0
    #: Local (address, port) to connect from; port 0 for any.
    source_address: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """All options of a client in one object: for `open_client`.

    ValueError for an unknown `engine`.
    """

    #: Bounds on sizes and counts.
    limits: ClientLimits = ClientLimits()
    #: Deadlines.
    timeouts: ClientTimeouts = ClientTimeouts()
    #: How servers are reached.
    network: Network = Network()
    #: What calls do that do not say otherwise.
    policy: Policy = Policy()
    #: The implementation of HTTP/1.1: "own" or "h11"; None: the one that the environment
    #: variable TORNADO_TRIO_ENGINE names, or "own".
    engine: str | None = None

    def __post_init__(self) -> None:
        engine_for(self.engine, RESPONSES)
