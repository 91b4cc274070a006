"""One client connection: a task that reads requests and has them answered, in order.

Knows the wire, streams, exchanges. Must not know what the application does.

What it costs and how that stays low (keep-alive GET, one core):

* one wait, one recv, one send a request; after a response the next recv is not tried
  before a wait (a client that waits for the response cannot have sent more: 2 µs);
* one nursery per connection, not per request: its cancel scope is the handler's scope
  and its deadline is the one deadline, moved only when a wait would otherwise outlast
  it; a request that used the nursery ends it, and the next one gets a new one (10 µs);
* the handler's first step runs at once. Only if it suspends are the disconnect watch
  armed, its deadline set and the flusher allowed (6 µs), and all that undone at its end.

States of the connection, by `phase`:

    idle     no byte of a request yet       deadline: Timeouts.idle; drain ends it
    head     part of a head has come        deadline: Timeouts.head; then 408
    request  the handler runs               deadline: its own, then 503; the body's, or
                                            Timeouts.stall while it is waited for: 408
    closing  the last response drains       deadline: Timeouts.write, Timeouts.linger
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import trio

from .._util.contexts import run_in
from ..errors import DeadlineError, LimitError, PeerError, StreamClosedError
from ..exchange import current_exchange
from ..log import app_log, gen_log
from ..net.stream import Stream
from ..wire.events import RequestHead, Signal
from ..wire.http1 import ServerWire
from . import endings, presence
from .downstream import client_of, origin_of
from .errors import error_page
from .exchange import Http1Exchange
from .lingering import leave_handler_soon, let_go
from .stepping import rest_of
from .watch import watch_stream

if TYPE_CHECKING:
    from .core import Server

__all__ = ["ServerConnection"]


# Requests answered from one read without letting other tasks run: 50 µs each.
_BURST = 16
# An unread request body of this size is read and dropped to keep the connection.
_SKIP = 64 * 1024
_NEED_DATA = Signal.NEED_DATA
# What ends the task and not just the request.
_NOT_THE_HANDLERS = (trio.Cancelled, KeyboardInterrupt, SystemExit, GeneratorExit)


class ServerConnection:
    """Made by `Server.handle`; `run` is its task.

    Attributes:
      exchange: the request being answered, or None.
      phase: see the module.
      cut: what to tell a client whose request the server cancels.
      detached: the stream was given away.
      drain_callback: told when the server begins to drain; for those that are detached.
      half_closed: the client ended its sending side.
      receiving: the handler waits for its request's body.
      input_waits: more came from the client while the handler was waiting.
      requests: how many have been answered.
    """

    __slots__ = (
        "__weakref__",
        "_base_context",
        "body_deadline",
        "fault",
        "_grace_deadline",
        "half_closed",
        "input_waits",
        "_over",
        "_reads",
        "_successor",
        "_suspended",
        "_task",
        "_watched",
        "_watcher",
        "context",
        "cut",
        "detached",
        "drain_callback",
        "exchange",
        "nursery",
        "options",
        "phase",
        "protocol",
        "receiving",
        "remote_ip",
        "requests",
        "server",
        "stream",
        "watched_fd",
        "wire",
    )

    nursery: trio.Nursery

    def __init__(self, stream: Stream, server: Server, context: Any = None) -> None:
        options = server.options
        self.stream = stream
        self.server = server
        self.options = options
        self.context = context
        self.wire = ServerWire(options.limits, options.dialect)
        self.remote_ip, self.protocol = client_of(stream, options)
        self.exchange: Http1Exchange | None = None
        self.phase = "idle"
        self.cut = ""
        self.requests = 0
        self.body_deadline: float | None = None
        self._suspended = False
        self._grace_deadline: float | None = None
        self.half_closed = False
        self.receiving = False
        self.input_waits = False
        self._over = False  # no request may follow
        # The connection cannot go on after this exchange; what was said is all.
        self.fault = False
        self._reads = 0
        self._successor: (
            tuple[Callable[[], Coroutine[Any, Any, Any]], contextvars.Context] | None
        ) = None
        self.detached = False
        self.drain_callback: Callable[[], object] | None = None
        self._watched = False
        self.watched_fd = -1  # the watch's
        self._watcher: trio.CancelScope | None = None

    def __repr__(self) -> str:
        return f"<ServerConnection {self.remote_ip} {self.phase}, {self.requests} requests>"

    # --- the task --------------------------------------------------------------
    async def run(self) -> None:
        """Serve the connection to its end. Raises nothing but cancellation.

        Cancellation: the request under way is cancelled, the stream closed at once.
        """
        self._task = trio.lowlevel.current_task()
        self._base_context = self._task.context
        self.stream.max_write_buffer_size = self.options.limits.max_write_buffer
        again = True
        try:
            while again:
                again = False
                try:
                    async with trio.open_nursery() as nursery:
                        self.nursery = nursery
                        again = not self._over and await self._serve()
                except BaseExceptionGroup as group:
                    if group.subgroup(_NOT_THE_HANDLERS) is not None:
                        raise
                    endings.child_failed(self, group)
                if nursery.cancel_scope.cancelled_caught:
                    again = endings.was_cut(self)
                if self.exchange is not None:
                    self._end_exchange(self.exchange)
            del nursery
            if not self.detached:
                await endings.close(self)
            elif self._successor is not None:
                await self._hand_over(*self._successor)
        except StreamClosedError:
            pass  # the client left while its last response was on the way
        finally:
            if not self.detached:
                self.stream.close()

    async def _serve(self) -> bool:
        """Requests, one after the other. True: go on in a new nursery."""
        wire, stream = self.wire, self.stream
        next_event, feed, read_nowait = wire.next_event, wire.feed, stream.read_nowait
        must_wait = False
        burst = 0
        try:
            while True:
                event = next_event()
                if event is _NEED_DATA:
                    if must_wait:
                        self._before_wait()
                        await stream.wait_readable()
                        must_wait = False
                        burst = 0
                    data = read_nowait()
                    if data is None:
                        must_wait = True
                    else:
                        feed(data)
                        data = None  # or an idle connection would keep its last request
                elif type(event) is RequestHead:
                    exchange = self._start(event)
                    # Before the first step: whatever the handler waits for then goes on in it.
                    context = self._task.context = self._base_context.copy()
                    try:
                        rest = context.run(self._first_step, exchange)
                    except StopIteration:
                        pass  # the usual case: the handler never waited
                    except _NOT_THE_HANDLERS:
                        raise
                    except BaseException as exc:
                        context.run(endings.handler_failed, self, exchange, exc)
                    else:
                        await self._go_on(exchange, *rest)
                    if self.detached:
                        pass  # the wire and the stream are others' by now
                    elif not (exchange.finished and wire.skip_body() and not stream.unsent):
                        await self._settle(exchange)
                    children = self.nursery.child_tasks
                    if children:
                        # They have the request's deadline, not that of the wait before it.
                        due = exchange.deadline
                        self.nursery.cancel_scope.deadline = inf if due is None else due
                    self._end_exchange(exchange)
                    if self.fault or self.detached or not wire.next_cycle():
                        return False
                    if children:
                        return True
                    must_wait = not wire.buffered
                    burst += 1
                    if burst == _BURST:
                        await trio.lowlevel.checkpoint()
                        burst = 0
                else:
                    return False
        except PeerError as exc:
            self.in_context(self.refuse, exc)
        except StreamClosedError:
            pass  # between requests, or told to the handler already
        return False

    def _before_wait(self) -> None:
        """Set the deadline of the wait for a request, or for the rest of its head."""
        timeouts = self.options.timeouts
        scope = self.nursery.cancel_scope
        now = trio.current_time()
        if self.wire.buffered:
            if self.phase != "head":
                self.phase = "head"
                scope.deadline = now + timeouts.head
            return
        self.phase = "idle"
        seconds = timeouts.drain_idle if self.server.draining else timeouts.idle
        # Moving a deadline costs 2 µs; one that is up to 5 % early will do.
        if not now + 0.95 * seconds <= scope.deadline <= now + seconds:
            scope.deadline = now + seconds

    # --- the handler -------------------------------------------------------------
    def _start(self, head: RequestHead) -> Http1Exchange:
        self.phase = "request"
        exchange = self.exchange = self.server.exchange_type(self, head)
        options = self.options
        if not options.keep_alive:
            self.wire.close_after = True
        if options.xheaders:
            origin_of(exchange, options)
        if options.decompress_request and "Content-Encoding" in head.headers:
            exchange.decompress()
        if options.timeouts.request is not None:
            exchange.deadline = trio.current_time() + options.timeouts.request
        return exchange

    def _first_step(self, exchange: Http1Exchange) -> tuple[Coroutine[Any, Any, Any], Any]:
        """Run the handler until it first waits; in its own context. StopIteration: done."""
        current_exchange.set(exchange)
        coro = self.server.app(exchange)
        if coro is None:
            coro = exchange.wait_finished()
        elif self.options.run is not None:
            coro = self.options.run(coro)
        return coro, coro.send(None)

    async def _go_on(
        self,
        exchange: Http1Exchange,
        coro: Coroutine[Any, Any, Any],
        trap: Any,
    ) -> None:
        """The rest of a handler that waits, with all that is spared those that do not."""
        self._suspended = True
        self.apply_deadline()
        self.stream.nursery = self.nursery
        self.input_waits = bool(self.wire.buffered)
        if exchange.finished:
            leave_handler_soon(self)
        watch = self.server.watch
        # A handler that took the stream over before it waited reads it itself.
        watched = self._watched = not self.detached and watch.arm(self)
        if not (watched or self.detached or self.wire.body_unread):
            self.start_watcher(watch_stream)
        try:
            await rest_of(coro, trap, exchange)
        except _NOT_THE_HANDLERS:
            raise
        except BaseException as exc:
            if isinstance(exc, BaseExceptionGroup) and exc.subgroup(_NOT_THE_HANDLERS):
                raise  # the same, out of a nursery of the handler's
            endings.handler_failed(self, exchange, exc)
        finally:
            self._suspended = False
            if not self.detached:
                self.stream.nursery = None
                if watched:
                    watch.disarm(self)
            self._stop_watcher()

    def answer_fault(self, exchange: Http1Exchange, status: int, reason: str = "") -> None:
        """Answer for the application, if it is not too late; else break the response off.

        Without a reason only if it wants its own failures answered (`answer_errors`).
        """
        self.fault = True
        if exchange.finished:
            return
        exchange.finished = True
        if self.wire.responded or not (reason or status != 500 or self.options.answer_errors):
            # Closing before the announced end tells the client that it is incomplete.
            self.stream.close()
            return
        exchange.status = status
        self._say(error_page(status, reason))

    async def _settle(self, exchange: Http1Exchange) -> None:
        """Bring a response on its way and the request to its end."""
        if self.fault or self.detached:
            return
        if not exchange.finished:
            self.in_context(endings.unanswered, self, exchange)
            return
        if self.stream.unsent:
            await self.drain()
        wire = self.wire
        if wire.close_after or wire.skip_body():
            return
        self.nursery.cancel_scope.deadline = trio.current_time() + self.options.timeouts.linger
        while not wire.skip_body():
            if wire.next_event() is _NEED_DATA:
                await self.receive_body()

    def _end_exchange(self, exchange: Http1Exchange) -> None:
        self.exchange = None
        self.body_deadline = None
        self.requests += 1
        access_log = self.options.access_log
        if access_log is not None:
            self.in_context(access_log, exchange)
        self._task.context = self._base_context

    def in_context(self, function: Callable[..., object], *args: object) -> None:
        """Call it in the context of the request under way; the slice may be another's."""
        run_in(self._task.context, function, *args)

    def begin_turn(self, exchange: Http1Exchange) -> bool:
        """Whether `exchange.turn_over` will be called once who writes now gives way."""
        if self.options.call_soon is not None:
            return self.options.call_soon(exchange.turn_over)
        # Another task would give way without our seeing it.
        return trio.lowlevel.current_task() is self._task

    # --- deadlines and the end ----------------------------------------------------
    def apply_deadline(self) -> None:
        """Put the earliest of the request's deadlines on its scope."""
        if self._suspended and self.exchange is not None:
            deadlines = (self.exchange.deadline, self.body_deadline, self._grace_deadline)
            self.nursery.cancel_scope.deadline = min(
                (deadline for deadline in deadlines if deadline is not None), default=inf
            )

    def set_body_deadline(self, seconds: float | None) -> None:
        self.body_deadline = None if seconds is None else trio.current_time() + seconds
        self.apply_deadline()

    def refuse(self, exc: PeerError, *, log: bool = True) -> None:
        """Answer what the client did wrong, and close: the framing is not to be trusted."""
        self.fault = True
        if isinstance(exc, LimitError) and exc.status in (414, 431):
            gen_log.info("Unsatisfiable read, closing connection of %s: %s", self.remote_ip, exc)
        elif log:
            gen_log.info("Malformed HTTP message from %s: %s", self.remote_ip, exc)
        exchange = self.exchange
        if exchange is not None:
            exchange.finished = True
            if self.nursery.child_tasks:
                self.nursery.cancel_scope.cancel()
        if self.wire.responded:
            self.stream.close()
            return
        refuse = self.options.refuse
        data = error_page(exc.status, str(exc)) if refuse is None else refuse(exc)
        if exchange is not None:
            exchange.status = exc.status
        if data:
            self._say(data)

    def _say(self, data: bytes) -> None:
        if self.wire.head is not None and self.wire.head.start_line.method == "HEAD":
            data = b"".join(data.partition(b"\r\n\r\n")[:2])
        try:
            self.stream.write(data)
        except StreamClosedError:
            pass  # nobody is left to hear it

    # --- what exchanges ask for ---------------------------------------------------
    async def receive_body(self) -> bytes:
        """More bytes of the request into the wire, b"" at the end of the stream.

        Returns them if they are body as they stand: then the wire did not take them.
        """
        stream, stalls = self.stream, self.server.stalls
        try:
            while True:
                data = stream.read_nowait()
                if data is not None:
                    break
                self._reads = 0
                stalls.expect(self)
                self.receiving = True
                try:
                    await stream.wait_readable()
                finally:
                    self.receiving = False
                    stalls.arrived(self)
        except StreamClosedError as exc:
            self.lost(exc)
            raise
        wire = self.wire
        if len(data) <= wire.limits.chunk_size and wire.passes(data):
            await self.breathe()
            return data
        wire.feed(data)
        await self.breathe()
        return b""

    async def breathe(self) -> None:
        """Now and then let others run, while a body keeps coming without a wait."""
        self._reads += 1
        if self._reads >= _BURST:
            # A client faster than we are must not keep the others waiting.
            self._reads = 0
            await trio.lowlevel.checkpoint()

    def body_over(self) -> None:
        """The request's body has been read: now a task may watch the stream."""
        if self.exchange is not None and self.exchange.gone is not None:
            let_go(self)
        if self.body_deadline is not None:
            self.body_deadline = None
            self.apply_deadline()
        if self._suspended and self._watcher is None and not self._watched:
            self.start_watcher(watch_stream)

    def must_close_unread(self, exchange: Http1Exchange) -> bool:
        """The response begins before the body was read: can the connection go on?"""
        head = exchange.head
        # What is too long will be refused, not skipped.
        skippable = min(_SKIP, self.wire.max_body_size)
        return head.expect_continue or head.chunked or (head.content_length or 0) > skippable

    async def drain(self) -> None:
        """Until the client has taken everything written.

        Raises `StreamClosedError` if it goes away or takes nothing for `Timeouts.write`.
        """
        stream = self.stream
        while stream.unsent:
            before = stream.unsent
            try:
                with trio.move_on_after(self.options.timeouts.write) as scope:
                    await stream.drain()
            except StreamClosedError as exc:
                self.lost(exc)
                raise
            if scope.cancelled_caught and stream.unsent >= before:
                cause = DeadlineError("the client takes nothing", "write")
                error = StreamClosedError("the client does not read its response")
                self.lost(error)
                stream.close()
                raise error from cause
        await trio.lowlevel.checkpoint_if_cancelled()

    def detach(self) -> Stream:
        """Give the stream away: HTTP is over here."""
        stream = self.stream
        stream.unread(self.wire.take_rest())
        self.detached = True
        self.phase = "detached"
        self.server.watch.disarm(self)
        self._stop_watcher()
        if self.exchange is not None:
            self.exchange.deadline = None
        self.apply_deadline()
        return stream

    def hand_over(self, then: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """After `detach`: run `then()` in this task once the handler has returned.

        For what goes on for long, without the 5 KB that a suspended handler and its request
        hold. It runs in the request's context, and is driven as handlers are.
        """
        self._successor = (then, contextvars.copy_context())

    async def _hand_over(
        self, then: Callable[[], Coroutine[Any, Any, Any]], context: contextvars.Context
    ) -> None:
        self._successor = None
        task = trio.lowlevel.current_task()
        task.context = context
        await trio.lowlevel.cancel_shielded_checkpoint()  # from here on in that context
        try:
            async with trio.open_nursery() as nursery:
                self.nursery = self.stream.nursery = nursery  # the drain cancels it
                coro = then()
                await (coro if self.options.run is None else self.options.run(coro))
                self.drain_callback = None
                nursery.cancel_scope.cancel()
        except ExceptionGroup:
            # One connection's bug must not end the others.
            app_log.exception("Uncaught exception in %r, detached", self)
            self.stream.close()

    # --- the client's leave: see `presence` -----------------------------------------
    def client_signal(self, *, half: bool) -> None:
        """From the watch: the client's stream ended (`half`), or the connection did."""
        presence.signal(self, half)

    def response_finished(self) -> None:
        """Do not let the client wait for what the handler does after its response."""
        exchange = self.exchange
        if self._suspended and exchange is not None and exchange.finished:
            if self.input_waits or self.wire.close_after:
                leave_handler_soon(self)

    @property
    def lingering(self) -> bool:
        """Whether the handler goes on after the end of its response."""
        exchange = self.exchange
        return (
            self._suspended
            and not self.fault
            and not self.detached
            and exchange is not None
            and exchange.finished
        )

    def succeed(self, other: ServerConnection) -> None:
        """Go on in the place of `other`, which keeps its handler and nothing else."""
        self.wire = other.wire
        self.requests = other.requests + 1
        self._over = not self.wire.next_cycle()
        other.detached = True
        self.stream.nursery = None
        self.server.watch.disarm(other)
        other._stop_watcher()

    def lost(self, error: Exception) -> None:
        """The client is gone. Once per exchange: tell the handler as its policy says."""
        presence.lost(self, error)

    def grace_period(self, seconds: float) -> None:
        """The handler may go on for so long, though its client is gone."""
        self._grace_deadline = trio.current_time() + seconds
        self.apply_deadline()

    def start_beside(self, *task: Any, name: str) -> None:
        """Start a task in the server's nursery; it is no request's and sees nothing of one."""
        owner = self.server.nursery
        assert owner is not None
        self._base_context.copy().run(partial(owner.start_soon, *task, name=name))

    def start_watcher(self, watch: Callable[[ServerConnection], Awaitable[None]]) -> None:
        """Run `watch(self)` beside the handler until its end, in the server's nursery."""
        if self.server.nursery is None:
            return  # served without a server's nursery: disconnects are noticed on use
        self._stop_watcher()
        scope = self._watcher = trio.CancelScope()

        async def watcher() -> None:
            with scope:
                await watch(self)

        self.start_beside(watcher, name="disconnect watcher")

    def _stop_watcher(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
