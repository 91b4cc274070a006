"""Proxies (forward, CONNECT, SOCKS5), TLS and Unix sockets, over memory and over sockets."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from tests.platforms import needs_unix_sockets
from tornado_trio.client import (
    ConnectError,
    ConnectionLost,
    InvalidRequest,
    Network,
    Policy,
    Proxy,
    ProxyError,
    TlsOptions,
    open_client,
    open_upgrade,
)
from tornado_trio.client.routes import Route, bypasses, parse_proxy
from tornado_trio.client.targets import Origin, parse_target
from tornado_trio.client.tls_layer import TlsLayer
from tornado_trio.errors import StreamClosedError
from tornado_trio.net import Certificate, MemoryNetwork, SocketStream, Stream
from tornado_trio.wire.headers import HTTPHeaders

from .servers import OK, Peer, answering, serving


def via(server: Any, url: str, **options: Any) -> Any:
    return open_client(
        network=Network(dial=server.network.connect, proxy=Proxy(url=url, **options))
    )


async def test_forwarding() -> None:
    async with serving(answering(OK), 3128) as server:
        async with via(server, "http://me:pw@proxy.test:3128", headers=(("X-P", "1"),)) as client:
            for host in ("a.test", "b.test:81"):
                assert (await client.get(f"http://{host}/x?y")).body == b"ok"
    credentials = base64.b64encode(b"me:pw")
    for head, host in zip(server.heads, (b"a.test", b"b.test:81"), strict=True):
        assert head.startswith(b"GET http://%b/x?y HTTP/1.1\r\nHost: %b\r\n" % (host, host))
        assert b"Proxy-Authorization: Basic %b\r\n" % credentials in head and b"X-P: 1" in head


async def tunnel(peer: Peer) -> None:
    """A CONNECT proxy whose every destination is itself."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 Connected\r\nVia: x\r\n\r\n")
    while await peer.request():
        await peer.send(OK)


async def test_tunnel() -> None:
    async with serving(tunnel, 3128) as server:
        url = "http://proxy.test:3128"
        async with via(server, url, username="me", password="pw", tunnel=True) as client:
            assert (await client.get("http://a.test:81/x")).body == b"ok"
            assert (await client.get("http://a.test:81/y")).body == b"ok"
        connect, first, second = server.heads
        assert connect.startswith(b"CONNECT a.test:81 HTTP/1.1\r\nHost: a.test:81\r\n")
        assert b"Proxy-Authorization: Basic" in connect
        assert first.startswith(b"GET /x HTTP/1.1") and b"Proxy-" not in first + second


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n", 407),
        (b"HTTP/1.1 407 Who are you?\r\nContent-Length: 9\r\n\r\n<h1>407</", 407),
        (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", 503),
        (b"HTTP/1.1 403 No\r\n\r\n", 403),
        (b"HTTP/1.1 302 Go\r\nLocation: http://evil.test/\r\n\r\n", 302),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", None),
        (b"garbage\r\n\r\n", None),
        (b"", None),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000, None),
    ],
)
async def test_tunnel_refused(answer: bytes, status: int | None) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    async with serving(refuse, 3128) as server:
        async with via(server, "http://proxy.test:3128", tunnel=True) as client:
            with pytest.raises(ProxyError) as caught:
                await client.get("http://a.test/")
            assert caught.value.status == status and caught.value.phase == "proxy"
            assert client.statistics()["origins"] == {}


async def socks(peer: Peer) -> None:
    """A SOCKS5 proxy that wants a password, whose every destination is itself."""
    stream = peer.stream
    version, count = await stream.read_exactly(2)
    assert version == 5 and 2 in await stream.read_exactly(count)
    await peer.send(b"\x05\x02")
    _, size = await stream.read_exactly(2)
    user = await stream.read_exactly(size)
    (size,) = await stream.read_exactly(1)
    secret = await stream.read_exactly(size)
    if (user, secret) != (b"me", b"pw"):
        await peer.send(b"\x01\x01")
        return
    await peer.send(b"\x01\x00")
    request = await stream.read_exactly(5)
    assert request[:4] == b"\x05\x01\x00\x03"
    peer.heads.append(await stream.read_exactly(request[4] + 2))
    await peer.send(b"\x05\x00\x00\x01" + b"\0" * 6)
    while await peer.request():
        await peer.send(OK)


