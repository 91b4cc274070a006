"""The client as programs use it: calls, bodies, redirects, cookies, credentials, pooling."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from tornado_trio.client import (
    BasicAuth,
    BodyTooLarge,
    Client,
    ClientClosed,
    ClientLimits,
    CookieJar,
    DigestAuth,
    InvalidRequest,
    Policy,
    QueueFull,
    TooManyRedirects,
)
from tornado_trio.wire.headers import HTTPHeaders

from .servers import OK, Peer, answer, answering, client_for, serving


def redirect(location: str, status: int = 302) -> bytes:
    return answer(b"moved", f"{status} Found", f"Location: {location}")


async def test_get_and_reuse() -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        for _ in range(3):
            response = await client.get("http://a.test/x?y")
            assert (response.status, response.reason, response.body) == (200, "OK", b"ok")
            assert response.text == "ok" and response.ok and response.url == "http://a.test/x?y"
        assert len(server.peers) == 1
        assert server.heads[0].startswith(b"GET /x?y HTTP/1.1\r\nHost: a.test\r\nUser-Agent:")
        assert client.statistics()["reused"] == 2
        assert "idle=1" in repr(client) and "200" in repr(response)


async def test_params_headers_and_defaults() -> None:
    policy = Policy(headers=(("X-A", "1"), ("X-B", "1")), user_agent=None, decompress=False)
    async with serving(answering(OK)) as server, client_for(server, policy=policy) as client:
        await client.get(
            "http://a.test/p?q=1#frag", params={"a": "b c", "d": [1, 2]}, headers={"x-b": "2"}
        )
        assert server.heads[0] == (
            b"GET /p?q=1&a=b+c&d=1&d=2 HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\nX-B: 2\r\n\r\n"
        )
        await client.get("http://a.test/", headers=[("X-R", "1"), ("X-R", "2")])
        assert b"X-R: 1\r\nX-R: 2\r\n" in server.heads[1]
        await client.get("http://a.test/", params={}, headers=HTTPHeaders({"Host": "b.test"}))
        assert b"Host: b.test\r\n" in server.heads[2]


@pytest.mark.parametrize(
    ("options", "body", "field"),
    [
        ({"body": b"abc"}, b"abc", b"Content-Length: 3"),
        ({"body": bytearray(b"abc")}, b"abc", b"Content-Length: 3"),
        ({"body": "é"}, b"\xc3\xa9", b"Content-Type: text/plain"),
        ({"json": {"a": ["é"]}}, b'{"a":["\xc3\xa9"]}', b"Content-Type: application/json"),
        ({"form": {"a": "1", "b": "ü"}}, b"a=1&b=%C3%BC", b"x-www-form-urlencoded"),
        ({"form": [("a", 1), ("a", 2)]}, b"a=1&a=2", b"Content-Length: 7"),
        ({"body": io.BytesIO(b"x" * 100_000)}, b"x" * 100_000, b"Transfer-Encoding: chunked"),
        ({}, b"", b"Content-Length: 0"),
    ],
)
async def test_bodies(options: Any, body: bytes, field: bytes) -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        await client.post("http://a.test/", **options)
        assert server.bodies == [body] and field in server.heads[0]


async def test_streamed_body_with_and_without_length() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"ab", b"", b"cd"):
            yield chunk
            await trio.lowlevel.checkpoint()

    async with serving(answering(OK)) as server, client_for(server) as client:
        await client.put("http://a.test/", body=chunks())
        await client.put("http://a.test/", body=chunks, headers={"Content-Length": "4"})
        assert server.bodies == [b"abcd", b"abcd"]
        assert b"chunked" in server.heads[0] and b"chunked" not in server.heads[1]


async def test_bodies_that_cannot_be() -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        with pytest.raises(InvalidRequest):
            await client.post("http://a.test/", body=b"x", json={})
        with pytest.raises(InvalidRequest):
            await client.post("http://a.test/", body=17)
        with pytest.raises(InvalidRequest):
            await client.get("http://a.test/", headers={"X": 1})
    assert server.heads == []


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GE T", {}),
        ("GET\r\nX: y", {}),
        ("", {}),
        ("GET", {"X": "a\r\nY: b"}),
        ("GET", {"X": "a\nb"}),
        ("GET", {"X": "a\0"}),
        ("GET", {"X\r\n": "a"}),
        ("GET", {"X Y": "a"}),
        ("GET", {"X": "\u20ac"}),
    ],
)
async def test_injection_is_refused(method: str, headers: dict[str, str]) -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        with pytest.raises(InvalidRequest):
            await client.request(method, "http://a.test/", headers=headers)
        assert server.heads == []
        assert (await client.get("http://a.test/")).body == b"ok"  # the pool is sound


async def test_producer_errors_reach_the_caller() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise KeyError("mine")

    async with serving(answering(OK)) as server, client_for(server) as client:
        with pytest.raises(KeyError, match="mine"):
            await client.post("http://a.test/", body=broken())
        assert client.statistics()["in_use"] == 0
        assert (await client.get("http://a.test/")).body == b"ok"


async def test_early_answer_to_a_large_body() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.stream.read_until(b"\r\n\r\n")
        await peer.send(answer(b"no", "413 Too Large", "Connection: close"))
        await trio.sleep_forever()

    async with serving(refuse) as server, client_for(server) as client:
        response = await client.post("http://a.test/", body=b"x" * 10_000_000)
        assert response.status == 413 and response.body == b"no"
        assert client.statistics()["idle"] == 0  # the rest of the body is unsent


async def test_echo_while_sending() -> None:
    async def echo(peer: Peer) -> None:
        await peer.stream.read_until(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        left = 1_000_000
        while left:
            data = await peer.stream.read_some(left)
            left -= len(data)
            await peer.send(data)
        await trio.sleep_forever()

    body = bytes(range(250)) * 4000
    async with serving(echo) as server, client_for(server) as client:
        response = await client.post("http://a.test/", body=body)
        assert response.body == body
        assert client.statistics()["idle"] == 1


async def test_expect_continue() -> None:
    async def ask(peer: Peer) -> None:
        head = await peer.stream.read_until(b"\r\n\r\n")
        assert b"Expect: 100-continue" in head
        if peer.number == 1:
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert await peer.stream.read_exactly(3) == b"abc"
            await peer.send(OK)
        else:
            await peer.send(answer(b"no", "417 No"))
        await trio.sleep_forever()

    async with serving(ask) as server, client_for(server) as client:
        response = await client.post("http://a.test/", body=b"abc", expect_continue=True)
        assert response.status == 200
        client._engine._close_all(client._engine.pool.clear())
        response = await client.post("http://a.test/", body=b"abc", expect_continue=True)
        assert response.status == 417
        assert client.statistics()["idle"] == 0  # the body it may still wait for is unsent


async def test_expect_continue_that_never_comes(autojump_clock: Any) -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        response = await client.post("http://a.test/", body=b"abc", expect_continue=True)
        assert response.status == 200 and server.bodies == [b"abc"]


async def test_informational_heads_are_skipped() -> None:
    data = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + OK
    async with serving(answering(data)) as server, client_for(server) as client:
        assert (await client.get("http://a.test/")).body == b"ok"
        assert client.statistics()["idle"] == 1


async def test_head_204_304_have_no_body() -> None:
    answers = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n",
    )
    async with serving(answering(*answers)) as server, client_for(server) as client:
        assert (await client.head("http://a.test/")).body == b""
        assert (await client.get("http://a.test/")).body == b""
        assert (await client.get("http://a.test/")).body == b""
        assert len(server.peers) == 1


# --- redirects ----------------------------------------------------------------------


async def test_redirects_are_followed_over_the_same_connection() -> None:
    answers = (redirect("/two", 301), redirect("http://a.test/three", 307), OK)
    async with serving(answering(*answers)) as server, client_for(server) as client:
        response = await client.post("http://a.test/one", body=b"abc")
        assert response.url == "http://a.test/three" and response.body == b"ok"
        assert [r.status for r in response.history] == [301, 307]
        assert [h.split(b" HTTP")[0] for h in server.heads] == [
            b"POST /one",
            b"GET /two",
            b"GET /three",
        ]
        assert b"Content-Length" not in server.heads[1]
        assert len(server.peers) == 1


async def test_redirect_keeps_a_body_that_can_be_repeated() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"

    answers = (redirect("/x", 308), OK)
    async with serving(answering(*answers)) as server, client_for(server) as client:
        await client.post("http://a.test/", body=chunks)
        assert server.bodies == [b"abc", b"abc"]
    async with serving(answering(redirect("/x", 308))) as server, client_for(server) as client:
        with pytest.raises(InvalidRequest, match="body again"):
            await client.post("http://a.test/", body=chunks())
        assert client.statistics()["in_use"] == 0


async def test_redirects_not_followed_when_told_so() -> None:
    async with serving(answering(redirect("/x"))) as server, client_for(server) as client:
        response = await client.get("http://a.test/", follow_redirects=False)
        assert response.status == 302 and response.body == b"moved" and len(server.heads) == 1


async def test_redirect_loop() -> None:
    async with serving(answering(redirect("/"))) as server, client_for(server) as client:
        with pytest.raises(TooManyRedirects) as caught:
            await client.get("http://a.test/", max_redirects=4)
        assert len(server.heads) == 5 and caught.value.response.status == 302
        assert client.statistics()["in_use"] == 0


@pytest.mark.parametrize("location", ["ftp://a.test/", "file:///etc/passwd", "javascript:1", "h:5"])
async def test_redirect_to_another_scheme(location: str) -> None:
    async with serving(answering(redirect(location))) as server, client_for(server) as client:
        with pytest.raises(InvalidRequest):
            await client.get("http://a.test/")
        assert len(server.heads) == 1 and client.statistics()["in_use"] == 0


@pytest.mark.parametrize("secret", ["auth", "url", "header", "cookie"])
async def test_secrets_do_not_cross_origins(secret: str) -> None:
    options: dict[str, Any] = {}
    url = "http://a.test/"
    if secret == "auth":
        options["auth"] = ("me", "pw")
    elif secret == "url":
        url = "http://me:pw@a.test/"
    else:
        name = "Authorization" if secret == "header" else "Cookie"
        options["headers"] = {name: "secret"}
    for location, kept in (("http://b.test/", False), ("http://a.test/x", True)):
        # Both origins are served by the same function, each over its own connection.
        async def handler(peer: Peer, moved: bytes = redirect(location)) -> None:
            while head := await peer.request():
                final = b"GET /x" in head or b"Host: b.test" in head
                await peer.send(OK if final else moved)

        async with serving(handler) as server, client_for(server) as client:
            assert (await client.get(url, **options)).status == 200
            shown = [b"Authorization" in h or b"Cookie" in h for h in server.heads]
            assert shown == [True, kept]


# --- credentials and cookies ----------------------------------------------------------


async def test_basic_auth() -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        await client.get("http://a.test/", auth=("Aladdin", "open sesame"))
        await client.get("http://a.test/", auth=BasicAuth("a", "b"), headers={"Authorization": "x"})
        assert b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in server.heads[0]
        assert b"Authorization: x\r\n" in server.heads[1]


async def test_digest_auth() -> None:
    challenge = answer(b"", "401 No", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"')
    async with serving(answering(challenge, OK, OK)) as server, client_for(server) as client:
        auth = DigestAuth("me", "pw")
        response = await client.post("http://a.test/d", body=b"abc", auth=auth)
        assert response.status == 200 and server.bodies == [b"abc", b"abc"]
        assert b"Authorization" not in server.heads[0]
        assert b'Authorization: Digest username="me"' in server.heads[1]
        await client.get("http://a.test/d", auth=auth)
        assert b"nc=00000002" in server.heads[2]


async def test_digest_auth_gives_up() -> None:
    challenge = answer(b"", "401 No", 'WWW-Authenticate: Digest realm="r", nonce="n"')
    async with serving(answering(challenge)) as server, client_for(server) as client:
        response = await client.get("http://a.test/", auth=DigestAuth("me", "wrong"))
        assert response.status == 401 and len(server.heads) == 2


async def test_cookies() -> None:
    answers = (answer(b"", "302 F", "Set-Cookie: a=1; Path=/", "Location: /next"), OK)
    jar = CookieJar()
    async with serving(answering(*answers)) as server, client_for(server, cookies=jar) as client:
        await client.get("http://a.test/")
        assert b"Cookie" not in server.heads[0] and b"Cookie: a=1\r\n" in server.heads[1]
        await client.get("http://a.test/", headers={"Cookie": "b=2"})
        assert b"Cookie: b=2; a=1\r\n" in server.heads[2]
        await client.get("http://b.test/")
        assert b"Cookie" not in server.heads[3]
    assert sorted(cookie.domain for cookie in jar) == ["a.test", "b.test"]


# --- the pool in use ------------------------------------------------------------------


async def test_stale_connection_is_noticed_before_use() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)  # and hang up, without saying so

    async with serving(once) as server, client_for(server) as client:
        for _ in range(3):
            assert (await client.get("http://a.test/")).body == b"ok"
            await trio.testing.wait_all_tasks_blocked()
        assert len(server.peers) == 3 and client.statistics()["stale"] == 2


async def test_idempotent_requests_are_repeated_on_a_stale_connection() -> None:
    async def drop_second(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number < 3:
            await peer.stream.read_until(b"\r\n\r\n")  # read it, and hang up
        else:
            await peer.request()
            await peer.send(OK)

    async with serving(drop_second) as server, client_for(server) as client:
        assert (await client.get("http://a.test/")).body == b"ok"
        assert (await client.get("http://a.test/")).body == b"ok"
        assert len(server.peers) == 2


async def test_others_are_not_repeated(autojump_clock: Any) -> None:
    async def drop_second(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.stream.read_until(b"\r\n\r\n")

    async with serving(drop_second) as server, client_for(server) as client:
        await client.post("http://a.test/", body=b"1")
        with pytest.raises(Exception, match="without an answer"):
            await client.post("http://a.test/", body=b"2")
        assert len(server.peers) == 1
        # After a pause a connection is not trusted with them: a new one is opened.
        await client.post("http://a.test/", body=b"3")
        await trio.sleep(10)
        await client.post("http://a.test/", body=b"4")
        assert len(server.peers) == 3


async def test_unsolicited_bytes_make_a_connection_stale() -> None:
    async def chatty(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await trio.sleep_forever()

    async with serving(chatty) as server, client_for(server) as client:
        for _ in range(3):
            assert (await client.get("http://a.test/")).body == b"ok"
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(server.peers) == 3


async def test_idle_connections_expire(autojump_clock: Any) -> None:
    limits = ClientLimits(idle_expiry=5)
    async with serving(answering(OK)) as server, client_for(server, limits=limits) as client:
        await client.get("http://a.test/")
        await trio.sleep(4)
        assert client.statistics()["idle"] == 1
        await trio.sleep(2)
        assert client.statistics()["idle"] == 0
        assert server.peers[0].stream.closed
        await client.get("http://a.test/")
        await trio.sleep(6)
        assert client.statistics()["expired"] == 2


async def test_limit_per_origin_queues() -> None:
    limits = ClientLimits(max_per_origin=2)
    running = most = 0

    async def slow(peer: Peer) -> None:
        nonlocal running, most
        while await peer.request():
            running += 1
            most = max(most, running)
            await trio.testing.wait_all_tasks_blocked()
            running -= 1
            await peer.send(OK)

    async with serving(slow) as server, client_for(server, limits=limits) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(client.get, "http://a.test/")
        assert most == 2 and len(server.peers) == 2


async def test_queue_full() -> None:
    limits = ClientLimits(max_per_origin=1, max_queued=2)

    async def silent(peer: Peer) -> None:
        await peer.request()
        await trio.sleep_forever()

    async with serving(silent) as server, client_for(server, limits=limits) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(client.get, "http://a.test/")
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(QueueFull):
                await client.get("http://a.test/")
            nursery.cancel_scope.cancel()


async def test_body_limit() -> None:
    limits = ClientLimits(max_body_size=10)
    answers = (answer(b"x" * 11), answer(b"x" * 10))

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.send(answers[min(peer.number, 2) - 1])
        await peer.request()

    async with serving(handler) as server, client_for(server, limits=limits) as client:
        with pytest.raises(BodyTooLarge):
            await client.get("http://a.test/")
        assert (await client.get("http://a.test/")).body == b"x" * 10


async def test_a_closed_client_says_so() -> None:
    async with serving(answering(OK)) as server:
        async with client_for(server) as client:
            await client.get("http://a.test/")
        with pytest.raises(ClientClosed):
            await client.get("http://a.test/")
        await trio.testing.wait_all_tasks_blocked()
        assert server.peers[0].stream.closed


async def test_errors_in_the_block_are_not_wrapped() -> None:
    async with serving(answering(OK)) as server:
        with pytest.raises(ZeroDivisionError):
            async with client_for(server):
                raise ZeroDivisionError
        with trio.move_on_after(0) as scope:
            async with client_for(server):
                await trio.sleep_forever()
        assert scope.cancelled_caught


async def test_many_at_once_are_fast_enough() -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        start = time.process_time()

        async def some(client: Client) -> None:
            for _ in range(20):
                await client.get("http://a.test/")

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(some, client)
        assert time.process_time() - start < 20
        assert client.statistics()["opened"] <= 20


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ({"timeout": 0.05}, r"'timeout'; use timeouts=ClientTimeouts\(total=...\)"),
        ({"data": b"abc"}, "'data'; use body="),
        ({"content": b"abc"}, "'content'; use body="),
        ({"allow_redirects": False}, "'allow_redirects'; use follow_redirects="),
        ({"verify": False}, "'verify'; use open_client"),
        ({"header": [("A", "b")]}, "'header'; use headers="),
        ({"follow_redirect": False}, "'follow_redirect'; use follow_redirects="),
        ({"qwertz": 1}, "'qwertz'; use one of auth, body"),
        ({"timeouts": 5}, r"timeouts=5 has to be a ClientTimeouts\(total=...\)"),
        ({"timeouts": None}, "timeouts=None has to be"),
    ],
)
async def test_unknown_keywords_are_refused(wrong: dict[str, Any], meant: str) -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        for call in (client.get, client.head, client.post, client.put, client.patch, client.delete):
            with pytest.raises(TypeError, match=meant):
                await call("http://a.test/", **wrong)
        with pytest.raises(TypeError, match=meant):
            await client.request("GET", "http://a.test/", **wrong)
        with pytest.raises(TypeError, match=meant):
            client.stream("GET", "http://a.test/", **wrong)
        assert server.heads == []


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        (b"/caf\xc3\xa9", b"GET /caf%C3%A9 HTTP/1.1\r\nHost: a.test\r\n"),
        (b"/\xf8", b"GET /%F8 HTTP/1.1\r\nHost: a.test\r\n"),
        (b"http://b\xc3\xbccher.test/", b"GET / HTTP/1.1\r\nHost: xn--bcher-kva.test\r\n"),
    ],
)
async def test_a_location_of_raw_bytes(location: bytes, asked: bytes) -> None:
    first = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"

    async def handler(peer: Peer) -> None:
        while head := await peer.request():
            await peer.send(first if head.startswith(b"GET /first ") else OK)

    async with serving(handler) as server, client_for(server) as client:
        assert (await client.get("http://a.test/first")).status == 200
        assert server.heads[1].startswith(asked)


@pytest.mark.parametrize("secret", ["Authorization", "Proxy-Authorization", "cookie"])
async def test_a_header_that_cannot_be_sent_does_not_show_a_secret(secret: str) -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        with pytest.raises(InvalidRequest) as caught:
            await client.get("http://a.test/", headers={secret: "sesame\n"})
        assert secret.title() in str(caught.value) and "sesame" not in str(caught.value)
        with pytest.raises(InvalidRequest, match="X-A: sesame"):
            await client.get("http://a.test/", headers={"X-A": "sesame\n"})
