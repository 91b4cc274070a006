"""Incoming events, as calls of a handler's `on_message`, `on_ping`, `on_pong` and end.

Knows handlers by these methods, and coroutines; the native `LookAhead` watches a connection whose
handler is busy.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any

from tornado._impl.generation import before
from tornado._impl.loop.tasks import start_soon
from tornado._impl.websocket.pinging import PingingProtocol

from tornado_trio.net.stream import Stream
from tornado_trio.websocket.link import Receiver
from tornado_trio.websocket.lookahead import LookAhead
from tornado_trio.wire.websocket import BINARY, CLOSE, PING, PONG, TEXT, CloseCode
from tornado_trio.wire.websocket import WebSocketProtocol as WireProtocol
from tornado_trio.wire.websocket.frames import encode_close, parse_close

if before(6, 5):
    from tornado._impl.legacy.websocket import PingTimes

    class _PingingProtocol(PingTimes, PingingProtocol):
        """See `PingTimes`."""
else:
    _PingingProtocol = PingingProtocol  # type: ignore[misc, assignment]

__all__ = ["CallbackProtocol"]


class CallbackProtocol(_PingingProtocol):
    """A protocol object that calls its handler for what the peer sends."""

    # Of one connection; class attributes, so that an idle one weighs nothing for them.
    close_code: int | None = None
    close_reason: str | None = None
    _native: Stream | None = None
    _wire: WireProtocol | None = None
    _look_ahead: LookAhead | None = None
    _close_seen = False  # the peer's close frame came in its turn
    _ponged_ahead = 0

    def _ended(self) -> None:
        """Nothing is sent or received any more."""
        raise NotImplementedError

    def _tell_closed(self) -> None:
        try:
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)
        except (Exception, asyncio.CancelledError):
            self.handler.log_exception(*sys.exc_info())

    def _receiver(self) -> Receiver:
        """What gets the events of a connection: a program's `_handle_message`, if it has one."""
        found = self._handle_message
        if getattr(found, "__func__", None) is _HANDLE_MESSAGE:
            return self._on_event
        return lambda opcode, data: found(opcode, _payload(opcode, data))

    def _handle_message(self, opcode: int, data: bytes) -> Awaitable[object] | None:
        """One message, ping, pong or close frame, as bytes. Programs override it."""
        if opcode == TEXT:
            try:
                return self._on_event(opcode, data.decode())
            except UnicodeDecodeError:
                self._abort()
                return None
        return self._on_event(opcode, parse_close(data) if opcode == CLOSE else data)

    def _on_event(self, opcode: int, data: Any) -> Awaitable[object] | None:
        """One event: `data` is text, bytes, or what a close frame says."""
        if opcode == TEXT or opcode == BINARY:
            if self.client_terminated:
                return None
            try:
                result = self.handler.on_message(data)
            except (Exception, asyncio.CancelledError):
                self._callback_failed()
                return None
            # Done already: the usual `return self.write_message(...)`.
            if result is None or (
                isinstance(result, asyncio.Future)
                and result.done()
                and not result.cancelled()
                and result.exception() is None
            ):
                return None
            return self._on_message_result(result)
        if opcode == PING:
            if self._ponged_ahead:
                self._ponged_ahead -= 1
            elif self._link is not None:
                self._link.answer_ping(data)
            return self._run_callback(self.handler.on_ping, data)
        if opcode == PONG:
            self._received_pong = True
            return self._run_callback(self.handler.on_pong, data)
        if opcode == CLOSE:
            self._close_seen = True
            if data.code != CloseCode.NO_STATUS:
                self.close_code = data.code
                self.close_reason = data.reason or None
        return None

    def _on_message_result(self, result: Any) -> Awaitable[object] | None:
        going_on = self._going_on(result)
        return None if going_on is None else self._busy(going_on)

    def _busy(self, result: Awaitable[Any]) -> Awaitable[Any]:
        """Go on looking at the connection while the program takes its time."""
        look_ahead = self._look_ahead
        if look_ahead is None:
            assert self._native is not None and self._wire is not None
            look_ahead = self._look_ahead = LookAhead(
                self._native,
                self._wire,
                start_soon,
                self._seen_ahead,
                self._lost_ahead,
            )
            if self._link is not None:
                self._link.ahead = look_ahead
        return look_ahead.watch(result)

    def _seen_ahead(self, opcode: int, payload: Any) -> None:
        """A ping or pong came while `on_message` waits: its callbacks come in their turn."""
        if opcode == PING:
            self._ponged_ahead += 1
            if self._link is not None:
                self._link.answer_ping(payload)
        else:
            self._received_pong = True

    def _lost_ahead(self) -> None:
        """The peer vanished while `on_message` waits: it is notified now, not when it is done."""
        self._ended()
        self._tell_closed()


_HANDLE_MESSAGE = CallbackProtocol._handle_message


def _payload(opcode: int, data: Any) -> bytes:
    """The bytes of an event's message or frame."""
    if opcode == TEXT:
        return data.encode()  # type: ignore[no-any-return]
    if opcode == CLOSE:
        return encode_close(None if data.code == CloseCode.NO_STATUS else data.code, data.reason)
    return bytes(data)
