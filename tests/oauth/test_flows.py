"""Whole sign-ins between two native applications in memory: ours and a provider's."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trio.testing

from tornado_trio import web
from tornado_trio.client import Client, HTTPStatusError, Network, Policy, open_client
from tornado_trio.net.memory import MemoryNetwork
from tornado_trio.oauth import (
    AuthError,
    FacebookGraphMixin,
    GoogleOAuth2Mixin,
    OAuthMixin,
    OpenIdMixin,
    Provider,
    TwitterMixin,
    oauth1,
)
from tornado_trio.oauth.fetch import fetch_token
from tornado_trio.testing import memory_server

CONSUMER = {"key": "ck", "secret": "cs"}


@pytest.fixture(autouse=True)
def clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    return autojump_clock


# The provider


class OneTokens(web.RequestHandler):
    """Request and access tokens of OAuth 1.0a; checks the signature as a provider does."""

    async def get(self, kind: str) -> None:
        parameters = {name: self.get_argument(name) for name in self.request.arguments}
        found = parameters.pop("oauth_signature")
        secret = {"key": "rt", "secret": "rts"} if kind == "access" else None
        url = "http://provider" + self.request.path
        expected = oauth1.signature(CONSUMER, "GET", url, parameters, secret).decode()
        if found != expected:
            raise web.HTTPError(401)
        if kind == "request":
            self.write("oauth_token=rt&oauth_token_secret=rts")
        elif parameters.get("oauth_verifier") != "vvv":
            raise web.HTTPError(403)
        else:
            self.write("oauth_token=at&oauth_token_secret=ats&screen_name=jo")


class OneUser(web.RequestHandler):
    async def get(self) -> None:
        assert self.get_argument("oauth_token") == "at"
        self.write({"screen_name": "jo"})

    async def post(self) -> None:
        parameters = {name: self.get_argument(name) for name in self.request.arguments}
        found = parameters.pop("oauth_signature")
        url = "http://provider" + self.request.path
        token = {"key": "at", "secret": "ats"}
        if found != oauth1.signature(CONSUMER, "POST", url, parameters, token).decode():
            raise web.HTTPError(401)
        self.write({"said": self.get_body_argument("status")})


class TwoToken(web.RequestHandler):
    async def post(self) -> None:
        if self.get_argument("code") != "good":
            self.set_status(400)
            self.write({"error": "invalid_grant"})
        else:
            verifier = self.get_argument("code_verifier", None)
            self.write({"access_token": "tok", "expires_in": 3600, "verifier": verifier})

    async def get(self) -> None:
        self.write({"access_token": "tok", "expires_in": 3600})


class Me(web.RequestHandler):
    async def get(self) -> None:
        assert self.get_argument("access_token") == "tok"
        self.write({"id": "1", "name": "Jo", "fields": self.get_argument("fields", "")})


class OpenId(web.RequestHandler):
    async def post(self) -> None:
        good = self.get_argument("openid.sig", "") == "good"
        self.write(f"ns:x\nis_valid:{'true' if good else 'false'}\n")


# Our application


class One(OAuthMixin, web.RequestHandler):
    _OAUTH_REQUEST_TOKEN_URL = "http://provider/1/request"
    _OAUTH_ACCESS_TOKEN_URL = "http://provider/1/access"
    _OAUTH_AUTHORIZE_URL = "http://provider/1/authorize"

    def _oauth_consumer_token(self) -> dict[str, Any]:
        return CONSUMER

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        return {} if self.get_argument("nobody", None) else {"name": "Jo"}

    async def get(self) -> None:
        if self.get_argument("oauth_token", None):
            try:
                self.write(await self.get_authenticated_user())
            except AuthError as error:
                self.set_status(403)
                self.write(str(error))
        else:
            await self.authorize_redirect(callback_uri="/1/login?x=1")


class Twitter(TwitterMixin, web.RequestHandler):
    _OAUTH_REQUEST_TOKEN_URL = "http://provider/1/request"
    _OAUTH_ACCESS_TOKEN_URL = "http://provider/1/access"
    _OAUTH_AUTHENTICATE_URL = "http://provider/1/authenticate"
    _TWITTER_BASE_URL = "http://provider/api"

    async def get(self) -> None:
        if self.get_argument("oauth_token", None):
            user = await self.get_authenticated_user()
            token = user["access_token"]
            answer = await self.twitter_request("/say", token, {"status": "é x"}, q="1")
            self.write({**user, **answer})
        else:
            await self.authenticate_redirect()


class Google(GoogleOAuth2Mixin, web.RequestHandler):
    _OAUTH_AUTHORIZE_URL = "http://provider/2/authorize"
    _OAUTH_ACCESS_TOKEN_URL = "http://provider/2/token"

    async def get(self) -> None:
        code = self.get_argument("code", None)
        if code is None:
            self.authorize_redirect("http://me/g", client_id="gk", scope=["email"])
            return
        try:
            access = await self.get_authenticated_user("http://me/g", code)
        except HTTPStatusError as error:
            raise web.HTTPError(502) from error
        token = access["access_token"]
        self.write(await self.oauth2_request("http://provider/2/me", access_token=token))


class Facebook(FacebookGraphMixin, web.RequestHandler):
    _OAUTH_ACCESS_TOKEN_URL = "http://provider/2/token?"
    _FACEBOOK_BASE_URL = "http://provider/2"

    async def get(self) -> None:
        user = await self.get_authenticated_user("http://me/f", "ci", "cs", "good")
        self.write(user or {})


class OpenIdLogin(OpenIdMixin, web.RequestHandler):
    _OPENID_ENDPOINT = "http://provider/openid"

    async def get(self) -> None:
        if self.get_argument("openid.mode", None) is None:
            self.authenticate_redirect()
            return
        try:
            self.write(await self.get_authenticated_user())
        except AuthError:
            raise web.HTTPError(403) from None


@asynccontextmanager
async def running() -> AsyncIterator[Client]:
    """Both applications, and a browser that follows no redirects."""
    network = MemoryNetwork()
    provider = web.Application(
        [
            (r"/1/(request|access)", OneTokens),
            (r"/api/account/verify_credentials.json", OneUser),
            (r"/api/say.json", OneUser),
            (r"/2/token", TwoToken),
            (r"/2/me", Me),
            (r"/openid", OpenId),
        ]
    )
    options = Network(dial=network.connect)
    async with open_client(network=options) as client:
        app = web.Application(
            [
                (r"/1/login", One),
                (r"/t", Twitter),
                (r"/g", Google),
                (r"/f", Facebook),
                (r"/openid", OpenIdLogin),
            ],
            auth_http_client=client,
            google_oauth={"key": "gk", "secret": "gs"},
            twitter_consumer_key="ck",
            twitter_consumer_secret="cs",
        )
        async with (
            memory_server(provider, network=network, host="provider"),
            memory_server(app, network=network, host="me"),
            open_client(network=options, policy=Policy(follow_redirects=False)) as browser,
        ):
            yield browser


async def test_oauth1() -> None:
    async with running() as browser:
        start = await browser.get("http://me/1/login")
        assert start.status == 302
        location = urlsplit(start.headers["Location"])
        assert location.path == "/1/authorize"
        assert parse_qs(location.query) == {
            "oauth_token": ["rt"],
            "oauth_callback": ["http://me/1/login?x=1"],
        }
        value = start.headers["Set-Cookie"].partition(";")[0].partition("=")[2].strip('"')
        assert value == "cnQ=|cnRz"
        headers = {"Cookie": f"_oauth_request_token={value}"}
        done = await browser.get(
            "http://me/1/login?oauth_token=rt&oauth_verifier=vvv", headers=headers
        )
        assert done.json() == {
            "name": "Jo",
            "access_token": {"key": "at", "secret": "ats", "screen_name": "jo"},
        }
        assert "_oauth_request_token=" in done.headers["Set-Cookie"]


async def test_oauth1_refusals() -> None:
    good = "_oauth_request_token=cnQ=|cnRz"
    async with running() as browser:
        for query, cookie, text in [
            ("oauth_token=other", good, "does not match"),
            ("oauth_token=rt", None, "Missing OAuth request token cookie"),
            ("oauth_token=rt", "_oauth_request_token=%%", "Malformed"),
            ("oauth_token=rt&oauth_verifier=vvv&nobody=1", good, "Error getting user"),
        ]:
            headers = {"Cookie": cookie} if cookie else {}
            answer = await browser.get(f"http://me/1/login?{query}", headers=headers)
            assert (answer.status, text in answer.text) == (403, True), text


async def test_twitter() -> None:
    async with running() as browser:
        start = await browser.get("http://me/t")
        assert start.headers["Location"] == "http://provider/1/authenticate?oauth_token=rt"
        cookie = b"|".join([base64.b64encode(b"rt"), base64.b64encode(b"rts")]).decode()
        headers = {"Cookie": f"_oauth_request_token={cookie}"}
        done = await browser.get("http://me/t?oauth_token=rt&oauth_verifier=vvv", headers=headers)
        user = done.json()
        assert user["username"] == "jo"
        assert user["said"] == "é x"


async def test_google() -> None:
    async with running() as browser:
        start = await browser.get("http://me/g")
        query = parse_qs(urlsplit(start.headers["Location"]).query)
        assert query["scope"] == ["email"]
        done = await browser.get("http://me/g?code=good")
        assert done.json()["name"] == "Jo"
        assert (await browser.get("http://me/g?code=bad")).status == 502


async def test_facebook() -> None:
    async with running() as browser:
        user = (await browser.get("http://me/f")).json()
        assert user["access_token"] == "tok"
        assert user["session_expires"] == "3600"
        assert (user["id"], user["first_name"]) == ("1", None)


async def test_openid() -> None:
    base = (
        "http://me/openid?openid.mode=id_res&openid.ns.ax=http://openid.net/srv/ax/1.0"
        "&openid.ax.type.e=http://axschema.org/contact/email&openid.ax.value.e=jo@x.y"
    )
    async with running() as browser:
        start = await browser.get("http://me/openid")
        assert start.headers["Location"].startswith("http://provider/openid?openid.ns=")
        done = await browser.get(base + "&openid.sig=good")
        assert done.json() == {"name": "jo", "email": "jo@x.y"}
        assert (await browser.get(base + "&openid.sig=bad")).status == 403


async def test_authorization_code_with_pkce() -> None:
    provider = Provider(
        authorize_url="http://provider/2/authorize",
        token_url="http://provider/2/token",
        client_id="id",
        client_secret="s",
    )
    sign_in = provider.start("http://me/cb")
    async with running() as client:
        callback = {"state": sign_in.state, "code": "good"}
        token = await fetch_token(client, provider.exchange(sign_in, callback))
        assert token["access_token"] == "tok"
        assert token["verifier"] == sign_in.verifier
        with pytest.raises(AuthError, match="invalid_grant"):
            await fetch_token(client, provider.exchange(sign_in, callback | {"code": "bad"}))


async def test_no_client_configured() -> None:
    class Handler(One):
        def require_setting(self, name: str, feature: str = "") -> None:
            raise Exception(f"set {name}")

    with pytest.raises(Exception, match="set auth_http_client"):
        Handler.get_auth_http_client(Handler.__new__(Handler))
