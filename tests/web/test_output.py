"""Status, headers, bodies, entity tags, redirects, compression."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import logging
import zlib
from typing import Any

import pytest

from tornado_trio.web import Application, GZipContentEncoding, RequestHandler

from .support import fetch, get


def handler(function: Any) -> type[RequestHandler]:
    class Handler(RequestHandler):
        def get(self) -> Any:
            return function(self)

    return Handler


async def test_default_headers() -> None:
    response = await get(handler(lambda self: self.write("x")))
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert response.headers["Content-Length"] == "1"
    assert response.headers["Server"].startswith("tornado_trio/")
    assert response.headers["Date"].endswith(" GMT")
    assert len(response.headers.get_list("Date")) == 1


async def test_header_values() -> None:
    moment = datetime.datetime(2020, 1, 1)

    def check(self: RequestHandler) -> None:
        for value, text in [
            ("a", "a"),
            (b"b", "b"),
            (1, "1"),
            ("é", "é"),
            ("a\tb", "a\tb"),
            ("", ""),
            (moment, "Wed, 01 Jan 2020 00:00:00 GMT"),
            (moment.replace(tzinfo=datetime.UTC), "Wed, 01 Jan 2020 00:00:00 GMT"),
        ]:
            self.set_header("X", value)
            assert self._headers["X"] == text
        for bad in [None, 1.5, [1]]:
            with pytest.raises(TypeError, match="Unsupported header value"):
                self.set_header("X", bad)
        for char in [*map(chr, range(0x20)), "\x7f", "中"]:
            if char != "\t":
                for value in ("a" + char, ("a" + char).encode()):
                    if char != "中" or isinstance(value, str):
                        with pytest.raises(ValueError, match="Unsafe header value"):
                            self.set_header("X", value)
                with pytest.raises(ValueError, match="Unsafe header value"):
                    self.add_header("X", "a" + char)
        for name in ["", "two words", "X:", "X\r\nSet-Cookie", "Ü"]:
            for set_or_add in [self.set_header, self.add_header]:
                with pytest.raises(ValueError, match="Illegal header name"):
                    set_or_add(name, "a")
        self.clear_header("X")
        self.clear_header("X-None")
        self.add_header("X-Multi", 3)
        self.add_header("x-multi", "4")

    response = await get(handler(check))
    assert response.code == 200
    assert response.headers.get_list("X-Multi") == ["3", "4"] and "X" not in response.headers


async def test_write_refuses_lists() -> None:
    def check(self: RequestHandler) -> None:
        with pytest.raises(TypeError, match="Lists not accepted for security reasons"):
            self.write([1])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="only accepts bytes, unicode, and dict"):
            self.write(1)  # type: ignore[arg-type]

    assert (await get(handler(check))).code == 200


async def test_status_without_body() -> None:
    for code in (204, 304):
        response = await get(handler(lambda self, code=code: self.set_status(code)))
        assert response.code == code
        for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
            assert name not in response.headers


@pytest.mark.parametrize("code", [204, 304])
async def test_what_stays_without_a_body(code: int) -> None:
    def answer(self: RequestHandler) -> None:
        self.set_status(code)
        for name in ("Allow", "Last-Modified", "Content-Language", "Content-Length"):
            self.set_header(name, "0")

    response = await get(handler(answer))
    assert response.headers["Allow"] == response.headers["Last-Modified"] == "0"
    assert "Content-Language" not in response.headers
    assert "Content-Length" not in response.headers


async def test_body_where_none_may_be(caplog: pytest.LogCaptureFixture) -> None:
    def write(self: RequestHandler) -> None:
        self.set_status(204)
        self.write("x")

    assert (await get(handler(write))).code == 500
    assert "Cannot send body with status code HTTP204" in caplog.text


async def test_head_has_the_head_of_get() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("hello")

        head = get

    got, head = await get(Handler), await get(Handler, method="HEAD")
    assert head.body == b"" and head.headers["Content-Length"] == "5"
    assert head.headers["Etag"] == got.headers["Etag"]


async def test_head_of_a_flushed_response() -> None:
    class Handler(RequestHandler):
        def head(self) -> None:
            self.write("a")
            self.flush()
            self.write("b")

    assert (await get(Handler, method="HEAD")).body == b""


# --- entity tags --------------------------------------------------------------------------


async def test_etag_is_sha1_of_the_body() -> None:
    response = await get(handler(lambda self: self.write("hello")))
    assert response.headers["Etag"] == f'"{hashlib.sha1(b"hello").hexdigest()}"'


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("*", 304),
        ('"xyzzy"', 304),
        ('"a", "xyzzy"', 304),
        ('W/"xyzzy"', 304),
        ('"a", W/"b"', 200),
        ("xyzzy", 200),
        ("", 200),
    ],
)
async def test_if_none_match(wanted: str, code: int) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Language", "en")
            self.write("x")

        def compute_etag(self) -> str:
            return '"xyzzy"'

    response = await get(Handler, headers={"If-None-Match": wanted})
    assert response.code == code
    if code == 304:
        assert response.body == b"" and "Content-Language" not in response.headers


async def test_an_etag_of_the_handlers_own_is_left_alone() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_header("Etag", '"mine"')
            self.write("x")

    for wanted in ('"mine"', "*", '"other"'):
        response = await get(Handler, headers={"If-None-Match": wanted})
        assert (response.code, response.headers["Etag"], response.body) == (200, '"mine"', b"x")


async def test_no_etag_for_errors_and_other_methods() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_status(404)

        def post(self) -> None:
            self.write("x")

    assert "Etag" not in (await get(Handler)).headers
    assert "Etag" not in (await get(Handler, method="POST")).headers


async def test_no_etag_when_it_is_none() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("x")

        def compute_etag(self) -> None:
            return None

    assert "Etag" not in (await get(Handler, headers={"If-None-Match": "*"})).headers


# --- redirects ------------------------------------------------------------------------------


async def test_redirects() -> None:
    for kwargs, code in [({}, 302), ({"permanent": True}, 301), ({"status": 307}, 307)]:
        response = await get(handler(lambda self, kwargs=kwargs: self.redirect("/x", **kwargs)))
        assert (response.code, response.headers["Location"]) == (code, "/x")


async def test_bad_redirects() -> None:
    def check(self: RequestHandler) -> None:
        with pytest.raises(AssertionError):
            self.redirect("/", status=200)
        with pytest.raises(ValueError, match="Unsafe"):
            self.redirect("/a\r\nX-Injected: 1")
        self.flush()
        with pytest.raises(Exception, match="Cannot redirect after headers"):
            self.redirect("/")

    assert (await get(handler(check))).code == 302  # the status stays from the attempt


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/café", "/caf%C3%A9"),
        ("/caf%C3%A9?q=\u20ac#\xe9", "/caf%C3%A9?q=%E2%82%AC#%C3%A9"),
        ("http://example.org/\U0001f600/a b", "http://example.org/%F0%9F%98%80/a b"),
        (b"/latin/\xf8", "/latin/%F8"),
        ("/plain?a=%20", "/plain?a=%20"),
    ],
)
async def test_locations_are_ascii(url: Any, location: str) -> None:
    response = await get(handler(lambda self: self.redirect(url)))
    assert response.headers["Location"] == location


# --- transforms ------------------------------------------------------------------------------

BIG = "hello world" * 200


async def compressed(accept: str, content: Any = BIG, flush: bool = False, **headers: str) -> Any:
    def write(self: RequestHandler) -> None:
        for name, value in headers.items():
            self.set_header(name.replace("_", "-"), value)
        self.write(content)
        if flush:
            self.flush()
            self.write(content)

    app = Application([("/", handler(write))], compress_response=True)
    return await fetch(app, headers={"Accept-Encoding": accept} if accept else {})


async def test_gzip_in_any_letter_case() -> None:
    response = await compressed("GZIP", Content_Type="Text/HTML")
    assert response.headers["Content-Encoding"] == "gzip"


async def test_gzip() -> None:
    response = await compressed("gzip, deflate")
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert int(response.headers["Content-Length"]) == len(response.body)
    assert gzip.decompress(response.body).decode() == BIG


@pytest.mark.parametrize("own", [None, '"mine"', 'W/"mine"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_tags_of_what_was_compressed_are_weak(own: str | None, method: str) -> None:
    def write(self: RequestHandler) -> None:
        if own is not None:
            self.set_header("Etag", own)
        self.write(BIG)

    hello = handler(write)
    hello.head = hello.get
    app = Application([("/", hello)], compress_response=True)
    plain = await fetch(app, method=method)
    packed = await fetch(app, method=method, headers={"Accept-Encoding": "gzip"})
    tag = plain.headers["Etag"].removeprefix("W/")
    assert own is None or tag == '"mine"'
    assert plain.headers["Etag"].startswith("W/") is (own == 'W/"mine"')
    assert packed.headers["Etag"] == f"W/{tag}"
    if own is None:
        fields = {"Accept-Encoding": "gzip", "If-None-Match": f"W/{tag}"}
        again = await fetch(app, method=method, headers=fields)
        assert (again.code, again.headers["Etag"]) == (304, f"W/{tag}")


async def test_gzip_streamed() -> None:
    response = await compressed("gzip", flush=True, Content_Length=str(2 * len(BIG)))
    assert "Content-Length" not in response.headers
    assert gzip.decompress(response.body).decode() == BIG * 2


@pytest.mark.parametrize("accept", ["", "identity", "gzip;q=0", "deflate, gzip;q=0.0", "*"])
async def test_gzip_not_wanted(accept: str) -> None:
    response = await compressed(accept)
    assert "Content-Encoding" not in response.headers and response.body.decode() == BIG
    assert response.headers["Vary"] == "Accept-Encoding"


async def test_gzip_not_worth_it() -> None:
    assert "Content-Encoding" not in (await compressed("gzip", "x" * 1023)).headers
    assert "Content-Encoding" in (await compressed("gzip", "x" * 1024)).headers
    assert "Content-Encoding" not in (await compressed("gzip", Content_Type="image/png")).headers
    assert (
        "Content-Encoding"
        in (await compressed("gzip", Content_Type="application/json;charset=x")).headers
    )
    response = await compressed("gzip", Content_Encoding="br")
    assert response.headers["Content-Encoding"] == "br"


async def test_vary_is_extended() -> None:
    assert (await compressed("gzip", Vary="Cookie")).headers["Vary"] == "Cookie, Accept-Encoding"
    assert (await compressed("gzip", Vary="accept-encoding")).headers["Vary"] == "accept-encoding"


def test_every_flush_reaches_the_client() -> None:
    class Request:
        headers = {"Accept-Encoding": "gzip"}

    transform = GZipContentEncoding(Request())  # type: ignore[arg-type]
    from tornado_trio.wire.headers import HTTPHeaders

    headers = HTTPHeaders({"Content-Type": "text/plain"})
    inflate = zlib.decompressobj(31)
    _, _, data = transform.transform_first_chunk(200, headers, b"abc", False)
    assert inflate.decompress(data) == b"abc"
    assert inflate.decompress(transform.transform_chunk(b"def", False)) == b"def"
    assert inflate.decompress(transform.transform_chunk(b"", True)) == b"" and inflate.eof


# --- access log -------------------------------------------------------------------------------


async def test_access_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tornado.access"):
        for code in (200, 404, 500):
            await get(handler(lambda self, code=code: self.set_status(code)), "/p?q=1")
    assert [r.levelno for r in caplog.records] == [logging.INFO, logging.WARNING, logging.ERROR]
    assert caplog.messages[0].startswith("200 GET /p?q=1 (")


async def test_log_function() -> None:
    seen: list[int] = []
    log = {"log_function": lambda handler: seen.append(handler.get_status())}
    await get(handler(lambda self: self.set_status(418)), settings=log)
    assert seen == [418]
