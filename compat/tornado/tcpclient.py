"""`tornado.tcpclient`: connections to hosts by name, whichever of their addresses answers.

Knows resolvers and streams. Must not know HTTP.
"""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tornado import gen, iostream
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.names import handing_on
from tornado.concurrent import Future, future_add_done_callback
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver
from tornado.util import TimeoutError

from tornado_trio._util.late import later

if TYPE_CHECKING:
    import datetime
    import numbers
else:
    datetime = later("datetime", globals())
    numbers = later("numbers", globals())

# Seconds the first address family has for itself before the other is tried too (RFC 6555).
_INITIAL_CONNECT_TIMEOUT = 0.3


class TCPClient:
    """Connects to hosts.

    Args:
      resolver: finds addresses; by default a `netutil.Resolver` of our own.
    """

    def __init__(self, resolver: Resolver | None = None, io_loop: Any = None) -> None:
        self.io_loop = None if io_loop is None else checked_loop(io_loop)
        self._own_resolver = resolver is None
        self.resolver: Any = Resolver() if resolver is None else resolver

    def close(self) -> None:
        """Close the resolver, if it is our own."""
        if self._own_resolver:
            self.resolver.close()

    async def connect(
        self,
        host: str,
        port: int,
        af: socket.AddressFamily = socket.AF_UNSPEC,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        source_ip: str | None = None,
        source_port: int | None = None,
        timeout: float | datetime.timedelta | None = None,  # noqa: ASYNC109
    ) -> iostream.IOStream:
        """A stream connected to `host`:`port`; with `ssl_options` an `SSLIOStream`.

        Args:
          source_ip, source_port: where to connect from.
          timeout: seconds (or a timedelta) for all of it: `TimeoutError`.

        Errors: OSError of the resolver, or of the last address that was tried.
        """
        deadline = _deadline(timeout)
        addresses = await _within(
            self.resolver.resolve(host, port, af), deadline, f"Timeout while resolving {host}"
        )
        create = functools.partial(
            self._create_stream, max_buffer_size, source_ip=source_ip, source_port=source_port
        )
        race = _Connector(addresses, create)
        winner = race.start()
        try:
            _family, _address, stream = await _within(
                winner, deadline, lambda: f"Timeout while connecting to {race.tried()}"
            )
        except BaseException:
            race.abandon()
            raise
        if ssl_options is None:
            return stream  # type: ignore[no-any-return]
        encrypted = stream.start_tls(False, ssl_options=ssl_options, server_hostname=host)
        try:
            return await _within(  # type: ignore[no-any-return]
                encrypted,
                deadline,
                f"Timeout during TLS handshake with {_format_addr(_address)}",
            )
        except BaseException:
            encrypted.cancel()  # closes the connection, if it is still there
            raise

    def _create_stream(
        self,
        max_buffer_size: int | None,
        af: int,
        addr: Any,
        source_ip: str | None = None,
        source_port: int | None = None,
    ) -> tuple[iostream.IOStream, Any]:
        """A stream that is being connected to `addr`, and the Future of that."""
        if source_port and not source_ip:
            # Binding needs an address; the loopback one reaches only this machine, as ever.
            source_ip = "::1" if af == socket.AF_INET6 else "127.0.0.1"
        sock = socket.socket(af)
        try:
            if source_ip:
                sock.bind((source_ip, source_port or 0))
            stream = iostream.IOStream(sock, max_buffer_size=max_buffer_size)
        except BaseException:
            sock.close()
            raise
        return stream, stream.connect(addr)


