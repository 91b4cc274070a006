"""`CaresResolver`: names resolved by the c-ares library, without threads. Needs pycares.

Knows pycares (4 and 5) and the IOLoop's handlers.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pycares
from tornado._impl.names import handing_on
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver, is_valid_ip

# c-ares wants to be woken for its retries even if nothing arrives.
_TICK = 1.0


class CaresResolver(Resolver):
    """Queries the name servers itself.

    Results may differ from the system's resolver, which also reads other sources of names.
    """

    def initialize(self, io_loop: Any = None) -> None:  # type: ignore[override]
        self.io_loop: Any = io_loop or IOLoop.current()
        self.channel: Any = pycares.Channel(sock_state_cb=self._sock_state)
        self.fds: dict[int, int] = {}
        self._asking = 0
        self._tick: Any = None

    def close(self) -> None:
        """Abort pending queries."""
        self.channel.cancel()
        for fd in list(self.fds):
            self._sock_state(fd, False, False)

    async def resolve(  # type: ignore[override]
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """As `Resolver.resolve`."""
        if is_valid_ip(host):
            kind = socket.AF_INET6 if ":" in host else socket.AF_INET
            address: Any = (host, port) if kind == socket.AF_INET else (host, port, 0, 0)
            return [(int(kind), address)]
        result = await self._ask(host, port, family)
        return [(node.family, _address(node)) for node in result.nodes]

    def _ask(self, host: str, port: int, family: int) -> Future:
        future = Future()

        def answered(result: Any, error: int | None) -> None:
            # Perhaps on c-ares's own thread (pycares 5 has one).
            self.io_loop.add_callback(settle, result, error)

        def settle(result: Any, error: int | None) -> None:
            self._asking -= 1
            if future.done():
                return
            if error:
                text = pycares.errno.strerror(error)
                if isinstance(text, bytes):
                    text = text.decode()
                future.set_exception(socket.gaierror(error, f"C-Ares: {text}: {host}"))
            else:
                future.set_result(result)

        self._asking += 1
        self.channel.getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, callback=answered
        )
        if self._tick is None:
            self._tick = self.io_loop.call_later(_TICK, self._ticked)
        return future

    def _ticked(self) -> None:
        self._tick = None
        if self._asking:
            self._process(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
            self._tick = self.io_loop.call_later(_TICK, self._ticked)

    def _sock_state(self, fd: int, readable: bool, writable: bool) -> None:
        """c-ares says what it waits for on one of its sockets."""
        events = (IOLoop.READ if readable else 0) | (IOLoop.WRITE if writable else 0)
        if not events:
            if self.fds.pop(fd, None) is not None:
                self.io_loop.remove_handler(fd)
        elif fd in self.fds:
            self.io_loop.update_handler(fd, events)
            self.fds[fd] = events
        else:
            try:
                self.io_loop.add_handler(fd, self._handle_events, events)
            except ValueError:
                # c-ares closed a socket without saying so, and the number is used again.
                self.io_loop.update_handler(fd, events)
            self.fds[fd] = events

    def _handle_events(self, fd: int, events: int) -> None:
        self._process(
            fd if events & IOLoop.READ else pycares.ARES_SOCKET_BAD,
            fd if events & IOLoop.WRITE else pycares.ARES_SOCKET_BAD,
        )

    def _process(self, read_fd: int, write_fd: int) -> None:
        self.channel.process_fd(read_fd, write_fd)


def _address(node: Any) -> Any:
    return tuple(os.fsdecode(part) if isinstance(part, bytes) else part for part in node.addr)


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.platform.caresresolver")
