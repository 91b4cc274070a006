"""What middleware is: around every kind of answer, in order, at no cost where there is none."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import trio

from tornado_trio import web
from tornado_trio.limits import Limits, Timeouts
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.web.calls import Call, CallExchange, Next, Response

from ..support import fetch
from .site import KINDS, LARGE, TEXT, Handler, site


@pytest.mark.parametrize("path", KINDS)
async def test_every_kind_of_answer_is_seen_and_can_be_changed(
    path: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    async def watch(call: Call, next: Next) -> None:
        def mark(response: Response) -> None:
            response.headers["X-Seen"] = str(response.status)

        call.on_response(mark)
        response = await next(call)
        seen.append((call.request.path, call.route, response.status, type(response.error)))

    async with site(tmp_path, [watch]) as client:
        response = await client.fetch(path)
    assert response.code == KINDS[path]
    assert response.headers["X-Seen"] == str(KINDS[path])
    ((asked, route, status, error),) = seen
    assert (asked, status) == (path, KINDS[path])
    assert route is not None
    assert error is {500: RuntimeError, 404: error}.get(status, type(None))
    if path == "/static/large.txt":
        assert response.body == LARGE


async def test_the_first_of_the_list_is_outermost(tmp_path: Path) -> None:
    told: list[str] = []

    def named(name: str) -> Any:
        async def middleware(call: Call, next: Next) -> None:
            told.append(f"{name} in")
            call.on_response(lambda response: told.append(f"{name} head"))
            await next(call)
            told.append(f"{name} out")

        return middleware

    rule = web.url(r"/handler", Handler, middleware=[named("c")])
    app = web.Application([rule, (r"/other", Handler)], middleware=[named("a"), named("b")])
    assert (await fetch(app, "/handler")).body == TEXT.encode()
    assert told == [
        "a in", "b in", "c in", "c head", "b head", "a head", "c out", "b out", "a out"
    ]  # fmt: skip
    told.clear()
    await fetch(app, "/other")
    assert not any(text.startswith("c") for text in told)


async def test_middleware_of_groups_of_rules_and_of_nested_applications() -> None:
    def tagged(name: str) -> Any:
        async def middleware(call: Call, next: Next) -> None:
            call.on_response(lambda response: response.headers.add("X-By", name))
            await next(call)

        return middleware

    inner = web.Application([(r"/b/x", Handler)], middleware=[tagged("inner")])
    group = web.Rule(
        web.PathMatches(r"/a/.*"),
        [web.url(r"/a/x", Handler, name="x", middleware=[tagged("rule")])],
        middleware=[tagged("group")],
    )
    app = web.Application([group, (r"/b/.*", inner)], middleware=[tagged("app")])
    assert (await fetch(app, "/a/x")).headers.get_list("X-By") == ["rule", "group", "app"]
    assert (await fetch(app, "/b/x")).headers.get_list("X-By") == ["inner", "app"]
    assert app.reverse_url("x") == "/a/x"


async def test_it_may_answer_itself_and_the_rest_does_not_run(tmp_path: Path) -> None:
    async def closed(call: Call, next: Next) -> None:
        await call.answer(503, "closed", {"Retry-After": "60"})

    for path in KINDS:
        async with site(tmp_path, [closed]) as client:
            response = await client.fetch(path)
            assert (response.code, response.body) == (503, b"closed")
            assert (await client.fetch("/handler", method="HEAD")).body == b""


@pytest.mark.parametrize("path", KINDS)
async def test_what_it_raises_is_answered_as_of_a_handler(path: str, tmp_path: Path) -> None:
    async def refuse(call: Call, next: Next) -> None:
        raise web.HTTPError(403)

    async with site(tmp_path, [refuse]) as client:
        assert (await client.fetch(path)).code == 403


async def test_an_error_in_a_hook_becomes_an_error_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def wrong(call: Call, next: Next) -> None:
        def fail(response: Response) -> None:
            raise LookupError("in the hook")

        call.on_response(fail)
        await next(call)

    async with site(tmp_path, [wrong]) as client:
        for path in ("/handler", "/stream", "/static/large.txt", "/typed"):
            assert (await client.fetch(path)).code == 500
    assert "in the hook" in caplog.text


async def test_bodies_pass_through_filters_and_may_be_replaced(tmp_path: Path) -> None:
    async def loud(call: Call, next: Next) -> None:
        def change(response: Response) -> None:
            response.pipe(lambda chunk, last: chunk.upper() + (b"!" if last else b""))

        call.on_response(change)
        await next(call)

    async def short(call: Call, next: Next) -> None:
        def change(response: Response) -> None:
            response.body = b"short"

        call.on_response(change)
        await next(call)

    async with site(tmp_path, [loud]) as client:
        assert (await client.fetch("/handler")).body == TEXT.upper().encode() + b"!"
        assert (await client.fetch("/static/large.txt")).body == LARGE + b"!"
        assert (await client.fetch("/function")).body == TEXT.upper().encode() + b"!"
        streamed = await client.fetch("/stream")
        assert streamed.body.startswith(b"0 THE QUICK") and streamed.body.endswith(b"FOX !")
        assert (await client.fetch("/socket")).code == 101
        head = await client.fetch("/handler", method="HEAD")
        assert (head.body, "Content-Length" in head.headers) == (b"", False)
    async with site(tmp_path, [short]) as client:
        for path in ("/handler", "/static/large.txt", "/static/small.txt", "/stream", "/function"):
            response = await client.fetch(path)
            assert (response.body, response.headers["Content-Length"]) == (b"short", "5")
        await client.fetch("/socket")
    async with site(tmp_path, [loud, short]) as client:
        for path in ("/handler", "/stream", "/static/large.txt"):
            assert (await client.fetch(path)).body == b"SHORT!"


async def test_answers_of_the_server_are_seen(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(web.RequestHandler):
        async def get(self) -> None:
            await trio.sleep_forever()

        async def post(self) -> None:
            raise AssertionError

    ended: list[str] = []

    async def mark(call: Call, next: Next) -> None:
        call.on_response(lambda response: response.headers.update({"X-Seen": "yes"}))
        try:
            await next(call)
        finally:
            ended.append(type(call.route).__name__)

    app = web.Application([(r"/", Slow)], middleware=[mark])
    limits = Limits(max_body_size=10)
    options = ServerOptions(timeouts=Timeouts(request=5, body=2), limits=limits)
    async with memory_server(app, options=options) as server:
        late = await server.request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        large = await server.request(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n" + b"x" * 11
        )
        slow = await server.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
    assert [late.code, large.code, slow.code] == [503, 413, 408]
    assert [r.headers.get("X-Seen") for r in (late, large, slow)] == ["yes"] * 3
    assert len(ended) == 3


async def test_next_is_called_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def twice(call: Call, next: Next) -> None:
        await next(call)
        await next(call)

    async with site(tmp_path, [twice]) as client:
        assert (await client.fetch("/handler")).code == 200
    assert "next() was called twice" in caplog.text


async def test_one_that_does_not_answer_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def forgets(call: Call, next: Next) -> None:
        pass

    async with site(tmp_path, [forgets]) as client:
        assert (await client.fetch("/handler")).code == 500
    assert "ended without finishing" in caplog.text


def test_what_is_no_middleware_is_refused_when_the_application_is_made() -> None:
    from tornado_trio.web.middleware import Compression

    with pytest.raises(TypeError, match="make one"):
        web.Application(middleware=[Compression])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="is a list"):
        web.Application(middleware=Compression())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no middleware"):
        web.Application([web.url("/", Handler, middleware=[3])])  # type: ignore[list-item]


async def test_without_middleware_nothing_is_wrapped(tmp_path: Path) -> None:
    kinds: list[type] = []

    class Plain(web.RequestHandler):
        def get(self) -> None:
            kinds.append(type(self.request.connection))

    app = web.Application([(r"/", Plain)])
    assert "find_handler" not in vars(app)
    await fetch(app, "/")
    assert not issubclass(kinds[0], CallExchange)


async def test_the_access_log_has_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def plain(call: Call, next: Next) -> None:
        await next(call)

    caplog.set_level(logging.INFO, "tornado.access")
    async with site(tmp_path, [plain]) as client:
        await client.fetch("/handler")
    lines = [record for record in caplog.records if record.name == "tornado.access"]
    assert len(lines) == 1
