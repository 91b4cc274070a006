"""`tornado.http1connection`: HTTP/1.1 over an `IOStream`, for either role.

Knows IOStreams, message delegates and the sans-IO wire, which does all parsing and framing.
These classes are for programs with their own streams. An `HTTPServer` serves its sockets natively,
and an `HTTP1ServerConnection` its stream; an `HTTP1Connection` reads and writes one message itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado import httputil, iostream
from tornado._impl.http.dialects import OF_REQUESTS, OF_RESPONSES
from tornado._impl.http.parameters import HTTP1ConnectionParameters as HTTP1ConnectionParameters
from tornado._impl.http.reading import MessageReading
from tornado._impl.loop.tasks import make_task, shown_as
from tornado._impl.names import handing_on
from tornado.concurrent import Future
from tornado.iostream import StreamClosedError
from tornado.log import gen_log

from tornado_trio.errors import HTTPOutputError
from tornado_trio.limits import Limits
from tornado_trio.wire.engines import engine_for
from tornado_trio.wire.writing import bare_response

# Programs import them, so they are no stand-ins.
CR_OR_LF_RE = re.compile(b"\r|\n")
DIGITS = re.compile(r"[0-9]+")
HEXDIGITS = re.compile(r"[0-9a-fA-F]+")
_MAX_1XX_RESPONSES = 32


class HTTP1Connection(MessageReading, httputil.HTTPConnection):
    """One message exchange over a stream: a server reads a request and writes a response, a
    client writes a request and reads the response. Make a new one for the next.

    Args:
      is_client: which side we are.
      params: `HTTP1ConnectionParameters`.
      context: for the use of the program; its `remote_ip` is what requests show.
    """

    def __init__(
        self,
        stream: iostream.IOStream,
        is_client: bool,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        params = params or HTTP1ConnectionParameters()
        self.is_client = is_client
        self.stream: Any = stream
        self.params = params
        self.context = context
        self.no_keep_alive = params.no_keep_alive
        limits = Limits(
            max_head_size=params.max_header_size,
            max_fields=65536,
            chunk_size=params.chunk_size,
            max_body_size=params.max_body_size or stream.max_buffer_size,
        )
        self._wire: Any = (
            engine_for(None, OF_RESPONSES).client_wire(limits)
            if is_client
            else engine_for(None, OF_REQUESTS).server_wire(limits)
        )
        self._body_timeout = params.body_timeout
        self._request_start_line: Any = None
        self._response_start_line: Any = None
        self._request_headers: Any = None
        self._close_callback: Callable[[], None] | None = None
        self._write_finished = False
        self._detached = False
        self._delegate_told = False
        self._pending_write: Future | None = None
        # Resolved when the response is finished or the connection closed.
        self._finish_future: Future = Future()

    # --- the connection ----------------------------------------------------------------
    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """`callback` runs once if the connection closes before the message is over.

        Not needed with a delegate that has `on_connection_close`.
        """
        self._close_callback = callback

    def _on_connection_close(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()
        self._set_finished()
        self._clear_callbacks()

    def _clear_callbacks(self) -> None:
        self._close_callback = None
        if self.stream is not None:
            self.stream.set_close_callback(None)

    def close(self) -> None:
        """Close the stream."""
        if self.stream is not None and not self._detached:
            self.stream.close()
        self._clear_callbacks()
        self._set_finished()

    def _set_finished(self) -> None:
        if not self._finish_future.done():
            self._finish_future.set_result(None)

    def abort(self) -> None:
        """Cut the response off; the peer must not take what it has for the whole."""
        if not (self.is_client or self._wire.responded or self.stream.closed()):
            self.stream.write(bare_response(500))
        self.close()

    def detach(self) -> iostream.IOStream:
        """Take over the stream, with the bytes the peer has sent ahead. HTTP ends here."""
        self._clear_callbacks()
        self._give_back()
        self._detached = True
        stream: iostream.IOStream = self.stream
        self.stream = None  # it is another's
        self._set_finished()
        return stream

    def set_body_timeout(self, timeout: float) -> None:
        """The time for this message's body, instead of `body_timeout`."""
        self._body_timeout = timeout

    def set_max_body_size(self, max_body_size: int) -> None:
        """The bound of this message's body, instead of `max_body_size`."""
        self._wire.max_body_size = max_body_size
        if self._inflating is not None:
            self._inflating.max_body_size = max_body_size

    # --- writing ----------------------------------------------------------------------
    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
        callback: Callable[[], Any] | None = None,
    ) -> Future:
        """Write the head, and the first bytes of the body. The Future is done when sent."""
        if self.is_client:
            method, path, _ = start_line
            self._request_start_line, self._request_headers = start_line, headers
            if (
                method in ("POST", "PUT", "PATCH")
                and "Content-Length" not in headers
                and "Transfer-Encoding" not in headers
            ):
                headers["Transfer-Encoding"] = "chunked"
            data = self._wire.request_head(method, path, headers)
        else:
            code: Any = start_line[1]
            self._response_start_line = start_line
            data = self._wire.response_head(code, start_line[2], headers)
        if chunk:
            try:
                data += bytes(self._wire.body(chunk))
            except HTTPOutputError:
                if self.is_client:
                    self.stream.close()
                else:
                    self._wire.retract_head()  # nothing has left yet
                raise
        return self._send(data, callback)

    def write(self, chunk: bytes, callback: Callable[[], Any] | None = None) -> Future:
        """Write bytes of the body. The Future is done when they are sent.

        `callback`, of Tornado 4, is called then.
        """
        return self._send(self._framed(chunk), callback)

    def finish(self) -> None:
        """The body is complete."""
        try:
            data = self._wire.end()
        except HTTPOutputError:
            self.stream.close()
            raise
        if data:
            self._send(data)
        self._write_finished = True
        # Small writes no longer wait for others to join them.
        self.stream.set_nodelay(True)
        if self._pending_write is None or self._pending_write.done():
            self._finish_request(None)
        else:
            self._pending_write.add_done_callback(self._finish_request)

    def _framed(self, chunk: bytes) -> bytes | bytearray | memoryview:
        try:
            data: bytes | bytearray | memoryview = self._wire.body(chunk)
        except HTTPOutputError:
            # The peer must not take what it has for the whole.
            self.stream.close()
            raise
        return data

    def _send(
        self, data: bytes | bytearray | memoryview, callback: Callable[[], Any] | None = None
    ) -> Future:
        if self.stream.closed():
            future: Future = Future()
            future.set_exception(StreamClosedError())
            future.exception()
            return future
        written: Future = self.stream.write(data)
        self._pending_write = written
        written.add_done_callback(_retrieve)
        if callback is not None:
            written.add_done_callback(lambda future: call_if_sent(future, callback))
        return written

    def _finish_request(self, future: Any) -> None:
        self._clear_callbacks()
        if not self.is_client:
            self._set_finished()


