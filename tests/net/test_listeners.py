"""Listening, accepting, connecting: over the kernel and in memory."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.platforms import needs_reuse_port, needs_unix_sockets
from tornado_trio.errors import StreamClosedError
from tornado_trio.net import (
    MemoryNetwork,
    PipeStream,
    SocketListener,
    Stream,
    accept_loop,
    listener_from_fd,
    open_tcp_listeners,
    open_tcp_stream,
    open_unix_listener,
    open_unix_stream,
    serve_listeners,
)
from tornado_trio.net.connect import connect_first, interleave
from tornado_trio.net.listeners import bind_tcp_sockets, bind_unix_socket, close_all


async def echo(stream: Stream) -> None:
    while data := await stream.read_some():
        await stream.send_all(data)


async def check_echo(connect: Callable[[], Awaitable[Stream]]) -> None:
    async with await connect() as stream:
        await stream.send_all(b"hello")
        assert await stream.read_exactly(5) == b"hello"


async def test_serve_tcp() -> None:
    async with trio.open_nursery() as nursery:
        listeners = open_tcp_listeners(0)
        assert len({listener.address[1] for listener in listeners}) == 1
        port = listeners[0].address[1]
        await nursery.start(serve_listeners, echo, listeners)
        for host in ("127.0.0.1", "localhost"):
            await check_echo(lambda host=host: open_tcp_stream(host, port))  # type: ignore[misc]
        async with await open_tcp_stream(
            "127.0.0.1", port, source_address=("127.0.0.1", 0)
        ) as stream:
            assert stream.remote_address == ("127.0.0.1", port)
        nursery.cancel_scope.cancel()
    assert all(listener.closed for listener in listeners)
    with pytest.raises(ConnectionRefusedError, match=f"127.0.0.1:{port}"):
        await open_tcp_stream("127.0.0.1", port)


@needs_unix_sockets
async def test_serve_unix(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    for _ in range(2):  # the second time over a stale file
        async with trio.open_nursery() as nursery:
            listener = open_unix_listener(path, mode=0o640)
            assert os.stat(path).st_mode & 0o777 == 0o640
            await nursery.start(serve_listeners, echo, [listener])
            await check_echo(lambda: open_unix_stream(path))
            nursery.cancel_scope.cancel()
    (tmp_path / "plain").touch()
    with pytest.raises(ValueError):
        bind_unix_socket(str(tmp_path / "plain"))
    with pytest.raises(FileNotFoundError):
        await open_unix_stream(str(tmp_path / "missing"))
    bind_unix_socket(f"\0tornado-trio-test-{os.getpid()}").close()


async def test_serve_memory() -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        listener = network.listen(80, "example.org")
        await nursery.start(serve_listeners, echo, [listener])
        await check_echo(lambda: network.connect("example.org", 80))
        with pytest.raises(OSError) as caught:
            network.listen(80, "example.org")
        assert caught.value.errno == errno.EADDRINUSE
        nursery.cancel_scope.cancel()
    with pytest.raises(ConnectionRefusedError):
        await network.connect("example.org", 80)


async def test_memory_listener_closing_resets_the_queue() -> None:
    network = MemoryNetwork()
    listener = network.listen(backlog=1)
    stream = await network.connect("any", listener.address[1])
    with pytest.raises(ConnectionRefusedError):
        await network.connect("any", listener.address[1])
    listener.close()
    with pytest.raises(StreamClosedError) as caught:
        await stream.read_some()
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


async def test_a_broken_connection_does_not_stop_the_server() -> None:
    async def handler(stream: Stream) -> None:
        await stream.read_exactly(10)

    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        listener = network.listen()
        await nursery.start(serve_listeners, handler, [listener])
        for _ in range(2):
            stream = await network.connect("any", listener.address[1])
            stream.close()
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_connections_may_outlive_the_accepting() -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as nursery:
            listener = network.listen()

            async def serve(**kwargs: Any) -> None:
                await serve_listeners(echo, [listener], handler_nursery=connections, **kwargs)

            await nursery.start(serve)
            stream = await network.connect("any", listener.address[1])
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await stream.send_all(b"x")
        assert await stream.read_some() == b"x"
        stream.close()


class Exhausted(SocketListener):
    def __init__(self, sock: socket.socket, errors: list[int]) -> None:
        super().__init__(sock)
        self.errors = errors

    def accept_nowait(self) -> Any:
        if self.errors:
            code = self.errors.pop()
            raise OSError(code, os.strerror(code))
        return super().accept_nowait()


async def test_accept_survives_exhaustion(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    (sock,) = bind_tcp_sockets(0, "127.0.0.1")
    listener = Exhausted(sock, [errno.EMFILE] * 50 + [errno.ECONNABORTED] * 5)
    accepted: list[Stream] = []
    with socket.create_connection(listener.address):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_loop, listener, accepted.append)
            await trio.sleep(6)
            nursery.cancel_scope.cancel()
    assert len(accepted) == 1
    assert len(caplog.records) == 1  # and not one per attempt
    accepted[0].close()
    listener.close()


async def test_accept_reports_what_it_cannot_survive() -> None:
    (sock,) = bind_tcp_sockets(0, "127.0.0.1")
    listener = Exhausted(sock, [errno.EINVAL])
    with pytest.raises(OSError) as caught:
        await accept_loop(listener, print)
    assert caught.value.errno == errno.EINVAL
    listener.close()


async def test_many_connections_at_once() -> None:
    (listener,) = open_tcp_listeners(0, "127.0.0.1", backlog=200)
    clients = [socket.create_connection(listener.address) for _ in range(150)]
    accepted: list[Stream] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_loop, listener, accepted.append)
        await wait_all_tasks_blocked()
        assert len(accepted) == 150
        listener.close()  # the loop ends by itself
        listener.close()
    for client in clients:
        client.close()
    for stream in accepted:
        stream.close()
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


@needs_reuse_port
async def test_listener_from_fd_and_reuse_port() -> None:
    first = bind_tcp_sockets(0, "127.0.0.1", reuse_port=True)
    port = first[0].getsockname()[1]
    second = bind_tcp_sockets(port, "127.0.0.1", reuse_port=True)
    with pytest.raises(OSError):
        bind_tcp_sockets(port, "127.0.0.1")
    second[0].close()
    listener = listener_from_fd(first[0].detach())
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_listeners, echo, [listener])
        await check_echo(lambda: open_tcp_stream("127.0.0.1", port))
        nursery.cancel_scope.cancel()


def test_interleave() -> None:
    assert interleave([(6, "a"), (6, "b"), (6, "c"), (4, "d")]) == [
        (6, "a"), (4, "d"), (6, "b"), (6, "c"),
    ]  # fmt: skip


async def test_happy_eyeballs() -> None:
    """One address refuses, one never answers, one works: no waiting for the silent one."""
    (listener,) = open_tcp_listeners(0, "127.0.0.1")
    full = socket.socket()
    full.bind(("127.0.0.1", 0))  # bound and not listening: refuses
    silent = ("192.0.2.1", 9)  # TEST-NET: routed nowhere, or refused at once by the kernel
    addresses = [
        (socket.AF_INET, silent),
        (socket.AF_INET, full.getsockname()),
        (socket.AF_INET, listener.address),
    ]
    with trio.fail_after(5):
        sock, address = await connect_first(addresses, delay=0.05)
    assert address == listener.address
    sock.close()
    with pytest.raises(ConnectionRefusedError) as caught:
        await connect_first(addresses[1:2] * 2)
    assert "also tried" in caught.value.__notes__[0]
    full.close()
    close_all([listener])


async def test_unknown_name() -> None:
    async def resolver(host: str, port: int, family: int) -> list[tuple[int, Any]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(socket.gaierror):
        await open_tcp_stream("nowhere.invalid", 80, resolver=resolver)

    async def nothing(host: str, port: int, family: int) -> list[tuple[int, Any]]:
        return []

    with pytest.raises(OSError, match="no addresses"):
        await open_tcp_stream("nowhere.invalid", 80, resolver=nothing)


async def test_pipes() -> None:
    read, write = os.pipe()
    reader, writer = PipeStream(read), PipeStream(write_fd=write)
    big = os.urandom(1 << 18)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.send_all, big)
        target = bytearray(1000)
        assert await reader.read_into(target) == 1000
        assert bytes(target) + await reader.read_exactly(len(big) - 1000) == big
    assert await writer.read_some() == b""
    with pytest.raises(StreamClosedError):
        reader.write(b"x")
    await writer.send_eof()
    assert await reader.read_some() == b""
    reader.close()
    writer.close()
    for stream in (reader, writer):
        with pytest.raises(StreamClosedError):
            await stream.read_some()


async def test_accepted_sockets_are_as_if_the_socket_module_had_made_them() -> None:
    [listener, *others] = open_tcp_listeners(0, "127.0.0.1")
    with socket.create_connection(listener.address) as client:
        await listener.wait_acceptable()
        stream = listener.accept_nowait()
        assert stream is not None
        sock = stream.socket
        assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert sock.proto == listener.socket.proto
        assert sock.getpeername() == client.getsockname() == stream.remote_address
        assert sock.gettimeout() == 0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not os.get_inheritable(sock.fileno())
        stream.close()
    close_all([listener, *others])


async def test_nagle_is_off_where_connections_do_not_inherit_it() -> None:
    listener = open_tcp_listeners(0, "127.0.0.1")[0]
    listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    with socket.create_connection(listener.address):
        await listener.wait_acceptable()
        stream = listener.accept_nowait()
        assert stream is not None
        assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        stream.close()
    listener.close()


class CountingSocket(socket.socket):
    """A program's own kind of listening socket."""

    accepted = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.accepted += 1
        return super().accept()


async def test_a_socket_that_accepts_in_its_own_way_does() -> None:
    sock = CountingSocket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    listener = SocketListener(sock)
    with socket.create_connection(listener.address):
        stream = await listener.accept()
        assert sock.accepted > 0
        stream.close()
    listener.close()
