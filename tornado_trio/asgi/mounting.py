"""`mount`: an ASGI application as a rule's target, or as the application of a server.

    app = web.Application([("/shop/.*", mount(django_app, "/shop")), ("/.*", Ours)])

Knows exchanges and ASGI's messages. Disconnect policy, deadlines and drain are those of the
server's: `receive()` tells `http.disconnect`, and a request is cut as any other is.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http.client import responses
from typing import Any
from urllib.parse import unquote_to_bytes

import trio

from .._util.mistakes import explain_asyncio
from ..errors import StartupError, StreamClosedError
from ..exchange import (
    FINISH,
    DisconnectPolicy,
    Exchange,
    HTTPHeaders,
    Lifespan,
    ResponseStartLine,
)
from ..websocket import WebSocket, accept
from .lifespan import LifespanEvents
from .outbox import message
from .types import AsgiApplication, Message, Scope

__all__ = ["Mount", "mount"]

logger = logging.getLogger("tornado.general")


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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.app!r} at {self.root_path or '/'}>"

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange.

        Cancellation: the application is cancelled where it waits.
        """
        settable: Any = exchange  # whose slots implementations have
        settable.on_disconnect = self.on_disconnect
        try:
            if exchange.headers.get("Upgrade", "").lower() == "websocket":
                await _Socket(self, exchange).run()
            else:
                await _Http(self, exchange).run()
        except Exception as error:
            if exchange.gone is not None:
                logger.debug("%s: the client has gone: %r", exchange.describe(), error)
                return  # what the application raised comes of that
            explain_asyncio(error, f"the ASGI application {self.app!r}")
            raise

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[dict[str, Any]]:
        """Run the application's lifespan, for the length of an `async with` block.

        `serve` does so by itself, and leaves alone one that runs already. Yields its state.
        StartupError if it fails to start. An application without a lifespan is left alone.
        Cancellation: while it starts, it is cancelled; later it is told to shut down, and gets
        10 s for it.
        """
        if self._alive:
            yield self.state
            return
        events = LifespanEvents(self.app, self.state)
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

    def lifespans(self) -> list[Lifespan]:
        """What `serve` runs."""
        return [self.lifespan]

    def scope(self, kind: str, exchange: Exchange) -> Scope:
        """The scope of an exchange, for an application below `root_path`."""
        method, target, version = exchange.start_line
        raw_path, _, query = target.encode("latin-1", "replace").partition(b"?")
        host = exchange.headers.get("Host", "")
        name, _, port = host.rpartition(":") if host[-1:] != "]" else (host, "", "")
        secure = exchange.protocol == "https"
        schemes = {"http": ("http", "https"), "websocket": ("ws", "wss")}
        found: Scope = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": version.removeprefix("HTTP/"),
            "scheme": schemes[kind][secure],
            "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": self.root_path,
            "headers": _fields_of(exchange.headers),
            "client": (exchange.remote_ip, 0),
            "server": (name or host, int(port) if port.isdigit() else (443 if secure else 80)),
            "state": self.state.copy(),
            "extensions": {},
        }
        if kind == "http":
            found["method"] = method
            found["extensions"] = {"http.response.early_hint": {}, "http.response.trailers": {}}
        return found


def mount(
    app: AsgiApplication,
    root_path: str = "",
    *,
    on_disconnect: DisconnectPolicy | str = FINISH,
) -> Mount:
    """Serve an ASGI application, below the path `root_path`.

    Its requests run to their end when a client leaves, as ASGI promises (`receive` tells);
    `on_disconnect="cancel"` cancels them. Applications that need asyncio run in a service started
    with `asyncio=True`; those on anyio run in both.
    """
    if root_path and not root_path.startswith("/"):
        raise ValueError(f"root_path {root_path!r} does not begin with '/'")
    return Mount(app, root_path, DisconnectPolicy.of(on_disconnect))


def _fields_of(headers: HTTPHeaders) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in headers.get_all()
    ]


