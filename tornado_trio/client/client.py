"""`Client`: requests with redirects, cookies, authentication and decoding.

Knows the engine (one exchange) and the policies around it. Starts nothing: its tasks live
in the nursery of `open_client`.
"""

from __future__ import annotations

import ssl
import time
from typing import Any, Unpack, final

import trio

from ..net.timers import Timers
from .call import Call, RequestOptions, check_options, with_params
from .cookies import CookieJar
from .deadlines import Deadlines
from .decoding import decoder_for
from .engine import Engine, Job
from .errors import TooManyRedirects
from .events import EventStream
from .hop import Hop
from .options import ClientTimeouts, Network, Policy
from .redirects import follow
from .response import Response
from .routes import Route, bypasses
from .targets import Origin, join_base, parse_target
from .tracing import Tracer, tracer


@final
class Client:
    """Makes requests over a pool of connections. Get one from `open_client`.

    Any number of tasks of one trio run may use it at once.

    Attributes:
      timers: of its websockets; they end with the client's block.
    """

    def __init__(
        self,
        engine: Engine,
        timeouts: ClientTimeouts,
        network: Network,
        policy: Policy,
        cookies: CookieJar | None,
        timers: Timers,
    ) -> None:
        self._engine = engine
        self._timeouts = timeouts
        self._network = network
        self._policy = policy
        self.cookies = cookies
        self.timers = timers
        self._routes: dict[Origin, Route] = {}
        self._context: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"<Client {self._engine.pool!r}>"

    # --- calls ----------------------------------------------------------------
    async def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> Response:
        """Make a request and read the whole response. See `RequestOptions`.

        Raises: `ClientError` (see `errors`); statuses are not errors. TypeError for an
          argument that is none of `RequestOptions`.
        Cancellation: the connection in use is closed, the client stays usable.
        """
        if options:
            check_options(options)
        response = await self._send(method, url, options)
        try:
            await response.read()
        finally:
            response.close()  # does nothing once the body is read
        return response

    def stream(self, method: str, url: str, **options: Unpack[RequestOptions]) -> _StreamingCall:
        """`async with client.stream("GET", url) as response:` the body is read on demand.

        Leaving the block early returns the connection to the pool if the rest of the body has
        already been received, and closes it otherwise. Only a body still being sent outlives the
        block, and only until its producer has noticed its cancellation.

        Backpressure: what is not read stays in the kernel's buffers and at the server.
        """
        check_options(options)
        return _StreamingCall(self, method, url, options)

    def events(
        self,
        url: str,
        *,
        last_id: str = "",
        idle: float | None = 60.0,
        max_failures: int | None = None,
        **options: Unpack[RequestOptions],
    ) -> EventStream:
        """`async with client.events(url) as events: async for event in events:`, over and over.

        Reconnects when the connection ends, after the delay that the server set (`retry`; 3 seconds
        if it did not, doubled with each failure up to a minute), with the id of the last event, so
        that no event is missed that the server still has. Ends when the server answers 204.

        Args:
            last_id: begin after the event with that id.
            idle: seconds without a byte after which a connection counts as dead. Servers send
                heartbeats; None for those that do not.
            max_failures: in a row, before the last one is raised; None: retry forever.
            options: as for `stream`.

        Raises: `HTTPStatusError` for a status that is not worth retrying (429 and 5xx are retried),
          `ResponseError` for a response that is not an event stream.
        Cancellation: the connection is closed at the end of the block.
        """
        check_options(options)
        return EventStream(self, url, last_id, idle, max_failures, options)

    async def get(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """`request("GET", ...)`."""
        return await self.request("GET", url, **options)

    async def head(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """`request("HEAD", ...)`."""
        return await self.request("HEAD", url, **options)

    async def post(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """`request("POST", ...)`."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """`request("PUT", ...)`."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """`request("PATCH", ...)`."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Unpack[RequestOptions]) -> Response:
        """`request("DELETE", ...)`."""
        return await self.request("DELETE", url, **options)

    @property
    def base_url(self) -> str | None:
        """What comes before a URL that has no scheme."""
        return self._policy.base_url

    def statistics(self) -> dict[str, Any]:
        """The pool's counts (see `Pool.statistics`)."""
        return self._engine.pool.statistics()

    # --- how ------------------------------------------------------------------
    async def _send(self, method: str, url: str, options: RequestOptions) -> Response:
        """Follow redirects and challenges until there is a response to hand out."""
        policy = self._policy
        if policy.base_url is not None:
            url = join_base(policy.base_url, url)
        if "params" in options:
            url = with_params(url, options["params"])
        call = Call(method, url, options, policy)
        if "files" in options:
            await call.take_files()
        deadlines = Deadlines(options.get("timeouts", self._timeouts), call.started)
        follows = options.get("follow_redirects", policy.follow_redirects)
        while True:
            target = parse_target(call.url)
            call.enter(target)
            route = self._routes.get(target.origin) or self._new_route(target.origin)
            cookie = None if self.cookies is None else self.cookies.header(target, time.time())
            job = call.make_job(target, route, policy, cookie)
            trace = tracer()
            if trace is None:
                hop = await self._engine.start(job, deadlines)
            else:
                hop = await self._traced(trace, call, job, deadlines)
            headers = hop.head.headers
            decoder = None
            if call.decompress and "Content-Encoding" in headers:
                decoder = decoder_for(
                    headers["Content-Encoding"], self._engine.limits.max_body_size
                )
            response = Response(
                call.method, call.url, hop, decoder, tuple(call.history),
                trio.current_time() - call.started,
            )  # fmt: skip
            try:
                if self.cookies is not None and "Set-Cookie" in headers:
                    self.cookies.store(headers.get_list("Set-Cookie"), target, time.time())
                if response.status < 300 or not self._goes_on(call, response, follows):
                    return response
            except BaseException:
                response.close()
                raise
            response.close()

    async def _traced(self, trace: Tracer, call: Call, job: Job, deadlines: Deadlines) -> Hop:
        span = trace(call.method, call.url, job.headers)
        try:
            hop = await self._engine.start(job, deadlines)
        except BaseException as error:
            span.failed(error)
            raise
        span.answered(hop.head.start_line.code)
        return hop

    def _goes_on(self, call: Call, response: Response, follows: bool) -> bool:
        """Whether another request follows this response; prepares `call` for it."""
        headers = response.headers
        if response.status == 401 and call.auth is not None and call.content.repeatable:
            if call.auth.challenged(headers.get_list("WWW-Authenticate"), call.retries):
                call.retries += 1
                return True
        if not follows:
            return False
        redirect = follow(call.method, call.url, response.status, headers.get("Location"))
        if redirect is None:
            return False
        limit = call.options.get("max_redirects", self._policy.max_redirects)
        if len(call.history) >= limit:
            raise TooManyRedirects(f"more than {limit} redirects", response)
        call.go_to(redirect, response)
        call.retries = 0
        return True

    def _new_route(self, origin: Origin) -> Route:
        network = self._network
        proxy = network.proxy
        if proxy is not None and bypasses(proxy, origin.host, origin.port):
            proxy = None
        context = None
        if origin.scheme == "https":
            # Made once: loading the system's authorities takes 20 ms.
            if self._context is None:
                self._context = network.tls.make_context()
            context = self._context
        route = Route(
            origin,
            proxy,
            context,
            network.tls.server_hostname,
            network.unix,
            network.family,
            network.source_address,
            network.dial,
            network.resolver,
        )
        if len(self._routes) >= 1000:  # a crawler sees origins without end
            self._routes.clear()
        self._routes[origin] = route
        return route


@final
class _StreamingCall:
    """The context manager `Client.stream` returns."""

    __slots__ = ("_args", "_client", "_response")

    def __init__(self, client: Client, method: str, url: str, options: RequestOptions) -> None:
        self._client = client
        self._args = (method, url, options)
        self._response: Response | None = None

    async def __aenter__(self) -> Response:
        self._response = await self._client._send(*self._args)
        return self._response

    async def __aexit__(self, *exc_info: object) -> None:
        if self._response is not None:
            self._response.close()
