"""Byte streams over trio: sockets, TLS, memory; listeners and connecting. Knows no HTTP.

Names are imported on first use: programs that need only the buffers (as compat's streams do) do not
pay for TLS and the rest, some fifteen milliseconds.
"""

from typing import TYPE_CHECKING

from .._util.late import names_later

if TYPE_CHECKING:
    from .connect import open_tcp_stream, open_unix_stream
    from .listeners import (
        Listener,
        SocketListener,
        accept_loop,
        listener_from_fd,
        open_tcp_listeners,
        open_unix_listener,
        serve_listeners,
    )
    from .memory import MemoryListener, MemoryNetwork, MemoryStream, memory_stream_pair
    from .pipes import PipeStream
    from .proxy import ProxyProtocol
    from .socket_stream import SocketStream
    from .stream import Stream
    from .tls import TlsStream, open_tls_stream, start_tls
    from .tls_contexts import Certificate, ServerTls, client_context

_MODULES = {
    "connect": ("open_tcp_stream", "open_unix_stream"),
    "listeners": (
        "Listener",
        "SocketListener",
        "accept_loop",
        "listener_from_fd",
        "open_tcp_listeners",
        "open_unix_listener",
        "serve_listeners",
    ),
    "memory": ("MemoryListener", "MemoryNetwork", "MemoryStream", "memory_stream_pair"),
    "pipes": ("PipeStream",),
    "proxy": ("ProxyProtocol",),
    "socket_stream": ("SocketStream",),
    "stream": ("Stream",),
    "tls": ("TlsStream", "open_tls_stream", "start_tls"),
    "tls_contexts": ("Certificate", "ServerTls", "client_context"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Certificate",
    "Listener",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryStream",
    "PipeStream",
    "ProxyProtocol",
    "ServerTls",
    "SocketListener",
    "SocketStream",
    "Stream",
    "TlsStream",
    "accept_loop",
    "client_context",
    "listener_from_fd",
    "memory_stream_pair",
    "open_tcp_listeners",
    "open_tcp_stream",
    "open_tls_stream",
    "open_unix_listener",
    "open_unix_stream",
    "serve_listeners",
    "start_tls",
]

__getattr__, __dir__ = names_later(globals(), _HOMES)
