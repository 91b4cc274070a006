"""What the end of a connection and the server as a whole ask of handlers (RFC 9110, 9112)."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tornado_trio.errors import LimitError
from tornado_trio.exchange import Exchange, HTTPHeaders, ResponseStartLine
from tornado_trio.limits import Limits
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.web import (
    Application,
    FormLimits,
    RequestHandler,
    form_parts,
    stream_request_body,
)

from .support import fetch

LIMIT = 1000
OPTIONS = ServerOptions(limits=Limits(max_body_size=LIMIT), decompress_request=True)


class Whole(RequestHandler):
    def post(self) -> None:
        self.write("ok")


@stream_request_body
class Pieces(RequestHandler):
    def data_received(self, chunk: bytes) -> None: ...

    def post(self) -> None:
        self.write("ok")


@stream_request_body
class Parts(RequestHandler):
    async def post(self) -> None:
        async for part in form_parts(self.request, FormLimits(max_in_memory=LIMIT * 9)):
            await part.read()


@stream_request_body
class OwnPage(Pieces):
    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Connection", "keep-alive")
        self.finish("mine")


@stream_request_body
class Catching(RequestHandler):
    async def post(self) -> None:
        try:
            async for _ in self.request.connection.body():
                pass
        except LimitError as error:
            self.set_status(error.status)
            self.write("caught")


@stream_request_body
class Lenient(RequestHandler):
    async def post(self) -> None:
        with pytest.raises(LimitError):
            async for _ in self.request.connection.body():
                pass
        self.set_status(200)


FORM = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"y" * 2 * LIMIT + b"\r\n--x--"
CHUNKED = b"".join(b"%x\r\n%b\r\n" % (200, FORM[at : at + 200]) for at in range(0, 2000, 200))
PACKED = gzip.compress(FORM)
BODIES = {
    "length": b"Content-Length: %d\r\n\r\n" % len(FORM),
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "gzip": b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("handler", [Whole, Pieces, Parts, OwnPage, Catching, Lenient])
async def test_a_413_announces_the_close(handler: type[RequestHandler], body: str) -> None:
    async with memory_server(Application([("/", handler)]), OPTIONS) as server:
        client = await server.connect()
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        response = await client.request(head + BODIES[body])
        assert response.code == (200 if handler is Lenient else 413)
        assert response.headers["Connection"] == "close"
        assert await client.rest() == b""
    if handler is OwnPage:
        assert response.body == b"mine"
    if handler is Catching:
        assert response.body == b"caught"


# --- OPTIONS * ------------------------------------------------------------------------------


class Hello(RequestHandler):
    def get(self) -> None:
        self.write("hello")


class Choosy(Hello):
    def options(self) -> None:
        self.write("mine")


@pytest.mark.parametrize(
    ("rules", "answer"),
    [
        ([], (204, b"")),
        ([("/", Hello)], (204, b"")),
        ([(".*", Hello)], (204, b"")),
        ([(".*", Choosy)], (200, b"mine")),
        ([(r"\*", Choosy)], (200, b"mine")),
    ],
)
async def test_options_of_the_server(rules: list[Any], answer: tuple[int, bytes]) -> None:
    async with memory_server(Application(rules)) as server:
        client = await server.connect()
        for target in (b"*", b"http://a"):
            request = b"OPTIONS %s HTTP/1.1\r\nHost: a\r\n\r\n" % target
            response = await client.request(request)
            assert (response.code, response.body) == answer
            assert "Content-Length" not in response.headers or answer[0] != 204


async def test_options_of_what_is_not_there() -> None:
    app = Application([("/", Hello)])
    assert (await fetch(app, "/none", "OPTIONS")).code == 404
    assert (await fetch(app, "/", "OPTIONS")).code == 204


# --- whole URIs, as clients of proxies send them ----------------------------------------------


class Where(RequestHandler):
    def get(self, *args: str) -> None:
        request = self.request
        url = request.full_url()
        assert request.target == request.uri
        told = [request.uri, request.path, request.query, request.host, url, *args]
        self.write("|".join(told))

    options = get


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("GET http://b:81/x/y?q=1", "http://b:81/x/y?q=1|/x/y|q=1|b:81|http://b:81/x/y?q=1|y"),
        ("GET HTTP://b/x/", "HTTP://b/x/|/x/||b|http://b/x/|"),
        ("GET /x/?u=http://b", "/x/?u=http://b|/x/|u=http://b|a|http://a/x/?u=http://b|"),
        ("OPTIONS http://b", "http://b|*||b|http://b*"),
    ],
)
async def test_a_whole_uri_is_kept_and_routed_by_its_path(line: str, told: str) -> None:
    async with memory_server(Application([("/x/(.*)", Where), (r"\*", Where)])) as server:
        response = await server.request(f"{line} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert response.body.decode() == told


async def test_a_function_sees_the_path_and_the_target() -> None:
    async def app(exchange: Exchange) -> None:
        line = exchange.start_line
        body = f"{line.path} {line.target} {exchange.headers['Host']}".encode()
        exchange.write_headers(
            ResponseStartLine("HTTP/1.1", 200, "OK"),
            HTTPHeaders({"Content-Length": str(len(body))}),
            body,
        )
        await exchange.finish()

    async with memory_server(app) as server:
        client = await server.connect()
        for target, told in ((b"http://b/x?y", b"/x?y http://b/x?y b"), (b"/x", b"/x /x a")):
            request = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target
            assert (await client.request(request)).body == told
