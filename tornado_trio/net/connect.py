"""Opening client connections: TCP with happy eyeballs (RFC 8305), and Unix sockets.

Knows sockets, trio and `SocketStream`. Must not know TLS or HTTP.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from itertools import zip_longest
from typing import Any

import idna
import trio

from .._util.system import unix_family
from .._util.threads import LOOKUPS
from .addresses import address_error, check_port, unknown_host
from .socket_stream import SocketStream

#: (address family, socket address) pairs, as `socket.connect` wants them.
Addresses = list[tuple[int, Any]]
Resolve = Callable[[str, int, int], Awaitable[Addresses]]

# RFC 8305 section 5 recommends 250 ms between attempts.
HAPPY_EYEBALLS_DELAY = 0.25


async def resolve(host: str, port: int, family: int = socket.AF_UNSPEC) -> Addresses:
    """The addresses of `host`, by the system's resolver in a separate pool of worker threads, or by
    the one of `trio.socket.set_custom_hostname_resolver`.

    Raises:
      socket.gaierror: the name is not known.
      UnicodeError: it is not a valid name.
    """
    name = _encoded(host)
    try:
        # An IP address needs no name resolution, so no thread.
        found: list[Any] = socket.getaddrinfo(
            name, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST
        )
        await trio.lowlevel.checkpoint()
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            raise
        if _has_custom_resolver():
            found = await trio.socket.getaddrinfo(name, port, family, socket.SOCK_STREAM)
        else:
            found = await LOOKUPS.run(
                lambda: socket.getaddrinfo(name, port, family, socket.SOCK_STREAM),
                abandon_on_cancel=True,
            )
    return [(int(entry[0]), entry[4]) for entry in found]


def _encoded(host: str) -> bytes:
    """As DNS wants it: IDNA 2008 (socket's own `idna` codec knows 2003 only)."""
    return host.encode("ascii") if host.isascii() else idna.encode(host, uts46=True)


def _has_custom_resolver() -> bool:
    """trio tells which resolver it has only when it is given another."""
    resolver = trio.socket.set_custom_hostname_resolver(None)
    if resolver is not None:
        trio.socket.set_custom_hostname_resolver(resolver)
    return resolver is not None


async def open_tcp_stream(
    host: str,
    port: int,
    *,
    family: int = socket.AF_UNSPEC,
    source_address: tuple[str, int] | None = None,
    happy_eyeballs_delay: float = HAPPY_EYEBALLS_DELAY,
    resolver: Resolve = resolve,
) -> SocketStream:
    """Connect to `host`:`port`, trying its addresses with a staggered start.

    Raises:
      socket.gaierror: the name is not known.
      OSError: no address could be reached; the first one's error, with notes about the others.
      ValueError: there is no such port.
    Cancellation: every attempt is closed.
    """
    port = check_port(port)
    try:
        addresses = interleave(await resolver(host, port, family))
    except socket.gaierror as exc:
        raise unknown_host(exc, host, port) from None
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, f"{host} has no addresses")
    sock, address = await connect_first(addresses, source_address, happy_eyeballs_delay)
    return SocketStream(sock, remote_address=address)


async def open_unix_stream(path: str) -> SocketStream:
    """Connect to the Unix socket at `path`. Errors as connect(2). Cancellation: it is closed."""
    sock = await _connect(unix_family(), path, None)
    return SocketStream(sock, remote_address=path)


def interleave(addresses: Iterable[tuple[int, Any]]) -> Addresses:
    """The same addresses, families alternating, in the order given within each family."""
    families: dict[int, Addresses] = {}
    for family, address in addresses:
        families.setdefault(family, []).append((family, address))
    rounds = zip_longest(*families.values())
    return [entry for entries in rounds for entry in entries if entry is not None]


async def connect_first(
    addresses: Addresses,
    source_address: tuple[str, int] | None = None,
    delay: float = HAPPY_EYEBALLS_DELAY,
) -> tuple[socket.socket, Any]:
    """A socket connected to the first of `addresses` that answers, and that address.

    An attempt that fails starts the next one at once.
    """
    if len(addresses) == 1:  # the common case: no nursery
        family, address = addresses[0]
        return await _connect(family, address, source_address), address
    errors: list[OSError] = []
    winner: list[tuple[socket.socket, Any]] = []

    async def attempt(family: int, address: Any, failed: trio.Event) -> None:
        try:
            sock = await _connect(family, address, source_address)
        except OSError as exc:
            errors.append(exc)
            failed.set()
            return
        if winner:
            sock.close()
        else:
            winner.append((sock, address))
            nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for family, address in addresses:
                failed = trio.Event()
                nursery.start_soon(attempt, family, address, failed)
                with trio.move_on_after(delay):
                    await failed.wait()
    except BaseException:
        if winner:
            winner[0][0].close()
        raise
    if winner:
        return winner[0]
    for other in errors[1:]:
        errors[0].add_note(f"also tried: {other}")
    raise errors[0]


async def _connect(
    family: int, address: Any, source_address: tuple[str, int] | None
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if source_address is not None:
            sock.bind(source_address)
        code = sock.connect_ex(address)
        if code == errno.EINPROGRESS or code == errno.EWOULDBLOCK and os.name == "nt":
            await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        else:
            await trio.lowlevel.checkpoint()
        if code:
            raise address_error(code, address)
    except BaseException:
        sock.close()
        raise
    return sock
