"""From the arguments of an `HTTPRequest` to a route of the native client.

Requests that agree in everything that matters for connecting get equal routes, and so
share connections; SSL contexts are made once per set of arguments.
"""

from __future__ import annotations

import socket
import ssl
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from tornado._impl.generation import before
from tornado.netutil import (
    DefaultExecutorResolver,
    DefaultLoopResolver,
    is_valid_ip,
    ssl_options_to_context,
)
from tornado.tcpclient import TCPClient

from tornado_trio.client.options import Proxy
from tornado_trio.client.routes import Dial, Route
from tornado_trio.client.routes import Resolver as NativeResolver
from tornado_trio.client.targets import Origin
from tornado_trio.net import SocketStream, Stream

_MAX_KEPT = 256  # routes and contexts remembered; more start afresh


class Routes:
    """The routes of one client."""

    def __init__(self, client: Any) -> None:
        # The system's resolver natively: the same answers, without a Future per address.
        ours = type(client.resolver) in (DefaultExecutorResolver, DefaultLoopResolver)
        self._resolver: NativeResolver | None = None if ours else _asking(client.resolver)
        self._spelled: dict[str, NativeResolver] = {}
        self._plain: dict[tuple[Origin, Any, Any], Route] = {}
        self._dialling: tuple[Any, dict[str, Any], Dial] | None = None
        self._client = client
        self._contexts: dict[Any, ssl.SSLContext] = {}

    def find(self, request: Any, origin: Origin, tcp_client: Any = None) -> Route:
        """The route for `request`. Raises ValueError, and OSError for unreadable files.

        A `tcp_client` of the program's own making is asked to connect.
        """
        if tcp_client is not None and _connects_its_own_way(tcp_client):
            dial = self._dial(tcp_client, request)
            return self._make(request, origin)._replace(dial=dial)
        special = (
            request.network_interface,
            request.proxy_host,
            request.ssl_options,
            request.ca_certs,
            request.client_key,
            request.client_cert,
            request.validate_cert,
        )
        if special == _NOTHING_SPECIAL:
            key = (origin, request.allow_ipv6, self._resolver_for(request, origin))
            route = self._plain.get(key)
            if route is None:
                if len(self._plain) >= _MAX_KEPT:
                    self._plain.clear()
                route = self._plain[key] = self._make(request, origin)
            return route
        return self._make(request, origin)

    def _make(self, request: Any, origin: Origin) -> Route:
        interface = request.network_interface
        source = None
        if interface:
            if not is_valid_ip(interface):
                raise ValueError(
                    f"Unrecognized IPv4 or IPv6 address for network_interface, got {interface!r}"
                )
            source = (interface, 0)
        family = socket.AF_INET if request.allow_ipv6 is False else socket.AF_UNSPEC
        return Route(
            origin,
            proxy=_proxy(request),
            context=self._context(request) if origin.scheme == "https" else None,
            family=int(family),
            source_address=source,
            resolver=self._resolver_for(request, origin),
        )

    def _resolver_for(self, request: Any, origin: Origin) -> NativeResolver | None:
        """The program's resolver, to be asked for the host as the URL spells it.

        Origins are in lower case; but a resolver may read something else out of a host, like
        the path of a unix socket. The same function for the same spelling, as for `_dial`.
        """
        ask = self._resolver
        if ask is None:
            return None
        host = host_field(request.url)[: len(origin.host)]
        if host == origin.host or host.lower() != origin.host:
            return ask
        known = self._spelled.get(host)
        if known is None:
            if len(self._spelled) >= _MAX_KEPT:
                self._spelled.clear()
            known = self._spelled[host] = _spelling(ask, host)
        return known

    def _dial(self, tcp_client: Any, request: Any) -> Dial:
        """The same function for the same object: it is a part of what routes are compared by."""
        options: dict[str, Any] = {
            "af": socket.AF_INET if request.allow_ipv6 is False else socket.AF_UNSPEC,
            "ssl_options": None,  # TLS, if any, is made here
            "max_buffer_size": getattr(self._client, "max_buffer_size", None),
        }
        if not before(5):
            options["source_ip"] = request.network_interface
        if self._dialling is None or self._dialling[:2] != (tcp_client, options):

            async def dial(host: str, port: int) -> Stream:
                stream = await tcp_client.connect(host, port, **options)
                # Nothing is left to be read of what was said until now, with a proxy say: the
                # socket can leave its IOStream by a second descriptor.
                sock = stream.socket.dup()
                stream.close()
                return SocketStream(sock, remote_address=sock.getpeername())

            self._dialling = (tcp_client, options, dial)
        return self._dialling[2]

    def _context(self, request: Any) -> ssl.SSLContext:
        options = request.ssl_options
        if isinstance(options, ssl.SSLContext):
            return options
        if options is not None:
            key: Any = tuple(sorted(options.items(), key=lambda item: item[0]))
        else:
            key = (
                request.ca_certs,
                request.validate_cert,
                request.client_key,
                request.client_cert,
            )
        try:
            context = self._contexts.get(key)
        except TypeError:  # unhashable values among the options
            return ssl_options_to_context(options, server_side=False)
        if context is None:
            if options is not None:
                context = ssl_options_to_context(options, server_side=False)
            else:
                context = _client_context(*key)
            if len(self._contexts) >= _MAX_KEPT:
                self._contexts.clear()
            self._contexts[key] = context
        return context


# network_interface, proxy_host, ssl_options, ca_certs, client_key, client_cert, validate_cert
_NOTHING_SPECIAL = (None, None, None, None, None, None, True)


_CONNECT = TCPClient.connect


def _connects_its_own_way(tcp_client: Any) -> bool:
    """Whether a program has replaced how a client connects: object, method or class method."""
    if type(tcp_client) is not TCPClient or TCPClient.connect is not _CONNECT:
        return True
    return "connect" in vars(tcp_client)


def _client_context(
    ca_certs: str | None, validate: bool, key: str | None, cert: str | None
) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_certs)
    if not validate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def _proxy(request: Any) -> Proxy | None:
    host, port = request.proxy_host, request.proxy_port
    if not host:
        return None
    if not port:
        raise ValueError("proxy_host needs a proxy_port")
    mode = request.proxy_auth_mode
    if mode not in (None, "basic"):
        raise ValueError(f"unsupported proxy_auth_mode {mode}")
    shown = f"[{host}]" if ":" in host else host
    url = host if "://" in host else f"http://{shown}"
    return Proxy(
        url=f"{url}:{int(port)}",
        username=request.proxy_username,
        password=request.proxy_password,
    )


def _asking(resolver: Any) -> NativeResolver:
    """A Tornado resolver as the native client asks one."""

    async def resolve(host: str, port: int, family: int) -> list[tuple[int, Any]]:
        found = await resolver.resolve(host, port, family)
        return [(int(address_family), address) for address_family, address in found]

    return resolve


def _spelling(ask: NativeResolver, spelled: str) -> NativeResolver:
    async def resolve(host: str, port: int, family: int) -> list[tuple[int, Any]]:
        return await ask(spelled if host == spelled.lower() else host, port, family)

    return resolve


@lru_cache(maxsize=1024)
def host_field(url: str) -> str:
    """The Host field for `url`: host and port as they are spelled there."""
    return urlsplit(url).netloc.rpartition("@")[2]


@lru_cache(maxsize=64)
def url_credentials(url: str) -> tuple[str, str] | None:
    """User name and password of `url`, as they are spelled there."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return parts.username, parts.password or ""
