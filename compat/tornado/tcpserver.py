"""`tornado.tcpserver`: a base for servers of any protocol over TCP.

Knows listening sockets, processes and streams. Must not know HTTP.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from tornado import iostream, process
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.names import handing_on
from tornado.ioloop import IOLoop
from tornado.log import app_log
from tornado.netutil import (
    _DEFAULT_BACKLOG,
    add_accept_handler,
    bind_sockets,
    ssl_wrap_socket,
)


class TCPServer:
    """Subclass it and define `handle_stream`.

    To start: `listen` in a running loop (or before); or, for several processes, `bind` and
    `start`; or `bind_sockets`, `fork_processes` and `add_sockets`.

    Args:
      ssl_options: serve TLS; an `ssl.SSLContext`, or a dict with `certfile` and perhaps
        `keyfile` and others (see `netutil.ssl_options_to_context`).
      max_buffer_size, read_chunk_size: of the streams.
    """

    def __init__(
        self,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        io_loop: Any = None,
    ) -> None:
        if isinstance(ssl_options, IOLoop):  # the first argument until Tornado 5
            io_loop, ssl_options = ssl_options, None
        self._io_loop = None if io_loop is None else checked_loop(io_loop)
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self._sockets: dict[int, socket.socket] = {}
        self._handlers: dict[int, Callable[[], None]] = {}
        self._pending_sockets: list[socket.socket] = []
        self._started = False
        self._stopped = False
        self._accepting_in: IOLoop | None = None
        _check_ssl_options(ssl_options)

    @property
    def io_loop(self) -> IOLoop | None:
        """The loop that was given, or else the one in which it accepts; None before."""
        return self._io_loop or self._accepting_in

    @io_loop.setter
    def io_loop(self, loop: IOLoop | None) -> None:
        self._io_loop = loop

    def listen(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = _DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Accept connections on `port`, at once. May be called for several ports.

        The arguments are those of `netutil.bind_sockets`.
        """
        sockets = bind_sockets(
            port,
            address=address,
            family=family,
            backlog=backlog,
            flags=flags,
            reuse_port=reuse_port,
        )
        self.add_sockets(sockets)

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on these listening sockets."""
        for sock in sockets:
            fd = sock.fileno()
            self._sockets[fd] = sock
            self._handlers[fd] = self._start_accepting(sock)
            self._accepting_in = IOLoop.current()

    def _start_accepting(self, sock: socket.socket) -> Callable[[], None]:
        """Begin to accept on `sock`; a function that ends it, and closes `sock`."""
        remove = add_accept_handler(sock, self._handle_connection, self._io_loop)

        def end() -> None:
            remove()
            sock.close()

        return end

    def add_socket(self, socket: socket.socket) -> None:
        """Accept connections on one listening socket."""
        self.add_sockets([socket])

    def bind(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = _DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Bind `port`; accept only when `start` is called. May be called several times."""
        sockets = bind_sockets(
            port,
            address=address,
            family=family,
            backlog=backlog,
            flags=flags,
            reuse_port=reuse_port,
        )
        if self._started:
            self.add_sockets(sockets)
        else:
            self._pending_sockets.extend(sockets)

    def start(self, num_processes: int | None = 1, max_restarts: int | None = None) -> None:
        """Accept on the ports of `bind`, in this process or in several.

        Args:
          num_processes: 1: this one; None or 0: one child per processor; more: so many
            children. No IOLoop may be running, or even exist, when it forks.
          max_restarts: see `process.fork_processes`.
        """
        if self._started:
            raise AssertionError("start() was called before")
        self._started = True
        if num_processes != 1:
            process.fork_processes(num_processes, max_restarts)
        sockets, self._pending_sockets = self._pending_sockets, []
        self.add_sockets(sockets)

    def stop(self) -> None:
        """Stop accepting. Existing connections continue."""
        if self._stopped:
            return
        self._stopped = True
        for fd, sock in self._sockets.items():
            end = self._handlers.pop(fd, None)
            if end is not None:
                end()
            else:
                sock.close()

    def handle_stream(self, stream: iostream.IOStream, address: Any) -> Awaitable[None] | None:
        """Serve one connection. To be overridden; may be a coroutine, whose errors are logged.

        `address` is the peer's. With TLS the handshake may not be complete (and may fail): await
        `stream.wait_for_handshake()` if it matters.
        """
        raise NotImplementedError

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        if self.ssl_options is not None:
            wrapped = self._wrap(connection)
            if wrapped is None:
                return
            connection = wrapped
        try:
            name = "IOStream" if self.ssl_options is None else "SSLIOStream"
            # Found in this module first: there programs put kinds of their own.
            kind = globals().get(name) or getattr(iostream, name)
            options = {} if self.ssl_options is None else {"ssl_options": self.ssl_options}
            stream = kind(
                connection,
                max_buffer_size=self.max_buffer_size,
                read_chunk_size=self.read_chunk_size,
                **options,
            )
            result = self.handle_stream(stream, address)
            if result is not None:
                loop = IOLoop.current()
                loop.add_future(_as_future(result), lambda future: future.result())
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)

    def _wrap(self, connection: socket.socket) -> ssl.SSLSocket | None:
        try:
            return ssl_wrap_socket(
                connection,
                self.ssl_options,  # type: ignore[arg-type]
                server_side=True,
                do_handshake_on_connect=False,
            )
        except ssl.SSLEOFError:
            connection.close()
            return None
        except OSError as exc:
            connection.close()
            # The peer was gone before its socket was wrapped: not a failure of ours.
            if exc.errno in (errno.ECONNABORTED, errno.EINVAL, errno.ENOTCONN, errno.ECONNRESET):
                return None
            raise


def _as_future(result: Any) -> Any:
    from tornado import gen

    return gen.convert_yielded(result)


def _check_ssl_options(ssl_options: Any) -> None:
    """Say at once what would otherwise fail with the first connection, and less clearly."""
    if not isinstance(ssl_options, dict):
        return
    if "certfile" not in ssl_options:
        raise KeyError('missing key "certfile" in ssl_options')
    for key in ("certfile", "keyfile"):
        path = ssl_options.get(key)
        if path is not None and not os.path.exists(path):
            raise ValueError(f'{key} "{path}" does not exist')


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.tcpserver")
