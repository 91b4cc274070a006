"""The seam between servers and applications.

`Exchange` is the interface; beside it stand what its methods return (`READY`, `Pending`,
`Failed`, `CHECKPOINT`), what is said to it (`CANCEL`, `FINISH`, `grace`, `critical`), why a
request ends (`Cause`, `OUTCOMES`), what is left of it (`Finished`) and what is open around all
(`running`). So a host of another
make, an ASGI server's say, imports nothing but this package.
"""

from ..wire.events import RequestStartLine, ResponseStartLine
from ..wire.headers import HTTPHeaders
from .awaitables import CHECKPOINT, READY, Checkpoint, Failed, Pending, Ready
from .causes import CLIENT_LEFT, OUTCOMES, Cause, Outcome
from .failure import Failure
from .interface import App, BodyIterator, ErrorResponder, Exchange, Route, current_exchange
from .lifespans import Lifespan, lifespans_of, running
from .policy import CANCEL, FINISH, DisconnectPolicy, critical, grace
from .record import ExchangeHook, Finished, log_access, new_request_id

__all__ = [
    "App",
    "BodyIterator",
    "CANCEL",
    "CHECKPOINT",
    "CLIENT_LEFT",
    "Cause",
    "Checkpoint",
    "DisconnectPolicy",
    "ErrorResponder",
    "Exchange",
    "ExchangeHook",
    "FINISH",
    "Failed",
    "Failure",
    "Finished",
    "HTTPHeaders",
    "Lifespan",
    "OUTCOMES",
    "Outcome",
    "Pending",
    "READY",
    "Ready",
    "RequestStartLine",
    "ResponseStartLine",
    "Route",
    "critical",
    "current_exchange",
    "grace",
    "lifespans_of",
    "log_access",
    "new_request_id",
    "running",
]
