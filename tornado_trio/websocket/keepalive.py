"""Pings: measured, and as a sign of life. Knows the link; must not know inboxes or handlers."""

from __future__ import annotations

from struct import Struct

import trio

from ..wire.websocket import CloseCode, ConnectionClosed, State
from .link import Link

__all__ = ["Pings", "keep_alive"]

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
        self._waiting: dict[bytes, tuple[float, trio.Event]] | None = None
        self.latency = 0.0

    async def ping(self, payload: bytes | None = None) -> float:
        """Ping and wait for the pong; returns the seconds it took.

        Raises:
            ConnectionClosed: the connection ended first.
            ValueError: more than 125 bytes, or a ping of the same payload is under way.
        Cancellation: the ping was sent; its pong will be ignored.
        """
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = {}
        if payload is None:
            payload = _NUMBER(self._next)
            self._next = (self._next + 1) & 0xFFFFFFFF
        if payload in waiting:
            raise ValueError("a ping with this payload is under way")
        frame = self._link.protocol.send_ping(payload)
        event = trio.Event()
        begin = trio.current_time()
        waiting[payload] = (begin, event)
        try:
            self._link.write_quietly(frame)
            await event.wait()
        finally:
            waiting.pop(payload, None)
        if self._link.protocol.state is State.CLOSED:
            raise self._link.protocol.closed_error()
        return trio.current_time() - begin

    def received(self, payload: bytes) -> None:
        """A pong came. It answers the pings before its own, too (RFC 6455 5.5.3)."""
        waiting = self._waiting
        if not waiting or payload not in waiting:
            return
        self.latency = trio.current_time() - waiting[payload][0]
        for key in list(waiting):
            waiting.pop(key)[1].set()
            if key == payload:
                break

    def end(self) -> None:
        """No pong will come any more."""
        for _, event in (self._waiting or {}).values():
            event.set()


async def keep_alive(link: Link, pings: Pings, interval: float, patience: float) -> None:
    """Ping every `interval` seconds; give up on a peer that takes longer than `patience`.

    A peer that sends anything counts as alive, and so does every peer while the inbox is full:
    then it is we who do not read.

    Raises nothing: the link is aborted, its close code is 1011 unless the peer gave one.
    """
    while True:
        await trio.sleep(interval)
        try:
            while True:
                reads = link.reads
                with trio.move_on_after(patience) as scope:
                    await pings.ping()
                if not scope.cancelled_caught:
                    break
                if link.reads == reads and not link.busy:
                    link.send_close(CloseCode.INTERNAL_ERROR, "keepalive ping timed out")
                    link.abort()
                    return
        except ConnectionClosed:
            return
