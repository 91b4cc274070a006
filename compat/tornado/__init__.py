"""Tornado's own API, over tornado_trio.

Tiny: only the versions; submodules are imported on first use.
"""

import importlib
import typing

if __name__ != "tornado":
    # A second copy under another name would make every class exist twice.
    raise ImportError(
        f"this package must be imported as 'tornado', not as {__name__!r}: "
        "call compat.activate() (or import compat) and import tornado"
    )

# version, version_info: the release whose behaviour this process answers for.
from tornado._impl.generation import version as version
from tornado._impl.generation import version_info as version_info
from tornado._impl.names import handing_on

from tornado_trio import __version__ as trio_version  # noqa: F401

#: Submodules reachable as attributes without an import of their own.
__all__ = [
    "auth",
    "autoreload",
    "concurrent",
    "curl_httpclient",
    "escape",
    "gen",
    "http1connection",
    "httpclient",
    "httpserver",
    "httputil",
    "ioloop",
    "iostream",
    "locale",
    "locks",
    "log",
    "netutil",
    "options",
    "platform",
    "process",
    "queues",
    "routing",
    "simple_httpclient",
    "tcpclient",
    "tcpserver",
    "template",
    "testing",
    "util",
    "web",
    "websocket",
    "wsgi",
]


def __getattr__(name: str) -> typing.Any:
    if name in __all__:
        return importlib.import_module(f"tornado.{name}")
    return _elsewhere(name)


_elsewhere = handing_on("tornado")
