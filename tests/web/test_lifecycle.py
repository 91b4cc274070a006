"""What happens to a request, and in which order; errors; cancellation."""

from __future__ import annotations

import gc
import logging
import random
import re
from collections.abc import Awaitable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tornado_trio.errors import HTTPOutputError, PeerError
from tornado_trio.exchange import RequestStartLine
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.web import (
    Application,
    Finish,
    HTTPError,
    Request,
    RequestHandler,
    critical,
    grace,
    lifecycle,
    on_disconnect,
    stream_request_body,
    timeout,
)
from tornado_trio.wire.headers import HTTPHeaders

from .support import fetch, get


async def test_order_of_hooks(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    class Handler(RequestHandler):
        def initialize(self, word: str) -> None:
            seen.append(f"initialize {word}")

        def set_default_headers(self) -> None:
            self.set_header("X-Default", "1")

        async def prepare(self) -> None:
            await trio.sleep(1)
            seen.append(f"prepare {self.path_args} {self.path_kwargs}")

        async def get(self, arg: str) -> None:
            seen.append(f"get {arg}")
            self.write("body")

        def on_finish(self) -> None:
            seen.append("on_finish")

    response = await fetch(Application([("/(.*)", Handler, {"word": "w"})]), "/a%20b")
    assert seen == ["initialize w", "prepare ['a b'] {}", "get a b", "on_finish"]
    assert (response.code, response.body, response.headers["X-Default"]) == (200, b"body", "1")


async def test_handlers_may_be_plain_or_return_awaitables() -> None:
    class Plain(RequestHandler):
        def get(self) -> None:
            self.finish({"a": "</b>"})

    class Returning(RequestHandler):
        def get(self) -> Awaitable[None]:
            return self.finish("x")

    response = await get(Plain)
    assert response.body == b'{"a": "<\\/b>"}'
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert (await get(Returning)).body == b"x"


async def test_output_methods_may_be_awaited() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            await self.write("a")
            await self.flush()
            await self.flush()
            await self.finish("b")

    response = await get(Handler)
    assert response.body == b"ab"
    assert response.headers["Transfer-Encoding"] == "chunked"


async def test_finish_in_prepare_ends_the_request() -> None:
    class Handler(RequestHandler):
        def prepare(self) -> None:
            self.finish("done")

        def get(self) -> None:
            raise AssertionError("not reached")

    assert (await get(Handler)).body == b"done"


async def test_finish_exception() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_status(401)
            self.write("a")
            raise Finish(*(["b"] if self.get_argument("more", "") else []))

    assert (await get(Handler)).body == b"a"
    response = await get(Handler, "/?more=1")
    assert (response.code, response.body) == (401, b"ab")


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "DELETE", "PUT", "BREW"])
async def test_methods_that_are_not_there(method: str) -> None:
    class Handler(RequestHandler):
        def brew(self) -> None:
            raise AssertionError("not in SUPPORTED_METHODS")

        def patch(self) -> None:
            pass

    response = await get(Handler, method=method)
    assert response.code == 405 and response.headers["Allow"] == "PATCH, OPTIONS"
    assert (await get(Handler, method="OPTIONS")).headers["Allow"] == "PATCH, OPTIONS"


async def test_head_and_options_answer_by_themselves() -> None:
    class Handler(RequestHandler):
        async def get(self, name: str) -> None:
            self.set_header("X-Name", name)
            self.write(name)

        def post(self, name: str) -> None: ...

    async with memory_server(Application([("/(.*)", Handler)])) as server:
        client = await server.connect()
        head = await client.request(b"HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD")
        assert (head.code, head.body, head.headers["Content-Length"]) == (200, b"", "3")
        assert head.headers["X-Name"] == "abc"
        options = await client.request(b"OPTIONS /abc HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (options.code, options.body) == (204, b"")
        assert options.headers["Allow"] == "GET, HEAD, POST, OPTIONS"


async def test_methods_of_ones_own() -> None:
    class Handler(RequestHandler):
        SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "BREW")

        def brew(self) -> None:
            self.write("coffee")

    assert (await get(Handler, method="BREW")).body == b"coffee"


