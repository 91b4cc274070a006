"""Ports and socket addresses: checking and formatting. No I/O."""

from __future__ import annotations

import operator
import os
import socket
from typing import Any

__all__ = ["DEFAULT_BACKLOG", "address_error", "check_port", "show_address", "unknown_host"]

DEFAULT_BACKLOG = 128

_MAX_PORT = 65535


def check_port(port: Any) -> Any:
    """`port` in a form safe for getaddrinfo: an int, digits as an int, or a service name.

    The C library would silently take 80000 for 14464.

    Raises:
      ValueError: it is not between 0 and 65535.
      TypeError: it is not a port at all.
    """
    if isinstance(port, str) and port.strip().removeprefix("-").isdigit():
        port = int(port)
    if isinstance(port, str):
        return port
    try:
        port = operator.index(port)
    except TypeError:
        raise TypeError(f"a port is a number from 0 to {_MAX_PORT}, not {port!r}") from None
    if not 0 <= port <= _MAX_PORT:
        raise ValueError(f"port {port} is not between 0 and {_MAX_PORT}")
    return port


def show_address(address: Any) -> str:
    """`address`, as the socket module gives it, in its usual notation: "[::1]:80",
    "/run/a.sock"."""
    if not isinstance(address, tuple):
        return os.fsdecode(address) if isinstance(address, bytes) else str(address)
    host, port = address[:2]
    if not host:
        host = "*"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address_error(code: int, address: Any) -> OSError:
    """The OSError of errno `code` (ConnectionRefusedError and so on) that names `address`."""
    return OSError(code, f"{os.strerror(code)}: {show_address(address)}")


def unknown_host(error: socket.gaierror, host: str | None, port: Any) -> socket.gaierror:
    """`error` of getaddrinfo together with the name, in one line."""
    return type(error)(error.errno, f"{error.strerror}: {show_address((host or '', port))}")
