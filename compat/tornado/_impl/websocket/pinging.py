"""The keepalive of a connection, by Tornado's rules and by a timer of the loop.

Knows the native `Keepalive`, which says when something is due, and what a protocol object needs
to be pinged: `write_ping`, `close`, `_received_pong`.
"""

from __future__ import annotations

import math
import time
from typing import Any

import trio
from tornado._impl.websocket.base import (
    WebSocketClosedError,
    WebSocketProtocol,
    _WebSocketParams,
    de_dupe_gen_log,
)
from tornado.ioloop import IOLoop

from tornado_trio.websocket.keepalive import Keepalive
from tornado_trio.websocket.link import Link

__all__ = ["PingingProtocol"]


class PingingProtocol(WebSocketProtocol):
    """A protocol object that pings its peer."""

    params: _WebSocketParams
    _link: Link | None = None
    _received_pong = False
    _pinging: Any = None  # the timer of the next step
    _ping_started = False

    @property
    def ping_interval(self) -> float:
        """Seconds between pings; 0: none."""
        interval = self.params.ping_interval
        return interval if interval is not None else 0

    @property
    def ping_timeout(self) -> float:
        """Seconds a pong may take, at most and by default the interval; 0: no limit."""
        timeout = self.params.ping_timeout
        interval = self.ping_interval
        if timeout is None:
            return interval
        if interval and timeout > interval:
            de_dupe_gen_log(
                30,
                f"The websocket_ping_timeout ({timeout}) cannot be longer than the "
                f"websocket_ping_interval ({interval}).\n"
                f"Setting websocket_ping_timeout={interval}",
            )
            return interval
        return timeout

    def start_pinging(self) -> None:
        """Start the keepalive, if one is set."""
        if self.ping_interval > 0 and not self._ping_started and self._link is not None:
            self._ping_started = True
            keepalive = _Pinging(self, self._link)
            self._step_later(keepalive, self.ping_interval)

    def _step_later(self, keepalive: _Pinging, seconds: float) -> None:
        # A task that sleeps weighs 5 KB per connection; a timer 0.4.
        self._pinging = IOLoop.current().call_later(seconds, self._ping_step, keepalive)

    def _ping_step(self, keepalive: _Pinging) -> None:
        self._pinging = None
        seconds = keepalive.seconds_after_step()
        if seconds < math.inf:
            self._step_later(keepalive, seconds)

    @staticmethod
    def ping_sleep_time(*, last_ping_time: float, interval: float, now: float) -> float:
        """Seconds until the next ping is due."""
        return max(0, last_ping_time + interval - now)

    async def periodic_ping(self) -> None:
        """Ping for as long as the connection lasts; close it when a pong does not come.

        For programs that start it themselves: `start_pinging` does the same without a task.
        """
        assert self._link is not None
        keepalive, seconds = _Pinging(self, self._link), self.ping_interval
        while seconds < math.inf:
            await trio.sleep(seconds)
            seconds = keepalive.seconds_after_step()

    def _stop_pinging(self) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
            self._pinging = None


class _Pinging(Keepalive):
    """Only a pong counts, and one that does not come closes the connection with 1000."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: PingingProtocol, link: Link) -> None:
        super().__init__(link, protocol.ping_interval, protocol.ping_timeout)
        self._protocol = protocol

    def seconds_after_step(self) -> float:
        """Do what is due; seconds until the next step, infinity when there is none."""
        now = time.monotonic()
        return self.step(now) - now

    def ping(self) -> None:
        self._protocol._received_pong = False
        try:
            self._protocol.write_ping(b"")
        except WebSocketClosedError:
            pass  # the next step sees that

    def answered(self) -> bool:
        return self._protocol._received_pong

    def give_up(self) -> None:
        self._protocol.close(reason="ping timed out")
