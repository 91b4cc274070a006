"""Listening sockets and the accept loop.

Knows sockets, trio and `SocketStream`. Must not know HTTP or what is served.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import trio

from .._util.system import share_port, unix_family
from ..errors import StreamClosedError
from .addresses import DEFAULT_BACKLOG, address_error, check_port, unknown_host
from .socket_stream import SocketStream, without_nagle
from .stream import Stream

logger = logging.getLogger("tornado_trio.net")

# Connections taken in one go before other tasks get their turn.
_ACCEPTS_PER_TURN = 64
# Out of descriptors or memory: the connection stays in the kernel's queue, so trying again
# at once would spin. Some connection will be closed before long.
EXHAUSTED = frozenset(getattr(errno, name) for name in ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"))
EXHAUSTED_PAUSE = 0.1
EXHAUSTED_LOG_EVERY = 10.0
# accept(2): these are about the one connection (or its network), not about the listener.
_ONE_CONNECTION = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED", "EPERM", "EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN",
        "ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "EINTR",
    )
    if hasattr(errno, name)
)  # fmt: skip


class Listener(Protocol):
    """Accepts connections: `SocketListener`, `memory.MemoryListener`."""

    closed: bool

    @property
    def address(self) -> Any:
        """Where it listens, as the socket module gives it: (host, port, ...), or a path."""

    def accept_nowait(self) -> Stream | None:
        """A connection that is waiting, or None."""

    async def wait_acceptable(self) -> None:
        """Wait until there may be one. trio.ClosedResourceError: closed meanwhile."""

    def close(self) -> None:
        """Stop listening. Idempotent."""


class SocketListener:
    """A listening TCP or Unix socket; owns it.

    Nagle's algorithm is switched off, which most systems have its connections inherit.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.closed = False
        self._fd = sock.fileno()
        self._unix = sock.family == getattr(socket, "AF_UNIX", None)
        self._address = sock.getsockname()
        self._accept = _accept_of(sock)
        self._inherited = self._unix
        if not self._unix:
            without_nagle(sock)

    def __repr__(self) -> str:
        return f"<SocketListener {self._address!r}{' closed' if self.closed else ''}>"

    @property
    def address(self) -> Any:
        return self._address

    def accept_nowait(self) -> SocketStream | None:
        """A connection that is waiting, or None. Errors as accept(2)."""
        if self.closed:
            raise trio.ClosedResourceError
        try:
            sock, remote = self._accept()
        except BlockingIOError:
            return None
        sock.setblocking(False)
        if not self._inherited:
            self._inherited = without_nagle(sock)
        local = self._address if self._unix else None
        return SocketStream(sock, local_address=local, remote_address=remote, prepared=True)

    async def wait_acceptable(self) -> None:
        """Wait until `accept_nowait` may have one. trio.ClosedResourceError: closed meanwhile."""
        if self.closed:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_readable(self._fd)

    async def accept(self) -> SocketStream:
        """The next connection. Errors as accept(2)."""
        while (stream := self.accept_nowait()) is None:
            await self.wait_acceptable()
        return stream

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self.closed:
            return
        self.closed = True
        try:
            trio.lowlevel.notify_closing(self._fd)
        except RuntimeError:
            pass  # no trio run in this thread, so nothing waits
        self.socket.close()


def _accept_of(listening: socket.socket) -> Callable[[], tuple[socket.socket, Any]]:
    """`listening.accept`, without what is the same each time: it makes enumeration members of the
    family and the type for each connection, half of what accepting cost (10 k instructions)."""
    accept = getattr(listening, "_accept", None)
    if accept is None or type(listening).accept is not socket.socket.accept:
        return listening.accept  # another Python's, or a program's own
    family, kind, proto = int(listening.family), int(listening.type), listening.proto

    def accepted() -> tuple[socket.socket, Any]:
        fd, remote = accept()
        return socket.socket(family, kind, proto, fileno=fd), remote

    return accepted


async def accept_loop(listener: Listener, start: Callable[[Stream], object]) -> None:
    """Call `start` with each connection, until the listener is closed or this is cancelled.

    `start` must not block: it starts the connection's task. Survives running out of
    descriptors (pauses, logs now and then) and connections that die while being accepted.
    """
    next_log = 0.0
    while True:
        try:
            for _ in range(_ACCEPTS_PER_TURN):
                stream = listener.accept_nowait()
                if stream is None:
                    await listener.wait_acceptable()
                    break
                start(stream)
            else:
                await trio.lowlevel.checkpoint()
        except trio.ClosedResourceError:
            return
        except OSError as exc:
            if exc.errno in EXHAUSTED:
                now = trio.current_time()
                if now >= next_log:
                    next_log = now + EXHAUSTED_LOG_EVERY
                    logger.error("accept on %r: %s; waiting for better times", listener, exc)
                await trio.sleep(EXHAUSTED_PAUSE)
            elif exc.errno not in _ONE_CONNECTION:
                raise


