"""The user of a request, asked before the method; guards for pages and for APIs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import trio
import trio.lowlevel

from tornado_trio import api, web

from .support import fetch

HTML = {"Accept": "text/html,*/*"}


@dataclasses.dataclass
class User:
    name: str
    scopes: str = ""


class Site(web.RequestHandler):
    asked = 0

    async def current_user(self) -> User | None:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        type(self).asked += 1
        name = self.request.headers.get("X-User")
        if name == "broken":
            raise LookupError("no database")
        return User(*name.split("/")) if name else None


class Seen(Site):
    asked = 0

    async def prepare(self) -> None:
        self.first = self.current_user

    async def get(self) -> None:
        user: Any = self.current_user
        assert user is self.first
        self.write(user.name if user else "nobody")


class Guarded(Site):
    @web.requires()
    async def get(self) -> None:
        user: Any = self.current_user
        self.write(user.name)

    @web.requires("read", "write")
    def post(self) -> None:
        self.write("written")

    @web.authenticated
    async def put(self) -> None:
        self.write("put")


class Later(web.RequestHandler):
    async def get_current_user(self) -> Any:
        name = self.request.headers.get("X-User")
        return {"name": name, "scopes": ["read"]} if name else None

    @web.requires("read")
    async def get(self) -> None:
        self.write(self.current_user["name"])

    @web.requires("write")
    async def post(self) -> None:
        raise AssertionError


APP = web.Application(
    [("/seen", Seen), ("/guarded", Guarded), ("/later", Later)], login_url="/login"
)


async def ask(path: str, method: str = "GET", user: str = "", **headers: str) -> Any:
    fields = {"X-User": user} if user else {}
    return await fetch(APP, path, method, {**fields, **headers})


async def test_the_user_is_asked_once_and_is_no_coroutine() -> None:
    Seen.asked = 0
    assert (await ask("/seen", user="ann")).body == b"ann"
    assert Seen.asked == 1
    assert (await ask("/seen")).body == b"nobody"


async def test_an_error_of_the_question_is_an_error_page(caplog: pytest.LogCaptureFixture) -> None:
    assert (await ask("/seen", user="broken")).code == 500
    assert "no database" in caplog.text


async def test_guards_of_apis_and_of_pages() -> None:
    assert (await ask("/guarded", user="ann")).body == b"ann"
    refused = await ask("/guarded")
    assert (refused.code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    page = await ask("/guarded", **HTML)
    assert (page.code, page.headers["Location"]) == (302, "/login?next=%2Fguarded")
    posted = await ask("/guarded", "POST", **HTML)
    assert posted.code == 401
    assert (await ask("/guarded", "PUT")).code == 403  # @authenticated, as ever
    assert (await ask("/guarded", "PUT", user="ann")).body == b"put"


async def test_scopes() -> None:
    assert (await ask("/guarded", "POST", user="ann/read write more")).body == b"written"
    refused = await ask("/guarded", "POST", user="ann/read")
    assert refused.code == 403
    field = refused.headers["WWW-Authenticate"]
    assert field == 'Bearer error="insufficient_scope", scope="read write"'


async def test_guards_wait_for_a_user_that_is_told_later() -> None:
    assert (await ask("/later", user="ann")).body == b"ann"
    assert (await ask("/later")).code == 401
    assert (await ask("/later", "POST", user="ann")).code == 403


async def test_in_an_api_the_answers_are_problem_documents() -> None:
    class Orders(Site, api.Handler):
        @web.requires("read")
        async def get(self) -> dict[str, str]:
            return {"a": "b"}

    app: api.Application[None] = api.Application([("/", Orders)])
    refused = await fetch(app)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await fetch(app, headers={"X-User": "ann/read"})).body == b'{"a":"b"}'


async def test_another_challenge_and_a_page_by_will() -> None:
    class Basic(web.RequestHandler):
        @web.requires(challenge='Basic realm="orders"')
        def get(self) -> None: ...

        @web.requires(page=True)
        def head(self) -> None: ...

    app = web.Application([("/", Basic)], login_url="/in")
    refused = await fetch(app)
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="orders"'
    assert (await fetch(app, "/", "HEAD")).headers["Location"] == "/in?next=%2F"
    with pytest.raises(TypeError, match=r"@requires\(\)"):
        web.requires(lambda self: None)  # type: ignore[arg-type]
