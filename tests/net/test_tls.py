"""TLS streams over real sockets, with certificates of a throw-away authority."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from tornado_trio.errors import DeadlineError, StreamClosedError
from tornado_trio.net import (
    Certificate,
    ServerTls,
    SocketStream,
    TlsStream,
    client_context,
    open_tls_stream,
    start_tls,
)
from tornado_trio.net.listeners import open_tcp_listeners, serve_listeners

BIG = os.urandom(1 << 20)


class Authority:
    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, name: str, file: str | None = None) -> Certificate:
        path = self.folder / f"{file or name.replace('*', 'any')}.pem"
        self.ca.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
        return Certificate(certfile=path)

    def spoil(self, certificate: Certificate) -> None:
        Path(certificate.certfile).write_text("rubbish")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def connected(
    server: ServerTls, client: ssl.SSLContext, name: str = "localhost"
) -> AsyncIterator[tuple[TlsStream, TlsStream]]:
    left, right = socket.socketpair()
    ends: dict[str, TlsStream] = {}

    async def accept() -> None:
        ends["server"] = await server.accept(SocketStream(right))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            ends["client"] = await start_tls(SocketStream(left), client, server_hostname=name)
        yield ends["client"], ends["server"]
    finally:
        for end in ends.values():
            end.close()
        left.close()
        right.close()


async def test_bytes_and_extras(authority: Authority) -> None:
    server = ServerTls(authority.issue("localhost"), alpn=["h2", "http/1.1"])
    client = client_context(ca_file=authority.ca_file, alpn=["http/1.1"])
    async with connected(server, client) as (a, b), trio.open_nursery() as nursery:
        assert a.tls and b.tls
        assert a.alpn_protocol == b.alpn_protocol == "http/1.1"
        assert a.server_name == b.server_name == "localhost"
        assert a.tls_version == "TLSv1.3" and a.cipher is not None
        assert ("DNS", "localhost") in a.peer_certificate()["subjectAltName"]
        assert isinstance(a.peer_certificate(binary_form=True), bytes)
        assert b.peer_certificate() is None
        a.write(b"")
        a.write(b"hello\n")
        assert await b.read_until(b"\n") == b"hello\n"
        nursery.start_soon(a.send_all, BIG)
        nursery.start_soon(b.send_all, BIG)
        target = bytearray(len(BIG))
        assert await b.read_into(target) == len(BIG) and target == BIG
        assert await a.read_exactly(len(BIG)) == BIG
        await a.send_eof()
        assert await b.read_until_close() == b""


async def test_wait_readable_means_plaintext(authority: Authority) -> None:
    server = ServerTls(authority.issue("localhost"))
    client = client_context(ca_file=authority.ca_file)
    async with connected(server, client) as (a, b):
        # The server's session tickets are on the wire already: readable, but no bytes.
        with trio.move_on_after(0.05) as scope:
            await a.wait_readable()
        assert scope.cancelled_caught
        b.write(b"x" * 20000)
        await a.wait_readable()
        assert await a.read_exactly(20000) == b"x" * 20000
        b.close()
        await a.wait_readable()
        assert a.read_nowait() == b""


async def test_sendfile_falls_back_to_reading(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(BIG)
    server = ServerTls(authority.issue("localhost"))
    client = client_context(ca_file=authority.ca_file)
    async with connected(server, client) as (a, b), trio.open_nursery() as nursery:
        with path.open("rb") as file:
            nursery.start_soon(b.sendfile, file, 5, 600_000)
            assert await a.read_exactly(600_000) == BIG[5:600_005]


async def test_certificate_refused(authority: Authority) -> None:
    server = ServerTls(authority.issue("localhost"))
    other = client_context(ca_file=authority.ca_file)
    with pytest.raises(ExceptionGroup) as caught:
        async with connected(server, other, "another.example"):
            raise AssertionError("not reached")
    refused, _others = caught.value.split(ssl.SSLCertVerificationError)
    assert refused is not None


async def test_client_certificates(authority: Authority) -> None:
    server = ServerTls(authority.issue("localhost"), client_ca=authority.ca_file)
    client = client_context(
        ca_file=authority.ca_file, certificate=authority.issue("me@example.org", "me")
    )
    async with connected(server, client) as (_a, b):
        assert ("email", "me@example.org") in b.peer_certificate()["subjectAltName"]


def hello_for(name: bytes) -> bytes:
    """A ClientHello that asks for `name`, whatever its bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stand_in = "x" * len(name)
    context = client_context(verify=False)
    client = context.wrap_bio(incoming, outgoing, server_hostname=stand_in)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    assert hello.count(stand_in.encode()) == 1
    return hello.replace(stand_in.encode(), name)


