"""`run_session`: a session for the length of a block: who reads it, and how it ends.

Knows the session and nurseries. Must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, final

import trio

from .._util.interrupts import interrupt_in
from ..exchange.interface import Later
from ..net.stream import Stream
from ..wire.websocket import CloseCode, WebSocketProtocol
from .options import WebSocketOptions
from .session import WebSocket
from .tracing import session_tracer

__all__ = ["Host", "run_session"]


class Host(Protocol):
    """What a session asks of the exchange it came from."""

    def set_wait_callback(self, callback: Callable[[], object] | None) -> bool: ...
    def set_drain_callback(self, callback: Callable[[], object] | None) -> None: ...


@final
class run_session:  # used as a function
    """A session over an established connection, for the duration of an `async with` block.

    Leaving the block closes it: with 1000, with 1011 when the block raised, with 1001 when it
    was cancelled. The stream is closed in any case.

    Args:
        nursery: runs the reader; a new one unless given. It must outlive the block.
        host: tells when its server begins to drain: then the session is closed. And when the
            handler waits (`Exchange.set_wait_callback`): a session that is waited for reads itself
            then, and only one whose handler waits for something else has a reader task. Without it
            there always is one, which weighs 1.5 KB.
        timers: of the keepalive and other timeouts; its own, with a task of 2 KB in the nursery,
            unless given.

    Cancellation: the closing handshake gets `cancel_timeout` seconds.
    """

    # A class with two methods, and not a generator: its suspended frame would weigh 0.5 KB.
    __slots__ = ("_host", "_manager", "_nursery", "_traced", "_ws")

    def __init__(
        self,
        stream: Stream,
        protocol: WebSocketProtocol,
        options: WebSocketOptions | None = None,
        *,
        subprotocol: str | None = None,
        request: Any = None,
        nursery: trio.Nursery | None = None,
        host: Host | None = None,
        timers: Later | None = None,
    ) -> None:
        self._host = host
        self._nursery = nursery
        self._manager: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._traced: Callable[[BaseException | None], None] | None = None
        options = options or WebSocketOptions()
        self._ws = WebSocket(stream, protocol, options, subprotocol=subprotocol, request=request)
        self._ws._link.later = timers

    async def __aenter__(self) -> WebSocket:
        nursery = self._nursery
        if nursery is None:
            self._manager = trio.open_nursery()
            nursery = self._nursery = await self._manager.__aenter__()
        try:
            self._begin(nursery)
        except BaseException as error:  # Ctrl-C, or a tracer: the nursery is ours to leave
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self._ws

    def _begin(self, nursery: trio.Nursery) -> None:
        ws, host = self._ws, self._host
        ws._begin(nursery)
        if host is None or not host.set_wait_callback(ws._handler_waits):
            ws._start_reader()
        else:
            ws._handler = trio.lowlevel.current_task()
        tracer = session_tracer()
        if tracer is not None:
            self._traced = tracer(ws, None)
        if host is not None:
            host.set_drain_callback(ws.going_away)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            if self._manager is None:
                await self._close(error)
            else:
                await self._close_in(self._manager, error)
        finally:
            if self._host is not None:
                self._host.set_wait_callback(None)
                self._host.set_drain_callback(None)  # a bound method: a reference cycle
            self._ws._end()
            if self._traced is not None:
                self._traced(error)
        return False

    async def _close(self, error: BaseException | None) -> None:
        ws = self._ws
        if error is None:
            await ws.close()
        elif isinstance(error, Exception):
            await ws.close(CloseCode.INTERNAL_ERROR)
        else:
            await ws._say_goodbye()

    async def _close_in(
        self, manager: AbstractAsyncContextManager[trio.Nursery], error: BaseException | None
    ) -> None:
        """Close, then leave the nursery of our own.

        Only what cancels goes through it: callers get what was raised, not a group of one.
        """
        nursery = self._nursery
        assert nursery is not None
        try:
            if error is None or isinstance(error, Exception):
                await self._close(error)
                nursery.cancel_scope.cancel()
            else:
                nursery.cancel_scope.cancel()
                await self._close(error)
                if not isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise error
        except BaseException as failure:
            if not await _leave(manager, failure):
                raise
        else:
            await _leave(manager, None)


async def _leave(
    manager: AbstractAsyncContextManager[trio.Nursery], failure: BaseException | None
) -> bool:
    try:
        if failure is None:
            return bool(await manager.__aexit__(None, None, None))
        return bool(await manager.__aexit__(type(failure), failure, failure.__traceback__))
    except BaseExceptionGroup as group:
        interrupt = interrupt_in(group)
        if interrupt is None:
            raise
        raise interrupt from None
