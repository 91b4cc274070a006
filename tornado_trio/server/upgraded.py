"""What runs on a connection after an upgrade from HTTP, without the request that began it.

Knows coroutines and streams. Must not know what the protocol is.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Final

import trio

from ..limits import Limits
from ..log import app_log
from ..net.stream import Stream
from ..wire.http1 import ServerWire
from .handler_task import HandlerTask, Runner

__all__ = ["SPENT", "Continuation"]

#: The wire of connections that were taken over: theirs, and what it remembers, weighs 0.5 KB.
SPENT: Final = ServerWire(Limits())
SPENT.take_rest()


class Continuation:
    """`then()`, to be run in the connection's task once the handler has returned.

    For long-lived protocols, without the 5 KB that a suspended handler and its request hold.
    It runs in the request's context, in a task named after it, and is driven as handlers are.
    """

    __slots__ = ("_context", "_name", "_then")

    def __init__(self, then: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
        self._name = name
        self._then: Callable[[], Coroutine[Any, Any, Any]] | None = then
        self._context: contextvars.Context | None = contextvars.copy_context()

    async def run(
        self,
        handler: HandlerTask,
        stream: Stream,
        runner: Runner | None,
        begun: Callable[[trio.Nursery], None],
    ) -> None:
        """Run it in a nursery, which is passed to `begun`: cancelling that ends it.

        An exception is logged: one connection's bug must not end the others.
        """
        then, context = self._then, self._context
        assert then is not None
        assert context is not None
        self._then = self._context = None  # they hold the request, and this runs for long
        await handler.adopt(context, self._name)
        del context
        try:
            async with trio.open_nursery() as nursery:
                stream.nursery = nursery
                begun(nursery)
                coro = then()
                del then
                await (coro if runner is None else runner(coro))
                nursery.cancel_scope.cancel()
        except ExceptionGroup:
            app_log.exception("Uncaught exception in %s, detached", stream)
            stream.close()
