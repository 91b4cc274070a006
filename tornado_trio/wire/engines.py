"""Which implementation of HTTP/1.1 is used: our own, or h11.

Knows their names and where they are. Must not know connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

from .._util.records import replace
from ..limits import STRICT, Dialect, Limits
from .http1 import ClientWire, ServerWire
from .repeated import HeadMemory

__all__ = ["VARIABLE", "WireEngine", "engine_for"]

#: The environment variable that names the engine where no option does.
VARIABLE: Final = "TORNADO_TRIO_ENGINE"
_NAMES: Final = ("own", "h11")


class WireEngine(NamedTuple):
    """An implementation of both roles.

    Attributes:
      name: "own" or "h11".
      server, client: make the wire of one connection.
      dialect: what is forgiven, as far as the engine can.
    """

    name: str
    server: Callable[[Limits, Dialect], ServerWire]
    client: Callable[[Limits, Dialect], ClientWire]
    dialect: Dialect

    def server_wire(self, limits: Limits) -> ServerWire:
        return self.server(limits, self.dialect)

    def client_wire(self, limits: Limits) -> ClientWire:
        return self.client(limits, self.dialect)


class _ServerWires:
    """Makes the wires of a server's connections, whose first heads are often alike."""

    def __init__(self) -> None:
        self._limits: Limits | None = None
        self._dialect: Dialect | None = None
        self._firsts = HeadMemory()

    def __call__(self, limits: Limits, dialect: Dialect = STRICT) -> ServerWire:
        # A server's options may be replaced: what one accepts another may refuse.
        if limits is not self._limits or dialect is not self._dialect:
            self._limits, self._dialect, self._firsts = limits, dialect, HeadMemory()
        return ServerWire(limits, dialect, self._firsts)


def engine_for(name: str | None, dialect: Dialect) -> WireEngine:
    """The engine called `name`; None: the one that TORNADO_TRIO_ENGINE names, or our own.

    Raises:
      ValueError: unknown engine; or `name` was given, and the engine refuses what `dialect` allows.
        (One named by the environment forgives what it can.)
    """
    chosen = name if name is not None else os.environ.get(VARIABLE) or "own"
    if chosen not in _NAMES:
        source = "engine=" if name is not None else f"{VARIABLE}="
        raise ValueError(f"{source}{chosen!r}: the engines are {' and '.join(_NAMES)}")
    if chosen == "own":
        return WireEngine("own", _ServerWires(), ClientWire, dialect)
    from .h11_engine import REFUSED, H11ClientWire, H11ServerWire  # 7 ms, of h11

    refused = [flag for flag in REFUSED if getattr(dialect, flag)]
    if refused and name is not None:
        raise ValueError(f"engine 'h11' refuses what the dialect allows: {', '.join(refused)}")
    strict = replace(dialect, **dict.fromkeys(refused, False)) if refused else dialect
    return WireEngine("h11", H11ServerWire, H11ClientWire, strict)
