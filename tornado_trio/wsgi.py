"""WSGI applications (PEP 3333) on our server: Flask, Django, Bottle beside native handlers.

    app = web.Application([("/admin/.*", wsgi.mount(django_app, threads=8)), ("/.*", Ours)])

An application runs in a worker thread per request, at most `threads` at once. Its input is read
from the client as it asks, and its output is sent as it comes: neither is kept. Knows exchanges
and WSGI's environment; must not know servers.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable
from http.client import responses
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

import trio

from .errors import StreamClosedError
from .exchange import FINISH, DisconnectPolicy, Exchange, HTTPHeaders, ResponseStartLine

__all__ = ["Mount", "WsgiApplication", "environ_of", "mount"]

logger = logging.getLogger("tornado.general")

#: Called with the environment and `start_response`; returns an iterable of bytes.
WsgiApplication: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Fields of the connection are the server's (PEP 3333, "Other HTTP Features").
_HOP_BY_HOP: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    )
)


def mount(
    app: WsgiApplication,
    root_path: str = "",
    *,
    threads: int = 16,
    on_disconnect: DisconnectPolicy | str = FINISH,
) -> Mount:
    """Serve a WSGI application below the path `root_path`, as a rule's target or on its own.

    Args:
        threads: how many requests it answers at once; others wait.
        on_disconnect: "cancel" has the application fail at its next read or write once the
            client has gone; by default it runs to its end, as WSGI applications expect. A
            thread cannot be cut while it computes.
    """
    if root_path and not root_path.startswith("/"):
        raise ValueError(f"root_path {root_path!r} does not begin with '/'")
    return Mount(app, root_path.rstrip("/"), threads, DisconnectPolicy.of(on_disconnect))


class Mount:
    """A WSGI application that answers exchanges; made by `mount`."""

    def __init__(
        self, app: WsgiApplication, root_path: str, threads: int, on_disconnect: DisconnectPolicy
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads={threads}: at least one is needed")
        self.app = app
        self.root_path = root_path
        self.on_disconnect = on_disconnect
        self.limiter = trio.CapacityLimiter(threads)

    def __repr__(self) -> str:
        return f"<wsgi.Mount {self.app!r} at {self.root_path or '/'}>"

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange.

        Cancellation: takes effect when the application next reads or writes.
        """
        settable: Any = exchange  # whose slots implementations have
        settable.on_disconnect = self.on_disconnect
        call = _Call(self, exchange)
        await trio.to_thread.run_sync(call.run, limiter=self.limiter)
        if not exchange.finished and exchange.gone is None:
            await exchange.finish()


class _Call:
    """One request in its thread."""

    def __init__(self, mount: Mount, exchange: Exchange) -> None:
        self._mount = mount
        self._exchange = exchange
        self._head: tuple[ResponseStartLine, HTTPHeaders] | None = None

    def run(self) -> None:
        environ = environ_of(self._exchange, self._mount.root_path, _Input(self._exchange))
        try:
            chunks = self._mount.app(environ, self.start_response)
            try:
                for chunk in chunks:
                    if chunk:
                        self.write(chunk)
                if self._head is None:
                    raise RuntimeError(f"{self._mount.app!r} did not call start_response")
                if not self._exchange.status:
                    self._send_head(b"", whole=True)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        except StreamClosedError:
            logger.debug("%s: the client has gone", self._exchange.describe())

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            if self._exchange.status:
                raise exc_info[1].with_traceback(exc_info[2])
        elif self._head is not None:
            raise RuntimeError("start_response was called twice")
        code, _, reason = status.partition(" ")
        line = ResponseStartLine("HTTP/1.1", int(code), reason or responses.get(int(code), ""))
        fields = HTTPHeaders()
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                fields.add(name, value)
        self._head = line, fields
        return self.write

    def write(self, chunk: bytes) -> None:
        """Send a piece, and wait until the client has room for it."""
        if self._head is None:
            raise RuntimeError("a body was given before start_response")
        if not self._exchange.status:
            self._send_head(chunk, whole=False)
        else:
            trio.from_thread.run(self._awaited, self._exchange.write, chunk)

    def _send_head(self, chunk: bytes, whole: bool) -> None:
        assert self._head is not None
        line, headers = self._head
        if whole and line.code >= 200 and line.code not in (204, 304):
            headers.setdefault("Content-Length", "0")
        trio.from_thread.run(
            self._awaited, self._exchange.write_headers, line, headers, chunk or None
        )

    @staticmethod
    async def _awaited(function: Callable[..., Any], *args: Any) -> None:
        await function(*args)


class _Input(io.RawIOBase):
    """`wsgi.input`: the body as it comes, read from the application's thread."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._buffer = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._buffer:
            self._buffer = trio.from_thread.run(self._exchange.read_chunk)
        size = min(len(target), len(self._buffer))
        target[:size] = self._buffer[:size]
        self._buffer = self._buffer[size:]
        return size


def environ_of(exchange: Exchange, root_path: str, body: io.RawIOBase) -> dict[str, Any]:
    """The environment of a request for an application below `root_path`."""
    method, target, version = exchange.start_line
    path, _, query = target.partition("?")
    decoded = unquote_to_bytes(path).decode("latin-1")
    name, _, port = exchange.headers.get("Host", "").rpartition(":")
    if not port.isdigit() or not name:
        name, port = exchange.headers.get("Host", ""), ""
    secure = exchange.protocol == "https"
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": root_path,
        "PATH_INFO": decoded[len(root_path) :] if decoded.startswith(root_path) else decoded,
        "QUERY_STRING": query,
        "REMOTE_ADDR": exchange.remote_ip,
        "SERVER_NAME": name or "localhost",
        "SERVER_PORT": port or ("443" if secure else "80"),
        "SERVER_PROTOCOL": version,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": exchange.protocol,
        "wsgi.input": io.BufferedReader(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for field, value in exchange.headers.items():
        if field == "Content-Type":
            environ["CONTENT_TYPE"] = value
        elif field == "Content-Length":
            environ["CONTENT_LENGTH"] = value
        elif "_" not in field:
            # "_" would let a client forge another field (X_Real_Ip).
            environ["HTTP_" + field.replace("-", "_").upper()] = value
    return environ
