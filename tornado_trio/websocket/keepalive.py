"""Pings: measured, and as a sign of life. Knows the link; must not know inboxes or handlers."""

from __future__ import annotations

import math
from struct import Struct

import trio

from ..wire.websocket import CloseCode, State
from .link import Link

__all__ = ["Pings", "read_alive"]

_NUMBER = Struct("!I").pack


class Pings:
    """Pings under way on one link.

    Attributes:
        latency: seconds the last answered ping took; 0.0 before the first.
    """

    __slots__ = ("_link", "_next", "_waiting", "latency")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._next = 0
        # By payload, in the order sent: when, and who waits.
        self._waiting: dict[bytes, tuple[float, trio.Event | None]] | None = None
        self.latency = 0.0

    async def ping(self, payload: bytes | None = None) -> float:
        """Ping and wait for the pong; returns the seconds it took.

        Raises:
            ConnectionClosed: the connection ended first.
            ValueError: more than 125 bytes, or a ping of the same payload is under way.
        Cancellation: the ping was sent; its pong will be ignored.
        """
        event = trio.Event()
        payload = self.send(payload, event)
        begin = trio.current_time()
        try:
            await event.wait()
        finally:
            self.forget(payload)
        if self._link.protocol.state is State.CLOSED:
            raise self._link.protocol.closed_error()
        return trio.current_time() - begin

    def send(self, payload: bytes | None = None, event: trio.Event | None = None) -> bytes:
        """Send a ping; `event` is set when it is answered. Returns its payload."""
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = {}
        if payload is None:
            payload = _NUMBER(self._next)
            self._next = (self._next + 1) & 0xFFFFFFFF
        if payload in waiting:
            raise ValueError("a ping with this payload is under way")
        self._link.write_quietly(self._link.protocol.send_ping(payload))
        waiting[payload] = (trio.current_time(), event)
        return payload

    def forget(self, payload: bytes) -> bool:
        """Wait for an answer no longer. False: it has been answered."""
        return self._waiting is not None and self._waiting.pop(payload, None) is not None

    def received(self, payload: bytes) -> None:
        """A pong came. It answers the pings before its own, too (RFC 6455 5.5.3)."""
        waiting = self._waiting
        if not waiting or payload not in waiting:
            return
        self.latency = trio.current_time() - waiting[payload][0]
        for key in list(waiting):
            event = waiting.pop(key)[1]
            if event is not None:
                event.set()
            if key == payload:
                break

    def end(self) -> None:
        """No pong will come any more."""
        for _, event in (self._waiting or {}).values():
            if event is not None:
                event.set()


async def read_alive(link: Link, pings: Pings, interval: float, patience: float) -> None:
    """`link.read()`, with a ping every `interval` seconds.

    The deadline of the reading's own scope is the clock: a task of its own, which would only
    sleep, weighs 2 KB per connection.

    A peer that does not answer within `patience` seconds is given up: close code 1011. One that
    sends anything counts as alive, and so does every one while the inbox is full: then it is
    we who do not read.

    Cancellation: as of `link.read`.
    """
    due = trio.current_time() + interval
    asked: bytes | None = None
    begin = 0.0
    reads = 0
    while True:
        with trio.CancelScope(deadline=due) as scope:
            await link.read()
        if not scope.cancelled_caught:
            return
        now = trio.current_time()
        if asked is not None:
            if not pings.forget(asked):
                asked = None
                if begin + interval > now:
                    due = begin + interval
                    continue
            elif link.reads == reads and not link.busy:
                link.send_close(CloseCode.INTERNAL_ERROR, "keepalive ping timed out")
                link.abort()
                return
        if link.protocol.close_sent is not None:
            asked, due = None, math.inf  # the closing handshake has its own deadline
            continue
        asked = pings.send()
        begin, reads, due = now, link.reads, now + patience
