"""The HTTP/1.1 server: connections as trio tasks, requests as exchanges."""

from ..exchange import CANCEL, FINISH, DisconnectPolicy, critical, grace
from .exchange import Http1Exchange
from .options import ServerOptions
from .serve import serve, serve_connections
from .server import DrainReport, Server

__all__ = [
    "CANCEL",
    "FINISH",
    "DisconnectPolicy",
    "DrainReport",
    "Http1Exchange",
    "Server",
    "ServerOptions",
    "critical",
    "grace",
    "serve",
    "serve_connections",
]
