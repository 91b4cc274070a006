"""Methods of `HTTP1Connection` and `HTTP1ServerConnection` that programs override."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tornado import http1connection, httputil, web
from tornado.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError

from .test_http1connection import Recorder, Server, in_loop, pair

CHUNKS = b"4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n"


def head(fields: bytes, method: bytes = b"POST") -> bytes:
    return method + b" /path HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"


BODIES = {
    "none": (head(b"", b"GET"), b""),
    "fixed": (head(b"Content-Length: 9\r\n") + b"wikipedia", b"wikipedia"),
    "chunked": (head(b"Transfer-Encoding: chunked\r\n") + CHUNKS, b"wikipedia"),
}


class Noting(HTTP1Connection):
    """Notes which of its methods are called, and with what."""

    calls: list[Any]

    def _read_message(self, delegate: Any) -> Any:
        self.calls = ["_read_message"]
        return super()._read_message(delegate)

    def _parse_headers(self, data: bytes) -> Any:
        self.calls.append(("_parse_headers", data[:5]))
        return super()._parse_headers(data)

    def _can_keep_alive(self, start_line: Any, headers: Any) -> bool:
        self.calls.append(("_can_keep_alive", start_line.method))
        return super()._can_keep_alive(start_line, headers)

    def _read_body(self, code: int, headers: Any, delegate: Any) -> Any:
        self.calls.append(("_read_body", code, sorted(headers)))
        return super()._read_body(code, headers, delegate)

    async def _read_fixed_body(self, content_length: int, delegate: Any) -> None:
        self.calls.append(("_read_fixed_body", content_length))
        await super()._read_fixed_body(content_length, delegate)

    async def _read_chunked_body(self, delegate: Any) -> None:
        self.calls.append("_read_chunked_body")
        await super()._read_chunked_body(delegate)


@pytest.mark.parametrize("kind", list(BODIES))
def test_they_are_called_in_order(kind: str) -> None:
    async def main() -> None:
        ours, theirs = pair()
        sent, body = BODIES[kind]
        connection = Noting(theirs, False)
        delegate = Recorder()
        reading = connection.read_response(delegate)
        await ours.write(sent + b"GET / HTTP/1.1\r\n")  # and the beginning of another
        while "finish" not in delegate.events:  # noqa: ASYNC110 - a turn or two
            await asyncio.sleep(0)
        field = {"none": [], "fixed": ["Content-Length"], "chunked": ["Transfer-Encoding"]}[kind]
        method = "GET" if kind == "none" else "POST"
        expected = [
            "_read_message",
            ("_parse_headers", sent[:5]),
            ("_can_keep_alive", method),
            ("_read_body", 0, sorted(["Host", *field])),
        ]
        expected += {"none": [], "fixed": [("_read_fixed_body", 9)]}.get(
            kind, ["_read_chunked_body"]
        )
        assert connection.calls == expected
        assert b"".join(each for each in delegate.events if isinstance(each, bytes)) == body
        assert connection._request_start_line.path == "/path"
        assert connection._request_headers["Host"] == "a"
        connection.write_headers(
            httputil.ResponseStartLine("HTTP/1.1", 204, "No Content"), httputil.HTTPHeaders()
        )
        connection.finish()
        assert await reading is True
        assert await theirs.read_bytes(16) == b"GET / HTTP/1.1\r\n"
        ours.close()
        theirs.close()

    in_loop(main)


def test_a_dialect_of_heads() -> None:
    """What `_parse_headers` returns is what the connection goes by."""

    class Dialect(HTTP1Connection):
        def _parse_headers(self, data: bytes) -> Any:
            return super()._parse_headers(data.replace(b"FETCH ", b"GET ").replace(b" = ", b": "))

    async def main() -> None:
        ours, theirs = pair()
        delegate = Recorder()
        reading = Dialect(theirs, False).read_response(delegate)
        await ours.write(b"FETCH /path HTTP/1.1\r\nHost = a\r\nX-Field = value\r\n\r\n")
        while "finish" not in delegate.events:  # noqa: ASYNC110 - a turn or two
            await asyncio.sleep(0)
        assert delegate.events[0] == ("GET", "/path", "HTTP/1.1")
        assert delegate.headers["X-Field"] == "value"
        ours.close()
        await reading

    in_loop(main)


def test_what_it_returns_is_checked() -> None:
    """An override is no way around what makes a message safe to read."""

    class Wrong(HTTP1Connection):
        def _parse_headers(self, data: bytes) -> Any:
            first, headers = super()._parse_headers(data)
            headers["Transfer-Encoding"] = "chunked"
            headers["Content-Length"] = "5"
            return first, headers

    async def main() -> None:
        ours, theirs = pair()
        delegate = Recorder()
        reading = Wrong(theirs, False).read_response(delegate)
        await ours.write(head(b""))
        assert (await ours.read_until_close()).startswith(b"HTTP/1.1 400 ")
        assert await reading is False
        assert delegate.events == []

    in_loop(main)


@pytest.mark.parametrize("answer", [True, False])
def test_keeping_alive(answer: bool) -> None:
    class Decided(HTTP1Connection):
        def _can_keep_alive(self, start_line: Any, headers: Any) -> bool:
            return answer

    async def main() -> None:
        ours, theirs = pair()
        connection = Decided(theirs, False)
        reading = connection.read_response(Recorder())
        await ours.write(b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(0.01)
        line = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
        connection.write_headers(line, httputil.HTTPHeaders({"Content-Length": "0"}))
        connection.finish()
        assert await reading is answer
        theirs.close()
        ours.close()

    in_loop(main)


class Uploads(HTTP1Connection):
    """Writes the bodies of some paths to disk, straight from the stream."""

    folder: Path

    def _read_body(self, code: int, headers: Any, delegate: Any) -> Any:
        if not self._request_start_line.path.startswith("/upload/"):
            return super()._read_body(code, headers, delegate)
        return self._to_disk(int(headers["Content-Length"]))

    async def _to_disk(self, size: int) -> None:
        name = self._request_start_line.path.removeprefix("/upload/")
        with (self.folder / name).open("wb") as file:
            while size:
                data = await self.stream.read_bytes(min(size, 1000), partial=True)
                file.write(data)
                size -= len(data)


def test_a_body_read_from_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose connections are a program's own; several requests on one of them."""
    monkeypatch.setattr(Uploads, "folder", tmp_path, raising=False)
    monkeypatch.setattr(http1connection, "HTTP1Connection", Uploads)

    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        serving = HTTP1ServerConnection(theirs, HTTP1ConnectionParameters(chunk_size=1000))
        serving.start_serving(server)
        body = bytes(range(256)) * 40
        for number in range(3):
            fields = b"Host: a\r\nContent-Length: %d\r\n\r\n" % len(body)
            await ours.write(b"PUT /upload/%d HTTP/1.1\r\n" % number + fields + body)
            answer = await ours.read_until(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK") and b"Content-Length: 0" in answer
            assert (tmp_path / str(number)).read_bytes() == body
            await ours.write(head(b"Content-Length: 4\r\n") + b"body")
            await ours.read_until(b"\r\n\r\n")
            assert await ours.read_bytes(4) == b"body"
        ours.close()
        await serving.close()

    in_loop(main)


class Bounds(HTTP1Connection):
    """OctoPrint's way: a larger bound for the path that takes uploads."""

    def _read_body(self, code: int, headers: Any, delegate: Any) -> Any:
        length = int(headers.get("Content-Length", 0))
        if self._request_start_line.path == "/upload" and length <= 1000:
            return self._read_fixed_body(length, delegate)
        return super()._read_body(code, headers, delegate)


@pytest.mark.parametrize(
    ("path", "size", "taken"),
    [("/upload", 1000, True), ("/upload", 1001, False), ("/a", 10, True), ("/a", 11, False)],
)
def test_an_override_has_bounds_of_its_own(path: str, size: int, taken: bool) -> None:
    async def main() -> None:
        ours, theirs = pair()
        delegate = Recorder()
        connection = Bounds(theirs, False, HTTP1ConnectionParameters(max_body_size=10))
        reading = asyncio.ensure_future(connection.read_response(delegate))
        fields = b"Host: a\r\nContent-Length: %d\r\n\r\n" % size
        await ours.write(b"POST %s HTTP/1.1\r\n" % path.encode() + fields + b"x" * size)
        if taken:
            while "finish" not in delegate.events:  # noqa: ASYNC110 - a turn or two
                await asyncio.sleep(0)
            assert b"".join(e for e in delegate.events if isinstance(e, bytes)) == b"x" * size
            connection.close()
        else:
            assert await ours.read_until_close() == b"HTTP/1.1 400 Bad Request\r\n\r\n"
        assert await reading is False
        ours.close()

    in_loop(main)


@pytest.mark.parametrize(("own", "size", "taken"), [(1000, 1000, True), (1000, 1001, False)])
def test_a_client_s_override_has_bounds_of_its_own(own: int, size: int, taken: bool) -> None:
    class Download(HTTP1Connection):
        def _read_body(self, code: int, headers: Any, delegate: Any) -> Any:
            length = int(headers["Content-Length"])
            if code == 200 and length <= own:
                return self._read_fixed_body(length, delegate)
            return super()._read_body(code, headers, delegate)

    async def main() -> None:
        ours, theirs = pair()
        delegate = Recorder()
        connection = Download(ours, True, HTTP1ConnectionParameters(max_body_size=10))
        await theirs.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        assert await connection.read_response(delegate) is taken
        body = b"".join(e for e in delegate.events if isinstance(e, bytes))
        assert body == (b"x" * size if taken else b"")
        assert ("finish" in delegate.events) is taken
        for end in (ours, theirs):
            end.close()

    in_loop(main)


def test_a_client_s_bound_may_be_set_when_the_head_is_known() -> None:
    """As on the server's side: `set_max_body_size` in `headers_received`."""

    class Larger(Recorder):
        connection: HTTP1Connection

        def headers_received(self, start_line: Any, headers: Any) -> None:
            self.connection.set_max_body_size(int(headers["Content-Length"]))

    async def main() -> None:
        ours, theirs = pair()
        delegate = Larger()
        params = HTTP1ConnectionParameters(max_body_size=10)
        connection = delegate.connection = HTTP1Connection(ours, True, params)
        await theirs.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"x" * 20)
        assert await connection.read_response(delegate) is True
        assert delegate.events == [b"x" * 20, "finish"]
        for end in (ours, theirs):
            end.close()

    in_loop(main)


