"""Logging in with a password, and with an account elsewhere."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import re
import urllib.parse
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import HTTPResponse
from tornado.testing import AsyncHTTPTestCase, ExpectLog
from tornado.web import Application, RequestHandler

from .programs import load


class Browser(AsyncHTTPTestCase):
    """Keeps cookies from one request to the next."""

    __test__ = False

    def setUp(self) -> None:
        super().setUp()
        self.cookies: dict[str, str] = {}

    def go(self, path: str, method: str = "GET", **fields: str) -> HTTPResponse:
        body = None
        if method == "POST":
            body = urlencode({"_xsrf": self.cookies.get("_xsrf", ""), **fields})
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = self.fetch(
            path,
            method=method,
            body=body,
            headers={"Cookie": cookies} if cookies else {},
            follow_redirects=False,
        )
        for line in response.headers.get_list("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if value == '""':
                del self.cookies[name]
        return response


class TestLogin(Browser):
    __test__ = True

    def get_app(self) -> Any:
        return load("login/login.py").make_app()

    def test_from_signing_up_to_logging_out(self) -> None:
        response = self.go("/")
        assert (response.code, response.headers["Location"]) == (302, "/login?next=%2F")
        page = self.go("/login?next=/").body.decode()
        assert page.count("Log in") == 3
        token = re.search(r'name="_xsrf" value="([^"]+)"', page)
        assert token is not None and token[1] == self.cookies["_xsrf"]
        response = self.go("/login", "POST", name="Jo <b>", password=" secret", new="yes")
        assert (response.code, response.headers["Location"]) == (302, "/")
        page = self.go("/").body.decode()
        assert "<h1>Notes of Jo &lt;b&gt;</h1>" in page and "NOTHING YET" in page
        assert self.go("/", "POST", note="a & b").code == 302
        page = self.go("/").body.decode()
        assert '<div class="note">a &amp; b</div>' in page
        # What its UI module asks for is in the head of the page.
        head = page.partition("</head>")[0]
        assert 'href="/static/login.css?v=' in head and "background: #ffc" in head
        assert self.go("/logout", "POST").code == 302
        assert "user" not in self.cookies
        assert self.go("/").code == 302
        assert self.go("/home").code == 301

    def test_refusals(self) -> None:
        self.go("/login")
        self.go("/login", "POST", name="Al", password="right", new="yes")
        del self.cookies["user"]
        response = self.go("/login", "POST", name="Al", password="wrong")
        assert response.code == 403 and b"Name or password is wrong." in response.body
        assert self.go("/login", "POST", name="Nobody", password="x").code == 403
        response = self.go("/login", "POST", name="Al", password="x", new="yes")
        assert b"This name is taken." in response.body
        for target in ("//evil.example/", "https://evil.example/", "/\\evil.example"):
            response = self.go("/login", "POST", name="Al", password="right", next=target)
            assert response.headers["Location"] == "/", target
        self.cookies["user"] = self.cookies["user"][:-1] + "0"
        with ExpectLog("tornado.general", ".*", required=False):
            assert self.go("/").headers["Location"].startswith("/login")

    def test_forged_forms(self) -> None:
        with ExpectLog("tornado.general", "403 POST /login.*'_xsrf' argument missing"):
            self.cookies.clear()
            response = self.fetch("/login", method="POST", body="name=a&password=b")
        assert response.code == 403
        assert b"This did not work: Forbidden." in response.body


class Provider(RequestHandler):
    """The other side of OAuth 2, as far as it is needed."""

    def get(self, what: str) -> None:
        if what == "profile":
            assert self.get_argument("access_token") == "token of code"
            self.write({"name": "Ann <b>"})

    def post(self, what: str) -> None:
        assert self.get_argument("client_secret") == "our secret"
        self.write({"access_token": f"token of {self.get_argument('code')}"})


class TestOAuth(Browser):
    __test__ = True

    def get_app(self) -> Any:
        self.provider = {"key": "us", "secret": "our secret"}
        app: Application = load("oauth.py").make_app(self.provider)
        app.wildcard_router.add_rules([("/provider/(.*)", Provider)])
        return app

    def setUp(self) -> None:
        super().setUp()
        for name in ("authorize", "token", "profile"):
            self.provider[name] = self.get_url(f"/provider/{name}")

    def test_the_dance(self) -> None:
        assert self.go("/").headers["Location"].startswith("/login")
        response = self.go("/login")
        away = urllib.parse.urlsplit(response.headers["Location"])
        asked = dict(urllib.parse.parse_qsl(away.query))
        assert away.path == "/provider/authorize"
        assert asked["client_id"] == "us" and asked["redirect_uri"] == self.get_url("/login")
        back = urlencode({"code": "code", "state": asked["state"]})
        response = self.go(f"/login?{back}")
        assert (response.code, response.headers["Location"]) == (302, "/")
        assert self.go("/").body == b"Hello, Ann &lt;b&gt;"

    def test_a_dance_somebody_else_began(self) -> None:
        self.go("/login")
        with ExpectLog("tornado.general", ".*", required=False):
            assert self.go("/login?code=code&state=other").code == 403
