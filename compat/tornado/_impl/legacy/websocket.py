"""What a WebSocket's protocol object had in old releases.

`last_ping` and `last_pong` until Tornado 6.5: knows the methods that send the keepalive's pings and
take pongs. An `_accept_connection` without arguments, which is not awaited,
until Tornado 6: knows the two halves of accepting, `_answer` and `_serve`.
"""

from __future__ import annotations

from typing import Any

from tornado import gen
from tornado.concurrent import Future
from tornado.ioloop import IOLoop

__all__ = ["PingTimes", "accept", "accept_connection"]


async def accept(protocol: Any, handler: Any) -> None:
    """Have the program's `_accept_connection`, or the one below, make the handshake."""
    result = protocol._accept_connection()
    if result is not None:
        await gen.convert_yielded(result)
    if protocol._native is not None:
        await protocol._serve(handler)


def accept_connection(self: Any) -> Future[None]:
    """Answer the upgrade request. For a plain function to call and a coroutine to yield."""
    self._answer(self.handler)
    future: Future[None] = Future()
    future.set_result(None)
    return future


class PingTimes:
    """When a ping was last sent and answered, by the loop's clock; 0 before there was one."""

    last_ping: float = 0
    last_pong: float = 0
    _ping_started: bool

    def _ping_due(self) -> None:
        self.last_ping = IOLoop.current().time()
        super()._ping_due()  # type: ignore[misc]

    def _pong_came(self) -> None:
        self.last_pong = IOLoop.current().time()
        super()._pong_came()  # type: ignore[misc]

    def start_pinging(self) -> None:
        super().start_pinging()  # type: ignore[misc]
        if self._ping_started:
            self.last_ping = self.last_pong = IOLoop.current().time()
