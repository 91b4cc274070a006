"""The inspection address: parsing it, and serving it next to a service.

Knows listeners and the server. Must not know settings, workers, or what is shown.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from ..net.listeners import SocketListener, bind_tcp_sockets
from ..server.hosting import current_host
from ..server.serve import serve
from ..web.application import Application
from .pages import Guard, routes
from .sources import Source

__all__ = ["bind", "parse_address", "serve_pages"]


def parse_address(text: str, token: str | None) -> tuple[str, int]:
    """Host and port of "127.0.0.1:9200", "localhost:9200", "[::1]:9200", ":9200" or "9200".

    Without a host it is 127.0.0.1.

    Raises:
        ValueError: the address is invalid, or reachable by other hosts without a token.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError("it is no address: give HOST:PORT, such as 127.0.0.1:9200")
    if token is None and not _loopback(host):
        raise ValueError(
            f"others reach {host}: listen on 127.0.0.1, or set a token (inspect_token)"
        )
    return host, int(port)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(text: str, token: str | None) -> list[socket.socket]:
    """Listening sockets for that address. ValueError as `parse_address`; OSError: it cannot
    listen."""
    host, port = parse_address(text, token)
    return bind_tcp_sockets(port, host)


async def serve_pages(
    source: Source, sockets: Sequence[socket.socket], token: str | None = None
) -> None:
    """Serve the page, metrics and tree of `source` until cancelled."""
    current_host.set(None)  # not part of the service: neither counted nor drained with it
    application = Application(routes(source, Guard(token)), log_function=_quiet)
    listeners = [SocketListener(sock) for sock in sockets]
    await serve(application, listeners=listeners, grace=0.0)


def _quiet(handler: Any) -> None:
    """Pages that ask each second would drown the access log."""
