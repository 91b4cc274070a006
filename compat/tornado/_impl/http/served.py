"""What lasts as long as a connection that is served natively, as Tornado's programs know it.

`ServedConnection` is what `request.server_connection` is, and what `start_request` and
`on_close` are told; `LateTls` is how a server speaks TLS whose `ssl_options` may change.
"""

from __future__ import annotations

import os
import ssl
from typing import Any

import trio
from tornado._impl.http.server_stream import stream_of
from tornado.http1connection import HTTP1ServerConnection
from tornado.log import gen_log
from tornado.netutil import ssl_options_to_context

from tornado_trio.exchange import Cause
from tornado_trio.server.connection import Http1Connection

__all__ = ["LateTls", "ServedConnection"]

_FILES = ("certfile", "keyfile", "ca_certs")


class ServedConnection(HTTP1ServerConnection):
    """One for all requests of a connection. Made when a program asks for it.

    Its serving is native, so it cannot be started, only looked at and closed.
    """

    def __init__(self, native: Http1Connection, params: Any) -> None:
        self._native = native
        self.params = params

    @property
    def stream(self) -> Any:  # type: ignore[override]
        """The connection's stream; None once it was detached."""
        return stream_of(self._native)

    @property
    def context(self) -> Any:  # type: ignore[override]
        """Who is at the other end: `remote_ip`, `protocol`, `address`; of the request under way
        if there is one."""
        exchange = self._native.exchange
        return self._native if exchange is None else exchange.context

    def start_serving(self, delegate: Any) -> None:
        raise RuntimeError("this connection is being served")

    async def close(self) -> None:
        """Close the stream at once; the handler of a request under way is told."""
        close_native(self._native)

    async def drain(self, grace: float) -> bool:
        """The server drains its native connections itself."""
        raise RuntimeError("drain the HTTPServer")

    def __repr__(self) -> str:
        return f"<ServedConnection of {self._native!r}>"


def close_native(connection: Any) -> None:
    """Close a connection under its handler, who is told by `on_connection_close`."""
    connection.close()
    connection.on_disconnect(Cause.ABORTED, trio.ClosedResourceError("closed by the server"))


class LateTls:
    """The TLS context for a connection, by `ssl_options` as they are when it comes.

    A dict of options makes a context once, and again when it or one of its files changes: a
    certificate that was renewed is used, as Tornado does it, without a context per connection.
    """

    def __init__(self) -> None:
        self._made: ssl.SSLContext | None = None
        self._of: Any = None

    def context(self, options: Any) -> ssl.SSLContext | None:
        """None for no TLS. Errors: those of `ssl_options_to_context`, OSError, ssl.SSLError."""
        if options is None or isinstance(options, ssl.SSLContext):
            return options
        wanted = (dict(options), [_stamp(options.get(name)) for name in _FILES])
        if wanted != self._of:
            try:
                self._made = ssl_options_to_context(options, server_side=True)
            except (OSError, ssl.SSLError):
                if self._of is None or self._of[0] != wanted[0]:
                    raise
                # The files alone changed: half of a renewal, perhaps. The rest comes.
                gen_log.error("The new TLS certificate cannot be loaded", exc_info=True)
            self._of = wanted
        return self._made


def _stamp(path: Any) -> tuple[int, int] | None:
    """Changes when the file does."""
    if path is None:
        return None
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
