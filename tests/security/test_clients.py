"""Both of compat's clients, and the native one, against servers after their secrets."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import gzip
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.client.servers import OK as NATIVE_OK
from tests.client.servers import Peer
from tests.client.servers import serving as native_serving
from tests.compat.raw_server import OK, run, serving
from tests.compat.test_curl_httpclient import CurlAsyncHTTPClient
from tornado_trio.client import DigestAuth, InvalidRequest, Network, open_client

CLIENTS = [SimpleAsyncHTTPClient]
if CurlAsyncHTTPClient is not None:
    CLIENTS.append(CurlAsyncHTTPClient)

both = pytest.mark.parametrize("cls", CLIENTS, ids=lambda cls: cls.__name__)


def client(cls: type[AsyncHTTPClient], **options: Any) -> Any:
    return cls(force_instance=True, **options)


def moved(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


SECRETS: dict[str, dict[str, Any]] = {
    "auth": {"auth_username": "me", "auth_password": "pw"},
    "Authorization": {"headers": {"Authorization": "Basic bWU6cHc="}},
    "Cookie": {"headers": {"Cookie": "session=1"}},
    "both, other spelling": {"headers": {"authorization": "Basic x", "cookie": "session=1"}},
    "Proxy-Authorization": {"headers": {"Proxy-Authorization": "Basic x"}},
}


@both
@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_do_not_cross_origins(cls: type[AsyncHTTPClient], secret: str) -> None:
    """CVE-2026-49853: another port is another origin; the same one keeps them."""
    names = (b"authorization:", b"cookie:")

    async def main() -> None:
        async with serving() as other:

            def answer(request: bytes) -> bytes:
                if b" /away" in request:
                    return moved(other.url("/stolen"))
                return moved("/kept") if b" /stay" in request else OK

            async with serving(answer) as home:
                http = client(cls)
                await http.fetch(home.url("/stay"), **SECRETS[secret])
                await http.fetch(home.url("/away"), **SECRETS[secret])
                http.close()
            told = [any(n in r.lower() for n in names) for r in home.requests]
            # libcurl is given it for proxies, of which there is none.
            unsent = secret == "Proxy-Authorization" and cls is CurlAsyncHTTPClient
            assert told == [not unsent] * 3
            [stolen] = other.requests
            assert not any(name in stolen.lower() for name in names), stolen

    run(main)


@both
@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/", "dict://a/"]
)
def test_redirects_to_other_schemes_fail(cls: type[AsyncHTTPClient], location: str) -> None:
    async def main() -> None:
        async with serving(moved(location)) as server:
            http = client(cls)
            with pytest.raises((HTTPError, ValueError)) as caught:
                await http.fetch(server.url())
            assert getattr(caught.value, "code", 599) == 599
            assert len(server.requests) == 1
            http.close()

    run(main)


@both
@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X\r\nY": "a"}, {"X": "a", "Y\n": "b"}],
)
def test_headers_cannot_inject(cls: type[AsyncHTTPClient], headers: dict[str, str]) -> None:
    """GHSA-w235-7p84-xx57."""

    async def main() -> None:
        async with serving() as server:
            http = client(cls)
            with pytest.raises(ValueError):
                # A plain dict becomes HTTPHeaders, which refuses most of it by itself.
                await http.fetch(server.url(), headers=headers)
            assert server.requests == []
            http.close()

    run(main)


@both
@pytest.mark.parametrize(
    "path", ["/\r\nX: y", "/ HTTP/1.1\r\nX: y", "/\nX: y", "/\x00", "/a b\x7f"]
)
def test_targets_cannot_inject(cls: type[AsyncHTTPClient], path: str) -> None:
    """CVE-2023-49081: refused, or sent escaped, but never as a second line."""

    async def main() -> None:
        async with serving() as server:
            http = client(cls)
            try:
                await http.fetch(server.url(path))
            except (HTTPError, ValueError, OSError):
                pass  # refused, which is what most of these get
            for request in server.requests:
                assert b"\nX: y" not in request and b"\x00" not in request
                assert request.split(b"\r\n")[0].count(b" ") == 2, request
            http.close()

    run(main)


@both
@pytest.mark.parametrize(
    "method", ["GET\r\nX: y", "GET /x HTTP/1.1\r\nHost: b\r\n\r\nGET", "G T", "", "GET\x00"]
)
def test_methods_cannot_inject(cls: type[AsyncHTTPClient], method: str) -> None:
    """CVE-2023-49082, even with `allow_nonstandard_methods`."""

    async def main() -> None:
        async with serving() as server:
            http = client(cls)
            with pytest.raises((HTTPError, ValueError, KeyError)):
                await http.fetch(server.url(), method=method, allow_nonstandard_methods=True)
            assert server.requests == []
            http.close()

    run(main)


@both
def test_the_decompressed_size_is_bounded(cls: type[AsyncHTTPClient]) -> None:
    """CVE-2026-49855, and the same for chunks given to a callback."""
    body = gzip.compress(bytes(5_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"

    async def main() -> None:
        async with serving(head.encode() + body) as server:
            http = client(cls, max_body_size=100_000)
            with pytest.raises(HTTPError):
                await http.fetch(server.url())
            got: list[int] = []
            with pytest.raises(HTTPError):
                await http.fetch(server.url(), streaming_callback=lambda c: got.append(len(c)))
            assert sum(got) <= 100_000
            http.close()

    run(main)


@both
def test_no_credentials_stay_behind(cls: type[AsyncHTTPClient]) -> None:
    """A request's credentials are its own, whatever connection or handle is used again."""

    async def main() -> None:
        async with serving() as server:
            http = client(cls, max_clients=1)
            await http.fetch(
                server.url(),
                auth_username="me",
                auth_password="pw",
                headers={"Cookie": "a=b", "X-Key": "k"},
                user_agent="mine",
            )
            await http.fetch(server.url())
            first, second = (request.lower() for request in server.requests)
            for field in (b"authorization:", b"cookie:", b"x-key:", b"mine"):
                assert field in first and field not in second
            http.close()

    run(main)


async def test_digest_credentials_are_of_one_origin() -> None:
    """What one origin challenged for is not shown to another one (aiohttp 3.14.1)."""
    challenge = (
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
        b"Content-Length: 0\r\n\r\n"
    )

    async def handler(peer: Peer) -> None:
        while head := await peer.request():
            if b"Host: b.test" in head:
                await peer.send(challenge)
            elif b"Authorization" in head:
                await peer.send(moved("http://b.test/"))
            else:
                await peer.send(challenge)

    async with native_serving(handler) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network) as http:
            response = await http.get("http://a.test/", auth=DigestAuth("me", "pw"))
            assert response.status == 401 and str(response.url) == "http://b.test/"
    shown = [(b"b.test" in head, b"Authorization" in head) for head in server.heads]
    assert shown == [(False, False), (False, True), (True, False)]


@pytest.mark.parametrize(
    "url",
    [
        "http://a.test/ HTTP/1.1\r\nX: y",
        "http://a.test/\r\n",
        "http://a.test\r\n/",
        "http://a\x00.test/",
        "http:///",
        "a.test",
        "http://a.test:99999/",
        "http://[::1/",
    ],
)
async def test_native_targets_cannot_inject(url: str) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.send(NATIVE_OK)

    async with native_serving(handler) as server:
        async with open_client(network=Network(dial=server.network.connect)) as http:
            try:
                await http.get(url)
            except InvalidRequest:
                assert server.heads == []
            for head in server.heads:
                assert b"X: y" not in head.split(b"\r\n", 1)[1]
                assert head.split(b"\r\n")[0].count(b" ") == 2
