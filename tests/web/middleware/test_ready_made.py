"""Each ready-made middleware, on a handler, a file, a handshake, an error page, a stream."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import trio
import trio.testing
import zstandard

from tornado_trio import web
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.web.middleware import (
    CORS,
    Compression,
    ETags,
    HTTPSRedirect,
    RequestLimit,
    SecurityHeaders,
    Sessions,
    TrustedHosts,
)
from tornado_trio.wire.signing import create_signed_value

from ..support import fetch
from .site import KINDS, LARGE, TEXT, Handler, site

ORIGIN = {"Origin": "https://shop.example"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "PUT"}


# --- CORS -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KINDS)
async def test_cors_marks_every_answer_but_handshakes(path: str, tmp_path: Path) -> None:
    cors = CORS(["https://shop.example"], credentials=True, expose=["X-Total"])
    async with site(tmp_path, [cors]) as client:
        response = await client.fetch(path, ORIGIN if path != "/socket" else None)
        other = await client.fetch(path)
        foreign = await client.fetch(path, {"Origin": "https://evil.example"})
    assert response.code == KINDS[path]
    if path == "/socket":
        assert "Access-Control-Allow-Origin" not in response.headers
        assert foreign.code == 403  # by the handler
    else:
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Access-Control-Expose-Headers"] == "X-Total"
    for each in (response, other, foreign):
        assert "Origin" in each.headers["Vary"]
    for each in (other, foreign):
        assert "Access-Control-Allow-Origin" not in each.headers


@pytest.mark.parametrize("path", KINDS)
async def test_cors_answers_preflights_without_the_handler(path: str, tmp_path: Path) -> None:
    cors = CORS(["https://shop.example"], methods=["PUT"], max_age=7, private_network=True)
    private = {"Access-Control-Request-Private-Network": "true"}
    asked = {**PREFLIGHT, **private, "Access-Control-Request-Headers": "x-a, x-b"}
    async with site(tmp_path, [cors]) as client:
        allowed = await client.fetch("/handler" if path == "/socket" else path, asked, "OPTIONS")
        refused = await client.fetch(path, {**PREFLIGHT, "Origin": "https://evil"}, "OPTIONS")
    fields = allowed.headers
    assert allowed.code == 204
    assert fields["Access-Control-Allow-Origin"] == "https://shop.example"
    assert fields["Access-Control-Allow-Methods"] == "PUT"
    assert fields["Access-Control-Allow-Headers"] == "x-a, x-b"
    assert fields["Access-Control-Max-Age"] == "7"
    assert fields["Access-Control-Allow-Private-Network"] == "true"
    assert refused.code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


async def test_cors_for_all_origins_and_by_a_function(tmp_path: Path) -> None:
    async with site(tmp_path, [CORS("*")]) as client:
        response = await client.fetch("/handler", ORIGIN)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in response.headers
        plain = await client.fetch("/handler", method="OPTIONS")  # no preflight
        assert plain.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    async with site(tmp_path, [CORS(lambda origin: origin.endswith(".example"))]) as client:
        response = await client.fetch("/handler", ORIGIN)
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    with pytest.raises(ValueError, match="act as its visitor"):
        CORS("*", credentials=True)
    with pytest.raises(TypeError, match="is a list"):
        CORS("https://shop.example")


# --- guards -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KINDS)
async def test_security_headers_on_every_answer(path: str, tmp_path: Path) -> None:
    policy = "default-src 'self'"
    guard = SecurityHeaders(content_security_policy=policy, frame_options=None)
    async with site(tmp_path, [guard]) as client:
        response = await client.fetch(path)
    assert response.code == KINDS[path]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'self'"
    assert "X-Frame-Options" not in response.headers
    assert "Strict-Transport-Security" not in response.headers  # it came by HTTP


async def test_what_a_handler_set_stays_and_hsts_is_said_by_https(tmp_path: Path) -> None:
    class Framed(web.RequestHandler):
        def get(self) -> None:
            self.set_header("X-Frame-Options", "SAMEORIGIN")

    app = web.Application([("/", Framed)], middleware=[SecurityHeaders(subdomains=True)])
    options = ServerOptions(protocol="https")
    async with memory_server(app, options) as server:
        response = await server.request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    hsts = "max-age=31536000; includeSubDomains"
    assert response.headers["Strict-Transport-Security"] == hsts


@pytest.mark.parametrize("path", KINDS)
async def test_trusted_hosts(path: str, tmp_path: Path) -> None:
    async with site(tmp_path, [TrustedHosts(["shop.example", "*.shop.example", "[::1]"])]) as c:
        for host in ("shop.example", "SHOP.example:8888", "a.b.shop.example.", "[::1]:80"):
            assert (await c.fetch(path, {"Host": host})).code == KINDS[path]
        for host in ("evil.example", "evilshop.example", "shop.example.evil", "127.0.0.1"):
            assert (await c.fetch(path, {"Host": host})).code == 400


def test_hosts_that_cannot_be_meant_are_refused() -> None:
    for bad in ("https://shop.example", "shop.*", "*shop.example"):
        with pytest.raises(ValueError, match="neither"):
            TrustedHosts([bad])
    with pytest.raises(TypeError):
        TrustedHosts("shop.example")


@pytest.mark.parametrize("path", KINDS)
async def test_https_redirect(path: str, tmp_path: Path) -> None:
    redirect = HTTPSRedirect(port=8443, exempt=["/healthy"])
    scheme = "wss" if path == "/socket" else "https"
    async with site(tmp_path, [redirect]) as client:
        response = await client.fetch(path, {"Host": "shop.example:8080"})
    assert response.code == 308
    assert response.headers["Location"] == f"{scheme}://shop.example:8443{path}"


async def test_https_redirect_keeps_queries_and_leaves_out_what_is_exempt() -> None:
    app = web.Application([("/.*", Handler)], middleware=[HTTPSRedirect()])
    response = await fetch(app, "//evil.example/?a=b", "POST")
    assert response.headers["Location"] == "https://test.local//evil.example/?a=b"
    assert (await fetch(app, "/.well-known/acme-challenge/x")).code == 200
    async with memory_server(app, ServerOptions(protocol="https")) as server:
        assert (await server.request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).code == 200


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KINDS)
async def test_request_limit(path: str, tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with site(tmp_path, [RequestLimit(0.5, burst=2)]) as client:
        codes = [(await client.fetch(path)).code for _ in range(3)]
        assert codes == [KINDS[path], KINDS[path], 429]
        refused = await client.fetch(path)
        assert refused.headers["Retry-After"] == "2"
        mock_clock.jump(2)  # by hand: files are read in threads, which autojump does not see
        assert [(await client.fetch(path)).code for _ in range(2)] == [KINDS[path], 429]
        if path != "/handler":
            assert (await client.fetch("/handler")).code == 200  # another route


async def test_buckets_are_by_network_and_bounded(autojump_clock: trio.abc.Clock) -> None:
    limit = RequestLimit(1, burst=1, max_keys=100)
    for number in range(1000):
        assert limit.take(number) == 0
    assert len(limit._full_at) <= 100
    assert limit.take(999) > 0  # the last ones are known
    await trio.sleep(1.5)
    assert limit.take(999) == 0

    app = web.Application([("/", Handler)], middleware=[RequestLimit(1)])
    async with memory_server(app, ServerOptions(xheaders=True)) as server:

        async def ask(address: str) -> int:
            data = f"GET / HTTP/1.1\r\nHost: a\r\nX-Real-Ip: {address}\r\n\r\n"
            return (await server.request(data.encode())).code

        assert await ask("2001:db8::1") == 200
        assert await ask("2001:db8::2") == 429  # the same network
        assert await ask("2001:db8:0:1::2") == 200
        assert await ask("10.0.0.1") == 200
        assert await ask("::ffff:10.0.0.1") == 429
        assert await ask("10.0.0.2") == 200
    for bad in ({"rate": 0}, {"rate": 1, "burst": 0}):
        with pytest.raises(ValueError, match="all above 0"):
            RequestLimit(**bad)  # type: ignore[arg-type]


# --- compression ------------------------------------------------------------------------------

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@pytest.mark.parametrize("coding", DECODERS)
@pytest.mark.parametrize("path", KINDS)
async def test_compression(path: str, coding: str, tmp_path: Path) -> None:
    accept = {"Accept-Encoding": f"{coding}, x-other"}
    async with site(tmp_path, [Compression()]) as client:
        plain = await client.fetch(path)
        response = await client.fetch(path, accept)
        head = await client.fetch(path, accept, "HEAD") if path != "/socket" else response
    assert response.code == KINDS[path]
    if len(plain.body) < 1024:
        assert "Content-Encoding" not in response.headers
        assert response.body == plain.body
        return
    assert response.headers["Content-Encoding"] == coding
    assert response.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert DECODERS[coding](response.body) == plain.body
    assert len(response.body) < len(plain.body)
    if "Etag" in plain.headers:
        assert response.headers["Etag"] == "W/" + plain.headers["Etag"]
    if path != "/function":  # which has no HEAD
        assert head.headers.get("Content-Encoding") == coding
        assert head.headers.get("Etag") == response.headers.get("Etag")
        assert "Content-Length" not in head.headers
        assert head.body == b""


async def test_compression_by_preference_and_only_of_what_may_be(tmp_path: Path) -> None:
    class Fixed(web.RequestHandler):
        def get(self) -> None:
            self.set_header("Cache-Control", "public, no-transform")
            self.write(TEXT)

    class Image(web.RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", "image/png")
            self.write(TEXT)

    rules: list[Any] = [("/fixed", Fixed), ("/image", Image), ("/text", Handler)]
    app = web.Application(rules, middleware=[Compression()])
    both = {"Accept-Encoding": "gzip, br, zstd"}
    for path in ("/fixed", "/image"):
        response = await fetch(app, path, headers=both)
        assert (response.body, "Vary" in response.headers) == (TEXT.encode(), False)
    for accepted, coding in [
        ("gzip, br, zstd", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0, zstd", "zstd"),
        ("identity", None),
    ]:
        response = await fetch(app, "/text", headers={"Accept-Encoding": accepted})
        assert response.headers.get("Content-Encoding") == coding
    with pytest.raises(ValueError, match="known are br, zstd, gzip"):
        Compression(["lzma"])


async def test_ranges_and_conditions_beside_compression(tmp_path: Path) -> None:
    accept = {"Accept-Encoding": "br"}
    async with site(tmp_path, [Compression()]) as client:
        whole = await client.fetch("/static/large.txt", accept)
        part = await client.fetch("/static/large.txt", {**accept, "Range": "bytes=8-15"})
        assert (part.code, part.body) == (206, LARGE[8:16])
        etag = whole.headers["Etag"]
        known = await client.fetch("/static/large.txt", {**accept, "If-None-Match": etag})
        assert (known.code, known.headers["Etag"]) == (304, etag)
        # A weak tag joins nothing to what was compressed.
        again = await client.fetch(
            "/static/large.txt", {**accept, "Range": "bytes=8-", "If-Range": etag}
        )
        assert again.code == 200


# --- entity tags ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KINDS)
async def test_etags(path: str, tmp_path: Path) -> None:
    async with site(tmp_path, [Compression(), ETags()]) as client:
        first = await client.fetch(path)
        etag = first.headers.get("Etag")
        tagged = path in ("/handler", "/typed", "/static/small.txt", "/static/large.txt")
        assert (etag is not None) == tagged
        if etag is not None:
            for accepted in ("identity", "br"):
                asked = {"If-None-Match": etag, "Accept-Encoding": accepted}
                again = await client.fetch(path, asked)
                assert (again.code, again.body) == (304, b"")
                assert again.headers["Etag"].removeprefix("W/") == etag
                assert "Content-Length" not in again.headers


# --- sessions ---------------------------------------------------------------------------------


class Counter(web.RequestHandler):
    def get(self) -> None:
        session = self.request.session
        session["visits"] = session.get("visits", 0) + 1
        self.write(str(session["visits"]))

    def post(self) -> None:
        self.request.session["visits"] = 99
        raise web.HTTPError(int(self.get_argument("status")))

    def delete(self) -> None:
        self.request.session.clear()


def cookie_of(response: Any) -> str:
    cookies: list[str] = response.headers.get_list("Set-Cookie")
    return cookies[0].partition(";")[0] if cookies else ""


async def test_a_session_lasts_and_cannot_be_forged() -> None:
    app = web.Application([("/", Counter)], middleware=[Sessions(["new", "old"])])
    first = await fetch(app)
    field = first.headers["Set-Cookie"]
    assert "HttpOnly" in field and "SameSite=Lax" in field and "Max-Age=1209600" in field
    assert "Secure" not in field
    assert first.headers["Vary"] == "Cookie"
    second = await fetch(app, headers={"Cookie": cookie_of(first)})
    assert second.body == b"2"
    forged = cookie_of(second)[:-1] + ("0" if cookie_of(second)[-1] != "0" else "1")
    assert (await fetch(app, headers={"Cookie": forged})).body == b"1"
    old = create_signed_value("old", "session", json.dumps({"visits": 6})).decode()
    assert (await fetch(app, headers={"Cookie": f'session="{old}"'})).body == b"7"
    gone = await fetch(app, "/", "DELETE", headers={"Cookie": cookie_of(second)})
    assert "Max-Age=0" in gone.headers["Set-Cookie"]
    refused = await fetch(app, "/?status=403", "POST")
    assert "session=" in refused.headers["Set-Cookie"]
    failed = await fetch(app, "/?status=500", "POST")
    assert "Set-Cookie" not in failed.headers


@pytest.mark.parametrize("path", KINDS)
async def test_a_session_can_be_used_around_every_answer(path: str, tmp_path: Path) -> None:
    async def visit(call: Any, next: Any) -> None:
        call.request.session["path"] = call.request.path
        await next(call)

    async with site(tmp_path, [Sessions("secret"), visit]) as client:
        response = await client.fetch(path)
        assert response.code == KINDS[path]
        assert ("Set-Cookie" in response.headers) == (KINDS[path] < 500)
        again = await client.fetch(path, {"Cookie": cookie_of(response)})
        assert "Set-Cookie" not in again.headers or KINDS[path] >= 500  # unchanged
    async with site(tmp_path, [Sessions("secret")]) as client:
        unused = await client.fetch(path)
        assert "Set-Cookie" not in unused.headers
        assert "Cookie" not in unused.headers.get("Vary", "")


async def test_a_session_has_its_bounds(caplog: pytest.LogCaptureFixture) -> None:
    class Late(web.RequestHandler):
        async def get(self) -> None:
            await self.flush()
            with pytest.raises(RuntimeError, match="has been sent"):
                self.request.session["a"] = 1
            self.write("told")

    class Large(web.RequestHandler):
        def get(self) -> None:
            self.request.session["a"] = "x" * 5000

    class Without(web.RequestHandler):
        def get(self) -> None:
            assert not hasattr(self.request, "session")

    rules: list[Any] = [("/late", Late), ("/large", Large)]
    app = web.Application(rules, middleware=[Sessions("s")])
    assert (await fetch(app, "/late")).body == b"told"
    assert (await fetch(app, "/large")).code == 500
    assert "browsers keep 4096" in caplog.text
    assert (await fetch(web.Application([("/", Without)]))).code == 200
    for bad in ("", []):
        with pytest.raises(ValueError, match="needs a secret"):
            Sessions(bad)