def _headers_of(fields: Iterable[tuple[bytes, bytes]]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in fields:
        headers.add(bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
    return headers


class _Http:
    """One request and the messages about it."""

    __slots__ = (
        "_exchange", "_gone", "_head", "_mount", "_read_all", "_trailers", "_with_trailers",
    )  # fmt: skip

    def __init__(self, mount: Mount, exchange: Exchange) -> None:
        self._mount = mount
        self._exchange = exchange
        self._gone: trio.Event | None = None
        self._read_all = False
        self._head: tuple[ResponseStartLine, HTTPHeaders] | None = None
        self._with_trailers = False
        self._trailers: HTTPHeaders | None = None

    async def run(self) -> None:
        mount = self._mount
        await mount.app(mount.scope("http", self._exchange), self.receive, self.send)
        exchange = self._exchange
        if not exchange.finished and exchange.gone is None:
            if exchange.status or self._head is not None:
                raise RuntimeError(f"{mount.app!r} returned before its response was complete")
            raise RuntimeError(f"{mount.app!r} sent no response")

    async def receive(self) -> Message:
        if not self._read_all:
            try:
                chunk = await self._exchange.read_chunk()
            except StreamClosedError:
                return message("http.disconnect")
            self._read_all = not chunk
            return message("http.request", body=chunk, more_body=bool(chunk))
        await self._until_gone()
        return message("http.disconnect")

    async def _until_gone(self) -> None:
        exchange = self._exchange
        if exchange.finished or exchange.gone is not None:
            await trio.lowlevel.checkpoint()
            return
        if self._gone is None:
            self._gone = trio.Event()
            exchange.set_close_callback(self._gone.set)
        await self._gone.wait()

    async def send(self, each: Message) -> None:
        kind = each["type"]
        if kind == "http.response.body":
            await self._send_body(each)
        elif kind == "http.response.start":
            if self._head is not None or self._exchange.status:
                raise RuntimeError("http.response.start was sent twice")
            status = each["status"]
            line = ResponseStartLine("HTTP/1.1", status, responses.get(status, ""))
            self._head = line, _headers_of(each.get("headers", ()))
            self._with_trailers = each.get("trailers", False)
        elif kind == "http.response.trailers" and self._with_trailers:
            self._trailers = self._trailers or HTTPHeaders()
            for name, value in each.get("headers", ()):
                self._trailers.add(name.decode("latin-1"), value.decode("latin-1"))
            if not each.get("more_trailers", False):
                await self._awaited(self._exchange.finish(self._trailers))
        elif kind == "http.response.early_hint":
            links = _headers_of((b"Link", link) for link in each["links"])
            await self._exchange.send_informational(103, "Early Hints", links)
        else:
            raise ValueError(f"an unknown message of an ASGI application: {kind!r}")

    async def _send_body(self, each: Message) -> None:
        exchange = self._exchange
        body = bytes(each.get("body", b""))
        last = not each.get("more_body", False)
        if self._head is not None:
            line, headers = self._head
            self._head = None
            if last and not self._with_trailers and "Content-Length" not in headers:
                if line.code >= 200 and line.code not in (204, 304):
                    headers["Content-Length"] = str(len(body))
            done = exchange.write_headers(line, headers, body or None)
        elif not exchange.status:
            raise RuntimeError("http.response.body was sent before http.response.start")
        elif body:
            done = exchange.write(body)
        else:
            done = None
        if last and not self._with_trailers:
            done = exchange.finish()
            if self._gone is not None:
                self._gone.set()
        if done is not None:
            await self._awaited(done)

    async def _awaited(self, done: Any) -> None:
        try:
            await done
        except StreamClosedError as error:
            # ASGI 2.4: OSError, which it is; a program that goes on is told by each send.
            raise OSError("the client has gone") from error


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
        scope = mount.scope("websocket", self._exchange)
        offered = self._exchange.headers.get("Sec-WebSocket-Protocol", "")
        scope["subprotocols"] = [name.strip() for name in offered.split(",") if name.strip()]
        scope["extensions"] = {"websocket.http.response": {}}
        error: BaseException | None = None
        try:
            await mount.app(scope, self.receive, self.send)
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
                headers=dict(_headers_of(each.get("headers", ())).get_all()),
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
        headers = _headers_of(start.get("headers", ()))
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
