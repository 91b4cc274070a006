"""Tornado's rules for the keepalive of a connection: how often, how long, by which of its methods.

Knows the native `Keepalive`, which says when something is due, and the link, whose timer it is.
"""

from __future__ import annotations

from typing import Any

from tornado._impl.websocket.base import (
    WebSocketClosedError,
    WebSocketProtocol,
    _WebSocketParams,
    de_dupe_gen_log,
)

from tornado_trio.websocket.keepalive import Keepalive
from tornado_trio.websocket.link import Link

__all__ = ["PingingProtocol"]


class PingingProtocol(WebSocketProtocol):
    """A protocol object that pings its peer."""

    params: _WebSocketParams
    _link: Link | None = None
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
            _Pinging(self, self._link).start()

    async def periodic_ping(self) -> None:
        """Ping for as long as the connection lasts; close it when a pong does not come.

        For programs that start it themselves: `start_pinging` does the same without a task.
        """
        assert self._link is not None
        await _Pinging(self, self._link).run()

    @staticmethod
    def ping_sleep_time(*, last_ping_time: float, interval: float, now: float) -> float:
        """Seconds until the next ping is due."""
        return max(0, last_ping_time + interval - now)

    def _ping_due(self) -> None:
        try:
            self.write_ping(b"")
        except WebSocketClosedError:
            pass  # the next step sees that

    def _pong_came(self) -> None:
        if self._link is not None:
            self._link.pong_came()


class _Pinging(Keepalive):
    """Only a pong counts, and one that does not come closes the connection with 1000."""

    __slots__ = ("_pongs", "_protocol")

    def __init__(self, protocol: Any, link: Link) -> None:
        super().__init__(link, protocol.ping_interval, protocol.ping_timeout)
        self._protocol = protocol
        self._pongs = 0

    def ping(self) -> None:
        self._pongs = self.link.pongs
        self._protocol._ping_due()

    def answered(self) -> bool:
        return self.link.pongs != self._pongs

    def give_up(self) -> None:
        self._protocol.close(reason="ping timed out")