async def serve_listeners(
    handler: Callable[[Stream], Awaitable[object]],
    listeners: Sequence[Listener],
    *,
    handler_nursery: trio.Nursery | None = None,
    task_status: trio.TaskStatus[Sequence[Listener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept on all `listeners`, a task with `handler(stream)` per connection.

    The stream is closed when its handler returns; a `StreamClosedError` raised by a handler is
    caused by the peer and ends only that connection. Any other exception is the program's, and
    propagates, as in `trio.serve_listeners`.

    Args:
      handler_nursery: owner of the connection tasks; by default they end with this call.

    Cancellation: accepting stops, the listeners are closed.
    """

    async def connection(stream: Stream) -> None:
        try:
            await handler(stream)
        except StreamClosedError:
            logger.debug("connection of %s broke", stream.remote_address)
        finally:
            stream.close()

    async with trio.open_nursery() as accepting:
        owner = handler_nursery or accepting
        try:
            for listener in listeners:
                accepting.start_soon(
                    accept_loop, listener, lambda stream: owner.start_soon(connection, stream)
                )
            task_status.started(listeners)
            await trio.sleep_forever()
        finally:
            close_all(listeners)


def close_all(listeners: Iterable[Listener]) -> None:
    """Close every listener."""
    for listener in listeners:
        listener.close()


# --- opening ---------------------------------------------------------------------


def bind_tcp_sockets(
    port: int,
    host: str | None = None,
    *,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    backlog: int = DEFAULT_BACKLOG,
    flags: int | None = None,
    reuse_port: bool = False,
) -> list[socket.socket]:
    """Listening sockets, one per address of `host` (None or "": every interface).

    With port 0 all of them get the same free port.

    Raises:
      OSError: of bind(2), naming the address; socket.gaierror: `host` is not known.
      ValueError: there is no such port.
    """
    port = check_port(port)
    if not host:
        host = None
    if not socket.has_ipv6 and family == socket.AF_UNSPEC:
        # A Python without IPv6 may still get IPv6 addresses, and fail to bind them.
        family = socket.AF_INET
    try:
        found = socket.getaddrinfo(
            host, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE if flags is None else flags
        )
    except socket.gaierror as exc:
        raise unknown_host(exc, host, port) from None
    sockets: list[socket.socket] = []
    shared_port: int | None = None
    seen: set[Any] = set()
    try:
        # IPv4 first: on Linux, macOS and BSD the order does not matter (IPV6_V6ONLY is set),
        # but addresses are then listed in the order people expect.
        for af, kind, proto, _name, address in sorted(found, key=lambda entry: entry[0]):
            if _skip_address(af, host, address) or (af, address) in seen:
                continue
            seen.add((af, address))
            wanted = (address[0], address[1] or shared_port or 0, *address[2:])
            optional = host == "localhost" and bool(sockets)
            sock = _bound(af, kind, proto, wanted, reuse_port, optional=optional)
            if sock is None:
                continue
            sockets.append(sock)
            shared_port = shared_port or sock.getsockname()[1]
            try:
                sock.listen(backlog)
            except OSError as exc:  # with SO_REUSEADDR Linux tells here that the port is in use
                raise address_error(exc.errno or 0, sock.getsockname()) from None
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bound(
    family: int, kind: int, proto: int, address: Any, reuse_port: bool, *, optional: bool
) -> socket.socket | None:
    """A socket bound to `address`; None where the system cannot, and need not."""
    try:
        sock = socket.socket(family, kind, proto)
    except OSError as exc:
        if exc.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        _prepare(sock, reuse_port)
        try:
            sock.bind(address)
        except OSError as exc:
            if exc.errno == errno.EADDRNOTAVAIL and optional:
                # Containers often name ::1 in /etc/hosts without having it.
                sock.close()
                return None
            raise address_error(exc.errno or 0, address[:2]) from None
    except BaseException:
        sock.close()
        raise
    return sock


def _skip_address(family: int, host: str | None, address: Any) -> bool:
    # macOS gives "localhost" a second, link-local address that only looks like one.
    return (
        sys.platform == "darwin"
        and host == "localhost"
        and family == socket.AF_INET6
        and bool(address[3])
    )


def _prepare(sock: socket.socket, reuse_port: bool) -> None:
    sock.setblocking(False)
    if os.name != "nt":
        # On Windows SO_REUSEADDR lets another process steal the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        share_port(sock)
    if sock.family == socket.AF_INET6 and hasattr(socket, "IPPROTO_IPV6"):
        # Otherwise the IPv6 socket takes the IPv4 port too, and binding that one fails.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def bind_unix_socket(
    path: str, *, mode: int = 0o600, backlog: int = DEFAULT_BACKLOG
) -> socket.socket:
    """A listening Unix socket. A stale socket file is replaced; any other file is an error.

    A path that starts with NUL is in Linux's abstract namespace and has no file.

    Raises:
      OSError: of bind(2) and chmod(2), naming the path; ValueError: another file is there.
    """
    sock = socket.socket(unix_family(), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if path.startswith("\0"):
            sock.bind(path)
        else:
            try:
                if stat.S_ISSOCK(os.stat(path).st_mode):
                    os.remove(path)
                else:
                    raise ValueError(f"File {path} exists and is not a socket")
            except FileNotFoundError:
                pass  # the usual case
            sock.bind(path)
            os.chmod(path, mode)
        sock.listen(backlog)
    except OSError as exc:
        sock.close()
        if exc.errno is None:  # too long a path, found before the system was asked
            raise OSError(f"{exc}: {path}") from None
        raise address_error(exc.errno, path) from None
    except BaseException:
        sock.close()
        raise
    return sock


def open_tcp_listeners(
    port: int,
    host: str | None = None,
    *,
    backlog: int = DEFAULT_BACKLOG,
    reuse_port: bool = False,
) -> list[SocketListener]:
    """`bind_tcp_sockets`, as listeners."""
    sockets = bind_tcp_sockets(port, host, backlog=backlog, reuse_port=reuse_port)
    return [SocketListener(sock) for sock in sockets]


def open_unix_listener(
    path: str, *, mode: int = 0o600, backlog: int = DEFAULT_BACKLOG
) -> SocketListener:
    """`bind_unix_socket`, as a listener."""
    return SocketListener(bind_unix_socket(path, mode=mode, backlog=backlog))


def listener_from_fd(fd: int) -> SocketListener:
    """A listener over an inherited descriptor, which it owns from now on."""
    return SocketListener(socket.socket(fileno=fd))
