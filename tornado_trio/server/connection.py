"""`Http1Connection`: a task that reads requests from a stream and has them answered, in order.

Knows the wire, streams and the channel of a request. Must not know what the application does.
Where a connection stands is a table: see `states`.

What it costs and how that stays low (keep-alive GET, one core):

* one wait, one recv, one send a request; after a response the next recv is not tried
  before a wait (a client that waits for the response cannot have sent more: 2 µs);
* while many are served by a turn of trio's loop, the wait is the server's hub's, which
  needs no system call for each; asked for after every eighth request;
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
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from .._util.groups import sole
from ..errors import PeerError, StreamClosedError
from ..exchange import Cause
from ..log import app_log, gen_log
from ..net.socket_stream import SocketStream
from ..net.stream import Stream
from ..wire.events import RequestHead, ServerEvent, Signal
from ..wire.http1 import ServerWire
from .background import continue_connection
from .channel import RequestChannel
from .exchange import Http1Exchange
from .handler_task import HandlerTask, Resumed
from .outcomes import EXITS, is_exit
from .sending import close_in_order
from .states import TRANSITIONS, State, Trigger
from .upgraded import SPENT, Continuation

if TYPE_CHECKING:
    from .interfaces import Serving

__all__ = ["Http1Connection"]

# Pipelined requests answered without letting other tasks run: 50 µs each.
_REQUESTS_IN_A_ROW = 16
# Answers that are made in less are sent together, if their requests came together.
_QUICK = 0.001
# A mask: after so many requests a connection sees whether it should wait in another way.
_ARRANGE = 7
_Means: TypeAlias = tuple[
    ServerWire,
    Callable[[], ServerEvent],
    Callable[[bytes], ServerEvent],
    Callable[[], bytes | None],
]
_NEED_DATA = Signal.NEED_DATA
_REQUEST, _HEAD_READ, _FINISHED = State.REQUEST, Trigger.HEAD_READ, Trigger.FINISHED


class Http1Connection(RequestChannel):
    """Made by `Server.handle`; `run` is its task."""

    __slots__ = ("_continuation", "_drain_callback")

    def __init__(
        self, stream: Stream, server: Serving, context: Any = None, wire: ServerWire | None = None
    ) -> None:
        wire = wire or server.engine.server_wire(server.options.limits)
        super().__init__(stream, server, context, wire)
        self._continuation: Continuation | None = None
        self._drain_callback: Callable[[], object] | None = None

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
        if isinstance(self.stream, SocketStream):
            self.stream.wait_by(self.server.hub)
        try:
            again = True
            while again:
                again = False
                try:
                    async with trio.open_nursery() as nursery:
                        self.nursery = nursery
                        try:
                            again = self.state is State.IDLE and await self._serve()
                        finally:
                            if self.stream.corked:
                                self.stream.push()
                except BaseExceptionGroup as group:
                    if is_exit(group):
                        raise
                    self._child_failed(group)
                if nursery.cancel_scope.cancelled_caught:
                    again = self._scope_cancelled()
                if self.exchange is not None:
                    self.end_request(self.exchange)
            del nursery
            if self._continuation is not None:
                continuation, self._continuation = self._continuation, None
                await continuation.run(
                    self.handler, self.stream, self.options.run, self._continues_in
                )
                self._drain_callback = None
            elif not self.detached:
                refused = self.state is State.FAILED
                self.move(Trigger.END)
                await close_in_order(self, self.wire, refused=refused)
        except StreamClosedError:
            pass  # the client left while its last response was on the way
        finally:
            if self.exchange is not None:  # cancelled from outside, or `sys.exit()`
                if not self.exchange.finished and self.detached:
                    self.exchange.give_up(Cause.CANCELLED)
                elif not self.exchange.finished:
                    # An answer needs no wait; without one the record would say what was not sent.
                    self.in_context(self.conclude, Cause.CANCELLED)
                self.end_request(self.exchange)
            if not self.detached:
                self.stream.close()

    async def _serve(self) -> bool:
        """Serve requests, one after the other. True: continue in a new nursery."""
        stream, handler, server = self.stream, self.handler, self.server
        wire, next_event, receive, read_nowait = self._means()
        must_wait = False
        try:
            event = next_event()
            while True:
                if event is _NEED_DATA:
                    if must_wait:
                        self._before_wait()
                        await stream.readable()
                        must_wait = False
                    data = read_nowait()
                    if data is None:
                        must_wait = True
                    else:
                        event = receive(data)
                        data = None  # or an idle connection would keep its last request
                elif type(event) is RequestHead:
                    exchange = self.begin_request(event)
                    try:
                        rest: Resumed = handler.enter().run(
                            handler.first_step, server.app, exchange, server.options.run
                        )
                    except StopIteration:
                        pass  # the usual case: the handler never waited
                    except EXITS:
                        raise
                    except BaseException as exc:
                        handler.in_context(self.handler_failed, exchange, exc)
                    else:
                        del wire, next_event, receive, read_nowait  # 0.7 KB that may last
                        await self.go_on(exchange, rest)
                        wire, next_event, receive, read_nowait = self._means()
                    if not (exchange.finished and wire.skip_body() and not stream.unsent):
                        await self.settle(exchange)
                    if self._lent and self.nursery.child_tasks:
                        return self._leave_to_children(exchange)
                    self.end_request(exchange)
                    if self.state is not _REQUEST or not wire.next_cycle():
                        return False
                    self.state = TRANSITIONS[_REQUEST][_FINISHED]
                    if not self.requests & _ARRANGE:
                        stream.arrange()
                    must_wait = not wire.buffered
                    if must_wait:
                        event = _NEED_DATA
                    else:
                        if not self.requests % _REQUESTS_IN_A_ROW:
                            await trio.lowlevel.checkpoint()
                        event = next_event()
                        self._cork(event, exchange.began)
                else:
                    return False
        except PeerError as exc:
            handler.in_context(self.refuse, exc)
        except (StreamClosedError, trio.ClosedResourceError):
            pass  # between requests, or the handler has been notified
        return False

    def _means(self) -> _Means:
        """What the loop over requests works with."""
        wire = self.wire
        return wire, wire.next_event, wire.receive, self.stream.read_nowait

    def _cork(self, event: ServerEvent, began: float) -> None:
        """Before a request that had come when the one begun at `began` was answered: if yet another
        has, which will be answered in the same turn, the kernel may join the answers."""
        if type(event) is not RequestHead or time.perf_counter() - began > _QUICK:
            self.stream.push()
            return
        last = not self.wire.buffered or not (self.requests + 1) % _REQUESTS_IN_A_ROW
        if last or event.content_length or event.chunked:
            self.stream.uncork()  # its answer takes the others along
        else:
            self.stream.cork()

    def _before_wait(self) -> None:
        """Set the deadline of the wait for a request, or for the rest of its head."""
        timeouts = self.options.timeouts
        scope = self.nursery.cancel_scope
        # The clock itself: `trio.current_time` asks for it through three functions.
        now = self.handler.clock.current_time()
        if self.wire.buffered:
            if self.state is not State.HEAD:
                self.move(Trigger.BYTES)
                scope.deadline = now + timeouts.head
            return
        seconds = timeouts.drain_idle if self.server.draining else timeouts.idle
        # Moving a deadline costs 2 µs; one that is up to 5 % early will do.
        if not now + 0.95 * seconds <= scope.deadline <= now + seconds:
            scope.deadline = now + seconds

    def _scope_cancelled(self) -> bool:
        """Find out what cancelled it. True: keep serving."""
        exchange = self.exchange
        if exchange is None:
            if self.state is State.IDLE:
                return self._last_look()
            if self.state is State.HEAD:
                self.refuse(PeerError("Timeout reading head", 408))
        elif exchange.finished and self.deadlines.passed() is Cause.REQUEST_DEADLINE:
            self.in_context(
                gen_log.warning,
                "%s: children of its request took longer than they may",
                exchange.describe(),
            )
        else:
            self.in_context(self.conclude, Cause.CANCELLED)
        return False

    def _last_look(self) -> bool:
        """Idle for too long, or asked to close: unless a request has just arrived."""
        try:
            data = self.stream.read_nowait()
        except StreamClosedError:
            return False
        if not data:
            return False
        self.wire.feed(data)
        return True

    def _child_failed(self, group: BaseExceptionGroup[BaseException]) -> None:
        """A child in the request's nursery failed, and so did the request."""
        exchange = self.exchange
        error = sole(group)
        if exchange is not None:
            self.in_context(self.failed, exchange, error, Cause.CHILD_FAILED)
        else:
            app_log.error("Uncaught exception in a child of %r", self, exc_info=error)
            self.move(Trigger.FAIL)

    # --- what the server asks for: `interfaces.Connection` ---------------------------------
    @property
    def phase(self) -> str:
        return self.state.value

    @property
    def busy(self) -> bool:
        return self.exchange is not None

    def begin_drain(self, idle_until: float) -> None:
        if self.state is State.IDLE:
            self.nursery.cancel_scope.deadline = idle_until
        elif self._drain_callback is not None:
            self._call_drain_callback(self._drain_callback)

    def set_drain_callback(self, callback: Callable[[], object] | None) -> None:
        self._drain_callback = callback
        if callback is not None and self.server.draining:
            self._call_drain_callback(callback)

    def _call_drain_callback(self, callback: Callable[[], object]) -> None:
        self.in_context(self.call_back, "a drain callback", callback)

    def close(self) -> None:
        self.stream.close()

    def describe(self) -> str:
        exchange = self.exchange
        if exchange is None:
            return repr(self)
        seconds = time.perf_counter() - exchange.began
        return f"{exchange.describe()}, {seconds:.1f} s, {self.handler.place()}"

    # --- handlers that outlive their response: see `background` ----------------------------
    def release_soon(self) -> None:
        """See whether the handler is still running once its current step is over."""
        self.start_beside(continue_connection, self, name="connection")

    def make_successor(self) -> Http1Connection | None:
        """Release the stream; returns a new connection that continues where this one stops."""
        if not self.outlives_response:
            return None  # it has ended by itself
        if self.wire.skip_body():
            return self._let_go()
        # Its client owes a body: to be dropped when the handler has ended, if it is there still.
        disconnect = self._disconnect
        if disconnect is not None and disconnect.half_closed and not self.stream.unsent:
            self._drop_stream()
        return None

    def _let_go(self) -> Http1Connection:
        self.move(Trigger.RELEASE)
        if self.exchange is not None:
            self.record(self.exchange)
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
            self.move(Trigger.END)

    def _leave_to_children(self, exchange: Http1Exchange) -> bool:
        """The handler is done, children of its request are not. True: wait for them here."""
        # They have the request's deadline, not that of the wait before it.
        self.nursery.cancel_scope.deadline = self.deadlines.earliest()
        if self.state is not State.REQUEST:
            return False
        nursery = self.server.nursery
        if nursery is not None:
            self.handler.start_beside(nursery, self.server.adopt, self._let_go(), name="connection")
            return False
        self.end_request(exchange)
        if not self.wire.next_cycle():
            return False
        self.move(Trigger.FINISHED)
        return True

    # --- connections that are taken over -----------------------------------------------------
    def detach(self) -> Stream:
        """Give the stream away: HTTP is over here."""
        stream = self.stream
        stream.unread(self.wire.take_rest())
        self.wire = SPENT
        self.move(Trigger.DETACH)
        if isinstance(stream, SocketStream):
            self.server.hub.part(stream)  # its new owner may have other ways
        if self._disconnect is not None:
            self._disconnect.stop()
            self._disconnect = None  # it lasts, and may be one of many
        if self.deadlines.due is not None:
            self.deadlines.set(Cause.REQUEST_DEADLINE, None)
        return stream

    def continue_with(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """After `detach`: run `then()` in this task once the handler has returned."""
        name = repr(self) if self.exchange is None else self.exchange.task_name
        self._continuation = Continuation(then, name)

    def _continues_in(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery  # the drain cancels it
