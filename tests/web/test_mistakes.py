"""Mistakes of programs: refused or explained where they happen, with the remedy."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.lowlevel

from tests.web.support import get
from tornado_trio import open_client, serve, web
from tornado_trio._util.mistakes import check_app
from tornado_trio.client import HTTPStatusError, Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.testing import memory_server
from tornado_trio.web import Application, RequestHandler, WebSocketHandler
from tornado_trio.web.middleware import CORS, RequestLimit


class Hello(RequestHandler):
    def get(self) -> None:
        self.write("hello")


# --- what is served -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "remedy"),
    [
        (Hello, r"Hello is a handler class: web\.Application\(\[\(r'/', Hello\)\]\)"),
        (Application, r"an instance, Application\(\.\.\.\)"),
        ([("/", Hello)], "of these rules"),
        ({"/": Hello}, "of these rules"),
        ("app:app", "serves an application"),
        (None, "serves an application"),
        (lambda scope, receive, send: None, "ASGI"),
    ],
)
async def test_what_is_no_application_is_refused(app: Any, remedy: str) -> None:
    with pytest.raises(TypeError, match=remedy):
        await serve(app, 0)
    with pytest.raises(TypeError, match=remedy):
        async with memory_server(app):
            pass


def test_what_is_an_application() -> None:
    async def function(exchange: Any) -> None: ...

    class Callable_:
        async def __call__(self, exchange: Any) -> None: ...

    for app in (Application(), function, Callable_(), lambda exchange: function(exchange), print):
        check_app(app, "serve")


def test_outside_trio() -> None:
    async def clients() -> None:
        async with open_client():
            pass

    async def socket() -> None:
        async with open_websocket("ws://a.test/"):
            pass

    async def server() -> None:
        async with memory_server(Application()):
            pass

    for run, name in (
        (lambda: serve(Application(), 0), "serve"),
        (clients, "open_client"),
        (socket, "open_client"),
        (server, "memory_server"),
    ):
        with pytest.raises(RuntimeError, match=f"^{name} needs trio.*asyncio's loop is running"):
            asyncio.run(run())
        with pytest.raises(RuntimeError, match=f"^{name} needs trio, which is not running here:"):
            run().send(None)


# --- rules --------------------------------------------------------------------------------


async def takes_two(one: Any, two: Any) -> None: ...


class OldStyle(WebSocketHandler):
    def on_message(self, message: Any) -> None: ...


@pytest.mark.parametrize(
    ("rules", "remedy"),
    [
        ([("/x",)], r"not a rule: \('/x',\); a rule is \(pattern, handler\)"),
        ([Hello], "not a rule: .*Hello"),
        ({"/": Hello}, "not a rule: '/'"),
        ([("/", Hello, {}, "n", 1)], "not a rule"),
        ([(Hello, "/")], "begins with no pattern"),
        ([("/", Hello, "name")], "its name is the fourth"),
        ([("/", None)], r"PathMatches\('/\$'\).* is neither a RequestHandler class"),
        ([("/", int)], "is a class, but no RequestHandler"),
        ([("/", takes_two)], "other arguments than one, the exchange"),
        ([("/", object.__new__(Hello))], "name the class itself, Hello"),
        ([("/", OldStyle)], r"OldStyle.* has no `async def open\(self, ws\)`"),
        ([("/a", [("/b", None)])], r"PathMatches\('/b\$'\)"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rules: Any, remedy: str) -> None:
    with pytest.raises(TypeError, match=remedy):
        Application(rules)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (("/(", Hello), re.error),
        (("/", "nowhere.Handler"), ModuleNotFoundError),
        (("/", "tornado_trio.web.Nobody"), AttributeError),
        (("/(?P<a>.)(.)", Hello), AssertionError),
    ],
)
def test_what_fails_names_its_rule(rule: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        Application([rule])
    assert caught.value.__notes__ == [f"in the rule {rule!r}"]


async def test_a_compiled_pattern_is_one_too() -> None:
    app = Application([(re.compile("/x"), Hello)])
    async with memory_server(app) as server:
        assert (await server.get("/x")).body == b"hello"


def test_a_pattern_without_its_slash(caplog: pytest.LogCaptureFixture) -> None:
    Application([("hello", Hello), (r"/hello", Hello), (r".*", Hello), (r"(?:/a)?", Hello)])
    (record,) = caplog.records
    assert "PathMatches('hello$')" in record.message and "never matches" in record.message


def test_a_router_of_the_programs_own_knows_its_targets() -> None:
    class Numbers(web.RuleRouter):
        def get_target_delegate(self, target: Any, request: Any, **params: Any) -> Any:
            return target

    assert Numbers([("/", 1)]).rules[0].target == 1


# --- handlers -----------------------------------------------------------------------------


def handler(method: Callable[..., Any], **names: Any) -> type[RequestHandler]:
    return type("Mine", (RequestHandler,), {"get": method, **names})


async def returns_a_dict(self: Any) -> Any:
    return {"a": 1}


def returns_text(self: Any) -> Any:
    return "text"


def is_a_generator(self: Any) -> Any:
    yield self


async def is_an_async_generator(self: Any) -> Any:
    yield "text"


async def sleeps(self: Any) -> None:
    await asyncio.sleep(0.01)


async def waits_for_a_future(self: Any) -> None:
    loop = asyncio.new_event_loop()
    try:
        await loop.create_future()
    finally:
        loop.close()


async def takes_from_a_queue(self: Any) -> None:
    await asyncio.Queue().get()


async def sleeps_in_a_child(self: Any) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asyncio.sleep, 0.01)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (returns_a_dict, r"Mine.get returned \{'a': 1\} \(dict\); what is to be sent is given to"),
        (returns_text, r"Mine.get returned 'text' \(str\)"),
        (is_a_generator, r"Mine.get is a generator: make it async def"),
        (is_an_async_generator, r"Mine.get has a yield"),
        (sleeps, r"Mine.get runs on trio.*trio\.sleep"),
        (waits_for_a_future, r"Mine.get runs on trio"),
        (takes_from_a_queue, r"Mine.get runs on trio"),
        (sleeps_in_a_child, r"Mine.get runs on trio"),
    ],
)
async def test_a_handler_that_cannot_work(
    method: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await get(handler(method))).code == 500
    assert re.search(said, caplog.text), caplog.text


async def test_a_function_that_cannot_work(caplog: pytest.LogCaptureFixture) -> None:
    def plain(exchange: Any) -> None: ...

    async def sleepy(exchange: Any) -> None:
        await asyncio.sleep(0.01)

    assert (await get(plain)).code == 500
    assert "plain returned None" in caplog.text
    assert (await get(sleepy)).code == 500
    assert "the handler runs on trio" in caplog.text
    caplog.clear()
    async with memory_server(sleepy) as server:
        assert (await server.get("/")).code == 500
    assert "the handler runs on trio" in caplog.text

    async def starts_a_child(self: Any) -> None:
        self.nursery.start_soon(asyncio.sleep, 0.01)
        await trio.sleep(1)

    assert (await get(handler(starts_a_child))).code == 500
    assert "a child of the request runs on trio" in caplog.text


async def test_values_that_may_be_returned() -> None:
    async def finishes(self: Any) -> Any:
        return self.finish("a")

    def redirects(self: Any) -> Any:
        return self.redirect("/b")

    async def writes(self: Any) -> Any:
        self.write("c")
        return True

    async def finish_later(self: Any) -> Any:
        return self.write("d")

    assert [(await get(handler(m))).code for m in (finishes, redirects, writes, finish_later)] == [
        200, 302, 200, 200
    ]  # fmt: skip

    async def prepare(self: Any) -> bool:
        return True

    assert (await get(handler(Hello.get, prepare=prepare))).body == b"hello"


async def test_asyncio_under_its_own_loop_is_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(self: Any) -> None:
        raise RuntimeError("mine")

    assert (await get(handler(fails))).code == 500
    assert "runs on trio" not in caplog.text


# --- users --------------------------------------------------------------------------------


async def test_a_user_not_awaited_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    async def nobody(self: Any) -> None:
        return None

    async def forgets(self: Any) -> None:
        if not self.current_user:
            raise web.HTTPError(401)
        self.write("secret")

    async def awaits(self: Any) -> None:
        assert await self.current_user is None
        assert self.current_user is None  # known by now
        self.write("asked")

    with caplog.at_level(logging.ERROR):
        answer = await get(handler(forgets, get_current_user=nobody))
    assert answer.code == 500 and b"secret" not in answer.body
    assert "Mine.get_current_user is async: `await self.current_user`" in caplog.text
    assert (await get(handler(awaits, get_current_user=nobody))).body == b"asked"


async def test_a_test_sees_its_own_error() -> None:
    with pytest.raises(web.HTTPError):
        async with memory_server(Application()):
            raise web.HTTPError(404)
    with trio.move_on_after(0) as scope:
        async with memory_server(Application()):
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_status_is_a_code() -> None:
    async with memory_server(Application([("/", Hello)])) as server:
        for path, status in (("/", 200), ("/x", 404)):
            raw = await server.get(path)
            assert raw.status == raw.code == status
        async with open_client(network=Network(dial=server.network.connect)) as client:
            response = await client.get("http://test.local/x")
            assert response.status == response.code == 404
            with pytest.raises(HTTPStatusError) as caught:
                response.raise_for_status()
            assert caught.value.status == caught.value.code == 404


# --- decorators and middleware ---------------------------------------------------------------


def test_a_timeout_without_its_seconds() -> None:
    async def get(self: RequestHandler) -> None: ...

    with pytest.raises(TypeError, match=r"write @timeout\(5\)"):
        web.timeout(get)  # type: ignore[arg-type]
    for seconds in (0, -1):
        with pytest.raises(ValueError, match="above 0 seconds"):
            web.timeout(seconds)
    with pytest.raises(ValueError, match=r'"cancel", "finish" or grace\(seconds\)'):
        web.on_disconnect("ignore")


def test_middleware_that_cannot_be_called() -> None:
    async def three(request: Any, call_next: Any, more: Any) -> None: ...

    async def one(request: Any) -> None: ...

    async def yields(call: Any, next: Any) -> Any:
        yield

    for middleware, message in (
        (three, "three is called with two arguments, call and next"),
        (one, "one is called with two arguments, call and next"),
        (yields, "yields has a yield"),
    ):
        with pytest.raises(TypeError, match=message):
            Application(middleware=[middleware])


def test_origins_that_no_browser_sends() -> None:
    for origin in ("shop.example", "https://shop.example/path", "https://*.example"):
        with pytest.raises(ValueError, match="is no origin"):
            CORS([origin])
    CORS(["https://shop.example/", "http://localhost:3000", "null", "http://[::1]:80"])
    with pytest.raises(TypeError, match="requests a second"):
        RequestLimit("10/minute")  # type: ignore[arg-type]
