"""The other end of a connection: what `request.connection.context` is.

Knows addresses, and the fields in which proxies state the client's address; reading those is done
by the native server.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Collection
from typing import Any

from tornado import httputil

from tornado_trio.server.forwarded import corrected_origin

__all__ = ["_HTTPRequestContext", "_ProxyAdapter"]

_INTERNET = (socket.AF_INET, socket.AF_INET6)


class _HTTPRequestContext:
    """The client of one connection: the same object for all of its requests.

    Behind proxies that are believed, `remote_ip` and `protocol` are those of the request under
    way. A server takes them by `_apply_xheaders`, which programs replace.

    Args:
      stream: the connection's; its socket tells what the address means.
      address: of the socket's other end.
      protocol: "http" or "https"; by default what the stream speaks.
      trusted_downstream: addresses of proxies to skip in X-Forwarded-For.
    """

    __module__ = "tornado.httpserver"

    def __init__(
        self,
        stream: Any,
        address: Any,
        protocol: str | None,
        trusted_downstream: Collection[str] | None = None,
    ) -> None:
        sock = stream.socket
        self.address = address
        self.address_family = None if sock is None else sock.family
        self.protocol = protocol or ("https" if isinstance(sock, ssl.SSLSocket) else "http")
        self.remote_ip = "0.0.0.0"  # what Tornado says of Unix sockets
        if self.address_family in _INTERNET and isinstance(address, tuple):
            self.remote_ip = address[0]
        self.trusted_downstream = set(trusted_downstream or ())
        self._orig_remote_ip, self._orig_protocol = self.remote_ip, self.protocol

    @classmethod
    def of(cls, native: Any) -> _HTTPRequestContext:
        """That of a connection which is served natively."""
        stream = native.stream
        remote_ip, protocol = native.client
        found = cls(stream, stream.remote_address, protocol, native.options.trusted_downstream)
        found.remote_ip = found._orig_remote_ip = remote_ip
        return found

    def __str__(self) -> str:
        if self.address_family in _INTERNET:
            return self.remote_ip
        return os.fsdecode(self.address) if isinstance(self.address, bytes) else str(self.address)

    def _apply_xheaders(self, headers: httputil.HTTPHeaders) -> None:
        """Take `remote_ip` and `protocol` from what a proxy says in these fields."""
        self.remote_ip, self.protocol = corrected_origin(
            headers, self.remote_ip, self.protocol, self.trusted_downstream
        )

    def _unapply_xheaders(self) -> None:
        """As before: what a proxy says holds for one request."""
        self.remote_ip, self.protocol = self._orig_remote_ip, self._orig_protocol


class _ProxyAdapter(httputil.HTTPMessageDelegate):
    """Has the context of a connection corrected for as long as a request is read."""

    __module__ = "tornado.httpserver"

    def __init__(self, delegate: httputil.HTTPMessageDelegate, request_conn: Any) -> None:
        self.connection = request_conn
        self.delegate = delegate

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        self.connection.context._apply_xheaders(headers)
        return self.delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self.delegate.data_received(chunk)

    def finish(self) -> None:
        self.delegate.finish()
        self._cleanup()

    def on_connection_close(self) -> None:
        self.delegate.on_connection_close()
        self._cleanup()

    def _cleanup(self) -> None:
        self.connection.context._unapply_xheaders()
