"""Opening a route: resolve, connect, proxy handshake, TLS; each step names its phase.

Knows `net`, SOCKS and CONNECT. Must not know the pool or requests.
"""

from __future__ import annotations

import errno
import math
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .._util.late import later
from ..errors import HTTPOutputError, PeerError, StreamClosedError
from ..limits import RESPONSES, Limits
from ..net import SocketStream, Stream, open_tcp_stream, open_unix_stream
from ..net.connect import resolve
from ..wire.engines import engine_for
from ..wire.events import ResponseHead, Signal
from ..wire.headers import HTTPHeaders
from ..wire.http1 import ClientWire
from .deadlines import Deadlines
from .errors import ClientError, ConnectError, InvalidRequest, ProxyError
from .options import Proxy
from .routes import ProxyAddress, Route, parse_proxy
from .tls_layer import TlsLayer

if TYPE_CHECKING:
    from ..net import tls as net_tls
    from . import socks
else:
    net_tls = later("tornado_trio.net.tls", globals())
    socks = later("tornado_trio.client.socks", globals())

# A proxy's answer to CONNECT: generous for its head. A refusal may announce any body (most
# send a page), which is not read.
_CONNECT_LIMITS = Limits(max_head_size=16 * 1024, max_body_size=1 << 62)


async def open_route(route: Route, deadlines: Deadlines) -> Stream:
    """Open a stream that is ready for requests to `route.origin`.

    Runs until the connect deadline.
    Raises: `ConnectError` (`phase` says where), `ProxyError`, `RequestTimeout`;
      `InvalidRequest` for an invalid host name.
    Cancellation: nothing is left open.
    """
    deadlines.phase = "connect"
    deadlines.where = route.where
    at = deadlines.after(deadlines.timeouts.connect)
    try:
        return await deadlines.wait("connect", at, _open, route, deadlines)
    except ClientError:
        raise
    except (OSError, ssl.SSLError, ssl.CertificateError) as error:
        phase = deadlines.phase
        # Errors of `net` name the address: once is enough.
        message = str(error) if route.where in str(error) else f"{route.where}: {error}"
        if phase == "proxy":
            raise ProxyError(message, os_error=error) from None
        raise ConnectError(message, phase, error) from None
    except UnicodeError as error:
        # Of the resolver or of TLS: IDNA takes labels of 1 to 63 octets. Not looked for before:
        # a program's own `dial` or resolver may interpret a host as it likes.
        name = deadlines.where if deadlines.phase == "resolve" else route.where
        raise InvalidRequest(f"bad host name {name!r}: {error}") from None


async def _open(route: Route, deadlines: Deadlines) -> Stream:
    proxy = None if route.proxy is None else parse_proxy(route.proxy)
    if proxy is None:
        stream = await _connect(route, route.origin.host, route.origin.port, deadlines)
    else:
        stream = await _connect(route, proxy.host, proxy.port, deadlines)
    try:
        if proxy is not None:
            if proxy.scheme == "https":
                deadlines.phase = "tls"
                assert route.proxy is not None
                name = route.proxy.tls.server_hostname or proxy.host
                stream = await _encrypt(stream, _proxy_context(route.proxy), name)
            deadlines.phase = "proxy"
            if proxy.socks:
                await _socks(stream, route, proxy, deadlines)
            elif not route.forward:
                await _tunnel(stream, route, proxy)
        if route.context is not None:
            deadlines.phase = "tls"
            name = route.server_hostname or route.origin.host
            stream = await _encrypt(stream, route.context, name)
    except BaseException:
        stream.close()
        raise
    return stream


@lru_cache(maxsize=8)
def _proxy_context(proxy: Proxy) -> ssl.SSLContext:
    return proxy.tls.make_context()


async def _connect(route: Route, host: str, port: int, deadlines: Deadlines) -> Stream:
    if route.unix is not None:
        return await open_unix_stream(route.unix)
    if route.dial is not None:
        return await route.dial(host, port)
    return await open_tcp_stream(
        host,
        port,
        family=route.family,
        source_address=route.source_address,
        resolver=_Resolving(route, deadlines),
    )


class _Resolving:
    """The route's resolver, with the phase noted around it."""

    __slots__ = ("_deadlines", "_route")

    def __init__(self, route: Route, deadlines: Deadlines) -> None:
        self._route = route
        self._deadlines = deadlines

    async def __call__(self, host: str, port: int, family: int) -> list[tuple[int, Any]]:
        deadlines = self._deadlines
        before = deadlines.where
        deadlines.phase, deadlines.where = "resolve", host
        addresses = await (self._route.resolver or resolve)(host, port, family)
        deadlines.phase, deadlines.where = "connect", before
        return addresses


async def _encrypt(stream: Stream, context: ssl.SSLContext, name: str) -> Stream:
    # The kernel's socket under the stdlib's SSLSocket is the fast way; anything else (TLS
    # inside TLS, an in-memory network) goes through memory.
    if type(stream) is SocketStream:
        return await net_tls.start_tls(
            stream, context, server_hostname=name, handshake_timeout=math.inf
        )
    layer = TlsLayer(stream, context, server_hostname=name)
    await layer.handshake()
    return layer


async def _socks(stream: Stream, route: Route, proxy: ProxyAddress, deadlines: Deadlines) -> None:
    host, port = route.origin.host, route.origin.port
    if proxy.scheme == "socks5":
        found = await _Resolving(route, deadlines)(host, port, route.family)
        if not found:
            raise OSError(errno.EADDRNOTAVAIL, f"{host} has no addresses")
        deadlines.phase = "proxy"
        host = found[0][1][0]
    steps = socks.negotiate(host, port, proxy.username, proxy.password)
    ask = next(steps)
    while True:
        if ask.data:
            await stream.send_all(ask.data)
        try:
            answer = await stream.read_exactly(ask.read)
        except StreamClosedError as error:
            raise ProxyError(
                f"the SOCKS5 proxy hung up: {error}", os_error=_system_error(error)
            ) from None
        try:
            ask = steps.send(answer)
        except StopIteration:
            return


def _system_error(error: Exception) -> OSError | None:
    """What the transport said, where it broke a stream."""
    return error.__cause__ if isinstance(error.__cause__, OSError) else None


async def _tunnel(stream: Stream, route: Route, proxy: ProxyAddress) -> None:
    where = route.where
    headers = HTTPHeaders({"Host": where})
    if proxy.authorization is not None:
        headers["Proxy-Authorization"] = proxy.authorization
    assert route.proxy is not None
    for name, value in route.proxy.headers:
        headers[name] = value
    wire = engine_for(None, RESPONSES).client_wire(_CONNECT_LIMITS)
    try:
        await stream.send_all(wire.request_head("CONNECT", where, headers))
        head = await _connect_answer(stream, wire)
    except (StreamClosedError, PeerError, HTTPOutputError) as error:
        raise ProxyError(f"CONNECT {where}: {error}", os_error=_system_error(error)) from None
    line = head.start_line
    if not 200 <= line.code < 300:
        raise ProxyError(
            f"CONNECT {where}: the proxy answered {line.code} {line.reason}", line.code
        )
    if wire.take_rest():
        # In TLS and HTTP/1.1 the client speaks first: these bytes are an injection.
        raise ProxyError(f"CONNECT {where}: bytes after the proxy's answer")


async def _connect_answer(stream: Stream, wire: ClientWire) -> ResponseHead:
    while True:
        event = wire.next_event()
        if isinstance(event, ResponseHead):
            if not event.informational:
                return event
        elif event is Signal.NEED_DATA:
            wire.feed(await stream.read_some())
        else:
            raise StreamClosedError("the proxy hung up")
