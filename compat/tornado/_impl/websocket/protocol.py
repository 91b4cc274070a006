"""The protocol objects of `tornado.websocket`: one side of an upgraded connection.

Knows the native session's `Link` (reading, pongs, keepalive, the end of a connection), and turns
its events into a handler's callbacks and its writes into Futures. Must not know the web framework
or the client: the "handler" is whatever has `on_message`, `on_ping`, `on_pong`, `log_exception`
and `on_ws_connection_close`.

Callbacks run straight in the task that reads the connection; a write goes to the socket at
once. So a message that is answered costs no task, no queue and no turn of the loop.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from contextvars import Context, copy_context
from struct import Struct
from typing import Any

import trio
from tornado import gen
from tornado._impl.generation import before
from tornado._impl.loop.tasks import start_soon
from tornado._impl.streams.errors import StreamClosedError as ClosedStream
from tornado._impl.streams.shown import show
from tornado._impl.websocket.base import (
    WebSocketClosedError,
    _default_max_message_size,
    _WebSocketParams,
)
from tornado._impl.websocket.callbacks import CallbackProtocol
from tornado.concurrent import Future
from tornado.escape import utf8
from tornado.ioloop import IOLoop
from tornado.log import gen_log

from tornado_trio.errors import StreamClosedError, WriteBufferFull
from tornado_trio.interop.host_wait import HostReadable
from tornado_trio.net.socket_stream import SocketStream
from tornado_trio.net.stream import Stream
from tornado_trio.websocket.link import Link
from tornado_trio.websocket.tracing import TracedLink, session_tracer
from tornado_trio.wire.websocket import (
    BINARY,
    CLOSE,
    PONG,
    TEXT,
    Close,
    CloseCode,
    ConnectionClosed,
    DeflateOptions,
    HandshakeError,
    State,
    accept_value,
)
from tornado_trio.wire.websocket.frames import encode_frame
from tornado_trio.wire.websocket.handshake import key_of
from tornado_trio.wire.websocket.upgrade import Agreement, answer, confirm

# How long the peer may take to answer our close frame, in seconds.
_CLOSE_TIMEOUT = 5.0
_CLOSE_CODE = Struct("!H").pack


class WebSocketProtocol13(CallbackProtocol):
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
    _native: Stream | None = None
    _shown: Any = None
    _close_callback: Callable[[], None] | None = None  # of those who see the stream
    _subprotocol: str | None = None
    _traced: Callable[[BaseException | None], None] | None = None
    _finishing = False
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
        self.mask_outgoing = mask_outgoing
        self.params = params

    # --- looking ----------------------------------------------------------------------

    @property
    def stream(self) -> Any:
        """The connection as an IOStream, which takes it over if it is read; None before the
        handshake."""
        if self._shown is None and self._native is not None:
            self._shown = show(self._native, self)
        return self._shown

    def let_go(self) -> Stream:
        """The program reads from `stream` itself: there are no frames any more."""
        native = self._native
        if native is None or native.closed:
            raise ClosedStream()
        self._aborted = True
        self._close_callback = None
        if self._link is not None:
            self._link.stop_waiting()
        return native

    def when_closed(self, callback: Callable[[], None] | None) -> None:
        """See `shown.Owner`."""
        self._close_callback = callback

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

    @property
    def client_terminated(self) -> bool:  # type: ignore[override]
        """The peer said goodbye, or is gone."""
        return self._close_seen or self._over

    @property
    def server_terminated(self) -> bool:  # type: ignore[override]
        """We said goodbye, or the peer is gone."""
        wire = self._wire
        return self._over or (wire is not None and wire.close_sent is not None)

    @property
    def _over(self) -> bool:
        wire = self._wire
        return self._aborted or (wire is not None and wire.state is State.CLOSED)

    # --- handshakes -------------------------------------------------------------------

    @staticmethod
    def compute_accept_value(key: str | bytes) -> str:
        """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
        return accept_value(utf8(key))

    async def accept_connection(self, handler: Any = None) -> None:
        """Answer the upgrade request of `handler`, then read until the connection is over."""
        if handler is None:  # Tornado 5 did not say it again
            handler = self.handler
        try:
            if before(6):
                await legacy_accept(self, handler)
            else:
                await self._accept_connection(handler)
        except HandshakeError as error:
            handler.set_status(400)
            gen_log.debug(str(error))
            handler.finish(str(error))

    async def _accept_connection(self, handler: Any) -> None:
        """As `accept_connection`, of a request that has what it needs. Programs override it,
        and add headers to the answer by `handler.set_header`."""
        self._answer(handler)
        await self._serve(handler)

    def _answer(self, handler: Any) -> None:
        headers = handler.request.headers
        agreement = answer(
            headers,
            key_of(headers),
            deflate=deflate_options(handler.get_compression_options()),
            select_subprotocol=handler.select_subprotocol,
        )
        self._agreed(agreement)
        handler.clear_header("Content-Type")
        handler.set_status(101)
        for name, value in agreement.headers.items():
            handler.set_header(name, value)
        # An instrumentation may let go of the request's span as it ends.
        traced = None if session_tracer() is None else copy_context()
        handler.finish()
        self._attach(handler._detach_stream(), traced)
        self.start_pinging()

    async def _serve(self, handler: Any) -> None:
        try:
            result = handler.open(*handler.open_args, **handler.open_kwargs)
            if result is not None:
                if not asyncio.iscoroutine(result):
                    result = gen.convert_yielded(result)
                # A coroutine goes on in the connection's context: what it sets there is seen
                # by `on_message` and `on_close`.
                await self._busy(result)
        except trio.Cancelled:
            self._end_trace(None)
            raise
        except (Exception, asyncio.CancelledError) as error:
            handler.log_exception(*sys.exc_info())
            handler._open_failed()
            self._end_trace(error)
            self._abort()
            return
        continue_with = handler._continue_with()
        if continue_with is not None:
            continue_with(self._receive_frame_loop)
        else:
            await self._receive_frame_loop()

    def _process_server_headers(self, key: Any, headers: Any) -> None:
        """The server accepted: see what it accepted. Raises `HandshakeError`."""
        deflate = deflate_options(self.params.compression_options)
        offered = self.handler._offered_subprotocols
        self._agreed(confirm(101, headers, key, subprotocols=offered, deflate=deflate))

    def _agreed(self, agreement: Agreement) -> None:
        self._subprotocol = agreement.subprotocol
        self._wire = agreement.protocol(self.params.max_message_size)

    def _attach(self, native: Stream, handshake: Context | None = None) -> None:
        """The handshake is done, in that context: `native` carries frames from now on."""
        assert self._wire is not None
        native.max_write_buffer_size = self.params.max_buffer_size
        self._native = native
        tracer = session_tracer()
        if tracer is not None:
            self._traced = tracer(TracedLink(self._wire, self._subprotocol), handshake)
        self._link = Link(
            native,
            self._wire,
            self._receiver(),
            _CLOSE_TIMEOUT,
            spawn=start_soon,
            later=_later,
            lost=self._lost,
        )
        self._link.send_pong = self._send_pong

    def _end_trace(self, error: BaseException | None) -> None:
        """The conversation is over, by an error of the program's or without one."""
        ended, self._traced = self._traced, None
        if ended is not None:
            ended(error)

    # --- receiving --------------------------------------------------------------------

    async def _receive_frame_loop(self) -> None:
        """Read until the connection is over, then tell the handler."""
        native, link = self._native, self._link
        assert native is not None
        if link is None:
            self._tell_closed()  # it was dropped before the first read
            return
        self._makes_tasks = IOLoop.current()._makes_tasks
        _wait_on_host(native)
        try:
            await link.run(self._reading_over)
        except trio.Cancelled:
            self._go_away(link)  # the server, or the loop, is being closed
            raise
        except asyncio.CancelledError:
            # As `asyncio.run` cancels all tasks, and programs theirs: it ends this connection.
            self._go_away(link)
        finally:
            self._ended()

    def _go_away(self, link: Link) -> None:
        """A word to the peer, without waiting."""
        if not self._finishing:
            link.send_close(CloseCode.GOING_AWAY)
            self._lost()

    def _reading_over(self) -> None:
        self._finishing = True
        self._tell_closed()

    def _lost(self) -> None:
        """The connection is gone, perhaps while `on_message` waits: the handler is notified now."""
        self._ended()
        self._tell_closed()

    def on_connection_close(self) -> None:
        if not self._finishing:  # the last frame is on its way, and the stream closed in time
            self._abort()

    def _ended(self) -> None:
        """Nothing is sent or received any more."""
        # It holds bound methods of ours: a reference cycle, and with it the handler.
        link, self._link = self._link, None
        if link is not None:
            link.abort()
        if self._traced is not None:
            self._end_trace(None)
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            IOLoop.current().add_callback(callback)

    # --- sending ------------------------------------------------------------------------

    def write_message(self, message: Any, binary: bool = False) -> Future[None]:
        """Send a message; the Future is done when the socket has taken it.

        Raises:
            WebSocketClosedError: the connection is closed or closing.
        """
        if type(message) is not bytes:
            message = utf8(message)
        if self._wire is None:
            raise WebSocketClosedError()
        try:
            frame = self._wire.send_data(BINARY if binary else TEXT, message)
        except ConnectionClosed:
            raise WebSocketClosedError() from None
        self._message_bytes_out += len(message)
        return self._send(frame)

    def _write_frame(self, fin: bool, opcode: int, data: bytes, flags: int = 0) -> Future[None]:
        """Send one frame, as it is: pongs, and what programs make themselves."""
        if self.server_terminated and opcode != CLOSE:
            raise WebSocketClosedError()
        rsv1 = flags & self.RSV1 != 0
        return self._send(encode_frame(opcode, data, fin=fin, rsv1=rsv1, mask=self.mask_outgoing))

    def _send(self, frame: bytes) -> Future[None]:
        link = self._link
        if link is None:
            raise WebSocketClosedError()
        self._wire_bytes_out += len(frame)
        future: Future[None] = Future()
        try:
            if link.stream.write(frame):
                future.set_result(None)
            else:
                link.when_drained(functools.partial(_settle, future))
        except WriteBufferFull:
            # Bounded memory: a peer that left this much unread is not going to catch up.
            gen_log.warning("WebSocket closed: the peer does not read")
            self._abort()
            raise WebSocketClosedError() from None
        except StreamClosedError:
            raise WebSocketClosedError() from None
        return future

    def write_ping(self, data: bytes) -> None:
        """Send a ping of at most 125 bytes."""
        if self._wire is None:
            raise WebSocketClosedError()
        try:
            self._send(self._wire.send_ping(data))
        except ConnectionClosed:
            raise WebSocketClosedError() from None

    def _send_pong(self, data: bytes) -> bool:
        """As `Link.send_pong`."""
        try:
            future = self._write_frame(True, PONG, data)
        except WebSocketClosedError:
            return True
        if not future.done():
            future.add_done_callback(self._pong_sent)
        return future.done()

    def _pong_sent(self, _: Future[None]) -> None:
        if self._link is not None:
            self._link.pong_left()

    # --- closing --------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """A close frame was sent or received, or the connection is gone."""
        native, wire = self._native, self._wire
        return (
            native is None
            or native.closed
            or self._close_seen
            or self._aborted
            or wire is None
            or wire.close_sent is not None
            or wire.state is State.CLOSED
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
        if self._link is not None and self._wire is not None:
            # Any code: programs send some that RFC 6455 7.4 keeps for others.
            meaning = Close(CloseCode.NO_STATUS if code is None else code, "")
            self._link.write_quietly(self._wire.send_close_payload(payload, meaning))
            self._link.abort_later()

    def _callback_failed(self) -> None:
        self.handler.log_exception(*sys.exc_info())
        if self._link is not None:
            self._link.send_close(CloseCode.INTERNAL_ERROR)
        self._abort()
        self._end_trace(sys.exc_info()[1])

    def _abort(self) -> None:
        # What has been read is looked at still: the peer's close frame may be among it.
        self._aborted = True
        if self._link is not None:
            self._link.stop_waiting()
        if self._native is not None:
            self._native.close()


def _later(seconds: float, callback: Callable[[], object]) -> Callable[[], object]:
    loop = IOLoop.current()
    return functools.partial(loop.remove_timeout, loop.call_later(seconds, callback))


def _settle(future: Future[None], error: Exception | None) -> None:
    """What was written is on its way, or never will be."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(WebSocketClosedError())
        future.exception()  # marked as retrieved


def _wait_on_host(native: Stream) -> None:
    """Have asyncio's selector watch the socket, where there is one: see `HostReadable`."""
    if isinstance(native, SocketStream) and native.waiter is None:
        loop = IOLoop.current()._driver_parts()[0]
        if isinstance(loop, asyncio.AbstractEventLoop):
            native.waiter = HostReadable(loop, native.socket.fileno())


def deflate_options(options: dict[str, Any] | None) -> DeflateOptions | None:
    """What `get_compression_options` returned, as native options. Tornado's defaults."""
    if options is None:
        return None
    return DeflateOptions(
        level=options.get("compression_level", 6),
        mem_level=options.get("mem_level", 8),
        window_bits=15,
        min_size=0,
    )


if before(6):
    from tornado._impl.legacy.websocket import accept as legacy_accept
    from tornado._impl.legacy.websocket import accept_connection

    WebSocketProtocol13._accept_connection = accept_connection  # type: ignore[assignment]

if before(4, 5):
    from tornado._impl.refused import refuse

    refuse("tornado.websocket", WebSocketProtocol13)

WebSocketProtocol13.__module__ = "tornado.websocket"