async def test_http_error_page_and_log(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("lost")
            raise HTTPError(404, "no %s", "such thing", reason="Gone Fishing")

    with caplog.at_level(logging.INFO):
        response = await get(Handler)
    assert (response.code, response.reason) == (404, "Gone Fishing")
    assert b"<title>404: Gone Fishing</title>" in response.body
    assert "404 GET / (" in caplog.messages[0] and "no such thing" in caplog.messages[0]
    assert [r.name for r in caplog.records] == ["tornado.general", "tornado.access"]


async def test_uncaught_exception(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.set_header("X-Lost", "1")
            raise ZeroDivisionError

    response = await get(Handler)
    assert response.code == 500 and "X-Lost" not in response.headers
    assert "Uncaught exception GET /" in caplog.text and "ZeroDivisionError" in caplog.text
    response = await get(Handler, settings={"serve_traceback": True})
    assert b"ZeroDivisionError" in response.body
    assert response.headers["Content-Type"] == "text/plain"


async def test_hooks_that_fail_themselves(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise ValueError

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            raise KeyError("in write_error")

        def log_exception(self, *args: Any) -> None:
            raise KeyError("in log_exception")

    response = await get(Handler)
    assert (response.code, response.body) == (500, b"")
    assert "Error in exception logger" in caplog.text
    assert "Uncaught exception in write_error" in caplog.text


async def test_error_after_the_head_went_out(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Length", "10")
            self.write("half")
            self.flush()
            raise ValueError

    async with memory_server(Application([("/", Handler)])) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.rest()).endswith(b"\r\n\r\nhalf")
    assert "Cannot send error response after headers written" in caplog.text
    assert "Failed to flush partial response" in caplog.text


class IllegalStatus(RequestHandler):
    def get(self) -> None:
        raise HTTPError(1000)


class IllegalName(RequestHandler):
    def get(self) -> None:
        self._headers["X a"] = "1"  # `set_header` would refuse it


class BodyTooLong(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Length", "3")
        self.write("abcdef")


class BodyTooShort(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Length", "9")
        self.write("abcdef")


class NoLength(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Length", "-5")


class Interim(RequestHandler):
    def get(self) -> None:
        self.set_status(102)


class IllegalCookie(RequestHandler):
    def get(self) -> None:
        self.set_cookie("m", "ok")
        self._new_cookie["m"]["path"] = "\u6d4b"  # `set_cookie` would refuse it


UNSENDABLE = [
    IllegalName,
    BodyTooLong,
    BodyTooShort,
    NoLength,
    Interim,
    IllegalCookie,
]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("handler", UNSENDABLE)
async def test_what_cannot_be_sent_is_answered_500(
    handler: type[RequestHandler], version: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    class Page(handler):  # type: ignore[valid-type, misc]
        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.finish(f"page of {status_code}")

    caplog.set_level(logging.INFO, "tornado")
    async with memory_server(Application([("/", Page)])) as server:
        client = await server.connect()
        for _ in range(2 if version == b"1.1" else 1):
            response = await client.request(b"GET / HTTP/%s\r\nHost: a\r\n\r\n" % version)
            assert (response.code, response.body) == (500, b"page of 500")
    access = [record for record in caplog.records if record.name == "tornado.access"]
    assert [record.args[0] for record in access if record.args] == [500] * len(access)  # type: ignore[index]
    assert any("Uncaught exception" in record.message for record in caplog.records)


async def test_a_flushed_body_longer_than_its_length_is_answered_500() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Length", "3")
            self.write("abcdef")
            await self.flush()

    assert (await get(Handler)).code == 500


async def test_a_handler_may_mend_a_head_that_could_not_be_sent() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Length", "3")
            self.write("abcdef")
            with pytest.raises(HTTPOutputError):
                await self.flush()
            self.clear()
            self.write("mended")

    response = await get(Handler)
    assert (response.code, response.body) == (200, b"mended")


class IllegalDefault(RequestHandler):
    def set_default_headers(self) -> None:
        self._headers["X a"] = "1"

    def get(self) -> None:
        self.write("x")


@pytest.mark.parametrize("handler", [IllegalStatus, IllegalDefault])
async def test_an_error_page_that_cannot_be_sent_either(handler: type[RequestHandler]) -> None:
    async with memory_server(Application([("/", handler)])) as server:
        client = await server.connect()
        response = await client.request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert response.code == 500
        assert response.headers["Connection"] == "close"


async def test_head_may_announce_a_body_it_does_not_write() -> None:
    class Handler(RequestHandler):
        def head(self) -> None:
            self.set_header("Content-Length", "9")

    async with memory_server(Application([("/", Handler)])) as server:
        client = await server.connect()
        response = await client.request(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (response.code, response.headers["Content-Length"]) == (200, "9")


FORGED = "x\n500 GET /forged\r\x1b[31m\x9b\x7f\u2028\x85end"


@pytest.mark.parametrize(
    "error",
    [
        HTTPError(403, f"no {FORGED}"),
        HTTPError(403, "no %s and %r of 100%%", FORGED, FORGED),
        HTTPError(403, "no %s", ValueError(FORGED)),
        PeerError(f"no {FORGED}", 403),
    ],
)
async def test_log_lines_are_not_forged(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise error

    caplog.set_level(logging.INFO, "tornado")
    assert (await get(Handler)).code == 403
    message = next(r.getMessage() for r in caplog.records if "no x" in r.getMessage())
    assert not [char for char in message if not char.isprintable()]
    assert "x\\n500 GET /forged\\r\\x1b[31m\\x9b\\x7f\\u2028\\x85end" in message


async def test_a_message_that_does_not_fit_its_arguments() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(403, "no %d", "number")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "raiseExceptions", False)
        assert (await get(Handler)).code == 403


async def test_a_flush_after_the_end_does_nothing() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.finish("ok")
            await self.flush()
            self.set_header("X-Reached", "1")
            reached.append(self)

    reached: list[RequestHandler] = []
    assert (await get(Handler)).body == b"ok"
    assert reached


async def test_reasons_are_escaped_in_the_page() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(400, reason="Don't & \"won't\"")

    response = await get(Handler)
    assert response.reason == "Don't & \"won't\""
    assert b"<title>400: Don&#x27;t &amp; &quot;won&#x27;t&quot;</title>" in response.body


async def test_error_after_finish_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.finish("ok")
            raise ValueError

    assert (await get(Handler)).body == b"ok"
    assert "Uncaught exception" in caplog.text


async def test_reason_phrases_cannot_split_or_script() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(400, reason=self.get_argument("reason"))

    for bad in ("OK%0D%0AX-Injected:%201", "%3Cscript%3Ealert(1)%3C/script%3E"):
        response = await get(Handler, "/?reason=" + bad)
        assert response.reason == "Unknown"
        assert b"script" not in response.body and "X-Injected" not in response.headers


async def test_twice_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.finish("a")
            for call in (self.finish, lambda: self.write("b"), lambda: self.render("x")):
                with pytest.raises(RuntimeError):
                    call()

    assert (await get(Handler)).body == b"a"


async def test_a_fast_reader_does_not_keep_others_waiting() -> None:
    turns = 0
    done = trio.Event()

    class Handler(RequestHandler):
        async def get(self) -> None:
            for _ in range(100):
                self.write("x")
                await self.flush()
            done.set()

    async def other() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        assert (await get(Handler)).body == b"x" * 100
    assert turns >= 6


async def test_requests_leave_no_cycles() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.ui  # noqa: B018
            self.write("x")

        def on_connection_close(self) -> None: ...

    class Failing(RequestHandler):
        def get(self) -> None:
            raise HTTPError(400)

    async with memory_server(Application([("/", Handler), ("/f", Failing)])) as server:
        client = await server.connect()
        for path in (b"/", b"/f", b"/none"):
            request = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path
            await client.request(request)
            gc.collect()
            gc.disable()
            try:
                before = len(gc.get_objects())
                for _ in range(50):
                    await client.request(request)
                assert len(gc.get_objects()) - before < 500, path
            finally:
                gc.enable()


# --- bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"--x\r\nrubbish\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"x", {"Content-Type": "multipart/form-data"}),
        (
            b"a=1",
            {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"},
        ),
    ],
)
async def test_malformed_form_is_refused_by_the_handler(
    body: bytes, fields: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tornado")
    finished: list[int] = []

    class Handler(RequestHandler):
        def check_xsrf_cookie(self) -> None:
            raise AssertionError("not reached")

        def prepare(self) -> None:
            raise AssertionError("not reached")

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            error = kwargs["exc_info"][1]
            assert isinstance(error, HTTPError)
            self.finish({"code": status_code, "form": not self.request.arguments})

        def on_finish(self) -> None:
            finished.append(self.get_status())

    response = await get(
        Handler, method="POST", headers=fields, body=body, settings={"xsrf_cookies": True}
    )
    assert (response.code, response.body) == (400, b'{"code": 400, "form": true}')
    assert finished == [400]
    general, access = [record.getMessage() for record in caplog.records]
    assert general.startswith("400 POST / (") and "): Invalid body: " in general
    assert access.startswith("400 POST / (")


async def test_a_form_is_parsed_once() -> None:
    class Inner(RequestHandler):
        def post(self) -> None:
            self.write(",".join(self.get_arguments("a")))

    class Outer(RequestHandler):
        async def post(self) -> None:
            self._auto_finish = False
            await Inner(self.application, self.request)._execute([])

    response = await get(Outer, method="POST", body={"a": "1"})
    assert response.body == b"1"


async def test_too_many_arguments() -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("ok")

        post = get

    assert (await get(Handler, "/?" + "&".join(["a=b"] * 1001))).code == 400
    body = b"&".join([b"a=b"] * 1001)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await get(Handler, method="POST", body=body, headers=form)).code == 400
    assert (await get(Handler, method="POST", body=body[:-4], headers=form)).code == 200


async def test_streamed_body_sets_its_pace(autojump_clock: MockClock) -> None:
    seen: list[Any] = []

    @stream_request_body
    class Handler(RequestHandler):
        async def prepare(self) -> None:
            seen.append("prepare")

        async def data_received(self, chunk: bytes) -> None:
            seen.append(chunk)
            await trio.sleep(1)

        async def post(self) -> None:
            seen.append("post")
            self.write("ok")

    async with memory_server(Application([("/", Handler)])) as server:
        client = await server.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await wait_all_tasks_blocked()
        assert seen == ["prepare"]
        await client.send(b"4\r\nasdf\r\n")
        await trio.sleep(2)
        assert seen == ["prepare", b"asdf"]
        await client.send(b"4\r\nqwer\r\n0\r\n\r\n")
        assert (await client.response("POST")).body == b"ok"
    assert seen == ["prepare", b"asdf", b"qwer", "post"]


async def test_streamed_body_refused_early() -> None:
    @stream_request_body
    class Handler(RequestHandler):
        def prepare(self) -> None:
            raise HTTPError(401)

    async with memory_server(Application([("/", Handler)])) as server:
        client = await server.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await client.response("POST")).code == 401


async def test_client_leaves_during_upload(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    @stream_request_body
    class Handler(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            seen.append("data")

        def on_connection_close(self) -> None:
            seen.append("close")

        def on_finish(self) -> None:
            seen.append("finish")

        def post(self) -> None:
            seen.append("post")

    async with memory_server(Application([("/", Handler)])) as server:
        client = await server.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        await wait_all_tasks_blocked()
        client.stream.close()
        await trio.sleep(5)
    assert seen == ["data", "close", "finish"]


def test_stream_request_body_wants_a_handler() -> None:
    with pytest.raises(TypeError):
        stream_request_body(int)  # type: ignore[type-var]


# --- cancellation ----------------------------------------------------------------------------


class Slow(RequestHandler):
    seen: list[str]

    async def get(self) -> None:
        try:
            await trio.sleep(60)
            self.seen.append("done")
        finally:
            self.seen.append("finally")

    def on_connection_close(self) -> None:
        self.seen.append("close")

    def on_finish(self) -> None:
        self.seen.append("on_finish")


async def leave_early(handler: type[Slow], **settings: Any) -> list[str]:
    seen: list[str] = []
    cls = type("Seen", (handler,), {"seen": seen})
    async with memory_server(Application([("/", cls)], **settings)) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await wait_all_tasks_blocked()
        client.stream.close()
        await trio.sleep(100)
    return seen


async def test_a_client_that_leaves_cancels(autojump_clock: MockClock) -> None:
    assert await leave_early(Slow) == ["close", "finally", "on_finish"]


async def test_unless_told_to_finish(autojump_clock: MockClock) -> None:
    class Stubborn(Slow):
        on_disconnect = "finish"

    class Method(Slow):
        @on_disconnect("finish")
        async def get(self) -> None:
            await super().get()

    expected = ["close", "done", "finally", "on_finish"]
    assert await leave_early(Stubborn) == expected
    assert await leave_early(Method) == expected
    assert await leave_early(Slow, on_disconnect="finish") == expected
    assert await leave_early(Slow, on_disconnect=grace(70)) == expected
    assert await leave_early(Slow, on_disconnect=grace(5)) == ["close", "finally", "on_finish"]


async def test_critical_blocks_run_to_their_end(autojump_clock: MockClock) -> None:
    class Careful(Slow):
        async def get(self) -> None:
            async with critical(timeout=5):
                await trio.sleep(1)
                self.seen.append("critical")
            await super().get()

    assert await leave_early(Careful) == ["close", "critical", "on_finish"]


async def test_timeouts(autojump_clock: MockClock) -> None:
    class Class(Slow):
        seen: list[str] = []
        request_timeout = 5

    class Method(Slow):
        seen: list[str] = []

        @timeout(5)
        async def get(self) -> None:
            await super().get()

    class Longer(Slow):
        seen: list[str] = []

        @timeout(100)
        async def get(self) -> None:
            await super().get()

    settings = {"request_timeout": 5}
    for handler, code in ((Class, 503), (Method, 503), (Longer, 200)):
        assert (await get(handler, settings=settings)).code == code
        assert handler.seen[-1] == "on_finish"


async def test_children_end_with_the_request(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.nursery.start_soon(self.child)
            await trio.sleep(1)
            self.finish("ok")

        async def child(self) -> None:
            await trio.sleep(2)
            seen.append("child")

    assert (await get(Handler)).body == b"ok"
    assert seen == ["child"] or seen == []  # the drain at the end may cut it


async def test_a_childs_error_is_the_requests_error(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.nursery.start_soon(self.child)
            await trio.sleep(100)

        async def child(self) -> None:
            raise ValueError("child")

    assert (await get(Handler)).code == 500
    assert re.search(
        r"child of request [0-9a-f-]{15}: GET / \(127.0.0.1\), route .*test_lifecycle\..*Handler",
        caplog.text,
    )


async def test_on_finish_that_fails_when_cancelled(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Bad(Slow):
        def on_finish(self) -> None:
            raise ValueError("in on_finish")

    await leave_early(Bad)
    assert "Exception in on_finish" in caplog.text


async def test_detach_gives_the_stream() -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            stream = self.detach()
            await stream.send_all(b"raw bytes")
            await stream.aclose()

    async with memory_server(Application([("/", Handler)]), ServerOptions()) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await client.rest() == b"raw bytes"


async def test_others_run_while_a_large_form_is_parsed() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    headers = HTTPHeaders({"Host": "h", "Content-Type": "application/x-www-form-urlencoded"})
    line = RequestStartLine("POST", "/", "HTTP/1.1")
    request = Request(line, headers, b"a=" + b"%" * 2_000_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await lifecycle._parse_form(request._parse_body_steps())
        assert turns >= 29
        nursery.cancel_scope.cancel()
    assert request.body_arguments == {"a": [b"%" * 2_000_000]}


@pytest.mark.parametrize("size", [4 * 2**20 - 1, 4 * 2**20, 5_000_001])
async def test_a_large_body_is_whole(size: int) -> None:
    received = b""

    class Body(RequestHandler):
        def post(self) -> None:
            nonlocal received
            received = self.request.body

    body = random.Random(size).randbytes(size)
    response = await fetch(Application([("/", Body)]), "/", "POST", {}, body)
    assert response.code == 200
    assert received == body and type(received) is bytes


async def test_a_large_form_through_a_handler() -> None:
    class Form(RequestHandler):
        def post(self) -> None:
            self.write(self.get_body_argument("b"))

    for junk, status in ((b"", 200), (b"&" * 1001, 400)):
        body = b"a=" + b"%" * 600_000 + b"&b=ok" + junk
        kind = {"Content-Type": "Application/X-WWW-Form-Urlencoded"}
        response = await fetch(Application([("/", Form)]), "/", "POST", kind, body)
        assert response.code == status
        assert status == 400 or response.body == b"ok"
