"""The bridges to Twisted of Tornado 4, over Twisted's own asyncio reactor."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver, is_valid_ip
from tornado.platform.asyncio import BaseAsyncIOLoop
from twisted.internet.asyncioreactor import AsyncioSelectorReactor


class TornadoReactor(AsyncioSelectorReactor):
    """A reactor on the IOLoop's asyncio loop."""

    def __init__(self, io_loop: Any = None) -> None:
        loop: Any = io_loop or IOLoop.current()
        self._io_loop = loop
        super().__init__(self._io_loop.asyncio_loop)


class TwistedIOLoop(BaseAsyncIOLoop):
    """An IOLoop on the loop of Twisted's asyncio reactor, which must be the one installed."""

    def initialize(self, reactor: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        if reactor is None:
            from twisted.internet import reactor as installed

            reactor = installed
        self.reactor = reactor
        try:
            asyncio_loop = reactor._asyncioEventloop
        except AttributeError:
            raise TypeError(
                "TwistedIOLoop needs the asyncio reactor: call "
                "tornado.platform.twisted.install() before importing twisted.internet.reactor"
            ) from None
        super().initialize(asyncio_loop=asyncio_loop, **kwargs)

    def start(self) -> None:
        self._about_to_run()
        self.reactor.run()

    def stop(self) -> None:
        self.reactor.crash()


class TornadoDelayedCall:
    """A call of `IOLoop.call_later` with the interface of Twisted's IDelayedCall."""

    def __init__(
        self, reactor: Any, seconds: float, f: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        self._loop: Any = reactor._io_loop
        self._handle: Any = None
        self._time = 0.0
        self._call = lambda: f(*args, **kw)
        self._active = True
        self.reset(seconds)

    def _run(self) -> None:
        self._active = False
        self._call()

    def getTime(self) -> float:
        """When it will run, on the loop's clock."""
        return self._time

    def cancel(self) -> None:
        """Do not run it."""
        self._active = False
        self._loop.remove_timeout(self._handle)

    def delay(self, seconds: float) -> None:
        """Run it so much later."""
        self.reset(self._time - self._loop.time() + seconds)

    def reset(self, seconds: float) -> None:
        """Run it so many seconds from now."""
        if self._handle is not None:
            self._loop.remove_timeout(self._handle)
        self._time = self._loop.time() + seconds
        self._handle = self._loop.call_later(seconds, self._run)

    def active(self) -> bool:
        """Whether it is yet to run."""
        return self._active


class TwistedResolver(Resolver):
    """Names resolved by Twisted's own resolver."""

    def initialize(self, io_loop: Any = None) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        self.io_loop: Any = io_loop or IOLoop.current()
        self.reactor: Any = reactor
        self.resolver: Any = reactor.nameResolver  # type: ignore[attr-defined,unused-ignore]

    async def resolve(  # type: ignore[override]
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        if is_valid_ip(host):
            kind = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [(int(kind), (host, port) if kind == socket.AF_INET else (host, port, 0, 0))]
        receiver = _Receiver(host)
        self.resolver.resolveHostName(receiver, host, port)
        addresses = await receiver.future
        return [entry for entry in addresses if family in (socket.AF_UNSPEC, entry[0])]


class _Receiver:
    """Collects the addresses of one resolution (Twisted's IResolutionReceiver)."""

    def __init__(self, host: str) -> None:
        self.future: Future[list[tuple[int, Any]]] = Future()
        self._host = host
        self._found: list[tuple[int, Any]] = []

    def resolutionBegan(self, resolution: Any) -> None:
        """It has begun."""

    def addressResolved(self, address: Any) -> None:
        """One more address."""
        if ":" in address.host:
            self._found.append((int(socket.AF_INET6), (address.host, address.port, 0, 0)))
        else:
            self._found.append((int(socket.AF_INET), (address.host, address.port)))

    def resolutionComplete(self) -> None:
        """That was all."""
        if self._found:
            self.future.set_result(self._found)
        else:
            self.future.set_exception(
                socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {self._host}")
            )
