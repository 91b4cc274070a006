"""Byte streams over trio: sockets, TLS, memory; listeners and connecting. Knows no HTTP."""

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
