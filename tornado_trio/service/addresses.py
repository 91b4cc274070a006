"""Where a service listens: opening its sockets, showing its addresses, finding what occupies a
port.

Knows `Settings`, sockets and Linux's /proc. Must not know what is served.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from typing import Any

from .._util.troubles import Trouble
from ..net.addresses import show_address
from ..net.listeners import bind_tcp_sockets, bind_unix_socket
from ..net.systemd import inherited_sockets
from .errors import CannotStart
from .settings import DEFAULT_PORT, PREFIX, Settings

__all__ = ["owner_of_port", "service_sockets", "tcp_sockets", "unix_socket", "url_of"]

LOOPBACK = "127.0.0.1"
# Connections that arrive at once, and those that wait while workers are replaced. The kernel
# takes the least of this and its own bound (4096 on Linux).
BACKLOG = 2048


def service_sockets(
    settings: Settings, port: int | None = None, host: str | None = None
) -> list[socket.socket]:
    """The listening sockets of a service: the operator's choice, else the arguments of `serve`.

    Sockets that the service manager opened (LISTEN_FDS) are the operator's choice, too.

    Raises:
        CannotStart: it cannot listen there; names the process that does, if that can be found out.
    """
    if settings.fd is not None:
        return [_inherited(settings.fd)]
    if settings.unix is not None:
        return [unix_socket(settings.unix)]
    if settings.has_address:
        chosen = settings.port if settings.port is not None else port
        wanted = settings.host if settings.host is not None else (host or LOOPBACK)
        return tcp_sockets(DEFAULT_PORT if chosen is None else chosen, wanted)
    try:
        passed = [sock for group in inherited_sockets().values() for sock in group]
    except (ValueError, OSError) as error:
        raise CannotStart(f"the sockets of LISTEN_FDS cannot be used: {error}") from None
    if passed:
        return passed
    if port is None:
        return tcp_sockets(DEFAULT_PORT, LOOPBACK if host is None else host)
    return tcp_sockets(port, host)


def tcp_sockets(port: int, host: str | None) -> list[socket.socket]:
    """`bind_tcp_sockets` whose errors are `CannotStart`."""
    try:
        return bind_tcp_sockets(port, host, backlog=BACKLOG)
    except (OSError, ValueError) as error:
        raise CannotStart(_explanation(error, port)) from None


def unix_socket(path: str, mode: int = 0o600) -> socket.socket:
    """`bind_unix_socket` whose errors are `CannotStart`."""
    if not hasattr(socket, "AF_UNIX"):
        raise CannotStart("there are no Unix sockets on this system; choose a port", 2)
    try:
        return bind_unix_socket(path, mode=mode, backlog=BACKLOG)
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot listen: {_strerror(error)}") from None


def _inherited(fd: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=os.dup(fd))
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise CannotStart(f"descriptor {fd} is no socket to listen on: {reason}") from None
    sock.setblocking(False)
    return sock


def _strerror(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error)


def _explanation(error: Exception, port: int) -> str:
    code = getattr(error, "errno", None)
    text = f"cannot listen: {_strerror(error)}"
    if code == errno.EADDRINUSE:
        owner = owner_of_port(port)
        taken = f", by {owner}" if owner else ""
        return (
            f"{text}{taken}; choose another with --port or {PREFIX}PORT=NUMBER "
            f"{Trouble.PORT_IN_USE}"
        )
    if code == errno.EACCES:
        return f"{text}; ports below 1024 need a privilege, choose another with --port"
    return text


# --- who has the port ---------------------------------------------------------------------


def owner_of_port(port: int, proc: str = "/proc") -> str | None:
    """The process that listens on a TCP port, as "pid 7 (nginx: master)"; None: unknown.

    Other users' processes hide their descriptors, and only Linux has such files.
    """
    inodes = set(_listening_inodes(port, proc))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in filter(str.isdigit, _names(proc)):
        folder = f"{proc}/{pid}/fd"
        for fd in _names(folder):
            try:
                found = os.readlink(f"{folder}/{fd}") in wanted
            except OSError:
                continue  # closed meanwhile
            if found:
                return f"pid {pid}{_command(pid, proc)}"
    return None


def _listening_inodes(port: int, proc: str) -> Iterable[str]:
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{proc}/net/{name}") as table:
                rows = [line.split() for line in table.readlines()[1:]]
        except OSError:
            continue
        for row in rows:
            # proc(5): local address as hexadecimal "address:port", state (0A: LISTEN), inode.
            if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port:
                yield row[9]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []  # another user's process, or gone


def _command(pid: str, proc: str) -> str:
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""
    printable = "".join(char if char.isprintable() else "?" for char in words)
    return f" ({printable[:80]})" if printable else ""


# --- showing ------------------------------------------------------------------------------


def url_of(address: Any, tls: bool) -> str:
    """An address, as the socket module gives it, as a URL for browsers."""
    if not isinstance(address, tuple):
        path = show_address(address)
        return f"unix:{path}" if not path.startswith("\0") else f"unix:@{path[1:]}"
    scheme = "https" if tls else "http"
    host, port = address[:2]
    if host in ("0.0.0.0", "::"):
        return f"{scheme}://{show_address((host, port))} (every interface)"
    return f"{scheme}://{show_address((host, port))}"
