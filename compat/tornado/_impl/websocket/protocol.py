"""The protocol objects of `tornado.websocket`: one side of an upgraded connection.

Knows the native session's `Link` (reading, the end of a connection) and frames, and turns their
events into a handler's callbacks and Futures. Must not know the web framework or the client:
the "handler" is whatever has `on_message`, `on_ping`, `on_pong`, `log_exception` and
`on_ws_connection_close`.

Callbacks run straight in the task that reads the connection; a write goes to the socket at
once. So a message that is answered costs no task, no queue and no turn of the loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import time
from collections.abc import Awaitable
from struct import Struct
from typing import Any

import trio
from tornado import gen
from tornado._impl.loop.tasks import start_soon
from tornado._impl.streams.view import StreamView
from tornado._impl.websocket.base import (
    WebSocketClosedError,
    WebSocketProtocol,
    _default_max_message_size,
    _WebSocketParams,
    de_dupe_gen_log,
)
from tornado.concurrent import Future
from tornado.escape import utf8
from tornado.ioloop import IOLoop
from tornado.log import gen_log

from tornado_trio._util.contexts import InContext
from tornado_trio.errors import StreamClosedError, WriteBufferFull
from tornado_trio.interop.host_wait import HostReadable
from tornado_trio.net.socket_stream import SocketStream
from tornado_trio.net.stream import Stream
from tornado_trio.websocket.link import Link
from tornado_trio.websocket.lookahead import LookAhead
from tornado_trio.wire.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Close,
    CloseCode,
    DeflateOptions,
    HandshakeError,
    accept_value,
)
from tornado_trio.wire.websocket import (
    WebSocketProtocol as WireProtocol,
)
from tornado_trio.wire.websocket.frames import encode_frame
from tornado_trio.wire.websocket.handshake import valid_key
from tornado_trio.wire.websocket.upgrade import answer

# How long the peer may take to answer our close frame, in seconds.
_CLOSE_TIMEOUT = 5.0
_CLOSE_CODE = Struct("!H").pack


class WebSocketProtocol13(WebSocketProtocol):
    """RFC 6455, either side.

    Args:
        mask_outgoing: we are the client.
        params: what the program set.
        compression_options: without `params`, as Tornado 5 had it.
    """

    FIN = 0x80
    RSV1 = 0x40
    RSV2 = 0x20
    RSV3 = 0x10
    RSV_MASK = RSV1 | RSV2 | RSV3
    OPCODE_MASK = 0x0F

    # Of one connection; class attributes, so that an idle one weighs nothing for them.
    close_code: int | None = None
    close_reason: str | None = None
    _native: Stream | None = None
    _link: Link | None = None
    _view: StreamView | None = None
    _look_ahead: LookAhead | None = None
    _subprotocol: str | None = None
    _unsent: list[Future] | None = None
    _pong_future: Future | None = None
    _next_pong: bytes | None = None
    _received_pong = False
    _ponged_ahead = 0
    _pinging: Any = None
    _pinged: float | None = None
    _ping_started = False
    _finishing = False
    _waiting: Any = None
    _message_bytes_out = 0
    _wire_bytes_out = 0

    def __init__(
        self,
        handler: Any,
        mask_outgoing: bool = False,
        params: _WebSocketParams | None = None,
        compression_options: dict[str, Any] | None = None,
    ) -> None:
        if params is None:
            # As before Tornado 6: the rest of what the program set is the handler's.
            params = _WebSocketParams(
                ping_interval=getattr(handler, "ping_interval", None),
                ping_timeout=getattr(handler, "ping_timeout", None),
                max_message_size=getattr(handler, "max_message_size", _default_max_message_size),
                compression_options=compression_options,
            )
        self.handler = handler
        self.client_terminated = False
        self.server_terminated = False
        self.mask_outgoing = mask_outgoing
        self.params = params
        self._wire: WireProtocol | None = None

    # --- looking ----------------------------------------------------------------------

    @property
    def stream(self) -> Any:
        """The connection as far as an IOStream's users look; None before the handshake."""
        if self._view is None and self._native is not None:
            self._view = StreamView(self._native)
        return self._view

    @property
    def selected_subprotocol(self) -> str | None:
        return self._subprotocol

    @selected_subprotocol.setter
    def selected_subprotocol(self, value: str | None) -> None:
        self._subprotocol = value

    @property
    def _message_bytes_in(self) -> int:
        return self._wire.reader.message_bytes if self._wire is not None else 0

    @property
    def _wire_bytes_in(self) -> int:
        return self._wire.reader.wire_bytes if self._wire is not None else 0

    def set_nodelay(self, x: bool) -> None:
        self.stream.set_nodelay(x)

    # --- handshakes -------------------------------------------------------------------

    @staticmethod
    def compute_accept_value(key: str | bytes) -> str:
        """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
        return accept_value(utf8(key))

    async def accept_connection(self, handler: Any = None) -> None:
        """Answer the upgrade request of `handler`, then read until the connection is over."""
        if handler is None:  # Tornado 5 did not say it again
            handler = self.handler
        headers = handler.request.headers
        key = headers.get("Sec-WebSocket-Key", "").strip(" \t")
        version = headers.get("Sec-WebSocket-Version")
        if not (headers.get("Host") and valid_key(key) and version):
            self._refuse(handler, "Missing/Invalid WebSocket headers")
            return
        options = handler.get_compression_options()
        deflate = None if options is None else deflate_options(options)
        try:
            agreement = answer(
                headers, key, deflate=deflate, select_subprotocol=handler.select_subprotocol
            )
        except HandshakeError as error:
            self._refuse(handler, str(error))
            return
        self._subprotocol = agreement.subprotocol
        self._wire = WireProtocol(
            client=False,
            max_size=self.params.max_message_size,
            deflate=agreement.deflate,
            options=deflate,
        )
        handler.clear_header("Content-Type")
        handler.set_status(101)
        for name, value in agreement.headers.items():
            handler.set_header(name, value)
        handler.finish()
        self._native = handler._detach_stream()
        self._native.max_write_buffer_size = self.params.max_buffer_size
        self.start_pinging()
        try:
            result = handler.open(*handler.open_args, **handler.open_kwargs)
            if result is not None:
                if not asyncio.iscoroutine(result):
                    result = gen.convert_yielded(result)
                # A coroutine goes on in the connection's context: what it sets there is seen
                # by `on_message` and `on_close`.
                await self._busy(result)
        except trio.Cancelled:
            raise
        except (Exception, asyncio.CancelledError):
            handler.log_exception(*sys.exc_info())
            handler._open_failed()
            self._abort()
            return
        continue_with = handler._continue_with()
        if continue_with is not None:
            continue_with(self._receive_frame_loop)
        else:
            await self._receive_frame_loop()

    @staticmethod
    def _refuse(handler: Any, reason: str) -> None:
        handler.set_status(400)
        gen_log.debug(reason)
        handler.finish(reason)

    def _process_server_headers(self, key: Any, headers: Any) -> None:
        """The server accepted: see what it accepted. Raises `HandshakeError`."""
        from tornado_trio.wire.websocket.handshake import check_answer

        options = self.params.compression_options
        deflate = None if options is None else deflate_options(options)
        offered = self.handler._offered_subprotocols
        subprotocol, params = check_answer(
            101, headers, key, subprotocols=offered, deflate=deflate
        )
        self._subprotocol = subprotocol
        self._wire = WireProtocol(
            client=True, max_size=self.params.max_message_size, deflate=params, options=deflate
        )

    # --- receiving --------------------------------------------------------------------

    async def _receive_frame_loop(self) -> None:
        """Read until the connection is over, then tell the handler."""
        native, wire = self._native, self._wire
        assert native is not None and wire is not None
        _wait_on_host(native)
        link = self._link = Link(native, wire, self._on_event, _CLOSE_TIMEOUT)
        link.ahead = self._look_ahead
        try:
            await link.read()
        except trio.Cancelled:
            # The server, or the loop, is being closed: a word to the peer, without waiting.
            self._say_close(_CLOSE_CODE(CloseCode.GOING_AWAY), CloseCode.GOING_AWAY)
            self._ended()
            self._tell_closed()
            raise
        except BaseException:
            self._ended()
            raise
        try:
            # At once: the peer may keep its connection open, for as long as `finish` waits.
            self._over()
            self._finishing = True
            self._tell_closed()
            await link.finish()
        finally:
            self._ended()

    def _tell_closed(self) -> None:
        try:
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)
        except (Exception, asyncio.CancelledError):
            self.handler.log_exception(*sys.exc_info())

    def on_connection_close(self) -> None:
        if not self._finishing:  # the last frame is on its way, and the stream closed in time
            self._abort()

    def _over(self) -> None:
        """Nothing is sent or received any more."""
        self.client_terminated = self.server_terminated = True
        if self._pinging is not None:
            self._pinging.cancel()
        if self._waiting is not None:
            self._waiting()
            self._waiting = None

    def _ended(self) -> None:
        self._over()
        if self._native is not None:
            self._native.close()
        # They hold bound methods of ours: reference cycles, and with them the handler.
        self._link = self._look_ahead = None

    def _on_event(self, opcode: int, payload: Any) -> Awaitable[object] | None:
        return self._handle_message(opcode, payload)

    def _handle_message(self, opcode: int, data: Any) -> Awaitable[object] | None:
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
            elif not self.server_terminated:
                self._send_pong(data)
            return self._run_callback(self.handler.on_ping, data)
        if opcode == PONG:
            self._received_pong = True
            return self._run_callback(self.handler.on_pong, data)
        if opcode == CLOSE:
            self.client_terminated = True
            if data.code != CloseCode.NO_STATUS:
                self.close_code = data.code
                self.close_reason = data.reason or None
        return None

    def _on_message_result(self, result: Any) -> Awaitable[object] | None:
        if not asyncio.iscoroutine(result):
            try:
                result = gen.convert_yielded(result)
            except (Exception, asyncio.CancelledError):
                self._callback_failed()
                return None
        own = contextvars.copy_context()  # what it sets is not seen by the next one
        return self._busy(InContext(self._await_callback(result), own))

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
            if not self.server_terminated:
                self._send_pong(payload)
        else:
            self._received_pong = True

    def _lost_ahead(self) -> None:
        """The peer vanished while `on_message` waits: it is told now, not when it is done."""
        self._ended()
        self._tell_closed()

    # --- sending ------------------------------------------------------------------------

    def write_message(self, message: Any, binary: bool = False) -> Future:
        """Send a message; the Future is done when the socket has taken it.

        Raises:
            WebSocketClosedError: the connection is closed or closing.
        """
        if type(message) is not bytes:
            message = utf8(message)
        self._message_bytes_out += len(message)
        flags = 0
        wire = self._wire
        if wire is not None and wire.deflater is not None:
            message = wire.deflater.compress(message)
            flags = self.RSV1
        try:
            return self._write_frame(True, BINARY if binary else TEXT, message, flags)
        except StreamClosedError:
            raise WebSocketClosedError() from None

    def _write_frame(self, fin: bool, opcode: int, data: bytes, flags: int = 0) -> Future:
        if self.server_terminated and opcode != CLOSE:
            raise WebSocketClosedError()
        frame = encode_frame(
            opcode, data, fin=fin, rsv1=flags & 0x40 != 0, mask=self.mask_outgoing
        )
        self._wire_bytes_out += len(frame)
        native = self._native
        if native is None:
            raise WebSocketClosedError()
        future = Future()
        try:
            done = native.write(frame)
        except WriteBufferFull:
            # Bounded memory: a peer that left this much unread is not going to catch up.
            gen_log.warning("WebSocket closed: the peer does not read")
            self._abort()
            raise WebSocketClosedError() from None
        if done:
            future.set_result(None)
        elif self._unsent is None:
            self._unsent = [future]
            start_soon(self._drain)
        else:
            self._unsent.append(future)
        return future

    async def _drain(self) -> None:
        """Resolve the Futures of writes that had to wait."""
        assert self._native is not None
        error: Exception | None = None
        try:
            await self._native.drain()
        except StreamClosedError:
            error = WebSocketClosedError()
        futures, self._unsent = self._unsent, None
        for future in futures or ():
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()  # nobody has to look at it

    def write_ping(self, data: bytes) -> None:
        """Send a ping of at most 125 bytes."""
        if len(data) > 125:
            raise ValueError("control frame payloads may not exceed 125 bytes")
        try:
            self._write_frame(True, PING, data)
        except StreamClosedError:
            raise WebSocketClosedError() from None

    def _send_pong(self, data: bytes) -> None:
        """Answer a ping. While an answer is unsent, only the latest ping gets the next one."""
        if self._pong_future is not None:
            self._next_pong = data
            return
        try:
            future = self._write_frame(True, PONG, data)
        except (StreamClosedError, WebSocketClosedError):
            return
        if not future.done():
            self._pong_future = future
            future.add_done_callback(self._on_pong_sent)

    def _on_pong_sent(self, future: Future) -> None:
        self._pong_future = None
        data, self._next_pong = self._next_pong, None
        if data is not None and not self.server_terminated:
            self._send_pong(data)

    # --- closing --------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """A close frame was sent or received, or the connection is gone."""
        return (
            self.client_terminated
            or self.server_terminated
            or self._native is None
            or self._native.closed
        )

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Say goodbye; the connection is dropped if the peer does not answer in 5 seconds."""
        if self.server_terminated:
            return
        if code is None and reason is not None:
            code = CloseCode.NORMAL
        payload = b"" if code is None else _CLOSE_CODE(code)
        if reason is not None:
            payload += utf8(reason)
        if len(payload) > 125:
            raise ValueError("control frame payloads may not exceed 125 bytes")
        self._say_close(payload, code)
        self.server_terminated = True
        if not self.client_terminated and self._native is not None and self._waiting is None:
            loop = IOLoop.current()
            handle = loop.call_later(_CLOSE_TIMEOUT, self._abort)
            self._waiting = lambda: loop.remove_timeout(handle)

    def _say_close(self, payload: bytes, code: int | None) -> None:
        wire, native = self._wire, self._native
        if wire is None or native is None or native.closed:
            return
        meaning = Close(CloseCode.NO_STATUS if code is None else code, "")
        frame = wire.send_close_payload(payload, meaning)
        if frame:
            try:
                native.write(frame)
            except (StreamClosedError, WriteBufferFull):
                pass  # it is being closed for another reason, which its reader knows

    def _callback_failed(self) -> None:
        self.handler.log_exception(*sys.exc_info())
        if not self.server_terminated:
            self._say_close(_CLOSE_CODE(CloseCode.INTERNAL_ERROR), CloseCode.INTERNAL_ERROR)
        self._abort()

    def _abort(self) -> None:
        self.client_terminated = True
        self.server_terminated = True
        if self._native is not None:
            self._native.close()
        if self._pinging is not None:
            self._pinging.cancel()

    # --- keepalive ------------------------------------------------------------------------

    @property
    def ping_interval(self) -> float:
        """Seconds between pings; 0: none."""
        interval = self.params.ping_interval
        return interval if interval is not None else 0

    @property
    def ping_timeout(self) -> float:
        """Seconds a pong may take, at most and by default the interval; 0: for ever."""
        timeout = self.params.ping_timeout
        interval = self.ping_interval
        if timeout is None:
            return interval
        if interval and timeout > interval:
            de_dupe_gen_log(
                30,
                f"The websocket_ping_timeout ({timeout}) cannot be longer than the "
                f"websocket_ping_interval ({interval}).\n"
                f"Setting websocket_ping_timeout={interval}",
            )
            return interval
        return timeout

    def start_pinging(self) -> None:
        """Start the keepalive, if one is set."""
        if self.ping_interval > 0 and not self._ping_started:
            self._ping_started = True
            self._ping_later(self.ping_interval)

    def _ping_later(self, seconds: float) -> None:
        # A task that sleeps weighs 5 KB per connection; a timer 0.4.
        self._pinging = IOLoop.current().call_later(seconds, self._ping_by_timer)

    def _ping_by_timer(self) -> None:
        seconds = self._ping_step()
        if seconds is None:
            self._pinging = None
        else:
            self._ping_later(seconds)

    def _ping_step(self) -> float | None:
        """Do what the keepalive has to do now; seconds until the next step, None: no more."""
        if self.is_closing():
            return None
        interval, timeout, now = self.ping_interval, self.ping_timeout, time.monotonic()
        begin, self._pinged = self._pinged, None
        if begin is not None:
            if not self._received_pong:
                self.close(reason="ping timed out")
                return None
            return self.ping_sleep_time(last_ping_time=begin, interval=interval, now=now)
        self._received_pong = False
        try:
            self.write_ping(b"")
        except WebSocketClosedError:
            return None
        if timeout <= 0:
            return interval
        self._pinged = now
        return timeout

    @staticmethod
    def ping_sleep_time(*, last_ping_time: float, interval: float, now: float) -> float:
        """Seconds until the next ping is due."""
        return max(0, last_ping_time + interval - now)

    async def periodic_ping(self) -> None:
        """Ping for as long as the connection lasts; close it when a pong does not come.

        For programs that start it themselves: `start_pinging` does the same without a task.
        """
        seconds: float | None = self.ping_interval
        while seconds is not None:
            await trio.sleep(seconds)
            seconds = self._ping_step()


def _wait_on_host(native: Stream) -> None:
    """Have asyncio's selector watch the socket, where there is one: see `HostReadable`."""
    if isinstance(native, SocketStream) and native.waiter is None:
        loop = IOLoop.current()._driver_parts()[0]
        if isinstance(loop, asyncio.AbstractEventLoop):
            native.waiter = HostReadable(loop, native.socket.fileno())


def deflate_options(options: dict[str, Any]) -> DeflateOptions:
    """What `get_compression_options` returned, as native options. Tornado's defaults."""
    return DeflateOptions(
        level=options.get("compression_level", 6),
        mem_level=options.get("mem_level", 8),
        window_bits=15,
        min_size=0,
    )


WebSocketProtocol13.__module__ = "tornado.websocket"
