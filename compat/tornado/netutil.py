"""`tornado.netutil`: listening sockets, name resolution, TLS contexts.

Knows sockets, ssl and the IOLoop's handlers. Binding itself is `tornado_trio.net`'s.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado import gen
from tornado._impl.generation import before
from tornado._impl.legacy.arguments import once_at
from tornado._impl.legacy.io_loop_argument import checked_loop
from tornado._impl.names import handing_on
from tornado.concurrent import dummy_executor, run_on_executor
from tornado.ioloop import IOLoop
from tornado.log import app_log
from tornado.util import Configurable

from tornado_trio._util.late import later
from tornado_trio.net.addresses import DEFAULT_BACKLOG

if TYPE_CHECKING:
    from tornado_trio.net import listeners as _listeners
else:
    _listeners = later("tornado_trio.net.listeners", globals())

_DEFAULT_BACKLOG = DEFAULT_BACKLOG
_ACCEPTS_PER_TURN = _DEFAULT_BACKLOG


class _Defaults(ssl.SSLContext):
    """`_client_ssl_defaults` was a context until Tornado 6.5, and is since then a function that
    returns it: this is both."""

    def __call__(self) -> ssl.SSLContext:
        return self


@functools.cache
def _ssl_defaults(server_side: bool) -> ssl.SSLContext:
    """What a program gets that asks for TLS without saying how. Shared: never changed.

    Certificates are verified, and obsolete protocols refused. Made when first wanted:
    reading the system's authorities takes longer than importing this module.
    """
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH if server_side else ssl.Purpose.SERVER_AUTH
    )
    context.__class__ = _Defaults
    return context


def __getattr__(name: str) -> Any:
    if name == "_client_ssl_defaults":
        return _ssl_defaults(False)
    if name == "_server_ssl_defaults":
        return _ssl_defaults(True)
    return _elsewhere(name)


_elsewhere = handing_on("tornado.netutil")


def bind_sockets(
    port: int,
    address: str | None = None,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    backlog: int = _DEFAULT_BACKLOG,
    flags: int | None = None,
    reuse_port: bool = False,
) -> list[socket.socket]:
    """Listening sockets on `port`, one for each of the addresses of `address`.

    Args:
      port: 0 or None for any free one.
      address: an IP, a host name (all its addresses), or None or "" for every interface.
      family: AF_INET or AF_INET6 to have only those.
      backlog: how many connections may wait to be accepted.
      flags: of getaddrinfo; AI_PASSIVE by default.
      reuse_port: several processes may bind the same port (SO_REUSEPORT).
    """
    # getaddrinfo, which upstream hands it to as it is, takes None for 0.
    number: int = 0 if port is None else port
    return _listeners.bind_tcp_sockets(
        number, address, family=family, backlog=backlog, flags=flags, reuse_port=reuse_port
    )


def bind_unix_socket(
    file: str, mode: int = 0o600, backlog: int = _DEFAULT_BACKLOG
) -> socket.socket:
    """A listening Unix socket at the path `file`, with the permissions `mode`.

    An old socket there is replaced; another file is an error. A leading NUL makes it a name
    in Linux's abstract namespace.
    """
    return _listeners.bind_unix_socket(file, mode=mode, backlog=backlog)


def add_accept_handler(
    sock: socket.socket, callback: Callable[[socket.socket, Any], None], io_loop: Any = None
) -> Callable[[], None]:
    """Call `callback(connection, address)` with each connection that `sock` accepts.

    Returns: a function that ends this (and does not close `sock`).
    """
    loop = IOLoop.current() if io_loop is None else checked_loop(io_loop)
    acceptor = _Acceptor(sock, callback, loop)
    acceptor.resume()
    return acceptor.remove


class _Acceptor:
    """The handler of one listening socket."""

    def __init__(
        self, sock: socket.socket, callback: Callable[[socket.socket, Any], Any], io_loop: Any
    ) -> None:
        # Sockets made elsewhere (inherited, say) are often blocking, and the accept that
        # finds nothing would stop the whole loop.
        sock.setblocking(False)
        self._sock = sock
        self._callback = callback
        self._io_loop = io_loop
        self._pause: object | None = None
        self._removed = False
        self._complained = 0.0

    def resume(self) -> None:
        """Start or resume accepting."""
        self._pause = None
        if not self._removed:
            self._io_loop.add_handler(self._sock, self._accept, IOLoop.READ)

    def remove(self) -> None:
        """Stop accepting."""
        if self._removed:
            return
        self._removed = True
        if self._pause is not None:
            self._io_loop.remove_timeout(self._pause)
        else:
            self._io_loop.remove_handler(self._sock)

    def _accept(self, _fd: Any, _events: int) -> None:
        # Bounded, so that a flood of connections does not keep those there are waiting;
        # and a callback may have removed us meanwhile.
        for _ in range(_ACCEPTS_PER_TURN):
            if self._removed:
                return
            try:
                connection, address = self._sock.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue  # the peer gave up while it was waiting
            except OSError as exc:
                if exc.errno in _listeners.EXHAUSTED:
                    self._wait_for_better_times(exc)
                    return
                raise
            self._callback(connection, address)

    def _wait_for_better_times(self, exc: OSError) -> None:
        """No descriptors are left: stop for a moment.

        The connection stays in the queue, so the socket stays readable; going on would spin
        at full speed and log as fast.
        """
        now = self._io_loop.time()
        if now - self._complained > _listeners.EXHAUSTED_LOG_EVERY:
            self._complained = now
            app_log.error("accept on %s: %s; waiting", self._sock.getsockname(), exc)
        self._io_loop.remove_handler(self._sock)
        self._pause = self._io_loop.call_later(_listeners.EXHAUSTED_PAUSE, self.resume)


def is_valid_ip(ip: str) -> bool:
    """Whether `ip` is an IPv4 or IPv6 address (and not a host name)."""
    if not ip or "\0" in ip:
        # getaddrinfo takes the empty string for localhost, and stops at NUL.
        return False
    try:
        return bool(
            socket.getaddrinfo(
                ip, 0, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST
            )
        )
    except socket.gaierror as exc:
        if exc.args[0] == socket.EAI_NONAME:
            return False
        raise
    except UnicodeError:
        return False  # too long for a name's label


# --- resolving names -----------------------------------------------------------------


class Resolver(Configurable):
    """Finds the addresses of a name. `Resolver.configure` chooses how.

    `DefaultLoopResolver` (the default), `DefaultExecutorResolver`, `OverrideResolver` here,
    `tornado.platform.caresresolver.CaresResolver`; `BlockingResolver` and
    `ThreadedResolver` for old programs.
    """

    @classmethod
    def configurable_base(cls) -> type[Resolver]:
        """This class."""
        return Resolver

    @classmethod
    def configurable_default(cls) -> type[Resolver]:
        """`DefaultLoopResolver`."""
        return DefaultLoopResolver

    def resolve(
        self,
        host: str,
        port: int,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> Awaitable[list[tuple[int, Any]]]:
        """An awaitable of `(family, address)` pairs, as `socket.connect` wants the address.

        Fails with OSError if the name is not known.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release what the resolver holds. It must not be used any more."""


def _addresses(found: list[Any]) -> list[tuple[int, Any]]:
    return [(family, address) for family, _kind, _proto, _name, address in found]


def _resolve_addr(
    host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
) -> list[tuple[int, Any]]:
    # Asking for streams keeps Solaris from answering nothing, and others from repeating.
    return _addresses(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))


def _numeric(host: str, port: int, family: int) -> list[tuple[int, Any]] | None:
    """The addresses of an IP address: no resolver is needed, nor a thread."""
    # Bytes and None (the loopback interface) mean something to the system, too.
    if not isinstance(host, str) or not (":" in host or host[-1:].isdigit()):
        return None
    try:
        return _addresses(
            socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        )
    except OSError:
        return None  # a name that ends in a digit, or the wrong family: the resolver will say


def _with_callback(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Let `resolve` take the `callback` argument of Tornado 4."""

    @functools.wraps(resolve)
    @once_at(4, "callback", callable)
    def wrapper(*args: Any, callback: Any = None, **kwargs: Any) -> Any:
        result = resolve(*args, **kwargs)
        if callback is None:
            return result
        future = gen.convert_yielded(result)
        IOLoop.current().add_future(future, lambda future: callback(future.result()))
        return future

    return wrapper


