"""Pings: measured, and as a sign of life. Knows the link; must not know inboxes or handlers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from struct import Struct

import trio

from ..wire.websocket import CloseCode
from ..wire.websocket.states import OPEN
from .link import Link

__all__ = ["Keepalive", "Pings", "SignsOfLife"]

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
        # By payload, in the order sent: when, and the waiting task's event.
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
            unanswered = self.forget(payload)
        if unanswered:
            raise self._link.protocol.closed_error()
        return trio.current_time() - begin

    def send(self, payload: bytes | None = None, event: trio.Event | None = None) -> bytes:
        """Send a ping; `event` is set when it is answered. Returns its payload."""
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = {}
        if payload is None:
            payload = self._number()
            while payload in waiting:  # the program's own number
                payload = self._number()
        elif payload in waiting:
            raise ValueError("a ping with this payload is under way")
        self._link.write_quietly(self._link.protocol.send_ping(payload))
        waiting[payload] = (trio.current_time(), event)
        return payload

    def _number(self) -> bytes:
        number = self._next
        self._next = (number + 1) & 0xFFFFFFFF
        return _NUMBER(number)

    def forget(self, payload: bytes) -> bool:
        """Stop waiting for an answer. False: it has been answered."""
        return self._waiting is not None and self._waiting.pop(payload, None) is not None

    def received(self, payload: bytes) -> None:
        """A pong arrived. It answers earlier pings as well (RFC 6455 5.5.3)."""
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
        """No further pong will come."""
        for _, event in (self._waiting or {}).values():
            if event is not None:
                event.set()


class Keepalive(ABC):
    """When to ping, and when the peer counts as lost: `step` is called when it is due.

    By the link's timer, which calls the object itself (`start`), or by a task of its own (`run`).

    Args:
        link: the connection.
        interval: seconds between pings.
        patience: seconds an answer may take; 0: no limit.
    """

    __slots__ = ("_begin", "interval", "link", "patience")

    def __init__(self, link: Link, interval: float, patience: float) -> None:
        self.link = link
        self.interval = interval
        self.patience = patience
        self._begin: float | None = None  # when the ping was sent that is not answered

    @abstractmethod
    def ping(self) -> None:
        """Send a ping."""

    @abstractmethod
    def answered(self) -> bool:
        """Whether the peer has shown a sign of life since the last `ping`."""

    @abstractmethod
    def give_up(self) -> None:
        """Close: the peer has shown no sign of life."""

    def start(self) -> None:
        """Step by the link's timer, until reading is over."""
        self.link.remind(self.interval, self)

    def __call__(self) -> None:
        seconds = self._seconds_after_step()
        if seconds < math.inf:
            self.link.remind(seconds, self)

    async def run(self) -> None:
        """Step in the task that calls this, until the connection is over.

        Cancellation: no further ping is sent.
        """
        seconds = self.interval
        while seconds < math.inf:
            await trio.sleep(seconds)
            seconds = self._seconds_after_step()

    def _seconds_after_step(self) -> float:
        now = trio.current_time()
        return self.step(now) - now

    def step(self, now: float) -> float:
        """Do what is due; the time of the next step, infinity when there is none."""
        if self.link.protocol.state is not OPEN:
            return math.inf  # the closing handshake has its own deadline
        begin, self._begin = self._begin, None
        if begin is not None:
            if not self.answered():
                self.give_up()
                return math.inf
            if begin + self.interval > now:
                return begin + self.interval
        self.ping()
        if self.link.protocol.state is not OPEN:
            return math.inf  # nobody was there
        if self.patience <= 0:
            return now + self.interval
        self._begin = now
        return now + self.patience


class SignsOfLife(Keepalive):
    """Measured pings. A peer that sends anything counts as alive, and so does every peer while the
    inbox is full, as nothing is read then; but one that no ping can be sent to has left. A lost
    peer gets close code 1011."""

    __slots__ = ("_asked", "_pings", "_reads")

    def __init__(self, link: Link, pings: Pings, interval: float, patience: float) -> None:
        super().__init__(link, interval, patience)
        self._pings = pings
        self._asked = b""
        self._reads = 0

    def ping(self) -> None:
        link = self.link
        self._asked = self._pings.send()
        self._reads = link.reads
        if link.busy and link.stream.broken:
            link.abort()  # no read will say so

    def answered(self) -> bool:
        waits = self._pings.forget(self._asked)
        link = self.link
        if not waits or link.reads != self._reads or link.busy:
            return True
        return link.stream.input_waits()  # this process was kept from reading it

    def give_up(self) -> None:
        self.link.send_close(CloseCode.INTERNAL_ERROR, "keepalive ping timed out")
        self.link.abort()
