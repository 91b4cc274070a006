"""Incoming events, as calls of a handler's `on_message`, `on_ping`, `on_pong` and end.

Knows handlers by these methods, coroutines, and the link, which answers pings and reads ahead.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from tornado import gen
from tornado._impl.generation import before
from tornado._impl.websocket.pinging import PingingProtocol

from tornado_trio._util.contexts import InContext
from tornado_trio.websocket.link import Receiver
from tornado_trio.wire.websocket import BINARY, CLOSE, PING, PONG, TEXT, CloseCode, State
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
    _makes_tasks = False  # the program's loop does, of coroutines: see `own_tasks`
    _wire: WireProtocol | None = None
    _close_seen = False  # the peer's close frame came in its turn
    _aborted = False

    # --- which event ----------------------------------------------------------------------

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
            # `client_terminated`, without its calls
            wire = self._wire
            if self._close_seen or self._aborted or wire is None or wire.state is State.CLOSED:
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
            going_on = self._going_on(result)
            return None if going_on is None else self._busy(going_on)
        if opcode == PING:
            if self._link is not None:
                self._link.answer_ping(data)
            return self._run_callback(self.handler.on_ping, data)
        if opcode == PONG:
            self._pong_came()
            return self._run_callback(self.handler.on_pong, data)
        if opcode == CLOSE:
            self._close_seen = True
            if data.code != CloseCode.NO_STATUS:
                self.close_code = data.code
                self.close_reason = data.reason or None
        return None

    def _busy(self, result: Awaitable[Any]) -> Awaitable[Any]:
        """`result`; the connection is looked at while the program takes its time."""
        return result if self._link is None else self._link.read_ahead(result)

    def _tell_closed(self) -> None:
        try:
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)
        except (Exception, asyncio.CancelledError):
            self.handler.log_exception(*sys.exc_info())

    # --- what it calls --------------------------------------------------------------------

    def _run_callback(self, callback: Callable[..., Any], *args: Any) -> Awaitable[None] | None:
        """Call the program; what it raises is logged and ends the connection."""
        try:
            result = callback(*args)
        except (Exception, asyncio.CancelledError):
            self._callback_failed()
            return None
        return None if result is None else self._going_on(result)

    def _going_on(self, result: Any) -> Awaitable[None] | None:
        """What a callback returned, to be awaited."""
        if not asyncio.iscoroutine(result) or self._makes_tasks:
            try:
                result = gen.convert_yielded(result)
            except (Exception, asyncio.CancelledError):
                self._callback_failed()
                return None
        # What it sets is its own, as a task's would be.
        return InContext(self._await_callback(result), contextvars.copy_context())

    async def _await_callback(self, result: Awaitable[Any]) -> None:
        try:
            await result
        except trio.Cancelled:
            raise
        except (Exception, asyncio.CancelledError):
            self._callback_failed()

    def _callback_failed(self) -> None:
        """Log what the program raised, and end the connection."""
        raise NotImplementedError


_HANDLE_MESSAGE = CallbackProtocol._handle_message


def _payload(opcode: int, data: Any) -> bytes:
    """The bytes of an event's message or frame."""
    if opcode == TEXT:
        return data.encode()  # type: ignore[no-any-return]
    if opcode == CLOSE:
        return encode_close(None if data.code == CloseCode.NO_STATUS else data.code, data.reason)
    return bytes(data)