class _Connector:
    """A race of connection attempts: one per address family at a time.

    The family of the first address begins; the other joins when that takes long, or fails.
    Within a family addresses are tried one after the other.
    """

    def __init__(
        self, addresses: list[tuple[int, Any]], create: Callable[[int, Any], tuple[Any, Any]]
    ) -> None:
        self._create = create
        self._winner = Future()
        self._lanes = [iter(lane) for lane in self.split(addresses) if lane]
        self._running: dict[Any, Any] = {}  # streams being connected, and their addresses
        self._last_error: BaseException | None = None
        self._timer: object | None = None

    @staticmethod
    def split(
        addrinfo: list[tuple[int, Any]],
    ) -> tuple[list[tuple[int, Any]], list[tuple[int, Any]]]:
        """The addresses of the first one's family, and all others."""
        first = [entry for entry in addrinfo if entry[0] == addrinfo[0][0]]
        return first, [entry for entry in addrinfo if entry[0] != addrinfo[0][0]]

    def start(self) -> Future:
        """A Future of `(family, address, stream)` of the attempt that succeeds."""
        if self._lanes:
            self._timer = IOLoop.current().call_later(_INITIAL_CONNECT_TIMEOUT, self._join)
            self._try_next(self._lanes.pop(0))
        self._check_lost()
        return self._winner

    def tried(self) -> str:
        """The addresses of attempts that are not over, as a text."""
        return ", ".join(sorted(_format_addr(address) for address in self._running.values()))

    def abandon(self) -> None:
        """End the race; close every attempt."""
        self._stop_timer()
        self._lanes.clear()
        if self._winner.done() and not self._winner.cancelled():
            if self._winner.exception() is None:
                self._winner.result()[2].close()
        else:
            self._winner.cancel()
        self._close_losers()

    def _join(self) -> None:
        """The second family begins."""
        self._stop_timer()
        if self._lanes and not self._winner.done():
            self._try_next(self._lanes.pop(0))
        self._check_lost()

    def _try_next(self, lane: Iterator[tuple[int, Any]]) -> None:
        for family, address in lane:
            try:
                stream, connected = self._create(family, address)
            except Exception as exc:
                # Bad luck with one address (its family cannot be bound to the source, say).
                self._last_error = exc
                continue
            self._running[stream] = address
            future_add_done_callback(
                connected, functools.partial(self._settled, lane, family, address, stream)
            )
            return

    def _settled(
        self, lane: Iterator[Any], family: int, address: Any, stream: Any, connected: Any
    ) -> None:
        self._running.pop(stream, None)
        error = _error_of(connected)
        if self._winner.done():
            if error is None:
                stream.close()
            return
        if error is None:
            self._stop_timer()
            self._winner.set_result((family, address, stream))
            self._close_losers()
            return
        self._last_error = error
        stream.close()
        self._try_next(lane)
        self._join() if self._timer is not None else self._check_lost()

    def _check_lost(self) -> None:
        if self._running or self._winner.done():
            return
        if self._lanes:
            self._join()
            return
        self._stop_timer()
        self._winner.set_exception(self._last_error or OSError("connection failed"))

    def _close_losers(self) -> None:
        for stream in list(self._running):
            stream.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            IOLoop.current().remove_timeout(self._timer)
            self._timer = None


def _error_of(future: Any) -> BaseException | None:
    if future.cancelled():
        return OSError("the attempt was cancelled")
    error: BaseException | None = future.exception()
    return error


def _deadline(timeout: float | datetime.timedelta | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, numbers.Real):
        return IOLoop.current().time() + float(timeout)
    if isinstance(timeout, datetime.timedelta):
        return IOLoop.current().time() + timeout.total_seconds()
    raise TypeError(f"Unsupported timeout {timeout!r}")


async def _within(awaitable: Any, deadline: float | None, message: str | Callable[[], str]) -> Any:
    """Await until the deadline. An abandoned Future is not cancelled."""
    if deadline is None:
        return await awaitable
    try:
        return await gen.with_timeout(deadline, awaitable, quiet_exceptions=OSError)
    except TimeoutError:
        raise TimeoutError(message if isinstance(message, str) else message()) from None


def _format_addr(address: Any) -> str:
    """An address as people write it."""
    if not isinstance(address, tuple):
        return str(address)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.tcpclient")