def call_if_sent(future: Future, callback: Callable[[], Any]) -> None:
    """What callbacks of writes were promised: a call when all is well, else none."""
    if not future.cancelled() and future.exception() is None:
        callback()


def _retrieve(future: Future) -> None:
    if not future.cancelled():
        future.exception()


class HTTP1ServerConnection:
    """Serves the requests of one stream, one after the other.

    The native server does it, over the stream as it is; `request_conn` of the delegate is then
    what it is with an `HTTPServer`. A program that has changed `HTTP1Connection` (another class in
    its place, other methods) gets its own: see `_server_request_loop`.
    """

    _native: Any = None  # the native connection, once there is one

    def __init__(
        self,
        stream: iostream.IOStream,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        self.stream = stream
        self.params = params or HTTP1ConnectionParameters()
        self.context = context
        self._serving: Future | None = None

    async def close(self) -> None:
        """Close the stream; done when serving has ended. `on_connection_close` of running handlers
        is called."""
        native, serving = self._native, self._serving
        if native is not None:
            from tornado._impl.http.loop_server import close_native, turns_until_idle

            close_native(native)
            await turns_until_idle(lambda: [native] if serving and not serving.done() else [])
            return
        self.stream.close()
        if serving is not None:
            try:
                await serving
            except Exception:
                # What it had to tell was logged where it happened.
                gen_log.debug("connection ended with an error", exc_info=True)

    def start_serving(self, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        """Serve requests, each by a delegate that `delegate` makes."""
        if type(self)._server_request_loop is _REQUEST_LOOP and _as_native(self.stream):
            self._serving = self._serve_natively(delegate)
            return
        loop = shown_as(
            self._server_request_loop(delegate), "HTTP1ServerConnection._server_request_loop"
        )
        self._serving = make_task(loop)
        self.stream.io_loop.add_future(self._serving, lambda future: future.result())

    def _serve_natively(self, delegate: httputil.HTTPServerConnectionDelegate) -> Future[None]:
        from tornado._impl.http.on_stream import serve  # clients do without

        return serve(self, delegate)

    async def _server_request_loop(self, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        """Programs override it, for another protocol that begins as HTTP/1."""
        if _as_native(self.stream):
            await self._serve_natively(delegate)
            return
        try:
            while True:
                connection = HTTP1Connection(self.stream, False, self.params, self.context)
                # One context for all of a request: what it sets is not seen by the next.
                context = contextvars.copy_context()
                request = context.run(delegate.start_request, self, connection)
                if not await context.run(connection.read_response, request):
                    return
                await asyncio.sleep(0)  # let others run between pipelined requests
        except StreamClosedError:
            pass  # the peer left while the last answer was on the way
        except Exception:
            gen_log.error("Uncaught exception", exc_info=True)
            self.stream.close()
        finally:
            delegate.on_close(self)


_REQUEST_LOOP = HTTP1ServerConnection._server_request_loop
_STOCK = HTTP1Connection
_STOCK_METHODS = {name: getattr(_STOCK, name) for name in dir(_STOCK) if not name.startswith("__")}


def _as_native(stream: object) -> bool:
    """Whether a native connection does what an `HTTP1Connection` over this stream would."""
    return (
        HTTP1Connection is _STOCK
        and isinstance(stream, iostream.BaseIOStream)
        and all(getattr(_STOCK, name) is method for name, method in _STOCK_METHODS.items())
    )


def parse_int(s: str) -> int:
    """A non-negative decimal number, nothing else. Raises ValueError."""
    if DIGITS.fullmatch(s) is None:
        raise ValueError(f"not an integer: {s!r}")
    return int(s)


def parse_hex_int(s: str) -> int:
    """A non-negative hexadecimal number, nothing else. Raises ValueError."""
    if HEXDIGITS.fullmatch(s) is None:
        raise ValueError(f"not a hexadecimal integer: {s!r}")
    return int(s, 16)


def is_transfer_encoding_chunked(headers: httputil.HTTPHeaders) -> bool:
    """Is the body chunked? Raises HTTPInputError for any other Transfer-Encoding, and for
    one that stands beside a Content-Length."""
    coding = headers.get("Transfer-Encoding")
    if coding is None:
        return False
    if "Content-Length" in headers:
        raise httputil.HTTPInputError("Message with both Transfer-Encoding and Content-Length")
    if coding.lower() == "chunked":
        return True
    raise httputil.HTTPInputError(f"Unsupported Transfer-Encoding {coding}")


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.http1connection")
