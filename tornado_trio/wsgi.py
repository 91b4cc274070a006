"""WSGI applications (PEP 3333) on our server: Flask, Django, Bottle beside native handlers.

```python
app = web.Application([("/admin/.*", wsgi.mount(django_app, threads=8)), ("/.*", Ours)])
```

An application runs in a worker thread per request, at most `threads` at once. Its input is read
from the client as it asks, and its output is sent as it comes: neither is kept. Knows exchanges
and WSGI's environment; must not know servers.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from ._util.late import later
from .errors import StreamClosedError
from .exchange import FINISH, DisconnectPolicy, Exchange, HTTPHeaders, ResponseStartLine
from .wire.phrases import standard_phrase

if TYPE_CHECKING:
    import trio
else:
    trio = later("trio", globals())

__all__ = ["Call", "Mount", "WsgiApplication", "environ_from", "environ_of", "mount"]

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
        environ = environ_of(exchange, self.root_path, _Input(exchange))
        call = _Sent(self.app, exchange)
        await trio.to_thread.run_sync(call.run, environ, limiter=self.limiter)
        if not exchange.finished and exchange.gone is None:
            await exchange.finish()


class Call:
    """One call of an application, and the rules of PEP 3333 for what it says.

    Attributes:
      head: what `start_response` was last given: code, reason, and fields.
      begun: the head is on its way, and can no longer be replaced.
    """

    def __init__(self, app: WsgiApplication) -> None:
        self.app = app
        self.head: tuple[int, str, list[tuple[str, str]]] | None = None

    @property
    def begun(self) -> bool:
        raise NotImplementedError

    def write(self, chunk: bytes) -> None:
        """Take a piece of the body that is not empty; it may wait."""
        raise NotImplementedError

    def run(self, environ: dict[str, Any]) -> None:
        """Call the application and take all it says, in this thread.

        Raises what it raises; RuntimeError if it did not call `start_response`.
        """
        chunks = self.app(environ, self.start_response)
        try:
            for chunk in chunks:
                if chunk:
                    self.write(chunk)
            if self.head is None:
                raise RuntimeError(f"{self.app!r} did not call start_response")
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            if self.begun:
                raise exc_info[1].with_traceback(exc_info[2])
        elif self.head is not None:
            raise RuntimeError("start_response was called twice")
        code, _, reason = status.partition(" ")
        self.head = int(code), reason or standard_phrase(int(code)), headers
        return self.write


class _Sent(Call):
    """What is said goes to the client as it comes; runs in a worker thread."""

    def __init__(self, app: WsgiApplication, exchange: Exchange) -> None:
        super().__init__(app)
        self._exchange = exchange

    @property
    def begun(self) -> bool:
        return bool(self._exchange.status)

    def run(self, environ: dict[str, Any]) -> None:
        try:
            super().run(environ)
            if not self.begun:
                self._send_head(b"", whole=True)
        except StreamClosedError:
            if self._exchange.gone is None:
                raise  # of another connection, which the application has
            logger.debug("%s: the client has gone", self._exchange.describe())

    def write(self, chunk: bytes) -> None:
        """Send a piece, and wait until the client has room for it."""
        if self.head is None:
            raise RuntimeError("a body was given before start_response")
        if not self.begun:
            self._send_head(chunk, whole=False)
        else:
            trio.from_thread.run(self._awaited, self._exchange.write, chunk)

    def _send_head(self, chunk: bytes, whole: bool) -> None:
        assert self.head is not None
        code, reason, fields = self.head
        headers = HTTPHeaders()
        for name, value in fields:
            if name.lower() not in _HOP_BY_HOP:
                headers.add(name, value)
        if whole and code >= 200 and code not in (204, 304):
            headers.setdefault("Content-Length", "0")
        line = ResponseStartLine("HTTP/1.1", code, reason)
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
    return environ_from(
        method=method,
        target=target,
        version=version,
        headers=exchange.headers,
        host=exchange.headers.get("Host", ""),
        protocol=exchange.protocol,
        remote_ip=exchange.remote_ip,
        root_path=root_path,
        body=io.BufferedReader(body),
        multithread=True,
    )


def environ_from(
    *,
    method: str,
    target: str,
    version: str,
    headers: HTTPHeaders,
    host: str,
    protocol: str,
    remote_ip: str,
    root_path: str,
    body: Any,
    multithread: bool,
) -> dict[str, Any]:
    """The environment, from the parts of a request.

    `target` is that of the request line, `host` a name with or without a port, and `body` a file
    to read that ends where the request's body does.
    """
    path, _, query = target.partition("?")
    decoded = unquote_to_bytes(path).decode("latin-1")
    name, _, port = host.rpartition(":")
    if not port.isdigit() or not name:
        name, port = host, ""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": root_path,
        "PATH_INFO": decoded[len(root_path) :] if decoded.startswith(root_path) else decoded,
        "QUERY_STRING": query,
        "REMOTE_ADDR": remote_ip,
        "SERVER_NAME": name or "localhost",
        "SERVER_PORT": port or ("443" if protocol == "https" else "80"),
        "SERVER_PROTOCOL": version,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": protocol,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for field, value in headers.items():
        # These two have no prefix, and no copies with one: which should be believed?
        if field == "Content-Type":
            environ["CONTENT_TYPE"] = value
        elif field == "Content-Length":
            environ["CONTENT_LENGTH"] = value
        elif "_" not in field:
            # "_" would let a client forge another field (X_Real_Ip).
            environ["HTTP_" + field.replace("-", "_").upper()] = value
    return environ