async def test_socks() -> None:
    async with serving(socks, 1080) as server:
        async with via(server, "socks5h://me:pw@proxy.test") as client:
            assert (await client.get("http://a.test/x")).body == b"ok"
        assert server.heads[0] == b"a.test\x00\x50"
        assert server.heads[1].startswith(b"GET /x HTTP/1.1\r\nHost: a.test\r\n")
        async with via(server, "socks5h://me:wrong@proxy.test") as client:
            with pytest.raises(ProxyError, match="refused the user name"):
                await client.get("http://a.test/")


async def test_socks_that_hangs_up() -> None:
    async def leaves(peer: Peer) -> None:
        await peer.stream.read_some()

    async with serving(leaves, 1080) as server:
        async with via(server, "socks5h://proxy.test") as client:
            with pytest.raises(ProxyError, match="hung up"):
                await client.get("http://a.test/")


async def test_socks_with_a_name_that_has_no_addresses() -> None:
    async def nothing(host: str, port: int, family: int) -> list[Any]:
        return []

    async with serving(socks, 1080) as server:
        network = Network(
            dial=server.network.connect, proxy=Proxy(url="socks5://proxy.test"), resolver=nothing
        )
        async with open_client(network=network) as client:
            with pytest.raises(ConnectError, match="no addresses"):
                await client.get("http://a.test/")


async def test_no_proxy() -> None:
    async with serving(answering(OK), 80) as server:
        options = {"no_proxy": (".test",)}
        async with via(server, "http://proxy.example:3128", **options) as client:
            assert (await client.get("http://a.test/")).body == b"ok"
    proxy = Proxy(url="http://p", no_proxy=("a.test", ".b.test", "*.c"))
    assert bypasses(proxy, "a.test") and bypasses(proxy, "x.a.test") and bypasses(proxy, "b.test")
    assert not bypasses(proxy, "xa.test") and not bypasses(proxy, "test")
    assert bypasses(Proxy(url="http://p", no_proxy=("*",)), "anything")


@pytest.mark.parametrize(
    ("entry", "hits", "misses"),
    [
        ("[::1]", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "a.test"]),
        ("::1", ["::1"], ["::2"]),
        ("[::1]:81", ["[::1]:81"], ["::1", "[::1]:82"]),
        ("10.0.0.0/8", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.1.2.3", "10.test"]),
        ("10.1.2.3/8", ["10.9.9.9"], ["11.0.0.0"]),
        ("fe80::/10", ["fe80::1"], ["fec0::1", "10.0.0.1"]),
        ("[fe80::/10]:81", ["[fe80::1]:81"], ["fe80::1"]),
        ("127.0.0.1", ["127.0.0.1"], ["1.127.0.0.1", "127.0.0.2"]),
        ("127.0.0.1:81", ["127.0.0.1:81"], ["127.0.0.1"]),
        ("a.test:81", ["a.test:81", "x.a.test:81"], ["a.test", "a.test:82"]),
        (" .A.Test ", ["a.test", "x.a.test"], ["xa.test"]),
        ("*.a.test", ["x.a.test"], ["xa.test"]),
        ("bücher.test", ["xn--bcher-kva.test"], ["bucher.test"]),
        ("*", ["a.test", "::1", "10.0.0.1:81"], []),
        ("*:81", ["a.test:81"], ["a.test"]),
        ("", [], ["a.test"]),
    ],
)
async def test_what_is_reached_directly(entry: str, hits: list[str], misses: list[str]) -> None:
    proxy = Proxy(url="http://p", no_proxy=(entry,))

    def direct(where: str) -> bool:
        host, colon, port = where.rpartition(":")
        if not colon or not port.isdigit() or (":" in host and host[0] != "["):
            return bypasses(proxy, where, 80)
        return bypasses(proxy, host.strip("[]"), int(port))

    assert [where for where in hits if not direct(where)] == []
    assert [where for where in misses if direct(where)] == []


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "[a.test]", "a b", "::1::2", "[::1", "a.test/8"])
async def test_no_proxy_entries_that_mean_nothing(entry: str) -> None:
    proxy = Proxy(url="http://p", no_proxy=(entry,))
    with pytest.raises(InvalidRequest, match=r"no_proxy entry|bad host name"):
        async with open_client(network=Network(proxy=proxy)):
            raise AssertionError("not reached")


