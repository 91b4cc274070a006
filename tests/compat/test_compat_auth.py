"""`tornado.auth`: awaited as in Tornado 6, and with callbacks as before it."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import warnings
from typing import Any
from urllib.parse import urlsplit

import tornado.auth
from tornado.concurrent import Future
from tornado.httpclient import HTTPError
from tornado.testing import AsyncTestCase, ExpectLog, gen_test
from tornado.web import HTTPError as WebError

RT = b"oauth_token=zxcv&oauth_token_secret=1234"


class Response:
    def __init__(self, body: bytes) -> None:
        self.body = body


class Client:
    """Answers by the end of the path, or the host; raises an HTTP error for anything else."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = answers
        self.log: list[str] = []

    def __call__(self) -> None:
        raise AssertionError("an HTTP client taken for a callback")

    def fetch(self, url: str, **kwargs: Any) -> Future:
        self.log.append(url)
        future: Future = Future()
        for key, body in self.answers.items():
            parts = urlsplit(url)
            if parts.path.endswith(key) or parts.netloc == key:
                future.set_result(Response(body))
                return future
        future.set_exception(HTTPError(500))
        return future


class Request:
    uri = "/login"

    def __init__(self, arguments: dict[str, str]) -> None:
        self.arguments = {name: [value.encode()] for name, value in arguments.items()}

    def full_url(self) -> str:
        return "http://me/login"


class Handler:
    """As much of a handler as the mixins use."""

    settings = {
        "twitter_consumer_key": "ck",
        "twitter_consumer_secret": "cs",
        "google_oauth": {"key": "k", "secret": "s"},
    }

    def __init__(self, client: Client, **arguments: str) -> None:
        self.client = client
        self.arguments = arguments
        self.request = Request(arguments)
        self.done: list[Any] = []
        self.errors: list[BaseException] = []

    def get_auth_http_client(self) -> Client:
        return self.client

    def get_argument(self, name: str, *default: Any) -> Any:
        if name not in self.arguments and not default:
            raise WebError(400)
        return self.arguments.get(name, default[0] if default else None)

    def get_cookie(self, name: str) -> str:
        return "enhjdg==|MTIzNA=="

    def clear_cookie(self, name: str) -> None:
        pass

    def set_cookie(self, name: str, value: bytes) -> None:
        self.done.append((name, value))

    def redirect(self, url: str) -> None:
        self.done.append(url)

    def require_setting(self, name: str, feature: str) -> None:
        assert name in self.settings

    def _handle_request_exception(self, error: BaseException) -> None:
        self.errors.append(error)


class One(Handler, tornado.auth.OAuthMixin):
    _OAUTH_REQUEST_TOKEN_URL = "http://p/request"
    _OAUTH_ACCESS_TOKEN_URL = "http://p/access"
    _OAUTH_AUTHORIZE_URL = "http://p/authorize"

    def _oauth_consumer_token(self) -> dict[str, str]:
        return {"key": "ck", "secret": "cs"}

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        return {"name": "Jo"}


class OldOne(One):
    """A subclass written for Tornado 4."""

    _oauth_get_user_future = tornado.auth.OAuthMixin._oauth_get_user_future

    def _oauth_get_user(self, access_token: dict[str, Any], callback: Any) -> None:
        callback({"name": "Al"})


class Twitter(Handler, tornado.auth.TwitterMixin):
    pass


class Google(Handler, tornado.auth.GoogleOAuth2Mixin):
    pass


class Facebook(Handler, tornado.auth.FacebookGraphMixin):
    pass


class OpenId(Handler, tornado.auth.OpenIdMixin):
    _OPENID_ENDPOINT = "http://op/"


