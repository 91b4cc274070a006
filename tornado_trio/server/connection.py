"""One client connection: a task that reads requests and has them answered, in order.

Knows the wire, streams, exchanges, and carries out how requests end (`exchange.causes`). Must
not know what the application does. Where it stands is a table: see `states`.

What it costs and how that stays low (keep-alive GET, one core):

* one wait, one recv, one send a request; after a response the next recv is not tried
  before a wait (a client that waits for the response cannot have sent more: 2 µs);
* one nursery per connection, not per request: its cancel scope is the handler's scope
  and its deadline is the one deadline, moved only when a wait would otherwise outlast
  it; a request whose children outlive it keeps it, and the next one is another
  connection object's (`background`);
* the handler's first step runs at once. Only if it suspends are the disconnect watch
  armed, its deadlines set and the flusher allowed (6 µs), and all that undone at its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import IO, Any

import trio

from .._util.fairness import Budget
from ..errors import LimitError, PeerError, StreamClosedError
from ..exchange import Cause
from ..log import app_log, gen_log
from ..net.stream import Stream
from ..wire.events import RequestHead, Signal
from ..wire.http1 import ServerWire
from .background import continue_connection
from .body import keep_what_was_sent
from .deadlines import RequestDeadlines
from .disconnect import Disconnect
from .exchange import Http1Exchange
from .forwarded import client_of, corrected_origin
from .handler_task import HandlerTask, Resumed
from .interfaces import Serving
from .options import ServerOptions
from .outcomes import (
    EXITS,
    carry_out,
    is_exit,
    log_cause,
    log_error,
    log_refusal,
    refuse,
    sole,
)
from .sending import close_in_order, drain, send_file
from .states import TRANSITIONS, State, Trigger
from .upgraded import Continuation

__all__ = ["Http1Connection"]

# Pipelined requests answered without letting other tasks run: 50 µs each.
_REQUESTS_IN_A_ROW = 16
_NEED_DATA = Signal.NEED_DATA
_REQUEST, _HEAD_READ, _FINISHED = State.REQUEST, Trigger.HEAD_READ, Trigger.FINISHED


class Http1Connection:
    """Made by `Server.handle`; `run` is its task.

    Attributes:
      client: its address, and "http" or "https".
      exchange: the request being answered, or None.
      handler: this task, as handlers have it.
      state: see `states`.
      context: the host's own object, for all exchanges of this connection.
      requests: how many have been answered.
    """

    __slots__ = (
        "__weakref__",
        "_continuation",
        "_disconnect",
        "_drain_callback",
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

    def __init__(
        self, stream: Stream, server: Serving, context: Any = None, wire: ServerWire | None = None
    ) -> None:
        options = server.options
        self.stream = stream
        self.server = server
        self.context = context
        self.wire = wire or ServerWire(options.limits, options.dialect)
        self.exchange: Http1Exchange | None = None
        self.state = State.IDLE
        self.requests = 0
        self.deadlines = RequestDeadlines()
        self.client = client_of(stream, options)
        self._disconnect: Disconnect | None = None  # made for the first handler that waits
        self._continuation: Continuation | None = None
        self._drain_callback: Callable[[], object] | None = None
        self._lent = False  # the nursery, to the request under way

    def __repr__(self) -> str:
        state = self.state.value
        return f"<Http1Connection {self.client[0]} {state}, {self.requests} requests>"

    # --- the task ------------------------------------------------------------------
    async def run(self) -> None:
        """Serve the connection to its end. Raises nothing but cancellation.

        Cancellation: the request under way is cancelled, the stream closed at once.
        """
        self.handler = HandlerTask()
        self.stream.max_write_buffer_size = self.options.limits.max_write_buffer
        try:
            again = True
            while again:
                again = False
                try:
                    async with trio.open_nursery() as nursery:
                        self.nursery = nursery
                        again = self.state is State.IDLE and await self._serve()
                except BaseExceptionGroup as group:
                    if is_exit(group):
                        raise
                    self._child_failed(group)
                if nursery.cancel_scope.cancelled_caught:
                    again = self._scope_cancelled()
                if self.exchange is not None:
                    self._end_exchange(self.exchange)
            del nursery
            if self._continuation is not None:
                continuation, self._continuation = self._continuation, None
                await continuation.run(
                    self.handler, self.stream, self.options.run, self._continues_in
                )
                self._drain_callback = None
            elif not self.detached:
                refused = self.state is State.FAILED
                self._move(Trigger.END)
                await close_in_order(self, self.wire, refused=refused)
        except StreamClosedError:
            pass  # the client left while its last response was on the way
        finally:
            if not self.detached:
                self.stream.close()

    async def _serve(self) -> bool:
        """Requests, one after the other. True: go on in a new nursery."""
        wire, stream, handler = self.wire, self.stream, self.handler
        next_event, feed, read_nowait = wire.next_event, wire.feed, stream.read_nowait
        budget = Budget(_REQUESTS_IN_A_ROW)
        must_wait = False
        try:
            while True:
                event = next_event()
                if event is _NEED_DATA:
                    if must_wait:
                        self._before_wait()
                        await stream.wait_readable()
                        must_wait = False
                    data = read_nowait()
                    if data is None:
                        must_wait = True
                    else:
                        feed(data)
                        data = None  # or an idle connection would keep its last request
                elif type(event) is RequestHead:
                    exchange = self._begin(event)
                    context = handler.enter()
                    server = self.server
                    try:
                        rest = context.run(
                            handler.first_step, server.app, exchange, server.options.run
                        )
                    except StopIteration:
                        pass  # the usual case: the handler never waited
                    except EXITS:
                        raise
                    except BaseException as exc:
                        handler.in_context(self._handler_failed, exchange, exc)
                    else:
                        await self._go_on(exchange, *rest)
                    if not (exchange.finished and wire.skip_body() and not stream.unsent):
                        await self._settle(exchange)
                    if self._lent and self.nursery.child_tasks:
                        return self._leave_to_children(exchange)
                    self._end_exchange(exchange)
                    if self.state is not _REQUEST or not wire.next_cycle():
                        return False
                    self.state = TRANSITIONS[_REQUEST][_FINISHED]
                    must_wait = not wire.buffered
                    if not must_wait and budget.spent():
                        await trio.lowlevel.checkpoint()
                else:
                    return False
        except PeerError as exc:
            handler.in_context(self.refuse, exc)
        except StreamClosedError:
            pass  # between requests, or told to the handler already
        return False

    def _before_wait(self) -> None:
        """Set the deadline of the wait for a request, or for the rest of its head."""
        timeouts = self.options.timeouts
        scope = self.nursery.cancel_scope
        now = trio.current_time()
        if self.wire.buffered:
            if self.state is not State.HEAD:
                self._move(Trigger.BYTES)
                scope.deadline = now + timeouts.head
            return
        seconds = timeouts.drain_idle if self.server.draining else timeouts.idle
        # Moving a deadline costs 2 µs; one that is up to 5 % early will do.
        if not now + 0.95 * seconds <= scope.deadline <= now + seconds:
            scope.deadline = now + seconds

    def _move(self, trigger: Trigger) -> None:
        self.state = TRANSITIONS[self.state][trigger]

    # --- the handler -----------------------------------------------------------------
    def _begin(self, head: RequestHead) -> Http1Exchange:
        self.state = TRANSITIONS[self.state][_HEAD_READ]
        server = self.server
        exchange: Http1Exchange
        exchange = self.exchange = server.exchange_type(self, head)
        options = server.options
        if not options.keep_alive:
            self.wire.end_after_response()
        if options.xheaders:
            exchange.set_origin(*corrected_origin(head.headers, *self.client, options))
        if options.decompress_request and "Content-Encoding" in head.headers:
            exchange.inflate()
        if options.timeouts.request is not None:
            exchange.set_timeout(options.timeouts.request)
        return exchange

    async def _go_on(
        self, exchange: Http1Exchange, coro: Coroutine[Any, Any, Any], trap: Any
    ) -> None:
        """The rest of a handler that waits, with all that is spared those that do not."""
        handler = self.handler
        handler.begin_wait(exchange.task_name)
        self.deadlines.start(self.nursery.cancel_scope)
        if self.state is State.REQUEST:  # not of a handler that took the stream over already
            self.stream.nursery = self.nursery
            disconnect = self._disconnect
            if disconnect is None:
                disconnect = self._disconnect = Disconnect(self, self.server.watch)
            disconnect.start()
            if exchange.finished:
                self._release_soon()
        try:
            await Resumed(coro, trap, exchange)
        except EXITS:
            raise
        except BaseException as exc:
            if is_exit(exc):
                raise  # the same, out of a nursery of the handler's
            self._handler_failed(exchange, exc)
        finally:
            handler.end_wait()
            self.deadlines.stop()
            if not self.detached:
                self.stream.nursery = None
            if self._disconnect is not None:
                self._disconnect.stop()

    async def _settle(self, exchange: Http1Exchange) -> None:
        """Bring a response on its way and the request to its end."""
        if self.state is not State.REQUEST:
            return
        if not exchange.finished:
            self.handler.in_context(self.conclude, Cause.UNFINISHED)
            return
        if self.stream.unsent:
            await self.drain()
        wire = self.wire
        if not (wire.close_after or wire.skip_body()):
            linger = self.options.timeouts.linger
            self.nursery.cancel_scope.deadline = trio.current_time() + linger
            await exchange.skip_body()

    def _end_exchange(self, exchange: Http1Exchange) -> None:
        """The request is over, whatever ended it."""
        self.requests += 1
        if not exchange.logged:
            self.handler.in_context(exchange.log)
        if self.server.options.access_log is not None:
            self._record(exchange)
        self.exchange = None
        self._lent = False
        if self.deadlines.due is not None:
            self.deadlines.clear()
        self.handler.leave()

    def _record(self, exchange: Http1Exchange) -> None:
        hook = self.options.access_log
        if hook is not None:
            self.handler.in_context(exchange.record, hook)

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
            self.handler.in_context(log_cause, exchange, first)
        assert exchange.cause is not None
        return exchange.cause

    def _scope_cancelled(self) -> bool:
        """By whom? True: serve on."""
        exchange = self.exchange
        if exchange is None:
            if self.state is State.IDLE:
                return self._last_look()
            if self.state is State.HEAD:
                self.refuse(PeerError("Timeout reading head", 408))
        elif exchange.finished and self.deadlines.passed() is Cause.REQUEST_DEADLINE:
            gen_log.warning(
                "%s: children of its request took longer than they may", exchange.describe()
            )
        else:
            self.handler.in_context(self.conclude, Cause.CANCELLED)
        return False

    def _last_look(self) -> bool:
        """Idle for too long, or told to go: unless a request has arrived this moment."""
        try:
            data = self.stream.read_nowait()
        except StreamClosedError:
            return False
        if not data:
            return False
        self.wire.feed(data)
        return True

    def _handler_failed(self, exchange: Http1Exchange, error: BaseException) -> None:
        """The application let an exception through: the last resort."""
        self._failed(exchange, error, Cause.HANDLER_FAILED)
        if self._lent and self.nursery.child_tasks:
            self.nursery.cancel_scope.cancel()

    def _child_failed(self, group: BaseExceptionGroup[BaseException]) -> None:
        """A child in the request's nursery failed, and so did the request."""
        exchange = self.exchange
        error = sole(group)
        if exchange is not None:
            self.handler.in_context(self._failed, exchange, error, Cause.CHILD_FAILED)
        else:
            app_log.error("Uncaught exception in a child of %r", self, exc_info=error)
            self._move(Trigger.FAIL)

    def _failed(self, exchange: Http1Exchange, error: BaseException, cause: Cause) -> None:
        if isinstance(error, PeerError) and not exchange.finished:
            self.refuse(error)
            return
        child = cause is Cause.CHILD_FAILED
        log_error(exchange, error, child=child)
        self.conclude(cause, error)

    def refuse(self, error: PeerError) -> None:
        """Answer what the client did wrong, and close: the framing is not to be trusted."""
        if self.exchange is None:
            self._move(Trigger.FAIL)
            refuse(
                error, self.client[0], stream=self.stream, wire=self.wire, options=self.options
            )
            return
        log_refusal(error, self.client[0])
        self.conclude(
            Cause.LIMIT if isinstance(error, LimitError) else Cause.PROTOCOL_ERROR, error
        )

    def conclude(self, cause: Cause, error: BaseException | None = None) -> None:
        """Carry out the outcome of a request that does not end by its answer."""
        exchange = self.exchange
        if exchange is None:
            return
        if exchange.finished:
            if self.state is State.REQUEST:
                self._move(Trigger.FAIL)
            return
        cause = self._name_cause(exchange, cause)
        self._move(Trigger.FAIL)
        carry_out(
            exchange, cause, error, stream=self.stream, wire=self.wire, options=self.options
        )

    # --- what the server asks for: `interfaces.Connection` ---------------------------------
    @property
    def phase(self) -> str:
        return self.state.value

    @property
    def detached(self) -> bool:
        """The stream is somebody else's: a protocol's, or another connection object's."""
        return self.state is State.DETACHED or self.state is State.RELEASED

    @property
    def busy(self) -> bool:
        return self.exchange is not None

    def begin_drain(self, idle_until: float) -> None:
        if self.state is State.IDLE:
            self.nursery.cancel_scope.deadline = idle_until
        elif self._drain_callback is not None:
            self._call_drain_callback(self._drain_callback)

    def _call_drain_callback(self, callback: Callable[[], object]) -> None:
        try:
            self.handler.in_context(callback)
        except Exception:
            app_log.exception("Uncaught exception in a drain callback of %r", self.exchange or self)

    def close(self) -> None:
        self.stream.close()

    def describe(self) -> str:
        exchange = self.exchange
        if exchange is None:
            return repr(self)
        seconds = time.perf_counter() - exchange.began
        return f"{exchange.describe()}, {seconds:.1f} s, {self.handler.place()}"

    # --- what exchanges, bodies and watches ask for: `interfaces.Channel` -------------------
    @property
    def options(self) -> ServerOptions:
        return self.server.options

    @property
    def body_timeouts(self) -> Any:
        return self.server.body_timeouts

    def set_context(self, context: Any) -> None:
        self.context = context

    def lend_nursery(self) -> trio.Nursery:
        self._lent = True
        return self.nursery

    def cork(self, uncork: Callable[[], None]) -> bool:
        """Whether `uncork` will be called once the present writer gives way."""
        call_soon = self.options.call_soon
        if call_soon is not None:
            return call_soon(uncork)
        return self.handler.is_current()

    async def drain(self) -> None:
        """Until the client has taken everything written: see `sending.drain`."""
        await drain(self)

    async def send_file(self, file: IO[bytes] | int, offset: int, count: int) -> None:
        """See `sending.send_file`."""
        await send_file(self, file, offset, count)

    def on_body_over(self) -> None:
        """The request's body has been read."""
        if self.exchange is not None and self.exchange.gone is not None:
            self._drop_stream()
        if self.deadlines.due is not None:
            self.deadlines.set(Cause.BODY_DEADLINE, None)
        if self.handler.waiting and self._disconnect is not None:
            self._disconnect.body_over()

    def on_disconnect(self, cause: Cause, error: Exception) -> None:
        """The client is gone: tell the handler, as its policy says; give the descriptor back."""
        exchange = self.exchange
        if exchange is not None:
            if exchange.gone is None:
                self._tell_of_disconnect(exchange, cause, error)
            self._drop_stream()

    def _tell_of_disconnect(
        self, exchange: Http1Exchange, cause: Cause, error: Exception
    ) -> None:
        answered = exchange.finished
        if not answered or self.stream.unsent:
            self._name_cause(exchange, cause)
        try:
            self.handler.in_context(exchange.lose, error)
        except Exception:
            app_log.exception("Uncaught exception in a close callback of %r", exchange)
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

    def hold(self, until: float) -> None:
        """The handler is in a block that must not be cut: see `critical`."""
        if self.handler.is_current():
            self.deadlines.hold(until)

    def release(self) -> None:
        if self.handler.is_current():
            self.deadlines.release()

    def set_drain_callback(self, callback: Callable[[], object] | None) -> None:
        self._drain_callback = callback
        if callback is not None and self.server.draining:
            self._call_drain_callback(callback)

    # --- handlers that outlive their response: see `background` ----------------------------
    def start_beside(self, *task: Any, name: str) -> bool:
        """Start a task in the server's nursery; it is no request's and sees nothing of one."""
        nursery = self.server.nursery
        if nursery is None:
            return False
        self.handler.start_beside(nursery, *task, name=name)
        return True

    def on_input(self) -> None:
        """More came from the client while the handler waits."""
        self.response_finished()

    def on_end(self) -> None:
        """The client's stream ended after its response: that is not the handler's to see."""
        self._release_soon()

    def response_finished(self) -> None:
        """Do not let the client wait for what the handler does after its response."""
        if self._outlives_response:
            if self.exchange is not None and not self.stream.unsent:
                self._record(self.exchange)
            disconnect = self._disconnect
            if self.wire.close_after or (disconnect is not None and disconnect.input_waits):
                self._release_soon()

    @property
    def _outlives_response(self) -> bool:
        """Whether the handler goes on after the end of its response."""
        exchange = self.exchange
        return (
            self.state is State.REQUEST
            and exchange is not None
            and exchange.finished
            and self.handler.waiting
        )

    def _release_soon(self) -> None:
        """See whether the handler goes on, once its present step is over."""
        self.start_beside(continue_connection, self, name="connection")

    def make_successor(self) -> Http1Connection | None:
        """Let go of the stream; a new connection that goes on where this one stops."""
        if not self._outlives_response:
            return None  # it has ended by itself
        if self.wire.skip_body():
            return self._let_go()
        # Its client owes a body: to be dropped when the handler has ended, if it is there still.
        disconnect = self._disconnect
        if disconnect is not None and disconnect.half_closed and not self.stream.unsent:
            self._drop_stream()
        return None

    def _let_go(self) -> Http1Connection:
        self._move(Trigger.RELEASE)
        if self.exchange is not None:
            self._record(self.exchange)
        if self._disconnect is not None:
            self._disconnect.stop()
        self.stream.nursery = None
        successor = type(self)(self.stream, self.server, self.context, self.wire)
        successor.take_over(self.requests + 1)
        return successor

    def take_over(self, requests: int) -> None:
        """Go on where another connection has stopped."""
        self.requests = requests
        if not self.wire.next_cycle():
            self._move(Trigger.END)

    def _leave_to_children(self, exchange: Http1Exchange) -> bool:
        """The handler is done, children of its request are not. True: wait for them here."""
        # They have the request's deadline, not that of the wait before it.
        self.nursery.cancel_scope.deadline = self.deadlines.earliest()
        if self.state is not State.REQUEST:
            return False
        nursery = self.server.nursery
        if nursery is not None:
            self.handler.start_beside(
                nursery, self.server.adopt, self._let_go(), name="connection"
            )
            return False
        self._end_exchange(exchange)
        if not self.wire.next_cycle():
            return False
        self._move(Trigger.FINISHED)
        return True

    # --- connections that are taken over -----------------------------------------------------
    def detach(self) -> Stream:
        """Give the stream away: HTTP is over here."""
        stream = self.stream
        stream.unread(self.wire.take_rest())
        self._move(Trigger.DETACH)
        if self._disconnect is not None:
            self._disconnect.stop()
            self._disconnect = None  # it lasts, and may be one of many
        if self.deadlines.due is not None:
            self.deadlines.set(Cause.REQUEST_DEADLINE, None)
        return stream

    def continue_with(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """After `detach`: run `then()` in this task once the handler has returned."""
        self._continuation = Continuation(then)

    def _continues_in(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery  # the drain cancels it
