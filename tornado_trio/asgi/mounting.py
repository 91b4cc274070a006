"""`mount`: an ASGI application as a rule's target, or as the application of a server.

```python
app = web.Application([("/shop/.*", mount(django_app, "/shop")), ("/.*", Ours)])
```

Knows exchanges and ASGI's messages. Disconnect policy, deadlines and drain are the server's:
`receive()` returns `http.disconnect`, and a request is cut like any other.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from http.client import responses
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import trio

from .._util.mistakes import explain_asyncio
from ..errors import StartupError
from ..exchange import (
    FINISH,
    DisconnectPolicy,
    Exchange,
    HTTPHeaders,
    Lifespan,
    RequestStartLine,
    ResponseStartLine,
)
from ..websocket import WebSocket, accept
from .lifespan import LifespanEvents
from .mounted_request import MountedRequest, headers_of
from .outbox import message
from .types import AsgiApplication, Message, Receive, Scope, Send

__all__ = ["Mount", "mount"]

logger = logging.getLogger("tornado.general")


#: Characters of a method, target and host together; of longer ones nothing is kept.
_MAX_KEPT: Final = 256
#: Loaded where a run may be hosted by asyncio.
_GUEST: Final = f"{__package__.rpartition('.')[0]}.interop.guest"
_EXTENSIONS: Final[dict[str, dict[str, Any]]] = {
    "http.response.early_hint": {},
    "http.response.pathsend": {},
    "http.response.trailers": {},
    "http.response.zerocopysend": {},
}


class Mount:
    """An ASGI application that answers exchanges; made by `mount`."""

    def __init__(
        self, app: AsgiApplication, root_path: str, on_disconnect: DisconnectPolicy
    ) -> None:
        self.app = app
        self.root_path = root_path.rstrip("/")
        self.on_disconnect = on_disconnect
        self.state: dict[str, Any] = {}
        self._alive = False
        self._bridges: bool | None = None  # in this run; None: not known yet

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.app!r} at {self.root_path or '/'}>"

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange.

        Cancellation: the application is cancelled where it waits.
        """
        settable: Any = exchange  # whose slots implementations have
        settable.on_disconnect = self.on_disconnect
        try:
            if "Upgrade" in exchange.headers._fields and _for_websocket(exchange.headers):
                await _Socket(self, exchange).run()
                return
            call = MountedRequest(exchange)
            if self._bridges is False:
                await self.app(self.scope(exchange), call.receive, call.send)
            else:
                calls = self._bridge(call.receive, call.send)
                await self.app(self.scope(exchange), *calls)
            if not exchange.finished and exchange.gone is None:
                raise call.unfinished(self.app)
        except Exception as error:
            if exchange.gone is not None:
                logger.debug("%s: the client has gone: %r", exchange.describe(), error)
                return  # what the application raised comes of that
            explain_asyncio(error, f"the ASGI application {self.app!r}")
            raise

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[dict[str, Any]]:
        """Run the application's lifespan for the duration of an `async with` block.

        `serve` does this itself, unless it is already running. Yields its state.
        StartupError if it fails to start. An application without a lifespan is served without one.
        Cancellation: while it starts, it is cancelled; later it is asked to shut down, and has 10 s
        for it.
        """
        if self._alive:
            yield self.state
            return
        self._bridges = None
        events = LifespanEvents(self.app, self.state, self._bridge)
        error: BaseException | None = None
        self._alive = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(events.run, name="lifespan of an ASGI application")
                try:
                    await events.started.wait()
                    if events.failure is None:
                        yield self.state
                except BaseException as caught:
                    # Raised again below, as it is: the nursery would put it into a group.
                    error = caught
                await events.end()
        finally:
            self._alive = False
        if error is not None:
            raise error
        if events.failure is not None:
            raise StartupError(f"{self.app!r} did not start: {events.failure}")

    def _bridge(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """Where asyncio hosts the run, applications may call these from tasks of its."""
        guests = sys.modules.get(_GUEST)
        if guests is None or guests.current_guest() is None:
            self._bridges = False
            return receive, send
        from ..interop.as_guest import bridged

        self._bridges = True
        return bridged(receive), bridged(send)

    def lifespans(self) -> list[Lifespan]:
        """What `serve` runs."""
        return [self.lifespan]

    def scope(self, exchange: Exchange) -> Scope:
        """The scope of a request, for an application below `root_path`."""
        headers = exchange.headers
        line = exchange.start_line
        host: Any = headers._fields.get("Host", "")
        if type(host) is not str:
            host = headers["Host"]  # more than one
        short = len(line[0]) + len(line[1]) + len(host) <= _MAX_KEPT
        common = _common if short else _common.__wrapped__
        scope = common(line, host, exchange.protocol, self.root_path).copy()
        # The dict and those in it are new: applications write into them.
        scope["asgi"] = {"version": "3.0", "spec_version": "2.5"}
        scope["headers"] = headers.to_raw()
        scope["client"] = (exchange.remote_ip, 0)
        scope["state"] = self.state.copy()
        scope["extensions"] = _EXTENSIONS.copy()
        return scope

    def websocket_scope(self, exchange: Exchange) -> Scope:
        """The scope of a request to upgrade."""
        found = self.scope(exchange)
        del found["method"]
        offered = exchange.headers.get("Sec-WebSocket-Protocol", "")
        found["type"] = "websocket"
        found["scheme"] = "wss" if exchange.protocol == "https" else "ws"
        found["subprotocols"] = [name.strip() for name in offered.split(",") if name.strip()]
        found["extensions"] = {"websocket.http.response": {}}
        return found


def _for_websocket(headers: HTTPHeaders) -> bool:
    return headers["Upgrade"].lower() == "websocket"


@lru_cache(512)
def _common(line: RequestStartLine, host: str, scheme: str, root_path: str) -> dict[str, Any]:
    """What the scopes of requests for the same target have in common. To be copied."""
    method, target, version = line
    path, _, query = target.partition("?")
    raw_path = path.encode("latin-1")
    if "%" in path or not path.isascii():
        path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
    return {
        "type": "http",
        "asgi": None,
        "http_version": version[5:],
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": raw_path,
        "query_string": query.encode("latin-1"),
        "root_path": root_path,
        "headers": None,
        "client": None,
        "server": _server_of(host, scheme),
        "state": None,
        "extensions": None,
    }


def _server_of(host: str, scheme: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":") if host[-1:] != "]" else (host, "", "")
    return name or host, int(port) if port.isdigit() else (443 if scheme == "https" else 80)


def mount(
    app: AsgiApplication,
    root_path: str = "",
    *,
    on_disconnect: DisconnectPolicy | str = FINISH,
) -> Mount:
    """Serve an ASGI application, below the path `root_path`.

    Its requests run to their end when a client disconnects, as ASGI specifies (`receive` reports
    it);
    `on_disconnect="cancel"` cancels them. Applications that need asyncio run in a service started
    with `asyncio=True`; those on anyio run in both.
    """
    if root_path and not root_path.startswith("/"):
        raise ValueError(f"root_path {root_path!r} does not begin with '/'")
    return Mount(app, root_path, DisconnectPolicy.of(on_disconnect))


class _Socket:
    """One websocket: the application speaks messages, we the protocol."""

    __slots__ = ("_connected", "_denial", "_exchange", "_manager", "_mount", "_ws")

    def __init__(self, mount: Mount, exchange: Exchange) -> None:
        self._mount = mount
        self._exchange = exchange
        self._connected = False
        self._ws: WebSocket | None = None
        self._manager: accept | None = None
        self._denial: Message | None = None

    async def run(self) -> None:
        mount = self._mount
        scope = mount.websocket_scope(self._exchange)
        error: BaseException | None = None
        try:
            await mount.app(scope, *mount._bridge(self.receive, self.send))
        except BaseException as raised:
            error = raised
            raise
        finally:
            if self._manager is not None:
                await self._manager.__aexit__(type(error) if error else None, error, None)

    async def receive(self) -> Message:
        if not self._connected:
            self._connected = True
            return message("websocket.connect")
        ws = self._ws
        if ws is None:
            await trio.lowlevel.checkpoint()
            return message("websocket.disconnect", code=1006, reason="")
        try:
            each = await ws.__anext__()
        except StopAsyncIteration:
            code = ws.close_code
            return message(
                "websocket.disconnect",
                code=1005 if code is None else int(code),
                reason=ws.close_reason or "",
            )
        if isinstance(each, str):
            return message("websocket.receive", text=each)
        return message("websocket.receive", bytes=each)

    async def send(self, each: Message) -> None:
        kind = each["type"]
        if kind == "websocket.send" and self._ws is not None:
            text = each.get("text")
            await self._ws.send(text if text is not None else each["bytes"])
        elif kind == "websocket.accept" and self._manager is None:
            chosen = each.get("subprotocol")
            self._manager = accept(
                self._exchange,
                subprotocols=[chosen] if chosen else (),
                # An application of ASGI looks at the origin itself.
                check_origin=lambda origin, exchange: True,
                headers=dict(headers_of(each.get("headers", ())).get_all()),
            )
            self._ws = await self._manager.__aenter__()
        elif kind == "websocket.close":
            await self._close(each)
        elif kind == "websocket.http.response.start":
            self._denial = each
        elif kind == "websocket.http.response.body":
            await self._deny(each)
        else:
            raise RuntimeError(f"{kind!r} has no place here in a websocket's life")

    async def _close(self, each: Message) -> None:
        if self._ws is not None:
            await self._ws.close(each.get("code", 1000), each.get("reason") or "")
        else:
            await self._refuse(403, HTTPHeaders(), b"")

    async def _deny(self, each: Message) -> None:
        assert self._denial is not None, "websocket.http.response.start comes first"
        start = self._denial
        headers = headers_of(start.get("headers", ()))
        if not each.get("more_body", False) and not self._exchange.status:
            await self._refuse(start["status"], headers, each.get("body", b""))
            return
        if not self._exchange.status:
            status = start["status"]
            line = ResponseStartLine("HTTP/1.1", status, responses.get(status, ""))
            await self._exchange.write_headers(line, headers)
        await self._exchange.write(each.get("body", b""))
        if not each.get("more_body", False):
            await self._exchange.finish()

    async def _refuse(self, status: int, headers: HTTPHeaders, body: bytes) -> None:
        headers["Content-Length"] = str(len(body))
        line = ResponseStartLine("HTTP/1.1", status, responses.get(status, ""))
        await self._exchange.write_headers(line, headers, body)
        await self._exchange.finish()
