"""HTTP client: `open_client`, and what its calls take, return and raise."""

from .auth import Auth, BasicAuth, DigestAuth
from .call import RequestOptions
from .client import Client
from .cookies import Cookie, CookieJar
from .errors import (
    BodyTooLarge,
    ClientClosed,
    ClientError,
    ConnectError,
    ConnectionLost,
    HTTPStatusError,
    InvalidRequest,
    ProxyError,
    QueueFull,
    RequestTimeout,
    ResponseError,
    TooManyRedirects,
)
from .events import EventStream, ServerEvent
from .opening import open_client
from .options import ClientLimits, ClientOptions, ClientTimeouts, Network, Policy, Proxy, TlsOptions
from .response import Response
from .upgrade import Upgraded, open_upgrade

__all__ = [
    "Auth",
    "BasicAuth",
    "BodyTooLarge",
    "Client",
    "ClientClosed",
    "ClientError",
    "ClientLimits",
    "ClientOptions",
    "ClientTimeouts",
    "ConnectError",
    "ConnectionLost",
    "Cookie",
    "CookieJar",
    "DigestAuth",
    "EventStream",
    "HTTPStatusError",
    "InvalidRequest",
    "Network",
    "Policy",
    "Proxy",
    "ProxyError",
    "QueueFull",
    "RequestOptions",
    "RequestTimeout",
    "Response",
    "ResponseError",
    "ServerEvent",
    "TlsOptions",
    "TooManyRedirects",
    "Upgraded",
    "open_client",
    "open_upgrade",
]