class AuthTest(AsyncTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.results: list[Any] = []

    async def turn(self) -> None:
        from tornado.gen import sleep

        await sleep(0.01)

    @gen_test
    async def test_awaited(self) -> None:
        handler = One(Client(request=RT))
        assert await handler.authorize_redirect(extra_params={"scope": "x"}) is None
        assert handler.done[-1] == "http://p/authorize?oauth_token=zxcv"
        assert "scope=x" in handler.client.log[0]

    @gen_test
    async def test_starts_without_being_awaited(self) -> None:
        handler = One(Client(request=RT))
        assert isinstance(handler.authorize_redirect(), Future)
        await self.turn()
        assert handler.done[-1] == "http://p/authorize?oauth_token=zxcv"

    @gen_test
    async def test_callback_first_or_by_name(self) -> None:
        client = Client(access=RT)
        handler = One(client, oauth_token="zxcv")
        handler.get_authenticated_user(self.results.append, http_client=client)
        handler.get_authenticated_user(callback=self.results.append)
        handler.get_authenticated_user(self.results.append)
        await self.turn()
        assert [user["name"] for user in self.results] == ["Jo"] * 3
        assert (await handler.get_authenticated_user(client))["name"] == "Jo"

    @gen_test
    async def test_user_by_callback(self) -> None:
        handler = OldOne(Client(access=RT), oauth_token="zxcv")
        assert (await handler.get_authenticated_user())["name"] == "Al"

    @gen_test
    async def test_callback_gets_none_when_it_fails(self) -> None:
        handler = One(Client(access=RT), oauth_token="other")
        with ExpectLog("tornado.general", "Sign-in failed: Request token does not match"):
            handler.get_authenticated_user(self.results.append)
            await self.turn()
        twitter = Twitter(Client())
        token = {"key": "k", "secret": "s"}
        with ExpectLog("tornado.general", "Sign-in failed: HTTP 500"):
            twitter.twitter_request("/x", self.results.append, access_token=token)
            await self.turn()
        assert self.results == [None, None]

    @gen_test
    async def test_other_errors_are_the_requests(self) -> None:
        handler = One(Client(access=RT))
        handler.get_authenticated_user(self.results.append)  # there is no argument "oauth_token"
        await self.turn()
        assert [type(error) for error in handler.errors] == [WebError]

        def broken(user: Any) -> None:
            raise ValueError("in the callback")

        handler = One(Client(access=RT), oauth_token="zxcv")
        handler.get_authenticated_user(broken)
        await self.turn()
        assert [str(error) for error in handler.errors] == ["in the callback"]
        assert self.results == []

    @gen_test
    async def test_callbacks_of_the_others(self) -> None:
        json = Client(token=b'{"access_token": "t"}', me=b'{"id": "1"}', api=b"[1]")
        Google(json).get_authenticated_user("http://r", "code", self.results.append)
        await self.turn()
        assert self.results.pop() == {"access_token": "t"}
        Google(json).oauth2_request("http://x/api", self.results.append, access_token="t")
        await self.turn()
        assert self.results.pop() == [1]
        Facebook(json).facebook_request("/api", self.results.append, "t", a="b")
        await self.turn()
        assert self.results.pop() == [1]
        assert json.log[-1] == "https://graph.facebook.com/api?access_token=t&a=b"
        Facebook(json).get_authenticated_user("r", "i", "s", "c", self.results.append, ["email"])
        await self.turn()
        assert self.results.pop()["email"] is None
        handler = Google(json)
        handler.authorize_redirect("r", "i", callback=self.results.append)
        assert self.results == [None]
        assert handler.done[0].endswith("?response_type=code&redirect_uri=r&client_id=i")

    @gen_test
    async def test_openid_is_deprecated(self) -> None:
        handler = OpenId(Client(op=b"is_valid:true"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert handler.authenticate_redirect() is None
            assert await handler.get_authenticated_user() == {}
        messages = {str(warning.message) for warning in caught}
        assert messages == {"OpenIdMixin is deprecated and will be removed in Tornado 6.7"}

    def test_default_client(self) -> None:
        from tornado.httpclient import AsyncHTTPClient

        class Plain(tornado.auth.OAuth2Mixin):
            pass

        assert isinstance(Plain().get_auth_http_client(), AsyncHTTPClient)