def test_a_method_put_in_place_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a native connection would do: the program's method is called, then."""
    asked: list[Any] = []

    def once(self: Any, start_line: Any, headers: Any) -> bool:
        asked.append(start_line.path)
        return False

    monkeypatch.setattr(HTTP1Connection, "_can_keep_alive", once)

    async def main() -> None:
        ours, theirs = pair()
        HTTP1ServerConnection(theirs).start_serving(Server())
        await ours.write(head(b"", b"GET") * 2)
        assert (await ours.read_until_close()).count(b"HTTP/1.1 200 OK") == 1

    in_loop(main)
    assert asked == ["/path"]


def test_a_loop_of_requests_around_ours() -> None:
    """An override of `_server_request_loop` that lets ours do the work."""
    events: list[Any] = []

    class Around(HTTP1ServerConnection):
        async def _server_request_loop(self, delegate: Any) -> None:
            events.append("begin")
            try:
                await super()._server_request_loop(delegate)
            finally:
                events.append("end")

    async def main() -> None:
        ours, theirs = pair()
        server = Server()
        serving = Around(theirs)
        serving.start_serving(server)
        for _ in range(2):
            await ours.write(head(b"", b"GET"))
            assert (await ours.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        assert events == ["begin"]
        assert all(each.connection.server_connection is serving for each in server.requests)
        ours.close()
        await serving._serving  # type: ignore[misc]
        assert events == ["begin", "end"]
        assert server.closed == [serving]

    in_loop(main)


def test_limits_by_path() -> None:
    """`set_max_body_size` as a body's bound, in an override of `_read_body`."""

    class Bounded(HTTP1Connection):
        def _read_body(self, code: int, headers: Any, delegate: Any) -> Any:
            limit = 10 if self._request_start_line.path == "/small" else 1000
            if int(headers.get("Content-Length", 0)) > limit:
                raise httputil.HTTPInputError("too large for this path")
            return super()._read_body(code, headers, delegate)

    async def one(path: bytes) -> tuple[list[Any], bytes]:
        ours, theirs = pair()
        delegate = Recorder()
        reading = Bounded(theirs, False).read_response(delegate)
        fields = b"Host: a\r\nContent-Length: 20\r\n\r\n"
        await ours.write(b"POST " + path + b" HTTP/1.1\r\n" + fields + bytes(20))
        await asyncio.sleep(0.01)
        got = b""
        try:
            got = await asyncio.wait_for(ours.read_bytes(12), 0.05)
        except (TimeoutError, StreamClosedError):
            pass  # no answer of the connection's own
        ours.close()
        await reading
        return delegate.events, got

    async def main() -> None:
        events, got = await one(b"/small")
        assert events[-1] == "close" and got == b"HTTP/1.1 400"
        events, got = await one(b"/large")
        assert events[1:] == [bytes(20), "finish"] and got == b""

    in_loop(main)


def test_another_protocol_that_begins_as_http1() -> None:
    """`_server_request_loop` is the task of the connection: an override has the stream."""

    class Preface(HTTP1ServerConnection):
        async def _server_request_loop(self, delegate: Any) -> None:
            if await self.stream.read_bytes(3) == b"PRI":
                await self.stream.write(b"another protocol")
                self.stream.close()
                delegate.on_close(self)
                return
            raise AssertionError

    class Own(HTTPServer):
        def handle_stream(self, stream: Any, address: Any) -> None:
            connection = Preface(stream, self.conn_params, None)
            connection.start_serving(self)

    async def main() -> None:
        ours, theirs = pair()
        server = Own(web.Application([]))
        server.handle_stream(theirs, ("127.0.0.1", 1))
        await ours.write(b"PRI * HTTP/2.0\r\n\r\n")
        assert await ours.read_until_close() == b"another protocol"

    in_loop(main)


@pytest.mark.parametrize("how", ["fixed", "chunked", "until close"])
def test_responses(how: str) -> None:
    calls: list[Any] = []

    class Client(HTTP1Connection):
        def _read_body(self, code: int, headers: Any, delegate: Any) -> Any:
            calls.append(code)
            return super()._read_body(code, headers, delegate)

        async def _read_body_until_close(self, delegate: Any) -> None:
            calls.append("until close")
            await super()._read_body_until_close(delegate)

    async def main() -> None:
        ours, theirs = pair()
        client = Client(ours, True)
        line = httputil.RequestStartLine("GET", "/", "HTTP/1.1")
        await client.write_headers(line, httputil.HTTPHeaders({"Host": "a"}))
        client.finish()
        answer = Recorder()
        reading = client.read_response(answer)
        rest = {
            "fixed": b"Content-Length: 9\r\n\r\nwikipedia",
            "chunked": b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
            "until close": b"\r\nwikipedia",
        }[how]
        await theirs.write(b"HTTP/1.1 200 OK\r\n" + rest)
        if how == "until close":
            theirs.close()
        assert await reading is (how != "until close")
        assert b"".join(each for each in answer.events if isinstance(each, bytes)) == b"wikipedia"
        assert calls == ([200, "until close"] if how == "until close" else [200])
        assert client._response_start_line.code == 200
        ours.close()
        theirs.close()

    in_loop(main)
