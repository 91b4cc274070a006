"""How often a client may ask: a token bucket per client and route."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Hashable

import trio

from ..calls import Call, Next
from ..errors import HTTPError

__all__ = ["RequestLimit", "by_client"]


def by_client(call: Call) -> Hashable:
    """The client's address and the route. An IPv6 client is its /64: it has all of that."""
    address = call.request.remote_ip or ""
    if ":" in address:
        try:
            # An IPv4 client may come by a socket for both.
            parsed = ipaddress.IPv6Address(address.partition("%")[0])
            mapped = parsed.ipv4_mapped
            address = str(mapped) if mapped else f"{int(parsed) >> 64:x}"
        except ValueError:
            pass  # what a proxy calls it
    return address, call.route


class RequestLimit:
    """Answers 429 with Retry-After to those that ask more often than they may.

    Args:
        rate: requests a second, over time.
        burst: requests at once, after a pause; at least 1.
        key: which bucket a call is taken from, None: the call is not limited; by default
        `by_client`.
        max_keys: buckets that are remembered; beyond, those that are full or least used go.

    Per process: a service of four workers lets through up to four times as many. Behind a proxy
    the server must trust its X-Forwarded-For, or all clients share one bucket.
    """

    def __init__(
        self,
        rate: float,
        burst: int = 1,
        *,
        key: Callable[[Call], Hashable] = by_client,
        max_keys: int = 100_000,
    ) -> None:
        if isinstance(rate, str):
            raise TypeError(f"the rate is requests a second, a number: 10 / 60, not {rate!r}")
        if not (rate > 0 and burst >= 1 and max_keys >= 1):
            raise ValueError(f"rate {rate}, burst {burst}, max_keys {max_keys}: all above 0")
        self._step = 1 / rate
        self._slack = burst / rate
        self._key = key
        self._max_keys = max_keys
        # When a bucket will be full again: all there is to know of it (GCRA).
        self._full_at: dict[Hashable, float] = {}

    def take(self, key: Hashable) -> float:
        """Take a token of a bucket: 0.0, or the seconds until there is one."""
        now = trio.current_time()
        # Taken out, and put at the end: the first are those that were not used for longest.
        full_at = max(self._full_at.pop(key, 0.0), now) + self._step
        wait = full_at - self._slack - now
        if wait > 1e-9:
            self._full_at[key] = full_at - self._step
            return wait
        if len(self._full_at) >= self._max_keys:
            self._forget(now)
        self._full_at[key] = full_at
        return 0.0

    def _forget(self, now: float) -> None:
        """Make room for at least a tenth of the keys, so that this is rarely needed."""
        known = self._full_at = {k: at for k, at in self._full_at.items() if at > now}
        room = self._max_keys // 10 + 1
        for key in list(known)[: max(len(known) - self._max_keys + room, 0)]:
            del known[key]

    async def __call__(self, call: Call, next: Next) -> None:
        key = self._key(call)
        if key is not None and (wait := self.take(key)):
            seconds = str(math.ceil(wait))
            raise HTTPError(429, headers={"Retry-After": seconds})
        await next(call)
