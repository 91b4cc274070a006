"""`tornado.httpclient` and the simple implementation, against raw servers."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest
import trio
from tornado.httpclient import (
    AsyncHTTPClient,
    HTTPClient,
    HTTPClientError,
    HTTPError,
    HTTPRequest,
    HTTPResponse,
)
from tornado.httputil import HTTPHeaders, HTTPOutputError
from tornado.ioloop import IOLoop
from tornado.iostream import UnsatisfiableReadError
from tornado.netutil import Resolver
from tornado.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
    _HTTPConnection,
)
from tornado.tcpclient import TCPClient
from tornado.websocket import websocket_connect

from tests.compat.raw_server import OK, run, serving
from tests.platforms import needs_unix_sockets


def client(**options: Any) -> SimpleAsyncHTTPClient:
    return SimpleAsyncHTTPClient(force_instance=True, **options)


# --- the wire ----------------------------------------------------------------------------


def test_requests_on_the_wire() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            host = f"127.0.0.1:{server.port}"
            await http.fetch(server.url("/a?b#c"))
            await http.fetch(server.url(), method="POST", body="a=b", headers={"X": "1"})
            await http.fetch(server.url(credentials="me:pw@"), decompress_response=False)
            http.close()
            get, post, plain = (request.decode() for request in server.requests)
            assert get == (
                f"GET /a?b HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Tornado/6.6.1\r\n"
                "Accept-Encoding: gzip\r\n\r\n"
            )
            first, _, rest = post.partition("\r\n")
            assert first == "POST / HTTP/1.1" and rest.endswith("\r\n\r\na=b")
            # As they were given; the h11 engine puts Host before them.
            assert rest.replace(f"Host: {host}\r\n", "") == (
                "X: 1\r\nUser-Agent: Tornado/6.6.1\r\n"
                "Content-Length: 3\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                "Accept-Encoding: gzip\r\n\r\na=b"
            )
            assert plain == (
                f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic bWU6cHc=\r\n"
                "User-Agent: Tornado/6.6.1\r\n\r\n"
            )

    run(main)


def test_connections_are_reused_and_closed_with_the_client() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            for _ in range(5):
                assert (await http.fetch(server.url())).body == b"ok"
            await asyncio.gather(*[http.fetch(server.url()) for _ in range(8)])
            assert server.connections <= 8 and len(server.requests) == 13
            assert http._engine.pool.statistics()["idle"] >= 1
            http.close()
            assert http._engine.pool.statistics()["idle"] == 0
            with pytest.raises(RuntimeError):
                http.fetch(server.url())

    run(main)


def test_what_is_under_way_survives_the_closing_of_the_client() -> None:
    """A handler that closes the shared client must not cost others their answers."""

    async def main() -> None:
        async with serving() as server:
            http = client(max_clients=1)
            begun = [http.fetch(server.url()), http.fetch(server.url("/queued"))]
            http.close()
            assert [(await answer).body for answer in begun] == [b"ok", b"ok"]
            assert len(server.requests) == 2
            assert http._engine.closed  # with the last answer
            assert http._engine.pool.statistics()["idle"] == 0

    run(main)


def test_a_redirect_of_a_closed_client_is_an_error_and_no_hang() -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
        async with serving(answer) as server:
            http = client()
            begun = http.fetch(server.url())
            http.close()
            with pytest.raises(RuntimeError, match="closed AsyncHTTPClient"):
                await begun
            assert http._engine.closed

    run(main)


def test_connection_close_is_honoured() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            for _ in range(3):
                await http.fetch(server.url(), headers={"Connection": "close"})
            assert server.connections == 3
            http.close()

    run(main)


def test_options_that_matter_for_connecting_part_connections() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            await http.fetch(server.url())
            await http.fetch(server.url(), network_interface="127.0.0.1")
            await http.fetch(server.url(), network_interface="127.0.0.1")
            assert server.connections == 2
            http.close()

    run(main)


def test_nothing_is_left_open_when_the_loop_ends() -> None:
    async def main() -> None:
        async with serving() as server:
            await AsyncHTTPClient().fetch(server.url())  # nobody closes it

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        run(main)
        gc.collect()
    assert [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)] == []


def test_redirects() -> None:
    def answer(request: bytes) -> bytes:
        if b" /end" in request:
            return OK
        status = b"307" if b"307" in request else b"302"
        return b"HTTP/1.1 " + status + b" Found\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        async with serving(answer) as server:
            http = client()
            response = await http.fetch(
                server.url("/302"), method="POST", body="abc", headers={"Content-Type": "a/b"}
            )
            assert response.effective_url == server.url("/end")
            assert response.request.method == "POST" and response.request.url.endswith("/302")
            assert server.requests[1].startswith(b"GET /end") and b"a/b" not in server.requests[1]

            async def producer(write: Any) -> None:
                await write(b"abc")

            await http.fetch(server.url("/307"), method="POST", body_producer=producer)
            assert server.requests[3].startswith(b"POST /end")
            assert server.requests[3].endswith(b"abc")
            with pytest.raises(HTTPError) as caught:
                await http.fetch(server.url("/302"), follow_redirects=False)
            assert caught.value.code == 302
            assert server.connections == 1
            http.close()

    run(main)


def test_expect_continue_is_waited_for_only_when_asked() -> None:
    async def main() -> None:
        async with serving() as server:  # it answers when it has the body
            http = client()
            expecting = {"method": "POST", "body": "abc", "headers": {"Expect": "100-continue"}}
            assert (await http.fetch(server.url(), **expecting)).body == b"ok"
            with pytest.raises(HTTPTimeoutError):
                await http.fetch(
                    server.url(), **expecting, expect_100_continue=True, request_timeout=0.1
                )
            http.close()

    run(main)


def test_digest_auth() -> None:
    def answer(request: bytes) -> bytes:
        if b"Authorization: Digest username" in request:
            return OK
        return (
            b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n'
            b"Content-Length: 0\r\n\r\n"
        )

    async def main() -> None:
        async with serving(answer) as server:
            http = client()
            auth = {"auth_username": "me", "auth_password": "pw", "auth_mode": "digest"}
            assert (await http.fetch(server.url(), **auth)).body == b"ok"
            with pytest.raises(ValueError, match="unsupported auth_mode"):
                await http.fetch(server.url(), **{**auth, "auth_mode": "x"})
            http.close()

    run(main)


def test_proxy() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port}
            await http.fetch("http://a.test/x", proxy_username="me", proxy_password="pw", **proxy)
            assert server.requests[0].startswith(b"GET http://a.test/x HTTP/1.1\r\n")
            assert b"Proxy-Authorization: Basic bWU6cHc=\r\n" in server.requests[0]
            http.close()

    run(main)


# --- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (b" ", HTTPStreamClosedError, "Stream closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", HTTPStreamClosedError, "Connection"),
        (b"garbage\r\n\r\n", HTTPStreamClosedError, "Connection closed"),
        (b"HTTP/1.1 101 Hm\r\n\r\n", HTTPStreamClosedError, "Connection closed"),
        # RFC 9112 6.3 has it end at its head, as it does natively; upstream's suite does not.
        (b"HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n", HTTPStreamClosedError, "Connection"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, UnsatisfiableReadError, "headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", HTTPStreamClosedError, "Conn"),
    ],
)
def test_broken_answers(answer: bytes, error: type[Exception], message: str) -> None:
    async def main() -> None:
        async with serving(answer, close=True) as server:
            http = client()
            with pytest.raises(error, match=message) as caught:
                await http.fetch(server.url())
            if isinstance(caught.value, HTTPError):
                assert caught.value.code == 599 and caught.value.response is None
            http.close()

    run(main)


@pytest.mark.parametrize(
    ("answer", "code", "body"),
    [
        (b"HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b""),
        (b"HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\nX: a\n b\nContent-Length: 2\n\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n",
            200,
            b"ok",
        ),
    ],
)
def test_odd_answers(answer: bytes, code: int, body: bytes) -> None:
    async def main() -> None:
        async with serving(answer, close=True) as server:
            http = client()
            response = await http.fetch(server.url())
            assert (response.code, response.body) == (code, body)
            assert response.headers.get("X") in (None, "a b")
            http.close()

    run(main)


def test_timeouts_name_their_phase() -> None:
    class Slow(Resolver):
        async def resolve(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(60)

    async def main() -> None:
        async with serving(lambda request: b"") as server:
            http = client(max_clients=1)
            with pytest.raises(HTTPTimeoutError, match="^Timeout during request$"):
                await http.fetch(server.url(), request_timeout=0.05)
            first = http.fetch(server.url(), request_timeout=1)
            with pytest.raises(HTTPTimeoutError, match="^Timeout in request queue$"):
                await http.fetch(server.url(), connect_timeout=0.05)
            first.cancel()
            http.close()
        http = client(resolver=Slow())
        with pytest.raises(HTTPTimeoutError, match="^Timeout while resolving a.test$"):
            await http.fetch("http://a.test/", connect_timeout=0.05)
        http.close()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            http = client()
            port = silent.getsockname()[1]
            url = f"https://127.0.0.1:{port}/"
            with pytest.raises(HTTPTimeoutError, match=f"TLS handshake with 127.0.0.1:{port}$"):
                await http.fetch(url, connect_timeout=0.05)
            http.close()

    run(main)


def test_refused_connections_raise_the_os_error() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        http = client()
        with pytest.raises(ConnectionRefusedError):
            await http.fetch(f"http://127.0.0.1:{port}/", raise_error=False)
        http.close()

    run(main)


def test_bodies_of_the_wrong_length() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()

            def producer(write: Any) -> None:
                write(b"abcd")

            for length in ("3", "9"):
                with pytest.raises(HTTPOutputError):
                    await http.fetch(
                        server.url(),
                        method="POST",
                        body_producer=producer,
                        headers={"Content-Length": length},
                    )
            for headers in ({"a": "b\r\nc: d"}, {"a\n": "b"}):
                with pytest.raises(ValueError):
                    await http.fetch(server.url(), headers=headers)
            assert http._engine.pool.statistics()["in_use"] == 0
            http.close()

    run(main)


def test_cancelling_does_not_disturb_others() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            future = http.fetch(server.url())
            future.cancel()
            assert (await http.fetch(server.url())).body == b"ok"
            http.close()

    run(main)


# --- clients -----------------------------------------------------------------------------


def test_one_client_per_loop_and_class() -> None:
    async def main() -> AsyncHTTPClient:
        one = AsyncHTTPClient()
        assert one is AsyncHTTPClient() and isinstance(one, SimpleAsyncHTTPClient)
        assert one is not SimpleAsyncHTTPClient()
        # What comes first is `force_instance` today, also if it is a loop.
        assert SimpleAsyncHTTPClient(IOLoop.current()) is not SimpleAsyncHTTPClient()
        forced = AsyncHTTPClient(force_instance=True, max_clients=3)
        assert forced is not one and forced.max_clients == 3
        forced.close()
        one.close()
        assert AsyncHTTPClient() is not one
        return one

    assert asyncio.run(main()) is not asyncio.run(main())


def test_connection_class_can_be_replaced() -> None:
    seen: list[str] = []

    class Connection(_HTTPConnection):
        def headers_received(self, first_line: Any, headers: HTTPHeaders) -> Any:
            seen.append(first_line.reason)
            return super().headers_received(first_line, headers)

        def data_received(self, chunk: bytes) -> Any:
            return super().data_received(chunk.upper())

    class Mine(SimpleAsyncHTTPClient):
        def _connection_class(self) -> type:
            return Connection

    async def main() -> None:
        async with serving() as server:
            http = Mine(force_instance=True)
            assert (await http.fetch(server.url())).body == b"OK" and seen == ["OK"]
            http.close()

    run(main)


def test_fetch_impl_can_be_replaced() -> None:
    class Fake(AsyncHTTPClient):
        def fetch_impl(self, request: Any, callback: Any) -> None:
            callback(HTTPResponse(request, 418))

    async def main() -> None:
        http = Fake(force_instance=True)
        with pytest.raises(HTTPError, match="418"):
            await http.fetch("http://a.test/")
        assert (await http.fetch("http://a.test/", raise_error=False)).code == 418
        with pytest.raises(ValueError):
            http.fetch(HTTPRequest("http://a.test/"), method="GET")
        http.close()

    run(main)


@needs_unix_sockets
def test_unix_sockets_by_a_resolver(tmp_path: Any) -> None:
    path = str(tmp_path / "s")

    class Unix(Resolver):
        async def resolve(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
            return [(socket.AF_UNIX, path)]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_unix_server(handle, path)
        http = client(resolver=Unix())
        assert (await http.fetch("http://docker/")).body == b"ok"
        http.close()
        server.close()

    run(main)


def test_a_tcp_client_of_the_program() -> None:
    class Redirecting(TCPClient):
        async def connect(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
            assert (host, port) == ("a.test", 80)
            return await super().connect("127.0.0.1", server_port)

    server_port = 0

    async def main() -> None:
        nonlocal server_port
        async with serving() as server:
            server_port = server.port
            http = client()
            http.tcp_client = Redirecting()
            for _ in range(2):
                assert (await http.fetch("http://a.test/")).body == b"ok"
            assert server.connections == 1
            http.close()

    run(main)


def test_old_callbacks() -> None:
    async def main() -> None:
        def answer(request: bytes) -> bytes | None:
            if b" /404" in request:
                return OK.replace(b"200", b"404")
            return OK if b" /ok" in request else None

        async with serving(answer) as server:
            http = client()
            loop = asyncio.get_running_loop()
            for path, code in (("/ok", 200), ("/gone", 599)):
                for positional in (True, False):
                    done: asyncio.Future[HTTPResponse] = loop.create_future()
                    if positional:
                        http.fetch(server.url(path), done.set_result)  # type: ignore[arg-type]
                    else:
                        http.fetch(server.url(path), callback=done.set_result)
                    response = await done
                    assert response.code == code
                    assert (response.error is None) == (code == 200)
            done = loop.create_future()
            response = await http.fetch(server.url("/404"), done.set_result, False)  # type: ignore[arg-type]
            assert response.code == 404 and (await done).code == 404
            assert (await http.fetch(server.url("/404"), None, False)).code == 404  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                http.fetch(server.url("/"), None, False, 1)  # type: ignore[arg-type]
            http.close()

    run(main)


def test_streaming_callback_may_be_a_coroutine_of_trio() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            chunks: list[bytes] = []

            async def streaming(chunk: bytes) -> None:
                await trio.sleep(0.01)
                await asyncio.sleep(0.01)
                chunks.append(chunk)

            response = await http.fetch(server.url(), streaming_callback=streaming)
            assert chunks == [b"ok"] and response.body == b"" and response.buffer is not None
            http.close()

    run(main)


def test_in_a_plain_trio_run() -> None:
    from tornado.platform.trio import open_loop

    ready = threading.Event()
    port = 0

    def serve_once() -> None:
        nonlocal port
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            ready.set()
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(OK)

    thread = threading.Thread(target=serve_once)
    thread.start()
    ready.wait()

    async def main() -> None:
        with trio.fail_after(10):
            async with open_loop():
                http = client()
                response = await http.fetch(f"http://127.0.0.1:{port}/")
                assert response.body == b"ok"
                http.close()

    trio.run(main)
    thread.join()


def test_the_blocking_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                for answer in (OK, OK.replace(b"200", b"404")):
                    peer.recv(65536)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        http = HTTPClient()
        assert http.fetch(f"http://127.0.0.1:{port}/").body == b"ok"
        with pytest.raises(HTTPError) as caught:
            http.fetch(f"http://127.0.0.1:{port}/")
        assert caught.value.code == 404
        http.close()
        http.close()
        thread.join()


def test_the_command_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(OK)

        thread = threading.Thread(target=serve)
        thread.start()
        command = [sys.executable, "-m", "compat", "-m", "tornado.httpclient", "--print_headers"]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=30
        )
        thread.join()
    assert done.returncode == 0, done.stderr
    assert "Content-Length: 2" in done.stdout and done.stdout.rstrip().endswith("ok")


def test_errors_and_responses_as_values() -> None:
    assert HTTPError is HTTPClientError
    error = HTTPTimeoutError("Timeout in request queue")
    assert error.code == 599 and str(error) == "Timeout in request queue"
    assert type(error).__module__ == "tornado.simple_httpclient"
    assert str(HTTPError(404)) == repr(HTTPError(404)) == "HTTP 404: Not Found"
    assert HTTPError(599).message == "Unknown"
    response = HTTPResponse(HTTPRequest("http://a.test"), 200)
    assert response.body == b"" and response.effective_url == "http://a.test"
    response.rethrow()
    assert repr(response).startswith("HTTPResponse(_body=")
    assert HTTPRequest("x", use_gzip=True).decompress_response is True
    assert HTTPRequest("x", use_gzip=True, decompress_response=False).decompress_response is False


def test_a_post_without_a_body_has_a_length() -> None:
    async def main() -> None:
        async with serving() as server:
            http = client()
            for method, headers in (
                ("POST", {}),
                ("PUT", {"Content-Length": "0"}),
                ("PATCH", {"Transfer-Encoding": "chunked"}),
                ("DELETE", {}),
            ):
                await http.fetch(
                    server.url(), method=method, headers=headers, allow_nonstandard_methods=True
                )
            http.close()
            lengths = [request.count(b"Content-Length: 0\r\n") for request in server.requests]
            assert lengths == [1, 1, 1, 0]
            assert not any(b"Transfer-Encoding" in request for request in server.requests)

    run(main)


def test_a_server_that_leaves_during_the_handshake_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async def leave(reader: Any, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.close()

        listening = await asyncio.start_server(leave, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        http = client()
        with pytest.raises(OSError):
            await http.fetch(f"https://127.0.0.1:{port}/")
        http.close()
        listening.close()
        await listening.wait_closed()

    run(main)
    assert not [record for record in caplog.records if record.name.startswith("tornado")]


@pytest.mark.parametrize("curl", [False, True])
def test_a_url_of_bytes(curl: bool) -> None:
    moved = b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: /caf\xc3\xa9\r\n\r\n"

    async def main() -> None:
        http: Any
        if curl:
            pytest.importorskip("pycurl")
            from tornado.curl_httpclient import CurlAsyncHTTPClient

            http = CurlAsyncHTTPClient(force_instance=True)
        else:
            http = client()
        answers = [OK, OK, moved, OK]
        async with serving(lambda request: answers.pop(0)) as server:
            url = server.url().encode()
            assert (await http.fetch(url)).code == 200
            request = HTTPRequest(url.replace(b"//", b"//user:pw@"))
            response = await http.fetch(request)
            assert response.code == 200 and "pw@" not in repr(response)
            assert b"authorization: basic" in server.requests[1].lower()
            response = await http.fetch(url)
            assert response.effective_url.endswith("/caf%C3%A9")
            assert server.requests[3].startswith(b"GET /caf%C3%A9 ")
        http.close()

    run(main)


def test_names_that_idna_refuses() -> None:
    async def main() -> None:
        http = client()
        for host in ("a..b", "a" * 70):
            with pytest.raises((UnicodeError, socket.gaierror)):
                await http.fetch(f"http://{host}/")
            with pytest.raises((UnicodeError, socket.gaierror)):
                await websocket_connect(f"ws://{host}/")
        http.close()

    run(main)


def test_messages_show_no_password() -> None:
    async def main() -> None:
        http = client()
        for url in ("ftp://me:sesame@a.test/", "http://me:sesame@a.test:x/", "me:sesame@a.test"):
            with pytest.raises(ValueError) as caught:
                await http.fetch(url)
            assert "sesame" not in str(caught.value)
        http.close()

    run(main)
