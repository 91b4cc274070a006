"""The default `AsyncHTTPClient`, over the native client's connections.

Knows `tornado_trio.client`'s engine (one exchange over a pooled connection); everything
that is Tornado's own manner (queueing by `max_clients`, timeouts and their messages,
redirects as new requests, callbacks, errors as responses) is here and in `_impl/client/fetch.py`.
"""

from __future__ import annotations

import collections
import functools
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from tornado._impl.client.errors import HTTPStreamClosedError, HTTPTimeoutError
from tornado._impl.client.fetch import HTTPFetch
from tornado._impl.client.routes import Routes
from tornado._impl.http.dialects import OF_RESPONSES
from tornado._impl.loop.tasks import start_soon
from tornado._impl.names import handing_on
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.log import gen_log as gen_log
from tornado.netutil import OverrideResolver, Resolver
from tornado.tcpclient import TCPClient

from tornado_trio.client.engine import Engine
from tornado_trio.client.options import ClientLimits

__all__ = ["HTTPStreamClosedError", "HTTPTimeoutError", "SimpleAsyncHTTPClient"]

# What Tornado forgives servers, and programs may rely on.
_UNBOUNDED = 1 << 30


class SimpleAsyncHTTPClient(AsyncHTTPClient):
    """The non-blocking client that needs nothing but this package.

    Arguments of the first call, or of `configure`:

      max_clients: requests at a time; more wait in a queue.
      hostname_mapping: a dictionary as for `OverrideResolver`; it stands in for /etc/hosts.
      max_buffer_size: bytes kept of one connection (100 MB).
      resolver: a `tornado.netutil.Resolver`.
      defaults: arguments of requests that do not give them.
      max_header_size: bytes of a response's head (64 KiB).
      max_body_size: bytes of a response's body, decoded (`max_buffer_size`).
    """

    def initialize(  # type: ignore[override]
        self,
        max_clients: int = 10,
        hostname_mapping: dict[str, str] | None = None,
        max_buffer_size: int = 104857600,
        resolver: Resolver | None = None,
        defaults: dict[str, Any] | None = None,
        max_header_size: int | None = None,
        max_body_size: int | None = None,
    ) -> None:
        super().initialize(defaults=defaults)
        self.max_clients = max_clients
        self.queue: collections.deque[tuple[object, HTTPRequest, Callable[..., None]]] = (
            collections.deque()
        )
        self.active: dict[object, tuple[HTTPRequest, Callable[..., None]]] = {}
        self.waiting: dict[object, tuple[HTTPRequest, Callable[..., None], object]] = {}
        self.max_buffer_size = max_buffer_size
        self.max_header_size = max_header_size
        self.max_body_size = max_body_size
        # TCPClient could make a resolver, but hostname_mapping needs one to wrap.
        self.own_resolver = resolver is None
        self.resolver: Resolver = Resolver() if resolver is None else resolver
        if hostname_mapping is not None:
            self.resolver = OverrideResolver(resolver=self.resolver, mapping=hostname_mapping)
        self.tcp_client = TCPClient(resolver=self.resolver)
        self._engine: Engine | None = None
        self._routes = Routes(self)
        self._reaping = False

    def close(self) -> None:
        super().close()
        self._close_when_done()

    def _close_when_done(self) -> None:
        # The shared client's other users may be waiting for answers: what was begun ends.
        if self.active or self.queue:
            return
        if self.own_resolver:
            self.resolver.close()
        self.tcp_client.close()
        if self._engine is not None:
            self._engine.close()

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        key = object()
        self.queue.append((key, request, callback))
        handle: object = None
        if len(self.active) >= self.max_clients:
            timeout = _shortest(request.connect_timeout, request.request_timeout)
            if timeout:
                handle = self.io_loop.call_later(timeout, self._on_timeout, key, "in request queue")
            self.waiting[key] = (request, callback, handle)
        else:
            self.waiting[key] = (request, callback, None)
        self._process_queue()

    # --- the queue ------------------------------------------------------------
    def _process_queue(self) -> None:
        while self.queue and len(self.active) < self.max_clients:
            key, request, callback = self.queue.popleft()
            if key not in self.waiting:
                continue  # it timed out
            self._remove_timeout(key)
            self.active[key] = (request, callback)
            release = functools.partial(self._release_fetch, key)
            self._handle_request(request, release, callback)

    def _connection_class(self) -> type:
        """The class that makes one request; subclasses of the client may return theirs."""
        return _HTTPConnection

    def _handle_request(
        self,
        request: HTTPRequest,
        release_callback: Callable[[], None],
        final_callback: Callable[[HTTPResponse], None],
    ) -> None:
        self._connection_class()(
            self,
            request,
            release_callback,
            final_callback,
            self.max_buffer_size,
            self.tcp_client,
            self.max_header_size,
            self.max_body_size,
        )

    def _release_fetch(self, key: object) -> None:
        self.active.pop(key, None)
        self._process_queue()
        if self._closed:
            self._close_when_done()

    def _remove_timeout(self, key: object) -> None:
        _request, _callback, handle = self.waiting.pop(key)
        if handle is not None:
            self.io_loop.remove_timeout(handle)

    def _on_timeout(self, key: object, info: str | None = None) -> None:
        """A request waited too long in the queue."""
        request, callback, _handle = self.waiting.pop(key)
        for entry in self.queue:
            if entry[0] is key:
                self.queue.remove(entry)
                break
        message = f"Timeout {info}" if info else "Timeout"
        response = HTTPResponse(
            request,
            599,
            error=HTTPTimeoutError(message),
            request_time=time.time() - request.start_time,
        )
        self.io_loop.add_callback(callback, response)

    # --- connections ----------------------------------------------------------
    def _get_engine(self) -> Engine:
        engine = self._engine
        if engine is None:
            body = self.max_body_size
            limits = ClientLimits(
                # `max_clients` bounds what is open: the pool need not.
                max_connections=_UNBOUNDED,
                max_per_origin=_UNBOUNDED,
                max_idle=max(self.max_clients, 1),
                max_fields=_UNBOUNDED,  # their bytes are bounded
                max_head_size=self.max_header_size or 64 * 1024,
                max_body_size=self.max_buffer_size if body is None else body,
            )
            engine = self._engine = Engine(
                limits, self._spawn, dialect=OF_RESPONSES, on_idle=self._on_idle
            )
        return engine

    def _spawn(self, async_fn: Callable[..., Any], *args: Any) -> None:
        start_soon(async_fn, *args, io_loop=self.io_loop)

    def _on_idle(self) -> None:
        if not self._reaping:
            self._reaping = True
            self._spawn(self._reap)

    async def _reap(self) -> None:
        """Close idle connections as they expire, and all of them with the loop."""
        engine = self._engine
        assert engine is not None
        try:
            while (at := engine.expire()) != math.inf:  # noqa: ASYNC110 - no event: a clock
                await trio.sleep_until(at)
        except trio.Cancelled:
            engine.close()
            raise
        finally:
            self._reaping = False


class _HTTPConnection(HTTPFetch):
    """One request of a `SimpleAsyncHTTPClient` (`_connection_class`)."""


def _shortest(*timeouts: float | None) -> float | None:
    """The shortest of those that are set (0 and None are not)."""
    return min((timeout for timeout in timeouts if timeout), default=None)


if __name__ == "__main__":
    from tornado.httpclient import main

    AsyncHTTPClient.configure(SimpleAsyncHTTPClient)
    main()


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.simple_httpclient")
