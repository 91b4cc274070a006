"""Websockets of an ASGI server, for applications that speak them over a stream.

ASGI passes whole messages, our sessions read and write frames: so the exchange's stream is one end
of an in-memory pipe, and a client session at the other end turns frames into ASGI messages and
back. Pings are answered there; the server exchanges its own with the peer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from ..errors import StreamClosedError
from ..exchange import READY, Cause, HTTPHeaders, ResponseStartLine
from ..limits import Limits
from ..net.memory import memory_stream_pair
from ..net.stream import Stream
from ..websocket.options import WebSocketOptions
from ..websocket.running import run_session
from ..websocket.session import WebSocket
from ..wire.websocket import WebSocketProtocol
from .exchange import AsgiExchange
from .outbox import message
from .types import Receive, Scope, Send

__all__ = ["UpgradeExchange"]

_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="  # the answer to it is not checked


class UpgradeExchange(AsgiExchange):
    """The request to upgrade that a websocket scope stands for."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits) -> None:
        super().__init__(scope, receive, _responses_of_a_socket(send), limits)
        headers = self.headers
        headers["Upgrade"] = "websocket"
        headers["Connection"] = "Upgrade"
        headers["Sec-WebSocket-Version"] = "13"
        headers["Sec-WebSocket-Key"] = _KEY
        headers.pop("Sec-WebSocket-Extensions", None)
        if scope.get("subprotocols"):
            headers["Sec-WebSocket-Protocol"] = ", ".join(scope["subprotocols"])
        self._receive = receive
        self._stream: Stream | None = None

    def begin(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery  # its messages are those of the session

    async def read_chunk(self) -> bytes:
        return b""

    def read_body_nowait(self) -> bytes | None:
        return b""

    async def connected(self) -> bool:
        """Wait for the server's `websocket.connect`; False: it sent something else."""
        first: str = (await self._receive())["type"]
        return first == "websocket.connect"

    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        if start_line.code == 101:
            self.status = 101
            fields = [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in headers.get_all()
                if name.lower() not in _HANDSHAKE
            ]
            subprotocol = headers.get("Sec-WebSocket-Protocol")
            return self.outbox.put(
                message("websocket.accept", subprotocol=subprotocol, headers=fields)
            )
        if "websocket.http.response" not in self._extensions:
            self.status = start_line.code
            code = 1011 if self.status >= 500 else 1008
            return self.outbox.put(message("websocket.close", code=code, reason=""))
        result = super().write_headers(start_line, headers, chunk)
        return result

    def write(self, chunk: bytes) -> Awaitable[None]:
        return super().write(chunk) if "websocket.http.response" in self._extensions else READY

    def finish(self, trailers: HTTPHeaders | None = None) -> Awaitable[None]:
        if self.status == 101:
            return READY  # the head is all of that answer; the session comes next
        if "websocket.http.response" in self._extensions:
            return super().finish()
        self.finished = True
        self._done.set()
        return READY

    def detach(self) -> Any:
        self.finished = True
        self.cause = Cause.UPGRADED
        self._done.set()
        self.detached = True
        self._stream, far_end = memory_stream_pair()
        self.nursery.start_soon(self._translate, far_end, name="messages of the ASGI server")
        return self._stream

    def continue_with(self, then: Callable[[], Any]) -> None:
        self.then = then

    def client_left(self, error: Exception) -> None:
        if not self.detached:
            super().client_left(error)
        elif self.gone is None:
            self.gone = error
            self.outbox.fail(error)

    @property
    def left(self) -> bool:
        return super().left or (self._stream is not None and self._stream.closed)

    async def _translate(self, far_end: Stream) -> None:
        protocol = WebSocketProtocol(client=True, max_size=None)
        options = WebSocketOptions(max_message_size=None, ping_interval=None)
        session = run_session(far_end, protocol, options)
        ws: WebSocket | None = None
        otherwise = 1001  # cancelled, before the session has said so
        try:
            async with session as ws, trio.open_nursery() as nursery:
                nursery.start_soon(self._from_peer, ws)
                await self._to_peer(ws)
                otherwise = 1000
                nursery.cancel_scope.cancel()
        finally:
            code = ws.close_code if ws is not None else None
            reason = ws.close_reason if ws is not None else None
            code = otherwise if code in (None, 1005, 1006) else code
            self.outbox.put(message("websocket.close", code=code, reason=reason or ""))

    async def _to_peer(self, ws: WebSocket) -> None:
        try:
            async for each in ws:
                key = "text" if isinstance(each, str) else "bytes"
                await self.outbox.put(message("websocket.send", **{key: each}))
        except StreamClosedError:  # the peer has left
            if not ws.closed:
                ws.abort()

    async def _from_peer(self, ws: WebSocket) -> None:
        while True:
            found = await self._receive()
            if found["type"] == "websocket.disconnect":
                code = found.get("code", 1005)
                self.client_left(StreamClosedError("the peer has closed the websocket"))
                if code in (1005, 1006):
                    ws.abort()
                else:
                    await ws.close(code, found.get("reason") or "")
                return
            text = found.get("text")
            await ws.send(text if text is not None else found["bytes"])


_HANDSHAKE = frozenset(
    (
        *("connection", "upgrade", "sec-websocket-accept", "sec-websocket-protocol"),
        *("sec-websocket-extensions", "date"),
    )
)


def _responses_of_a_socket(send: Send) -> Send:
    """The refusal of a handshake is an answer under names of its own."""

    async def renamed(each: Any) -> None:
        if each["type"].startswith("http."):
            each = {**each, "type": "websocket." + each["type"]}
        await send(each)

    return renamed
