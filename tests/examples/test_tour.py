"""The tour of RequestHandler: each method that the example's handlers use, over the wire.

The methods and attributes, by test:

    arguments   get_argument(s), get_query_argument(s), get_body_argument(s), MissingArgumentError
    request     method uri path query version headers body remote_ip protocol host arguments
                query_arguments body_arguments files cookies full_url request_time
                get_ssl_certificate connection
    output      clear set_status set_header add_header clear_header write finish,
                set_default_headers, format_timestamp
    chunks      flush, awaited and yielded
    templates   render render_string get_template_namespace static_url
    cookies     get_cookie set_cookie clear_cookie clear_all_cookies, cookies,
                set_secure_cookie get_secure_cookie
    locale      get_user_locale, the browser's, locale
    redirects   redirect (302, 301, 303), reverse_url
    errors      HTTPError send_error write_error Finish
    methods     initialize prepare get head post delete patch put options on_finish
    leaving     on_connection_close
    files       StaticFileHandler, RedirectHandler (test_routes)
"""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import json
import socket
from typing import Any

import pytest
from tornado import gen, httputil
from tornado.httpclient import HTTPResponse
from tornado.testing import AsyncHTTPTestCase, ExpectLog, gen_test

from .programs import load


class TestTour(AsyncHTTPTestCase):
    def get_app(self) -> Any:
        self.diary: list[str] = []
        return load("tour/tour.py").make_app(self.diary)

    def json(self, path: str, **kwargs: Any) -> Any:
        return json.loads(self.fetch(path, **kwargs).body)

    def test_arguments(self) -> None:
        got = self.json(
            "/arguments?a=1&a=%20two%20&b=query", method="POST", body="a=three&b=%C3%BC&b=last"
        )
        assert got == {
            "argument": "three",
            "arguments": ["1", "two", "three"],
            "query": "two",
            "queries": ["1", " two "],
            "body": "last",
            "bodies": ["ü", "last"],
        }
        got = self.json("/arguments?a=1")
        assert (got["argument"], got["body"], got["bodies"]) == ("1", "none given", [])
        with ExpectLog("tornado.general", "400 GET /arguments.*Missing argument a"):
            assert self.fetch("/arguments").code == 400

    def test_request(self) -> None:
        body = (
            b'--x\r\nContent-Disposition: form-data; name="up"; filename="f.txt"\r\n'
            b"Content-Type: text/plain\r\n\r\nhello\r\n--x\r\n"
            b'Content-Disposition: form-data; name="field"\r\n\r\nvalue\r\n--x--\r\n'
        )
        headers = {
            "Content-Type": "multipart/form-data; boundary=x",
            "Cookie": "one=1; two=2",
            "User-Agent": "tour",
        }
        got = self.json("/request?type=1&page=1", method="POST", body=body, headers=headers)
        host = f"127.0.0.1:{self.get_http_port()}"
        assert got == {
            "method": "POST",
            "uri": "/request?type=1&page=1",
            "path": "/request",
            "query": "type=1&page=1",
            "version": "HTTP/1.1",
            "agent": "tour",
            "body": body.decode(),
            "remote_ip": "127.0.0.1",
            "protocol": "http",
            "host": host,
            "arguments": {"type": 1, "page": 1, "field": 1},
            "query_arguments": ["page", "type"],
            "body_arguments": ["field"],
            "files": {"up": [["f.txt", "text/plain", 5]]},
            "cookies": {"one": "1", "two": "2"},
            "full_url": f"http://{host}/request?type=1&page=1",
            "request_time": True,
            "certificate": None,
            "connection": True,
        }

    def test_output(self) -> None:
        response = self.fetch("/output")
        assert (response.code, response.reason) == (202, "Accepted for the tour")
        assert response.body == b"text, bytes, the end"
        assert response.headers.get_list("X-One") == ["1"]
        assert response.headers.get_list("X-Many") == ["first", "second"]
        assert "X-Gone" not in response.headers
        assert response.headers["X-Tour"] == "Tornado"
        assert response.headers["Last-Modified"] == "Sun, 27 Jan 2013 18:43:20 GMT"

    def test_chunks(self) -> None:
        pieces: list[bytes] = []
        response = self.fetch("/chunks?chunks=3", streaming_callback=pieces.append)
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert b"".join(pieces) == b"chunk 0\nchunk 1\nchunk 2\n"
        assert self.fetch("/interleaved").body == b"2 to go\n1 to go\n0 to go\n"

    def test_templates(self) -> None:
        page = self.fetch("/template").body.decode()
        assert '<link rel="stylesheet" href="/static/tour.css?v=' in page
        assert "<p>Hello &lt;you&gt; from the tour, GET &amp;lt;b&amp;gt;</p>" in page
        assert "<i>0</i><hr><i>2</i>" in page
        assert '<a href="/output">' in page
        assert "set a+b [1]" in page
        assert "Nobody" not in page
        assert self.fetch("/template?twice=1").body.count(b"<p>Part from") == 2

    def cookies(self, response: HTTPResponse) -> dict[str, str]:
        lines = response.headers.get_list("Set-Cookie")
        return {line.partition("=")[0]: line.partition("=")[2] for line in lines}

    def test_cookies(self) -> None:
        response = self.fetch("/cookies")
        assert response.body == b"Your cookie was not set yet!"
        cookies = self.cookies(response)
        assert cookies["mycookie"] == "myvalue; HttpOnly; Path=/cookies"
        assert "expires=" in cookies["week"]
        sent = {"Cookie": "mycookie=myvalue; week=seven"}
        assert self.fetch("/cookies", headers=sent).body == b"Your cookie was set!"
        response = self.fetch("/cookies", method="DELETE", headers=sent)
        assert response.body == b"mycookie, week"
        assert self.cookies(response)["mycookie"].startswith('""; expires=')
        response = self.fetch("/cookies?all=1", method="DELETE", headers=sent)
        assert sorted(self.cookies(response)) == ["mycookie", "week"]

    def test_signed_cookies(self) -> None:
        response = self.fetch("/signed")
        assert response.body == b"visit 1"
        value = self.cookies(response)["visits"].partition(";")[0]
        response = self.fetch("/signed", headers={"Cookie": f"visits={value}"})
        assert response.body == b"visit 2"
        # Whoever changes it gets nothing out of it.
        forged = value.replace("MQ==", "OQ==")
        assert forged != value
        with ExpectLog("tornado.general", ".*", required=False):
            response = self.fetch("/signed", headers={"Cookie": f"visits={forged}"})
        assert response.body == b"visit 1"

    def test_locale(self) -> None:
        german = self.fetch("/locale", headers={"Accept-Language": "de-DE,en;q=0.5"})
        assert german.body.decode().startswith("Hallo, Ann; 2 Geschichten; ")
        assert self.fetch("/locale?locale=de_DE&count=1").body.startswith(b"Hallo, Ann; 1 Gesch")
        english = self.fetch("/locale?locale=en_US&count=1")
        assert english.body == b"Hello, Ann; 1 story; 1,234,567"

    def test_redirects(self) -> None:
        for how, code, location in [
            ("temporary", 302, "/output"),
            ("permanent", 301, "/output"),
            ("see-other", 303, "output"),
        ]:
            response = self.fetch(f"/redirect/{how}", follow_redirects=False)
            assert response.code == code
            assert response.headers["Location"].endswith(location)
        assert self.fetch("/redirect/temporary").code == 202

    def test_errors(self) -> None:
        for how, code, body in [
            ("raise", 403, {"error": 403, "reason": "Not for you"}),
            ("send", 409, {"error": 409, "reason": "Try again"}),
            ("missing", 400, {"error": 400, "reason": "Bad Request"}),
        ]:
            with ExpectLog("tornado.general", ".*", required=False):
                response = self.fetch(f"/error/{how}")
            assert (response.code, json.loads(response.body)) == (code, body)
        response = self.fetch("/error/finish")
        assert (response.code, response.body) == (418, b"no more")
        with ExpectLog("tornado.application", "Uncaught exception GET /error/other"):
            response = self.fetch("/error/other")
        assert json.loads(response.body) == {"error": 500, "reason": "Internal Server Error"}
        response = self.fetch("/nowhere")
        assert response.code == 404 and b"404: Not Found" in response.body

    def test_methods(self) -> None:
        assert self.fetch("/methods").body == b"get"
        assert self.diary == ["initialize", "prepare", "get", "on_finish"]
        self.diary.clear()
        assert self.fetch("/methods", method="HEAD").body == b""
        assert self.diary == ["initialize", "prepare", "head", "on_finish"]
        for method in ("POST", "PUT", "PATCH"):
            assert self.fetch("/methods", method=method, body="").body == method.lower().encode()
        assert self.fetch("/methods", method="DELETE").body == b"delete"
        response = self.fetch("/methods", method="OPTIONS")
        assert (response.code, response.body) == (204, b"")
        assert response.headers["Allow"].startswith("GET, HEAD")
        response = self.fetch("/output", method="DELETE")
        assert response.code == 405

    @gen_test
    async def test_leaving(self) -> None:
        """A program that said nothing else runs on when its client goes; it is told."""
        with socket.create_connection(("127.0.0.1", self.get_http_port())) as client:
            client.sendall(b"GET /patience HTTP/1.1\r\nHost: a\r\n\r\n")
            while "begun" not in self.diary:
                await gen.sleep(0.005)
        while "client gone" not in self.diary:
            await gen.sleep(0.005)

    def test_files(self) -> None:
        response = self.fetch("/files/tour.css")
        assert response.headers["Content-Type"] == "text/css"
        etag = response.headers["Etag"]
        assert self.fetch("/files/tour.css", headers={"If-None-Match": etag}).code == 304
        response = self.fetch("/files/tour.css", headers={"Range": "bytes=0-2"})
        assert (response.code, response.body) == (206, b"p {")
        assert b"index of the files" in self.fetch("/files/").body
        for path in ("/files/../tour.py", "/files/%2e%2e/tour.py", "/static/../tour.py"):
            with ExpectLog("tornado.general", ".*", required=False):
                assert self.fetch(path).code in (403, 404), path


# --- httputil, as the tables show it ---------------------------------------------------------


def test_url_concat() -> None:
    assert httputil.url_concat("http://a/?x=1", {"y": "2 3"}) == "http://a/?x=1&y=2+3"
    assert httputil.url_concat("http://a/", [("y", "1"), ("y", "2")]) == "http://a/?y=1&y=2"


def test_timestamps_and_start_lines() -> None:
    assert httputil.format_timestamp(1359312200) == "Sun, 27 Jan 2013 18:43:20 GMT"
    line = httputil.parse_request_start_line("GET /foo HTTP/1.1")
    assert str(line) == "RequestStartLine(method='GET', path='/foo', version='HTTP/1.1')"
    status = httputil.parse_response_start_line("HTTP/1.1 200 OK")
    assert str(status) == "ResponseStartLine(version='HTTP/1.1', code=200, reason='OK')"
    with pytest.raises(httputil.HTTPInputError):
        httputil.parse_request_start_line("GET /foo")
