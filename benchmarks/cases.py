"""The cases: which program, and how it is measured. Data only.

A case is measured under upstream Tornado and under this project with the very same file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CASES", "Case"]

Kind = Literal["http", "websocket", "broadcast", "program", "fetch", "memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measurement.

    kind: how: requests to a server (``http``, ``websocket``), messages of one that all hear
      (``broadcast``), a program that prints a number (``program``; ``fetch`` if it needs a
      server to fetch from), or memory of idle connections (``memory``).
    app: file in ``apps/``.
    """

    name: str
    app: str
    kind: Kind = "http"
    path: str = "/"
    form: str | None = None  # body of a POST
    arguments: tuple[str, ...] = ()
    size: int = 100  # of a websocket message, bytes
    connections: int = 32
    unit: str = "requests/s"
    lower_is_better: bool = False


CASES = [
    Case(name="hello", app="hello.py"),
    Case(name="hello, one connection", app="hello.py", connections=1),
    Case(name="async handler", app="hello.py", path="/async"),
    Case(name="coroutine handler", app="hello.py", path="/coroutine"),
    Case(name="json with arguments", app="site.py", path="/json?count=20&name=a&name=b%20c"),
    Case(name="last of 1000 routes", app="site.py", path="/route999/999/name"),
    Case(name="template page", app="site.py", path="/page"),
    Case(name="form post", app="site.py", path="/form", form="first=hello&second=w%C3%B6rld"),
    Case(name="static file, 1 KB", app="files.py", path="/static/small.txt"),
    Case(name="static file, 1 MB", app="files.py", path="/static/big.bin", connections=8),
    Case(name="streamed, 64 chunks", app="files.py", path="/stream", connections=8),
    Case(name="clients that leave", app="leavers.py", kind="program", unit="clients/s"),
    *(
        Case(
            name=f"websocket {what}, {label}",
            app="sockets.py",
            kind="websocket",
            path=f"/{what}",
            size=size,
            connections=connections,
            unit="messages/s",
        )
        for what in ("echo", "deflate")
        for label, size, connections in (
            ("100 B", 100, 32),
            ("64 KB", 65536, 8),
            ("alone", 100, 1),
        )
    ),
    Case(
        name="websocket to 1000 peers",
        app="sockets.py",
        kind="broadcast",
        path="/room",
        connections=1000,
        unit="messages/s",
    ),
    *(
        Case(
            name=f"client fetches, {together}",
            app="fetches.py",
            kind="fetch",
            arguments=(together,),
            unit="fetches/s",
        )
        for together in ("1", "10", "100")
    ),
    Case(
        name="generator coroutines",
        app="coroutines.py",
        kind="program",
        arguments=("generator",),
        unit="loops/s",
    ),
    Case(
        name="native coroutines",
        app="coroutines.py",
        kind="program",
        arguments=("native",),
        unit="loops/s",
    ),
    *(
        Case(name=name, app="callbacks.py", kind="program", arguments=(what,), unit="callbacks/s")
        for name, what in (
            ("loop callbacks", "soon"),
            ("call_later", "later"),
            ("call_later, removed", "never"),
        )
    ),
    *(
        Case(name=name, app="awaiting.py", kind="program", arguments=(what,), unit="per second")
        for name, what in (
            ("ready futures", "ready"),
            ("pending futures", "pending"),
            ("spawned callbacks", "spawned"),
            ("spawned, 1000 blocked", "blocked"),
        )
    ),
    Case(name="queue items", app="queues.py", kind="program", unit="items/s"),
    *(
        Case(
            name=f"stream echo, {label}{', TLS' if tls else ''}",
            app="streams.py",
            kind="program",
            arguments=(size, *tls),
            unit="messages/s",
        )
        for tls in ((), ("tls",))
        for label, size in (("100 B", "100"), ("64 KiB", "65536"), ("16 MiB", "16777216"))
    ),
    *(
        Case(
            name=f"flood, {what}",
            app="floods.py",
            kind="program",
            arguments=(what,),
            unit="ms",
            lower_is_better=True,
        )
        for what in ("multipart", "percent", "deflate", "trickle")
    ),
    Case(name="template alone", app="templates.py", kind="program", unit="pages/s"),
    Case(
        name="idle connection",
        app="hello.py",
        kind="memory",
        connections=2000,
        unit="bytes",
        lower_is_better=True,
    ),
    *(
        Case(
            name=name,
            app="sockets.py",
            kind="memory",
            path=path,
            arguments=("websocket",),
            connections=2000,
            unit="bytes",
            lower_is_better=True,
        )
        for name, path in (("idle websocket", "/echo"), ("idle websocket, deflate", "/deflate"))
    ),
    Case(name="first answer", app="first.py", kind="program", unit="ms", lower_is_better=True),
    Case(name="import", app="imports.py", kind="program", unit="ms", lower_is_better=True),
]
