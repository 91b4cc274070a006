"""The protocols of service managers: inherited sockets (LISTEN_FDS), sd_notify.

Knows the environment and sockets. Used by systemd on Linux, and by others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from .listeners import SocketListener

_FIRST_FD = 3  # sd_listen_fds(3)


def inherited_sockets(
    environ: MutableMapping[str, str] = os.environ, *, forget: bool = True
) -> dict[str, list[socket.socket]]:
    """The sockets passed to this process, by name (`FileDescriptorName=`, or "unknown").

    Empty when there are none, or when they are meant for another process.

    Args:
      forget: remove the variables, so that child processes do not use them.

    Raises:
      ValueError: the variables are invalid.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    if forget:
        for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            environ.pop(variable, None)
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(count):
        fd = _FIRST_FD + index
        os.set_inheritable(fd, False)
        name = names[index] if index < len(names) and names[index] else "unknown"
        sockets.setdefault(name, []).append(socket.socket(fileno=fd))
    return sockets


def inherited_listeners(
    name: str | None = None, environ: MutableMapping[str, str] = os.environ
) -> list[SocketListener]:
    """Listeners over the inherited sockets called `name`, or over all of them.

    Sockets of other names stay open and can be taken by a later call.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    found: list[SocketListener] = []
    for other, sockets in inherited_sockets(environ, forget=False).items():
        for sock in sockets:
            if name is None or other == name:
                found.append(SocketListener(sock))
            else:
                sock.detach()  # the descriptor stays open
    return found


def notify(state: str, environ: MutableMapping[str, str] = os.environ) -> bool:
    """Notify the service manager, for example `READY=1`, `STOPPING=1`, `STATUS=...`.

    Returns: False if no notification was requested, or nothing receives it: never an error, since a
    service must not fail because its manager does not listen.
    """
    address = environ.get("NOTIFY_SOCKET")
    if not address or not hasattr(socket, "AF_UNIX"):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def watchdog_interval(environ: MutableMapping[str, str] = os.environ) -> float | None:
    """Seconds between the `WATCHDOG=1` notifications that the manager expects; None: it expects
    none.

    Half of its own limit, as sd_watchdog_enabled(3) recommends.
    """
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdigit() else None