async def test_a_server_name_that_is_no_text_is_refused_quietly(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    left, right = socket.socketpair()
    left.sendall(hello_for(b"\xff\xfe.example.org"))
    with left, pytest.raises(ssl.SSLError):
        await ServerTls(authority.issue("localhost")).accept(SocketStream(right))
    assert told == []
    assert sys.unraisablehook == told.append  # as it was


async def test_sni_chooses_the_certificate(authority: Authority) -> None:
    server = ServerTls(
        authority.issue("localhost"),
        by_name={
            "one.example": authority.issue("one.example"),
            "*.wild.example": authority.issue("*.wild.example"),
        },
    )
    client = client_context(ca_file=authority.ca_file)
    for name in ("one.example", "a.wild.example", "localhost"):
        async with connected(server, client, name) as (_a, b):
            assert b.server_name == name


async def test_reload(authority: Authority) -> None:
    certificate = authority.issue("localhost")
    server = ServerTls(certificate)
    client = client_context(ca_file=authority.ca_file)

    async def serial() -> str:
        async with connected(server, client) as (a, _b):
            return a.peer_certificate()["serialNumber"]  # type: ignore[no-any-return]

    first = await serial()
    async with connected(server, client) as (a, b):
        authority.issue("localhost")
        server.reload()
        a.write(b"still")
        assert await b.read_exactly(5) == b"still"
    second = await serial()
    assert second != first
    authority.spoil(certificate)
    with pytest.raises(ssl.SSLError):
        server.reload()
    assert await serial() == second


async def test_reload_on_change(
    authority: Authority, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = authority.issue("localhost")
    server = ServerTls(certificate)
    caplog.set_level("INFO")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.reload_on_change, 10)
        await trio.sleep(15)
        assert not caplog.records
        authority.issue("localhost")
        os.utime(certificate.certfile, (1, 1))
        await trio.sleep(10)
        assert "reloaded" in caplog.text
        authority.spoil(certificate)
        await trio.sleep(10)
        assert "not reloaded" in caplog.text
        nursery.cancel_scope.cancel()


async def test_handshake_has_a_deadline(
    authority: Authority, autojump_clock: trio.testing.MockClock
) -> None:
    left, right = socket.socketpair()
    with left, pytest.raises(DeadlineError):
        await ServerTls(authority.issue("localhost")).accept(SocketStream(right))
    assert right.fileno() == -1


async def test_peer_leaves_during_the_handshake(authority: Authority) -> None:
    left, right = socket.socketpair()
    left.close()
    with pytest.raises(StreamClosedError):
        await ServerTls(authority.issue("localhost")).accept(SocketStream(right))
    left, right = socket.socketpair()
    left.send(b"GET / HTTP/1.0\r\n\r\n")
    with left, pytest.raises(ssl.SSLError):
        await ServerTls(authority.issue("localhost")).accept(SocketStream(right))


async def test_start_tls_on_a_live_stream(authority: Authority) -> None:
    left, right = socket.socketpair()
    a, b = SocketStream(left), SocketStream(right)
    server = ServerTls(authority.issue("localhost"))
    client = client_context(ca_file=authority.ca_file)

    async def serve() -> None:
        assert await b.read_until(b"\n") == b"STARTTLS\n"
        await b.send_all(b"OK\n")
        async with await server.accept(b) as encrypted:
            assert await encrypted.read_until(b"\n") == b"secret\n"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await a.send_all(b"STARTTLS\n")
        assert await a.read_until(b"\n") == b"OK\n"
        async with await start_tls(a, client, server_hostname="localhost") as encrypted:
            await encrypted.send_all(b"secret\n")
            assert a.closed


async def test_plain_bytes_are_not_taken_for_protected_ones(authority: Authority) -> None:
    left, right = socket.socketpair()
    stream = SocketStream(right)
    left.send(b"STARTTLS\ninjected")
    assert await stream.read_until(b"\n") == b"STARTTLS\n"
    with left, pytest.raises(RuntimeError):
        await ServerTls(authority.issue("localhost")).accept(stream)
    stream.close()


async def test_open_tls_stream(authority: Authority) -> None:
    server = ServerTls(authority.issue("localhost"))

    async def echo(stream: object) -> None:
        assert isinstance(stream, SocketStream)
        async with await server.accept(stream) as encrypted:
            await encrypted.send_all(await encrypted.read_some())

    async with trio.open_nursery() as nursery:
        listeners = open_tcp_listeners(0, "127.0.0.1")
        await nursery.start(serve_listeners, echo, listeners)
        port = listeners[0].address[1]
        client = client_context(ca_file=authority.ca_file)
        async with await open_tls_stream(
            "127.0.0.1", port, client, server_hostname="localhost"
        ) as stream:
            await stream.send_all(b"x")
            assert await stream.read_until_close() == b"x"
        with pytest.raises(OSError):
            await open_tls_stream("127.0.0.1", 1, client)
        insecure = client_context(verify=False)
        async with await open_tls_stream("127.0.0.1", port, insecure) as stream:
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_reset_in_mid_message(authority: Authority) -> None:
    server = ServerTls(authority.issue("localhost"))
    client = client_context(ca_file=authority.ca_file)
    async with connected(server, client) as (a, b):
        b.write(b"x")
        sock = b.socket
        assert sock is not None
        await a.read_exactly(1)
        a.write(BIG)
        sock.shutdown(socket.SHUT_RDWR)
        with pytest.raises(StreamClosedError) as caught:
            await a.drain()
        assert isinstance(caught.value.__cause__, OSError)
