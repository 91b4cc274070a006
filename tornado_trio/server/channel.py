"""`RequestChannel`: the request under way on a connection: its handler, its client, its end.

Knows exchanges, the task they are answered in, and carries out how they end
(`exchange.causes`). Must not know in which order requests come, nor what an application does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import IO, TYPE_CHECKING, Any

import trio

from ..errors import LimitError, PeerError, StreamClosedError
from ..exchange import Cause, ExchangeHook
from ..log import app_log
from ..net.stream import Stream
from ..wire.events import RequestHead
from ..wire.http1 import ServerWire
from .body import keep_what_was_sent
from .body_timeouts import BodyReadTimeouts
from .deadlines import RequestDeadlines
from .disconnect import Disconnect
from .exchange import Http1Exchange
from .forwarded import corrected_origin
from .handler_task import HandlerTask, Resumed
from .options import ServerOptions
from .outcomes import (
    EXITS,
    annotate,
    carry_out,
    dismiss,
    is_exit,
    log_cause,
    log_error,
    log_refusal,
    refuse,
)
from .sending import drain, send_file
from .states import TRANSITIONS, State, Trigger

if TYPE_CHECKING:
    from .interfaces import Serving

__all__ = ["RequestChannel"]

_HEAD_READ = Trigger.HEAD_READ


class RequestChannel(ABC):
    """What the requests of one connection have in common, and the one that is under way.

    An exchange, its body and the watch for its client speak to this: see `interfaces.Channel`.

    Attributes:
      client: its address, and "http" or "https".
      exchange: the request being answered, or None.
      handler: the connection's task, as handlers have it.
      nursery: of the request under way, or of the wait for one.
      requests: how many have been answered.
      state: see `states`.
      context: the host's own object, for all exchanges of this connection.
    """

    __slots__ = (
        "__weakref__",
        "_disconnect",
        "_lent",
        "client",
        "context",
        "deadlines",
        "exchange",
        "handler",
        "nursery",
        "requests",
        "server",
        "state",
        "stream",
        "wire",
    )

    nursery: trio.Nursery
    handler: HandlerTask

    def __init__(self, stream: Stream, server: Serving, context: Any, wire: ServerWire) -> None:
        self.stream = stream
        self.server = server
        self.context = context
        self.wire = wire
        self.client = server.client_of(stream)
        self.exchange: Http1Exchange | None = None
        self.state = State.IDLE
        self.requests = 0
        self.deadlines = RequestDeadlines()
        self._disconnect: Disconnect | None = None  # made for the first handler that waits
        self._lent = False  # the nursery, to the request under way

    @abstractmethod
    def release_soon(self) -> None:
        """See whether the handler is still running after its response, once its current step is
        over."""

    @abstractmethod
    def detach(self) -> Stream:
        """Give the stream away: HTTP is over here."""

    @abstractmethod
    def continue_with(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """After `detach`: run `then()` in this task once the handler has returned."""

    @abstractmethod
    def set_drain_callback(self, callback: Callable[[], object] | None) -> None:
        """Have it called when the server begins to drain."""

    def move(self, trigger: Trigger) -> None:
        self.state = TRANSITIONS[self.state][trigger]

    @property
    def options(self) -> ServerOptions:
        return self.server.options

    @property
    def body_timeouts(self) -> BodyReadTimeouts:
        return self.server.body_timeouts

    @property
    def detached(self) -> bool:
        """The stream belongs to another owner: a protocol, or another connection object."""
        return self.state is State.DETACHED or self.state is State.RELEASED

    def set_context(self, context: Any) -> None:
        self.context = context

    # --- the handler -----------------------------------------------------------------
    def begin_request(self, head: RequestHead) -> Http1Exchange:
        self.state = TRANSITIONS[self.state][_HEAD_READ]
        server = self.server
        exchange: Http1Exchange
        exchange = self.exchange = server.exchange_type(self, head)
        options = server.options
        if not options.keep_alive:
            self.wire.end_after_response()
        if options.xheaders:
            exchange.set_origin(
                *corrected_origin(head.headers, *self.client, options.trusted_downstream)
            )
        if options.decompress_request and "Content-Encoding" in head.headers:
            exchange.inflate()
        if options.timeouts.request is not None:
            exchange.set_timeout(options.timeouts.request)
        return exchange

    async def go_on(self, exchange: Http1Exchange, rest: Resumed) -> None:
        """The rest of a handler that waits, with all that is spared those that do not."""
        handler = self.handler
        handler.begin_wait(exchange.task_name)
        self.deadlines.start(self.nursery.cancel_scope)
        if self.state is State.REQUEST:  # not of a handler that took the stream over already
            self.stream.nursery = self.nursery
            if not exchange.corked:  # which pushes
                self.stream.push()  # answers before this one
            disconnect = self._disconnect
            if disconnect is None:
                disconnect = self._disconnect = Disconnect(self, self.server.watch)
            disconnect.start()
            if exchange.finished:
                self.release_soon()
        try:
            await rest
        except EXITS:
            raise
        except BaseException as exc:
            if is_exit(exc):
                raise  # the same, out of a nursery of the handler's
            self.handler_failed(exchange, exc)
        finally:
            handler.end_wait()
            self.deadlines.stop()
            if not self.detached:
                self.stream.nursery = None
            if self._disconnect is not None:
                self._disconnect.stop()

    async def settle(self, exchange: Http1Exchange) -> None:
        """Bring a response on its way and the request to its end."""
        if self.state is not State.REQUEST:
            return
        if not exchange.finished:
            self.in_context(self.conclude, Cause.UNFINISHED)
            return
        if self.stream.unsent:
            await self.drain()
        wire = self.wire
        if not (wire.close_after or wire.skip_body()):
            linger = self.options.timeouts.linger
            self.nursery.cancel_scope.deadline = trio.current_time() + linger
            await exchange.skip_body()

    def end_request(self, exchange: Http1Exchange) -> None:
        """The request is over, whatever ended it."""
        self.requests += 1
        if exchange.has_responder:
            self.in_context(dismiss, exchange)
        if not exchange.logged:
            self.in_context(exchange.log)
        if self.server.options.access_log is not None:
            self.record(exchange, last=True)
        self.exchange = None
        self._lent = False
        if self.deadlines.due is not None:
            self.deadlines.clear()
        self.handler.leave()

    def record(self, exchange: Http1Exchange, *, last: bool = False) -> None:
        """Pass it to the hook, once; `last`: there will be no later call."""
        hook = self.server.options.access_log
        if isinstance(hook, ExchangeHook):
            if exchange.show_to(hook, last) and hook.then is not None:
                self.in_context(exchange.record, hook.then)
        elif hook is not None and exchange.take_record(last):
            self.in_context(exchange.record, hook)

    def lend_nursery(self) -> trio.Nursery:
        self._lent = True
        return self.nursery

    def cork(self, uncork: Callable[[], None]) -> bool:
        """Whether `uncork` will be called once the present writer gives way."""
        call_soon = self.options.call_soon
        if call_soon is not None:
            return call_soon(uncork)
        return self.handler.is_current()

    @property
    def sees_waits(self) -> bool:
        """Whether each wait of the present task passes `Resumed`."""
        return self.options.call_soon is None and self.handler.is_current()

    # --- how requests end: see `exchange.causes` ----------------------------------------
    def cancel(self, cause: Cause) -> None:
        """End what is under way, because of `cause`; between requests, the connection."""
        exchange = self.exchange
        if exchange is not None and not exchange.finished:
            if self.deadlines.held:
                self.deadlines.set(cause, trio.current_time())  # once it is no more
                return
            self._name_cause(exchange, cause)
        self.nursery.cancel_scope.cancel()

    def _name_cause(self, exchange: Http1Exchange, cause: Cause) -> Cause:
        """The cause that counts: the first. It is logged when it is named."""
        first = cause if exchange.cause is not None else self.deadlines.passed() or cause
        if exchange.end(first):
            self.in_context(log_cause, exchange, first)
        assert exchange.cause is not None
        return exchange.cause

    def handler_failed(self, exchange: Http1Exchange, error: BaseException) -> None:
        """The application let an exception through: the last resort."""
        self.failed(exchange, error, Cause.HANDLER_FAILED)
        if self._lent and self.nursery.child_tasks:
            self.nursery.cancel_scope.cancel()

    def failed(self, exchange: Http1Exchange, error: BaseException, cause: Cause) -> None:
        if isinstance(error, PeerError) and not exchange.finished:
            self.refuse(error)
            return
        child = cause is Cause.CHILD_FAILED
        annotate(exchange, error, child=child)
        exchange.note_error(error)
        if exchange.finished or not exchange.has_responder:  # which logs it as its own
            # A connection that was taken over is closed when its client has left.
            left = exchange.gone is not None or (self.detached and self.stream.closed)
            log_error(exchange, error, child=child, client_left=left)
        self.conclude(cause, error)

    def refuse(self, error: PeerError) -> None:
        """Answer what the client did wrong, and close: the framing is not to be trusted."""
        if self.exchange is None:
            self.move(Trigger.FAIL)
            refuse(error, self.client[0], stream=self.stream, wire=self.wire, options=self.options)
            return
        log_refusal(error, self.client[0])
        self.conclude(Cause.LIMIT if isinstance(error, LimitError) else Cause.PROTOCOL_ERROR, error)

    def conclude(self, cause: Cause, error: BaseException | None = None) -> None:
        """Carry out the outcome of a request that does not end by its answer."""
        exchange = self.exchange
        if exchange is None:
            return
        if exchange.finished:
            if self.state is State.REQUEST:
                self.move(Trigger.FAIL)
            return
        cause = self._name_cause(exchange, cause)
        self.move(Trigger.FAIL)
        carry_out(exchange, cause, error, stream=self.stream, wire=self.wire, options=self.options)

    def hold(self, until: float) -> bool:
        """The handler is in a block that must not be cut: see `critical`."""
        if not self.handler.is_current() or self.detached:
            return False
        self.deadlines.hold(until)
        return True

    def release(self) -> None:
        """It is over: a cancellation that arrived meanwhile takes effect now."""
        self.deadlines.release()
        cause = self.deadlines.passed()
        if cause is not None:
            self.cancel(cause)

    def in_context(self, function: Callable[..., object], *args: object) -> None:
        """Call it in the context of the request under way, or in no request's."""
        self.handler.in_context(function, *args)

    def call_back(self, what: str, function: Callable[..., object], *args: object) -> None:
        """Call a function of the program; its failure is logged and has no other effect."""
        try:
            function(*args)
        except Exception:
            app_log.exception("Uncaught exception in %s of %r", what, self.exchange or self)

    # --- the client: what it sends, what it takes, whether it is there ----------------------
    async def drain(self) -> None:
        """Until the client has taken everything written: see `sending.drain`."""
        try:
            await drain(self)
        except StreamClosedError as exc:
            gone = None if self.exchange is None else self.exchange.gone
            raise gone or exc from exc.__cause__

    async def send_file(self, file: IO[bytes] | int, offset: int, count: int) -> None:
        """See `sending.send_file`."""
        await send_file(self, file, offset, count)

    def on_body_over(self) -> None:
        """The request's body has been read."""
        if self.deadlines.due is not None:
            self.deadlines.set(Cause.BODY_DEADLINE, None)
        if self.handler.waiting:
            if self.exchange is not None and self.exchange.gone is not None:
                self._drop_stream()
            if self._disconnect is not None:
                self._disconnect.body_over()

    def on_disconnect(self, cause: Cause, error: Exception) -> None:
        """The client is gone: tell the handler, as its policy says; give the descriptor back."""
        exchange = self.exchange
        if exchange is not None:
            if exchange.gone is None:
                self._tell_of_disconnect(exchange, cause, error)
            self._drop_stream()

    def _tell_of_disconnect(self, exchange: Http1Exchange, cause: Cause, error: Exception) -> None:
        answered = exchange.finished
        if not answered or self.stream.unsent:
            self._name_cause(exchange, cause)
        self.in_context(self.call_back, "a close callback", exchange.lose, error)
        if answered:
            return
        policy = exchange.on_disconnect
        if policy.kind == "cancel":
            self.cancel(cause)
        elif policy.kind == "grace":
            self.deadlines.set(cause, trio.current_time() + policy.seconds)

    def _drop_stream(self) -> None:
        """Close the stream of a client that is gone, though its handler may run on for long: a
        thousand such clients must not cost the next thousand their connections.

        What the client had sent of its body is kept for the handler. Where that is more than
        may be read ahead, or is being waited for, the stream stays until it has been read.
        """
        exchange, wire, stream = self.exchange, self.wire, self.stream
        if self.detached or stream.closed or (exchange is not None and exchange.waits_for_body):
            return
        if keep_what_was_sent(wire, stream, self.options.limits.max_pipelined):
            wire.end_after_response()  # what it sent beyond this request is not begun
            if self._disconnect is not None:
                self._disconnect.stop()
            stream.close()

    def on_input(self) -> None:
        """More came from the client while the handler waits."""
        self.response_finished()

    def on_end(self) -> None:
        """The client's stream ended after its response: that is not the handler's to see."""
        self.release_soon()

    def response_finished(self) -> None:
        """Do not let the client wait for what the handler does after its response."""
        if self.outlives_response:
            if self.exchange is not None and not self.stream.unsent:
                self.record(self.exchange)
            disconnect = self._disconnect
            if self.wire.close_after or (disconnect is not None and disconnect.input_waits):
                self.release_soon()

    @property
    def outlives_response(self) -> bool:
        """Whether the handler is still running after the end of its response."""
        exchange = self.exchange
        return (
            self.state is State.REQUEST
            and exchange is not None
            and exchange.finished
            and self.handler.waiting
        )

    def start_beside(self, *task: Any, name: str) -> bool:
        """Start a task in the server's nursery, outside of any request and its context."""
        nursery = self.server.nursery
        if nursery is None:
            return False
        self.handler.start_beside(nursery, *task, name=name)
        return True
