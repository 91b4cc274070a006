"""Names that a module of Tornado's hands on from elsewhere, loaded when first asked for.

What old releases had in a module and newer ones have in another, and what few programs need.
A module that hands on says so in one line: `__getattr__ = handing_on("tornado.gen")`. Knows the
table; the module of a row stands above the one that hands it on.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["ELSEWHERE", "handing_on", "listing"]

_LEGACY = "tornado._impl.legacy"
_GEN = f"{_LEGACY}.gen"
_TWISTED = f"{_LEGACY}.twisted"
_WSGI = f"{_LEGACY}.wsgi"
_WEBSOCKET_CLIENT = "tornado._impl.websocket.client"
_FUTURE = "tornado.concurrent:Future"

#: Module -> name -> the module that has it, as "module" or "module:its name there"; the name of
#: a module is the module itself.
ELSEWHERE: dict[str, dict[str, str]] = {
    "tornado.concurrent": {
        "TracebackFuture": _FUTURE,
        "return_future": f"{_LEGACY}.concurrent",
    },
    "tornado.gen": {
        "Arguments": _GEN,
        "Callback": _GEN,
        "MultiYieldPoint": _GEN,
        "Task": _GEN,
        "TracebackFuture": _FUTURE,
        "Wait": _GEN,
        "WaitAll": _GEN,
        "YieldFuture": _GEN,
        "YieldPoint": _GEN,
        "engine": _GEN,
    },
    "tornado.ioloop": {
        "PollIOLoop": f"{_LEGACY}.ioloop",
        "TracebackFuture": _FUTURE,
    },
    "tornado.locks": {"gen": "tornado.gen:"},
    "tornado.netutil": {
        "TCPServer": "tornado.tcpserver",
        "set_close_exec": "tornado.platform.auto",
    },
    "tornado.options": {"enable_pretty_logging": "tornado.log"},
    "tornado.platform.twisted": {
        "TornadoDelayedCall": _TWISTED,
        "TornadoReactor": _TWISTED,
        "TwistedIOLoop": _TWISTED,
        "TwistedResolver": _TWISTED,
    },
    "tornado.websocket": {
        "WebSocketClientConnection": _WEBSOCKET_CLIENT,
        "websocket_connect": _WEBSOCKET_CLIENT,
    },
    "tornado.wsgi": {
        "WSGIAdapter": _WSGI,
        "WSGIApplication": _WSGI,
        "from_wsgi_str": _WSGI,
    },
}


def handing_on(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of `module`. What was found is kept there."""
    elsewhere = ELSEWHERE.get(module, {})

    def __getattr__(name: str) -> Any:
        home = elsewhere.get(name)
        if home is None:
            if name.startswith("__"):  # asked by Python itself, at imports and by tools
                raise AttributeError(f"module {module!r} has no attribute {name!r}")
            from tornado._impl import incidental

            return incidental.find(module, name)
        home, colon, attribute = home.partition(":")
        value: Any = importlib.import_module(home)
        if attribute or not colon:
            value = getattr(value, attribute or name)
        vars(sys.modules[module])[name] = value
        return value

    return __getattr__


def listing(module: str) -> Callable[[], list[str]]:
    """The `__dir__` of `module`: what it has, and what it hands on."""
    return lambda: sorted({*vars(sys.modules[module]), *ELSEWHERE[module]})
