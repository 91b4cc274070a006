"""Bearer and Basic: what a client says of itself, for handlers of any kind."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

import pytest

from tornado_trio import web
from tornado_trio.wire.headers import HTTPHeaders

from .support import fetch


class Said:
    """A request, as far as it matters here."""

    def __init__(self, *values: str) -> None:
        self.headers = HTTPHeaders()
        for value in values:
            self.headers.add("Authorization", value)


@pytest.mark.parametrize(
    ("values", "token"),
    [
        (["Bearer abc"], "abc"),
        (["bearer   a.b-c~d+e/f=="], "a.b-c~d+e/f=="),
        (["BEARER abc "], "abc"),
        ([], None),
        (["Bearer"], None),
        (["Bearer "], None),
        (["Bearerabc"], None),
        (["Basic abc"], None),
        (["Bearer a b"], None),
        (["Bearer a", "Bearer b"], None),
        (['Bearer token="a"'], None),
        (["Bearer \xe9"], None),
    ],
)
def test_bearer(values: list[str], token: str | None) -> None:
    assert web.bearer_token(Said(*values)) == token


def encoded(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return "Basic " + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (encoded("me:secret"), ("me", "secret")),
        (encoded("me:a:b"), ("me", "a:b")),
        (encoded(":"), ("", "")),
        (encoded("ü:пароль"), ("ü", "пароль")),
        (encoded("me:x").replace("Basic", "basic"), ("me", "x")),
        (encoded("me"), None),
        (encoded(b"me:\xff"), None),
        (encoded("me:a\r\nb"), None),
        (encoded("m\x7f:a"), None),
        ("Basic bWU6", ("me", "")),
        ("Basic bWU", None),
        ("Basic b*U6", None),
        ("Basic \xe9", None),
        ("Basic", None),
        ("Bearer bWU6", None),
    ],
)
def test_basic(value: str, found: tuple[str, str] | None) -> None:
    credentials = web.basic_credentials(Said(value))
    assert (credentials and (credentials.username, credentials.password)) == found
    if found and found[1]:
        assert found[1] not in repr(credentials)
    assert web.basic_credentials(Said()) is None


TOKENS = {hashlib.sha256(b"t").hexdigest(): "ann"}


class Guarded(web.RequestHandler):
    async def current_user(self) -> str | None:  # type: ignore[override]
        token = web.bearer_token(self.request)
        return token and TOKENS.get(hashlib.sha256(token.encode()).hexdigest())

    @web.requires()
    async def get(self) -> None:
        self.write(f"hello {self.current_user}")


class Page(web.RequestHandler):
    def get_current_user(self) -> Any:
        said = web.basic_credentials(self.request)
        return said and secrets.compare_digest(said.password, "x") and said.username

    @web.requires(challenge='Basic realm="here", charset="UTF-8"')
    def get(self) -> None:
        self.write(f"hello {self.current_user}")


async def test_users_of_plain_handlers() -> None:
    app = web.Application([("/", Guarded), ("/page", Page)])
    assert (await fetch(app, headers={"Authorization": "Bearer t"})).body == b"hello ann"
    for headers in ({}, {"Authorization": "Bearer u"}):
        refused = await fetch(app, headers=headers)
        assert (refused.code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    said = await fetch(app, "/page", headers={"Authorization": encoded("bob:x")})
    assert said.body == b"hello bob"
    refused = await fetch(app, "/page", headers={"Authorization": encoded("bob:y")})
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="here", charset="UTF-8"'
