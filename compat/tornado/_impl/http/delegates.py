"""How a request reaches a handler through delegates, and how delegates are driven.

There are two paths to a `RequestHandler`. The short one, `Application.respond`, is native: one
coroutine per request over an exchange. The long one is Tornado's chain of
`HTTPMessageDelegate`s, for custom routers, targets and servers; this module has both ends of it.
Knows httputil's delegates and the native `HandlerCall`.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado import httputil
from tornado._impl.loop.tasks import make_task, run_task
from tornado.concurrent import Future, future_set_result_unless_cancelled
from tornado.log import gen_log

from tornado_trio._util.contexts import run_in
from tornado_trio._util.late import later
from tornado_trio.errors import StreamClosedError
from tornado_trio.web.application import HandlerCall

if TYPE_CHECKING:
    import trio

    from tornado_trio.wire.formdata import Steps
else:
    trio = later("trio", globals())


class PushedBody:
    """A body that is pushed in, for a handler that pulls: each `put` waits for its reader.

    An async iterator of chunks. `close` ends it, `abort` breaks it off.

    Attributes:
      awaited: a Future, done when the reader first asks, or will not: until then the body's
        limits may be changed, so nothing of it should be read.
    """

    def __init__(self) -> None:
        self._chunk: bytes | None = None
        self._taken: Future | None = None  # resolved when the chunk has been dealt with
        self._wanted: Future | None = None  # resolved when there is something to take
        self._ended = False
        self._error: Exception | None = None
        self.abandoned = False
        self.awaited = Future()

    def put(self, chunk: bytes) -> Future | None:
        """Give a chunk to the reader; the result is done when it asks for the next one."""
        if self.abandoned:
            return None  # it will not be read
        self._chunk = chunk
        self._taken = Future()
        self._wake()
        return self._taken

    def close(self) -> None:
        self._ended = True
        self._wake()

    def abort(self) -> None:
        self._error = StreamClosedError("Stream is closed")
        self._wake()

    def abandon(self) -> None:
        """The reader has gone; chunks are dropped from now on."""
        self.abandoned = True
        self._dealt_with()
        self._begin()

    def __aiter__(self) -> PushedBody:
        return self

    async def __anext__(self) -> bytes:
        self._dealt_with()
        self._begin()
        while self._chunk is None:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._wanted = Future()
            await self._wanted
        chunk, self._chunk = self._chunk, None
        return chunk

    def _begin(self) -> None:
        if not self.awaited.done():
            self.awaited.set_result(None)

    def _wake(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            future_set_result_unless_cancelled(wanted, None)

    def _dealt_with(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None:
            future_set_result_unless_cancelled(taken, None)


class HandlerDelegate(HandlerCall, httputil.HTTPMessageDelegate):
    """A request routed to a handler class, as a message delegate and as a responder."""

    chunks: list[bytes] | None = None
    body: PushedBody | None = None
    _context: contextvars.Context

    @property
    def connection(self) -> Any:
        return self.request.connection

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        if self.stream_request_body:
            request: Any = self.request
            self.body = request._pushed_body = PushedBody()
            self.execute()
            return self.body.awaited
        self.chunks = []
        return None

    def data_received(self, data: bytes) -> Awaitable[None] | None:
        if self.body is not None:
            return self.body.put(data)
        if self.chunks is not None:
            self.chunks.append(data)
        return None

    def finish(self) -> None:
        if self.body is not None:
            self.body.close()
            return
        self.request.body = b"".join(self.chunks or ())
        self.execute()

    def on_connection_close(self) -> None:
        if self.body is not None:
            if self.handler is not None:
                self._client_left()
            self.body.abort()
        else:
            self.chunks = None

    def execute(self) -> Future:
        """Run the handler as a task of its own; the body has been read, or is pushed."""
        handler, transforms = self.start()
        # What it sets is its own, and seen by `on_connection_close`, wherever that is called.
        context = self._context = contextvars.copy_context()
        if handler._close_callback_set:
            self.connection.set_close_callback(self._client_left)
        handler._in_task = True  # type: ignore[attr-defined]  # websockets ask
        coroutine = handler._execute(transforms, *self.path_args, **self.path_kwargs)
        future = make_task(coroutine, context)
        if self.body is not None:
            future.add_done_callback(self._body_unread)
        # An exception here is a bug of the framework: the loop's handler reports it.
        future.add_done_callback(_reraise)
        return future

    def _body_unread(self, future: Future) -> None:
        assert self.body is not None
        self.body.abandon()

    def _client_left(self) -> None:
        assert self.handler is not None
        run_in(self._context, self.handler._client_left)


def _reraise(future: Future) -> None:
    if not future.cancelled():
        future.result()


def call_with_form(
    request: httputil.HTTPServerRequest, callback: Callable[[httputil.HTTPServerRequest], Any]
) -> None:
    """Call `callback` with the request, whose body is there, once its form is parsed.

    At once, or from a task if that takes more than a moment. HTTPInputError if malformed; by
    then from a task: answered with 400.
    """
    steps = request._parse_body_steps()
    for _ in steps:
        run_task(_call_after(steps, request, callback)).add_done_callback(_reraise)
        return
    callback(request)


async def _call_after(
    steps: Steps,
    request: httputil.HTTPServerRequest,
    callback: Callable[[httputil.HTTPServerRequest], Any],
) -> None:
    try:
        for _ in steps:
            await trio.lowlevel.checkpoint()
    except httputil.HTTPInputError as error:
        gen_log.info("Malformed form from %s: %s", request.remote_ip, error)
        connection: Any = request.connection
        connection.write_headers(
            httputil.ResponseStartLine("HTTP/1.1", 400, "Bad Request"),
            httputil.HTTPHeaders({"Content-Length": "0"}),
        )
        connection.finish()
    else:
        callback(request)


async def drive_delegate(delegate: httputil.HTTPMessageDelegate, exchange: Any) -> None:
    """Carry one exchange to a message delegate, and wait until it is answered."""
    try:
        result = delegate.headers_received(exchange.start_line, exchange.headers)
        if result is not None:
            await result
        while not exchange.finished:
            chunk = await exchange.read_chunk()
            if not chunk:
                break
            result = delegate.data_received(chunk)
            if result is not None:
                await result
    except BaseException as exc:  # cancelled too, when the time for the body is up
        delegate.on_connection_close()
        if isinstance(exc, StreamClosedError) and exchange.gone is not None:
            return
        raise
    delegate.finish()
    if not exchange.finished:
        await exchange.wait_finished()