class DefaultExecutorResolver(Resolver):
    """The system's resolver, in the loop's default executor."""

    @_with_callback
    async def resolve(
        self,
        host: str,
        port: int,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[tuple[int, Any]]:
        return _numeric(host, port, family) or await IOLoop.current().run_in_executor(
            None, _resolve_addr, host, port, family
        )


class DefaultLoopResolver(Resolver):
    """The resolver of the asyncio loop; the system's where there is no asyncio."""

    @_with_callback
    async def resolve(
        self,
        host: str,
        port: int,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[tuple[int, Any]]:
        numeric = _numeric(host, port, family)
        if numeric is not None:
            return numeric
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a plain trio run
            return await IOLoop.current().run_in_executor(  # type: ignore[no-any-return]
                None, _resolve_addr, host, port, family
            )
        return _addresses(
            await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        )


class ExecutorResolver(Resolver):
    """The system's resolver in a `concurrent.futures.Executor`.

    `close_executor`: `close` shuts the executor down.
    """

    def initialize(
        self,
        executor: concurrent.futures.Executor | None = None,
        close_executor: bool = True,
        io_loop: Any = None,
    ) -> None:
        if isinstance(executor, IOLoop):  # the first argument until Tornado 5
            io_loop, executor = executor, None
        self.io_loop = IOLoop.current() if io_loop is None else checked_loop(io_loop)
        self.executor: Any = executor if executor is not None else dummy_executor
        self.close_executor = close_executor if executor is not None else False

    def close(self) -> None:
        """Shut the executor down, if it is ours to do."""
        if self.close_executor:
            self.executor.shutdown()
        self.executor = None

    @_with_callback
    @run_on_executor
    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """As `Resolver.resolve`."""
        return _resolve_addr(host, port, family)


class BlockingResolver(ExecutorResolver):
    """The system's resolver, in the loop's own thread, which waits for it."""

    def initialize(self, io_loop: Any = None) -> None:  # type: ignore[override]
        super().initialize(io_loop=io_loop)


class ThreadedResolver(ExecutorResolver):
    """The system's resolver, in threads that all its instances of a process share."""

    _threadpool: concurrent.futures.ThreadPoolExecutor | None = None
    _threadpool_pid: int | None = None

    def initialize(self, num_threads: int = 10, io_loop: Any = None) -> None:  # type: ignore[override]
        if isinstance(num_threads, IOLoop):  # the first argument until Tornado 5
            io_loop, num_threads = num_threads, 10
        pool = ThreadedResolver._create_threadpool(num_threads)
        super().initialize(executor=pool, close_executor=False, io_loop=io_loop)

    @classmethod
    def _create_threadpool(cls, num_threads: int) -> concurrent.futures.ThreadPoolExecutor:
        pid = os.getpid()
        if cls._threadpool_pid != pid:
            cls._threadpool = None  # threads do not survive a fork
        if cls._threadpool is None:
            cls._threadpool = concurrent.futures.ThreadPoolExecutor(num_threads)
            cls._threadpool_pid = pid
        return cls._threadpool


class OverrideResolver(Resolver):
    """Another resolver, some of whose answers are replaced.

    `mapping` has host names, `(host, port)` pairs or `(host, port, family)` triples as its
    keys, and what to ask for instead as its values: a host, or a `(host, port)` pair.
    """

    def initialize(self, resolver: Resolver, mapping: dict[Any, Any]) -> None:
        self.resolver = resolver
        self.mapping = mapping

    def close(self) -> None:
        """Close the other resolver."""
        self.resolver.close()

    def resolve(
        self,
        host: str,
        port: int,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        **kwargs: Any,
    ) -> Awaitable[list[tuple[int, Any]]]:
        for key in ((host, port, family), (host, port)):
            if key in self.mapping:
                host, port = self.mapping[key]
                break
        else:
            host = self.mapping.get(host, host)
        return self.resolver.resolve(host, port, family, **kwargs)


# --- TLS -------------------------------------------------------------------------------

_Options = dict[str, Any]


def _require(context: ssl.SSLContext, options: _Options) -> None:
    # A name cannot be checked in a certificate that is not verified.
    context.check_hostname &= options["cert_reqs"] != ssl.CERT_NONE
    context.verify_mode = options["cert_reqs"]


#: Option of a dict -> what it does to a context.
_SSL_OPTIONS: dict[str, Callable[[ssl.SSLContext, _Options], None]] = {
    "certfile": lambda context, options: context.load_cert_chain(
        options["certfile"], options.get("keyfile")
    ),
    "cert_reqs": _require,
    "ca_certs": lambda context, options: context.load_verify_locations(options["ca_certs"]),
    "ciphers": lambda context, options: context.set_ciphers(options["ciphers"]),
}
_SSL_KEYS = {*_SSL_OPTIONS, "keyfile", "ssl_version"}


def ssl_options_to_context(
    ssl_options: dict[str, Any] | ssl.SSLContext, server_side: bool | None = None
) -> ssl.SSLContext:
    """An `ssl.SSLContext` of a dict of options; a context is returned as it is.

    The keys are the arguments of the old `ssl.wrap_socket`: `ssl_version`, `certfile`,
    `keyfile`, `cert_reqs`, `ca_certs`, `ciphers`.

    Args:
      server_side: True for a server, False for a client (which then verifies the server);
        None makes a context for either, which does not verify the peer by default.
    """
    if isinstance(ssl_options, ssl.SSLContext):
        return ssl_options
    unknown = [key for key in ssl_options if key not in _SSL_KEYS]
    if unknown:
        raise AssertionError(f"unknown ssl_options: {unknown}")
    protocol = {
        None: ssl.PROTOCOL_TLS, True: ssl.PROTOCOL_TLS_SERVER, False: ssl.PROTOCOL_TLS_CLIENT,
    }[server_side]  # fmt: skip
    context = ssl.SSLContext(ssl_options.get("ssl_version", protocol))
    if server_side is False and before(6, 2):
        # Options in a dict did not verify the peer, unless they said so.
        ssl_options = {"cert_reqs": ssl.CERT_NONE, **ssl_options}
    for option, apply in _SSL_OPTIONS.items():
        if option in ssl_options:
            apply(context, ssl_options)
    # Compression tells an eavesdropper what is in the plain text (CRIME).
    context.options |= ssl.OP_NO_COMPRESSION
    return context


def ssl_wrap_socket(
    socket: socket.socket,
    ssl_options: dict[str, Any] | ssl.SSLContext,
    server_hostname: str | None = None,
    server_side: bool | None = None,
    **kwargs: Any,
) -> ssl.SSLSocket:
    """An `ssl.SSLSocket` over `socket`, by a context or a dict of options.

    `kwargs` go to `SSLContext.wrap_socket`; `server_hostname` is the name to ask for and
    to find in the certificate.
    """
    context = ssl_options_to_context(ssl_options, server_side=server_side)
    if server_side is None:
        server_side = False
    return context.wrap_socket(
        socket, server_hostname=server_hostname, server_side=server_side, **kwargs
    )


# --- names of Tornado 4 ------------------------------------------------------------------

SSLCertificateError = ssl.CertificateError


def ssl_match_hostname(cert: Any, hostname: str) -> None:
    """The former `ssl.match_hostname`; today a context with `check_hostname` does it."""
    from tornado._impl.legacy.ssl_names import match_hostname

    match_hostname(cert, hostname)


__all__ = [
    "BlockingResolver",
    "DefaultExecutorResolver",
    "DefaultLoopResolver",
    "ExecutorResolver",
    "OverrideResolver",
    "Resolver",
    "SSLCertificateError",
    "ThreadedResolver",
    "add_accept_handler",
    "bind_sockets",
    "bind_unix_socket",
    "is_valid_ip",
    "ssl_match_hostname",
    "ssl_options_to_context",
    "ssl_wrap_socket",
]