async def test_no_proxy_is_a_tuple() -> None:
    proxy = Proxy(url="http://p", no_proxy="a.test,b.test")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="split it at its commas"):
        async with open_client(network=Network(proxy=proxy)):
            raise AssertionError("not reached")


def test_options_do_not_show_secrets() -> None:
    proxy = Proxy(
        url="http://me:sesame@p:1",
        password="sesame",
        headers=(("Proxy-Authorization", "sesame"),),
        tls=TlsOptions(key_password="sesame"),
    )
    route = Route(Origin("http", "a.test", 80), proxy)
    policy = Policy(headers=(("Authorization", "sesame"),))
    certificate = Certificate(certfile="a.pem", password="sesame")
    for each in (proxy, proxy.tls, Network(proxy=proxy), route, parse_proxy(proxy), policy):
        assert "sesame" not in repr(each)
    assert "sesame" not in repr(certificate)
    assert "p:1" in repr(Network(proxy=proxy))
    with pytest.raises(InvalidRequest) as caught:
        parse_proxy(Proxy(url="http://me:sesame@p:x"))
    assert "sesame" not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url", ["proxy:3128", "ftp://proxy", "http://", "http://p:x", "socks4://p"]
)
async def test_bad_proxy_urls(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_proxy(Proxy(url=url))
    with pytest.raises(InvalidRequest):
        async with open_client(network=Network(proxy=Proxy(url=url))):
            raise AssertionError("not reached")


# --- TLS ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA) -> Iterator[str]:
    with authority.cert_pem.tempfile() as path:
        yield path


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def over_tls(context: ssl.SSLContext, then: Callable[[Any], Awaitable[None]]) -> Any:
    """A handler that makes a TLS handshake (through memory) first."""

    async def handler(peer: Peer) -> None:
        lower = peer.stream

        class Transport(trio.abc.Stream):
            async def send_all(self, data: Any) -> None:
                await lower.send_all(bytes(data))

            async def wait_send_all_might_not_block(self) -> None:
                await trio.lowlevel.checkpoint()

            async def receive_some(self, max_bytes: int | None = None) -> bytes:
                return await lower.read_some(max_bytes or 65536)

            async def aclose(self) -> None:
                lower.close()

        tls = trio.SSLStream(Transport(), context, server_side=True)
        try:
            await then(tls)
        except (trio.BrokenResourceError, StreamClosedError):
            pass  # the client left in the middle: some tests refuse the certificate

    return handler


async def answer_over(tls: Any) -> None:
    data = b""
    while True:
        chunk = await tls.receive_some(65536)
        if not chunk:
            return
        data += chunk
        if data.endswith(b"\r\n\r\n"):
            await tls.send_all(OK)
            data = b""


async def test_tls_over_memory(authority: trustme.CA, ca_file: str) -> None:
    handler = over_tls(server_context(authority, "a.test"), answer_over)
    async with serving(handler, 443) as server:
        network = Network(dial=server.network.connect, tls=TlsOptions(ca_file=ca_file))
        async with open_client(network=network) as client:
            for _ in range(3):
                assert (await client.get("https://a.test/")).body == b"ok"
            assert len(server.peers) == 1
            with pytest.raises(ConnectError) as caught:
                await client.get("https://b.test/")
            assert isinstance(caught.value.os_error, ssl.SSLCertVerificationError)
            assert caught.value.phase == "tls"
        async with open_client(network=Network(dial=server.network.connect)) as client:
            with pytest.raises(ConnectError):
                await client.get("https://a.test/")  # an authority the system does not know
        lax = Network(dial=server.network.connect, tls=TlsOptions(verify=False))
        async with open_client(network=lax) as client:
            assert (await client.get("https://b.test/")).body == b"ok"


async def test_tls_through_a_tunnel(authority: trustme.CA, ca_file: str) -> None:
    inner = over_tls(server_context(authority, "a.test"), answer_over)

    async def proxy(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await inner(peer)

    async with serving(proxy, 3128) as server:
        network = Network(
            dial=server.network.connect,
            proxy=Proxy(url="http://me:pw@proxy.test:3128"),
            tls=TlsOptions(ca_file=ca_file),
        )
        async with open_client(network=network) as client:
            assert (await client.get("https://a.test/secret")).body == b"ok"
        assert server.heads[0].startswith(b"CONNECT a.test:443 ")
        assert len(server.heads) == 1  # the rest was encrypted


async def test_tls_layer_moves_much_and_ends_well(authority: trustme.CA, ca_file: str) -> None:
    async def echo(tls: Any) -> None:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += await tls.receive_some(65536)
        size = 1_000_000
        await tls.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while size:
            chunk = await tls.receive_some(65536)
            size -= len(chunk)
            await tls.send_all(chunk)
        assert await tls.receive_some(1) == b""  # a proper goodbye

    body = bytes(range(250)) * 4000
    handler = over_tls(server_context(authority, "a.test"), echo)
    async with serving(handler, 443) as server:
        network = Network(dial=server.network.connect, tls=TlsOptions(ca_file=ca_file))
        async with open_client(network=network) as client:
            response = await client.post("https://a.test/", body=body)
            assert response.body == body
        await trio.testing.wait_all_tasks_blocked()


async def test_tls_cut_off_without_goodbye(authority: trustme.CA, ca_file: str) -> None:
    async def cut(tls: Any) -> None:
        await tls.receive_some(65536)
        await tls.send_all(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        await tls.transport_stream.aclose()

    handler = over_tls(server_context(authority, "a.test"), cut)
    async with serving(handler, 443) as server:
        network = Network(dial=server.network.connect, tls=TlsOptions(ca_file=ca_file))
        async with open_client(network=network) as client:
            # A body that lasts until the end of the stream is not complete by a cut.
            with pytest.raises(ConnectionLost):
                await client.get("https://a.test/")


async def test_tls_layer_as_a_stream(authority: trustme.CA) -> None:
    context = authority_context(authority)

    async def server(tls: Any) -> None:
        assert await tls.receive_some(10) == b"hello"
        await tls.send_all(b"answer")
        assert await tls.receive_some(10) == b""

    async with serving(over_tls(server_context(authority, "a.test"), server), 443) as memory:
        lower = await memory.network.connect("a.test", 443)
        layer = TlsLayer(lower, context, server_hostname="a.test")
        await layer.handshake()
        assert layer.tls and ("DNS", "a.test") in layer.peer_certificate()["subjectAltName"]
        await layer.send_all(b"hello")
        target = bytearray(6)
        assert await layer.read_into(target) == 6 and target == b"answer"
        await layer.send_eof()
        layer.close()
        assert lower.closed


def authority_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def serve_sockets(
    handler: Callable[[trio.SocketStream], Awaitable[None]], nursery: trio.Nursery
) -> int:
    listeners = await nursery.start(trio.serve_tcp, handler, 0)
    return int(listeners[0].socket.getsockname()[1])


async def test_tls_over_sockets_with_a_client_certificate(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    context = server_context(authority, "localhost")
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[Any] = []

    async def handler(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, context, server_side=True)
        try:
            await tls.do_handshake()
            seen.append(tls.getpeercert())
            await answer_over(tls)
        except trio.BrokenResourceError:
            pass  # the client without a certificate was turned away
        await stream.aclose()

    certificate = authority.issue_cert("client.test")
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(cert_file)
    certificate.private_key_pem.write_to_path(key_file)
    async with trio.open_nursery() as nursery:
        port = await serve_sockets(handler, nursery)
        tls = TlsOptions(ca_file=ca_file, cert_file=str(cert_file), key_file=str(key_file))
        async with open_client(network=Network(tls=tls)) as client:
            for _ in range(2):
                assert (await client.get(f"https://localhost:{port}/")).body == b"ok"
            assert client.statistics()["reused"] == 1
        assert ("DNS", "client.test") in seen[0]["subjectAltName"]
        named = TlsOptions(ca_file=ca_file, server_hostname="other.test")
        async with open_client(network=Network(tls=named)) as client:
            with pytest.raises(ConnectError):
                await client.get(f"https://localhost:{port}/")
        nursery.cancel_scope.cancel()


async def test_tls_in_tls_by_an_https_proxy(authority: trustme.CA, ca_file: str) -> None:
    inner = server_context(authority, "a.test")

    async def proxy(tls: Any) -> None:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += await tls.receive_some(65536)
        assert data.startswith(b"CONNECT a.test:443 ")
        await tls.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        await answer_over(trio.SSLStream(tls, inner, server_side=True))

    async with trio.open_nursery() as nursery:

        async def handler(stream: trio.SocketStream) -> None:
            outer = server_context(authority, "localhost")
            await proxy(trio.SSLStream(stream, outer, server_side=True))

        port = await serve_sockets(handler, nursery)
        tls = TlsOptions(ca_file=ca_file)
        network = Network(proxy=Proxy(url=f"https://localhost:{port}", tls=tls), tls=tls)
        async with open_client(network=network) as client:
            response = await client.get("https://a.test/")
            assert response.body == b"ok"
        nursery.cancel_scope.cancel()


# --- sockets --------------------------------------------------------------------------


async def plain(stream: trio.SocketStream) -> None:
    await answer_over(stream)


async def test_tcp() -> None:
    async with trio.open_nursery() as nursery:
        port = await serve_sockets(plain, nursery)
        async with open_client(network=Network(source_address=("127.0.0.1", 0))) as client:
            for _ in range(3):
                assert (await client.get(f"http://127.0.0.1:{port}/")).body == b"ok"
            assert client.statistics()["reused"] == 2
        nursery.cancel_scope.cancel()


@needs_unix_sockets
async def test_unix_socket() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        sock = trio.socket.socket(trio.socket.AF_UNIX)
        await sock.bind(path)
        sock.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, plain, [trio.SocketListener(sock)])
            async with open_client(network=Network(unix=path)) as client:
                assert (await client.get("http://docker/containers")).body == b"ok"
            nursery.cancel_scope.cancel()
        async with open_client(network=Network(unix=f"{folder}/missing")) as client:
            with pytest.raises(ConnectError):
                await client.get("http://docker/")


async def test_upgrade() -> None:
    async def switch(peer: Peer) -> None:
        head = await peer.request()
        assert head is not None and b"Upgrade: echo" in head
        await peer.send(
            b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 101 Switching\r\nUpgrade: echo\r\n\r\nhello"
        )
        while data := await peer.stream.read_some():
            await peer.send(data)

    headers = HTTPHeaders({"Host": "a.test", "Connection": "Upgrade", "Upgrade": "echo"})
    async with serving(switch) as server:
        target = parse_target("ws://a.test/x")
        route = Route(target.origin, dial=server.network.connect)
        head, stream, leftover = await open_upgrade(route, target.path, headers)
        assert head.start_line.code == 101 and leftover == b"hello"
        assert await stream.read_exactly(5) == b"hello"
        await stream.send_all(b"more")
        assert await stream.read_exactly(4) == b"more"
        stream.close()


async def test_upgrade_refused_and_lost() -> None:
    async def no(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")

    headers = HTTPHeaders({"Host": "a.test"})
    async with serving(no) as server:
        route = Route(parse_target("http://a.test/").origin, dial=server.network.connect)
        head, stream, leftover = await open_upgrade(route, "/", headers)
        assert head.start_line.code == 403 and leftover == b"no"
        stream.close()
        with pytest.raises(StreamClosedError):
            await open_upgrade(route, "/", headers)
        with pytest.raises(InvalidRequest):
            await open_upgrade(route, "/ x", headers)


async def test_memory_network_and_sockets_are_streams() -> None:
    # What `Network.dial` returns is any Stream; this keeps the annotation honest.
    network = MemoryNetwork()
    network.listen(80)
    stream = await network.connect("a.test", 80)
    assert isinstance(stream, Stream) and issubclass(SocketStream, Stream)
    stream.close()
