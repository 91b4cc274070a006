"""What every serving process does: runs its service, logs its address, notifies the watchdog.

Knows trio and asyncio's host, `Service`, and the service manager.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol

import trio

from .._util.interrupts import interrupt_in
from ..errors import StartupError
from ..net import systemd
from .addresses import url_of
from .errors import CannotStart, find_cannot_start
from .kinds import Main
from .lifetime import Service
from .traces import program_part

__all__ = ["announce", "keep_watchdog", "run_hosted", "run_service"]

logger = logging.getLogger("tornado_trio.service")


class _Signals(Protocol):
    def attach(self, service: Service) -> None:
        """Pass signals to `service` from now on. Called in the run."""


def run_service(
    service: Service, main: Main, signals: _Signals, beside: Sequence[Main] = ()
) -> None:
    """Run a service to its end. Raises its error; CannotStart without a group, if that is the
    reason."""

    async def whole() -> None:
        signals.attach(service)
        await service.run(main, beside)

    try:
        run_hosted(whole, service.settings.asyncio)
    except BaseException as error:
        reason: BaseException | None = find_cannot_start(error) or interrupt_in(error)
        if reason is None and isinstance(error, StartupError):
            reason = CannotStart(str(error))
        if reason is None or reason is error:
            # Of interest is what the program did, not how it was come to.
            error.__traceback__ = program_part(error)
            raise
        raise reason from None


def run_hosted(
    async_fn: Callable[[], Awaitable[object]], asyncio: bool | Literal["uvloop"]
) -> None:
    """Run an async function with trio, or with trio as a guest of asyncio."""
    if not asyncio:
        trio.run(async_fn)
        return
    from ..interop.hosted import run_with_asyncio, uvloop_factory

    factory = None
    if asyncio == "uvloop":
        try:
            factory = uvloop_factory()
        except ImportError:
            raise CannotStart("uvloop is not installed: pip install uvloop", 2) from None
    run_with_asyncio(async_fn, loop_factory=factory)


def announce(addresses: Sequence[Any], tls: bool) -> None:
    """Log the address of the service."""
    urls = ", ".join(url_of(address, tls) for address in addresses)
    logger.info("serving on %s", urls)


async def keep_watchdog() -> None:
    """Tell the service manager that the process is alive, as often as it requires."""
    interval = systemd.watchdog_interval()
    if interval is not None:
        while True:
            systemd.notify("WATCHDOG=1")
            await trio.sleep(interval)
