"""`open_client`: a client with a lifetime, and the owner of its tasks."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import final

import trio

from .._util.interrupts import interrupt_in
from .._util.mistakes import require_trio
from ..net.timers import Timers
from .client import Client
from .cookies import CookieJar
from .engine import Engine
from .options import ClientLimits, ClientOptions, ClientTimeouts, Network, Policy
from .routes import parse_no_proxy, parse_proxy


@asynccontextmanager
async def open_client(
    options: ClientOptions | None = None,
    *,
    limits: ClientLimits | None = None,
    timeouts: ClientTimeouts | None = None,
    network: Network | None = None,
    policy: Policy | None = None,
    cookies: CookieJar | None = None,
    base_url: str | None = None,
) -> AsyncIterator[Client]:
    """A client for the duration of the block; leaving it closes every connection.

    Args:
      options: all of them in one object; a group of options given separately takes precedence.
      cookies: where cookies are stored; None: nowhere.
      base_url: that of the policy: what comes before a URL that has no scheme.

    RuntimeError outside trio; ValueError for a `base_url` that is none.
    Cancellation: calls in progress end with the block.
    """
    require_trio("open_client", "use it in an async function that trio.run runs")
    options = options or ClientOptions()
    limits, timeouts = limits or options.limits, timeouts or options.timeouts
    network, policy = network or options.network, policy or options.policy
    if base_url is not None:
        policy = replace(policy, base_url=base_url)
    if network.proxy is not None:
        # What is wrong with it is an error here and not at the first request.
        parse_proxy(network.proxy)
        parse_no_proxy(network.proxy.no_proxy)
    error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            reaper = _Reaper()
            engine = Engine(limits, nursery.start_soon, wire=options.engine, on_idle=reaper.notice)
            nursery.start_soon(reaper.run, engine)
            try:
                yield Client(engine, timeouts, network, policy, cookies, Timers(nursery))
            except BaseException as caught:
                # Raised again below: the nursery would wrap it in an exception group, although
                # no task of ours ever fails and there is nothing to group it with.
                error = caught
            finally:
                engine.close()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # Ctrl-C while the nursery waits for its tasks.
        error = interrupt_in(group) or group
    if error is not None:
        raise error


@final
class _Reaper:
    """Closes idle connections when they expire, even if no requests are made."""

    __slots__ = ("_woken",)

    def __init__(self) -> None:
        self._woken: trio.Event | None = None

    def notice(self) -> None:
        """A connection became idle."""
        if self._woken is not None:
            self._woken.set()

    async def run(self, engine: Engine) -> None:
        """The task."""
        while True:
            at = engine.expire()
            if at == math.inf:
                self._woken = trio.Event()
                await self._woken.wait()
                self._woken = None
            else:
                await trio.sleep_until(at)
