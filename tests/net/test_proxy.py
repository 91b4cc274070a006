"""PROXY protocol on streams; who is trusted. The parser's own tests are in tests/wire."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from tornado_trio.errors import DeadlineError, PeerError, StreamClosedError
from tornado_trio.net import (
    Certificate,
    ProxyProtocol,
    ServerTls,
    SocketStream,
    client_context,
    memory_stream_pair,
    start_tls,
)

LINE = b"PROXY TCP4 198.51.100.7 203.0.113.9 4000 443\r\n"


@pytest.mark.parametrize(
    "address,expected",
    [
        (("10.1.2.3", 5), True),
        (("::ffff:10.1.2.3", 5, 0, 0), True),
        (("fe80::1%eth0", 5, 0, 2), True),
        (("11.0.0.1", 5), False),
        (("name", 5), False),
        ("", False),
    ],
)
def test_trusts(address: object, expected: bool) -> None:
    assert ProxyProtocol(["10.0.0.0/8", "fe80::/64"]).trusts(address) is expected
    assert ProxyProtocol(["unix"]).trusts("")


async def test_header_in_pieces() -> None:
    client, server = memory_stream_pair(client_address=("10.0.0.1", 1))
    proxy = ProxyProtocol(["10.0.0.1"])
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            for index in range(len(LINE)):
                client.write(LINE[index : index + 1])
                await trio.lowlevel.checkpoint()
            client.write(b"GET")

        nursery.start_soon(send)
        header = await proxy.read(server)
    assert header is not None
    assert server.remote_address == ("198.51.100.7", 4000)
    assert server.local_address == ("203.0.113.9", 443)
    assert await server.read_exactly(3) == b"GET"


async def test_nothing_behind_the_header_is_read(tmp_path: Path) -> None:
    """The client's TLS handshake arrives together with the header."""
    ca = trustme.CA()
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "a.pem")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ServerTls(Certificate(certfile=tmp_path / "a.pem"))
    left, right = socket.socketpair()
    client, server = SocketStream(left), SocketStream(right)

    async def serve() -> None:
        header = await ProxyProtocol(["unix"]).read(server)
        assert header is not None and header.version in (1, 2)
        async with await tls.accept(server) as encrypted:
            assert encrypted.remote_address[0] == "198.51.100.7"
            assert await encrypted.read_some() == b"hello"

    async with trio.open_nursery() as nursery:
        client.write(LINE)
        context = client_context(ca_file=tmp_path / "ca.pem")
        nursery.start_soon(start_encrypted, client, context)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(serve)


async def start_encrypted(client: SocketStream, context: ssl.SSLContext) -> None:
    async with await start_tls(client, context, server_hostname="localhost") as encrypted:
        await encrypted.send_all(b"hello")


async def test_untrusted_peers_are_taken_as_they_are() -> None:
    client, server = memory_stream_pair(client_address=("10.0.0.2", 1))
    client.write(LINE)
    assert await ProxyProtocol(["10.0.0.1"]).read(server) is None
    assert server.remote_address == ("10.0.0.2", 1)
    assert await server.read_some() == LINE


async def test_failures(autojump_clock: trio.testing.MockClock) -> None:
    proxy = ProxyProtocol(["10.0.0.1"])
    client, server = memory_stream_pair(client_address=("10.0.0.1", 1))
    with pytest.raises(DeadlineError):
        await proxy.read(server)
    client.write(b"GET / HTTP/1.1\r\n")
    with pytest.raises(PeerError):
        await proxy.read(server)
    client, server = memory_stream_pair(client_address=("10.0.0.1", 1))
    client.write(b"PROXY ")
    client.close()
    with pytest.raises(StreamClosedError):
        await proxy.read(server)
