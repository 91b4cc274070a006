"""An application on an in-memory network: the real parser and server, no sockets.

Knows the server, the client and `MemoryNetwork`. Under trio's autojump clock timeouts take no
real time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from .._util.interrupts import interrupt_in
from .._util.mistakes import check_app, require_trio
from ..client import Client, ClientTimeouts, CookieJar, Network, Policy, open_client
from ..exchange import App, running
from ..limits import Limits
from ..net.memory import MemoryNetwork
from ..net.stream import Stream
from ..server import Server, ServerOptions, serve_connections
from ..wire.events import EndOfMessage, ResponseHead, Signal
from ..wire.headers import HTTPHeaders
from ..wire.http1 import ClientWire

__all__ = ["MemoryServer", "RawClient", "RawResponse", "memory_server"]


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as received: informational heads before it, trailers after it."""

    #: Its status.
    code: int
    #: The phrase beside it.
    reason: str
    #: Its fields.
    headers: HTTPHeaders
    #: Its body, without the framing; not inflated.
    body: bytes
    #: The 1xx heads before it.
    informational: list[ResponseHead]
    #: Fields after a chunked body, if there were any.
    trailers: HTTPHeaders | None = None

    @property
    def status(self) -> int:
        """The same as `code`: the name that the client's responses use."""
        return self.code


class RawClient:
    """A client that sends raw bytes over one stream, and parses the responses."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.wire = ClientWire(Limits())

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.stream.send_all(data)

    async def response(self, method: str = "GET") -> RawResponse:
        """The next response; `method` of its request decides whether it has a body.

        Raises EOFError if the server closed without one.
        """
        wire = self.wire
        wire._method = method
        informational = []
        head: ResponseHead | None = None
        pieces = []
        while True:
            event = wire.next_event()
            if event is Signal.NEED_DATA:
                wire.feed(await self.stream.read_some())
            elif isinstance(event, bytes):
                pieces.append(event)
            elif isinstance(event, ResponseHead):
                if event.informational and event.start_line.code != 101:
                    informational.append(event)
                else:
                    head = event
            elif isinstance(event, EndOfMessage) or event is Signal.SWITCHED:
                break
            else:
                raise EOFError("the server closed the connection without a response")
        assert head is not None
        trailers = event.trailers if isinstance(event, EndOfMessage) else None
        wire.next_cycle(pipelined=True)
        _, code, reason = head.start_line
        return RawResponse(code, reason, head.headers, b"".join(pieces), informational, trailers)

    async def request(self, data: bytes, method: str | None = None) -> RawResponse:
        """`send`, then `response`."""
        await self.send(data)
        return await self.response(method or data.split(b" ", 1)[0].decode("latin-1"))

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await self.stream.read_until_close()


class MemoryServer:
    """What `memory_server` yields."""

    def __init__(self, server: Server, network: MemoryNetwork, host: str, port: int) -> None:
        self.server = server
        self.network = network
        self.host = host
        self.port = port
        self._clients: list[Stream] = []

    @asynccontextmanager
    async def client(
        self,
        *,
        timeouts: ClientTimeouts | None = None,
        policy: Policy | None = None,
        cookies: CookieJar | None = None,
    ) -> AsyncIterator[Client]:
        """The HTTP client on this network: a path is a URL, cookies are kept, redirects followed.

        ```python
        async with server.client() as client:
            response = await client.post("/orders", json={"item": "tea"})
        ```

        Other servers of the network are reached by whole URLs. The options are those of
        `open_client`. Websockets: `open_websocket("/live", client=client)`.
        """
        async with open_client(
            timeouts=timeouts,
            network=Network(dial=self.network.connect),
            policy=policy,
            cookies=CookieJar() if cookies is None else cookies,
            base_url=self.url,
        ) as client:
            yield client

    @property
    def url(self) -> str:
        """Where it is, without a path: "http://test.local"."""
        return f"http://{self.host}" + (f":{self.port}" if self.port != 80 else "")

    async def connect(self) -> RawClient:
        """A new connection; closed when the block ends."""
        stream = await self.network.connect(self.host, self.port)
        self._clients.append(stream)
        return RawClient(stream)

    async def request(self, data: bytes, method: str | None = None) -> RawResponse:
        """One request on a new connection."""
        return await (await self.connect()).request(data, method)

    async def get(self, path: str = "/") -> RawResponse:
        """GET on a new connection."""
        return await self.request(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())


@asynccontextmanager
async def memory_server(
    app: App,
    options: ServerOptions | None = None,
    *,
    network: MemoryNetwork | None = None,
    host: str = "test.local",
    port: int = 80,
    grace: float = 0.0,
) -> AsyncIterator[MemoryServer]:
    """Serve `app` in memory while the block runs; it is drained at the end.

    An exception of the block is raised as it is, not in a group.
    """
    check_app(app, "memory_server")
    require_trio("memory_server", "use it in an async test of pytest-trio, or under trio.run")
    network = network or MemoryNetwork()
    server = Server(app, options)
    listener = network.listen(port, host)
    error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[object]) -> None:
                async with running(app):
                    await serve_connections(
                        server, [listener], grace=grace, task_status=task_status
                    )

            await nursery.start(run)
            handle = MemoryServer(server, network, host, port)
            try:
                yield handle
            except BaseException as caught:
                # Raised again below, as it is: the nursery would put it into a group.
                error = caught
            finally:
                for stream in handle._clients:
                    stream.close()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = interrupt_in(group) or group  # a handler's `sys.exit()`, say
    if error is not None:
        raise error
