"""Scripted servers over an in-memory network: they answer with the bytes they are given."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from tornado_trio.client import Network, open_client
from tornado_trio.errors import StreamClosedError
from tornado_trio.net import MemoryNetwork, MemoryStream, Stream

Handler = Callable[["Peer"], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """The server's end of one connection."""

    def __init__(self, stream: Stream, number: int) -> None:
        self.stream = stream
        self.number = number  # of the connection, from 1
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def request(self) -> bytes | None:
        """Read a request; its head, or None when the client is gone."""
        try:
            head = await self.stream.read_until(b"\r\n\r\n")
        except StreamClosedError:
            return None
        self.heads.append(head)
        length = re.search(rb"Content-Length: (\d+)", head)
        body = b""
        if length:
            body = await self.stream.read_exactly(int(length[1]))
        elif b"Transfer-Encoding: chunked" in head:
            while size := int(await self.stream.read_until(b"\r\n"), 16):
                body += await self.stream.read_exactly(size)
                await self.stream.read_exactly(2)
            await self.stream.read_exactly(2)
        self.bodies.append(body)
        return head

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)


class Server:
    """All connections made to it, and what it got."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.peers: list[Peer] = []

    @property
    def heads(self) -> list[bytes]:
        return [head for peer in self.peers for head in peer.heads]

    @property
    def bodies(self) -> list[bytes]:
        return [body for peer in self.peers for body in peer.bodies]


def answering(*answers: bytes) -> Handler:
    """Answer the requests of a connection one by one, then go on with the last answer."""

    async def handler(peer: Peer) -> None:
        served = 0
        while await peer.request() is not None:
            await peer.send(answers[min(served, len(answers) - 1)])
            served += 1

    return handler


@asynccontextmanager
async def serving(
    handler: Handler, port: int = 80, network: MemoryNetwork | None = None
) -> AsyncIterator[Server]:
    """Run `handler` for every connection to `port`, whatever the host."""
    network = network or MemoryNetwork()
    server = Server(network)
    listener = network.listen(port)

    async def serve(stream: MemoryStream) -> None:
        peer = Peer(stream, len(server.peers) + 1)
        server.peers.append(peer)
        try:
            await handler(peer)
        except StreamClosedError:
            pass  # the client left, as many tests want it
        finally:
            stream.close()

    async def accept() -> None:
        while True:
            nursery.start_soon(serve, await listener.accept())

    error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            try:
                yield server
            except BaseException as caught:
                error = caught  # raised below: tests look for it bare and not in a group
            nursery.cancel_scope.cancel()
    finally:
        listener.close()
    if error is not None:
        raise error


def client_for(server: Any, **options: Any) -> Any:
    return open_client(network=Network(dial=server.network.connect), **options)


def answer(body: bytes = b"", status: str = "200 OK", *fields: str) -> bytes:
    head = "".join(f"{field}\r\n" for field in fields)
    return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
