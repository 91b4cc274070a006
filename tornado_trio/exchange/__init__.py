"""The seam between whoever produces requests and whoever answers them.

`Exchange` is the interface; beside it stand what its methods return (`READY`, `Pending`,
`Failed`, `CHECKPOINT`) and what is said to it (`CANCEL`, `FINISH`, `grace`, `critical`), so that
a host of another make, an ASGI server's say, imports nothing but this package.
"""

from ..wire.events import RequestStartLine, ResponseStartLine
from ..wire.headers import HTTPHeaders
from .awaitables import CHECKPOINT, READY, Checkpoint, Failed, Pending, Ready
from .interface import App, BodyIterator, Exchange, current_exchange
from .policy import CANCEL, FINISH, DisconnectPolicy, critical, grace

__all__ = [
    "App",
    "BodyIterator",
    "CANCEL",
    "CHECKPOINT",
    "Checkpoint",
    "DisconnectPolicy",
    "Exchange",
    "FINISH",
    "Failed",
    "HTTPHeaders",
    "Pending",
    "READY",
    "Ready",
    "RequestStartLine",
    "ResponseStartLine",
    "critical",
    "current_exchange",
    "grace",
]
