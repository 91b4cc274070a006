"""Cookies, signed values, XSRF, origins, open redirects."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tornado_trio.web import (
    Application,
    ErrorHandler,
    HTTPError,
    RedirectHandler,
    RequestHandler,
    addslash,
    authenticated,
    create_signed_value,
    local_url,
    removeslash,
)
from tornado_trio.web.urls import fixed_origin, leads_elsewhere, origin_of

from .support import fetch, get

SECRET = {"cookie_secret": "secret"}


def handler(function: Any) -> type[RequestHandler]:
    class Handler(RequestHandler):
        def get(self) -> Any:
            return function(self)

    return Handler


# --- cookies -------------------------------------------------------------------------------


async def test_set_cookie() -> None:
    def set_cookies(self: RequestHandler) -> None:
        self.set_cookie("a", "1", httponly=True, secure=True, samesite="Lax", max_age=3)
        self.set_cookie("b", b"2", domain="foo.com", path="/foo")
        self.set_cookie("c", "x")
        self.set_cookie("c", "y", expires_days=None)  # replaces the first
        self.set_cookie("d", 'a;"b')
        self.clear_cookie("e", path="/p")

    response = await get(handler(set_cookies))
    cookies = response.headers.get_list("Set-Cookie")
    assert cookies[:3] == [
        "a=1; HttpOnly; Max-Age=3; Path=/; SameSite=Lax; Secure",
        "b=2; Domain=foo.com; Path=/foo",
        "c=y; Path=/",
    ]
    assert cookies[3].startswith('d="a\\073\\"b"')
    assert re.fullmatch('e=""; expires=.+; Path=/p', cookies[4])


async def test_cookies_cannot_inject() -> None:
    def try_all(self: RequestHandler) -> None:
        for char in [*map(chr, range(0x20)), "\x7f", ";"]:
            for kwargs in (
                {"name": "a" + char},
                {"name": "a", "domain": "x" + char},
                {"name": "a", "path": "/" + char},
                {"name": "a", "samesite": "Lax" + char},
            ):
                with pytest.raises(Exception, match="Invalid cookie"):
                    self.set_cookie(value="v", **kwargs)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="int"):
            self.set_cookie("a", "b", max_age="1; Path=/x")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            self.clear_cookie("a", expires=3)
        with pytest.raises(ValueError, match="Invalid cookie"):
            self.set_cookie("a", "x\r\ny")

    response = await get(handler(try_all))
    assert response.code == 200 and "Set-Cookie" not in response.headers


async def test_odd_spelling_of_attributes_is_deprecated() -> None:
    def set_cookie(self: RequestHandler) -> None:
        with pytest.warns(DeprecationWarning):
            self.set_cookie("a", "b", HttpOnly=True, pATH="/foo")

    response = await get(handler(set_cookie))
    assert response.headers["Set-Cookie"] == "a=b; HttpOnly; Path=/foo"


async def test_read_cookies() -> None:
    def show(self: RequestHandler) -> None:
        self.write({"foo": self.get_cookie("foo", "default"), "n": len(self.cookies)})

    for cookie, value in [
        ("foo=bar", "bar"),
        ('foo="b;r"', '"b'),
        ('foo="a\\073b"', "a;b"),
        ("/=exception;", "default"),
        ("x=1]foo=injected", "default"),
    ]:
        response = await get(handler(show), headers={"Cookie": cookie})
        assert f'"foo": "{value}"'.encode() in response.body.replace(b'\\"b', b'"b')


async def test_clear_all_cookies() -> None:
    def clear(self: RequestHandler) -> None:
        self.clear_all_cookies()

    response = await get(handler(clear), headers={"Cookie": "foo=bar; baz=x"})
    names = sorted(c.partition("=")[0] for c in response.headers.get_list("Set-Cookie"))
    assert names == ["baz", "foo"]


async def test_signed_cookies() -> None:
    def show(self: RequestHandler) -> None:
        self.write({"v": (self.get_signed_cookie("a") or b"none").decode()})

    good = create_signed_value("secret", "a", "hello").decode()
    forged = good.replace("aGVsbG8=", "aGVsbG9=")
    moved = create_signed_value("secret", "b", "hello").decode()
    for value, shown in [(good, b"hello"), (forged, b"none"), (moved, b"none"), ("2|x", b"none")]:
        response = await get(handler(show), headers={"Cookie": f"a={value}"}, settings=SECRET)
        assert shown in response.body


async def test_signing_needs_a_secret() -> None:
    def sign(self: RequestHandler) -> None:
        with pytest.raises(Exception, match="You must define the 'cookie_secret' setting"):
            self.set_signed_cookie("a", "b")
        self.settings["cookie_secret"] = {0: "a", 1: "b"}
        with pytest.raises(Exception, match="key_version setting must be used"):
            self.set_signed_cookie("a", "b")
        self.settings["key_version"] = 1
        self.set_signed_cookie("a", "b")
        value = self._new_cookie["a"].value
        assert self.get_signed_cookie_key_version("a", value) == 1
        assert self.get_signed_cookie("a", value) == b"b"

    assert (await get(handler(sign))).code == 200


# --- XSRF ----------------------------------------------------------------------------------


class Form(RequestHandler):
    def get(self) -> None:
        self.write(self.xsrf_token)

    def post(self) -> None:
        self.write("ok")


async def post(app: Application, token: str | None, cookie: str | None, **headers: str) -> int:
    if cookie is not None:
        headers["Cookie"] = "_xsrf=" + cookie
    body = {} if token is None else {"_xsrf": token}
    return (await fetch(app, method="POST", body=body, headers=headers)).code


async def test_xsrf() -> None:
    app = Application([("/", Form)], xsrf_cookies=True)
    response = await fetch(app)
    token = response.body.decode()
    assert f"_xsrf={token}" in response.headers["Set-Cookie"]
    other = (await fetch(app)).body.decode()
    assert await post(app, token, token) == 200
    assert await post(app, None, token) == 403
    assert await post(app, token, None) == 403
    assert await post(app, other, token) == 403
    assert await post(app, "3|", token) == 403
    assert await post(app, "", "") == 403
    assert await post(app, None, token, **{"X-Xsrftoken": token}) == 200
    assert await post(app, None, token, **{"X-CSRFToken": token}) == 200
    assert await post(app, None, token, **{"X-Requested-With": "XMLHttpRequest"}) == 403
    assert await post(app, "deadbeef", "deadbeef") == 200
    assert (await fetch(app, method="PUT")).code == 403
    assert (await fetch(app, method="OPTIONS")).code == 204


async def test_xsrf_token_is_masked_afresh() -> None:
    app = Application([("/", Form)], xsrf_cookies=True)
    cookie = {"Cookie": "_xsrf=0123456789abcdef0123456789abcdef"}
    pages = [(await fetch(app, headers=cookie)).body for _ in range(3)]
    assert len(set(pages)) == 3 and not any(b"0123456789" in page for page in pages)
    assert await post(app, pages[0].decode(), pages[1].decode()) == 200


async def test_state_is_not_there_before_it_is_needed() -> None:
    """JupyterHub asks `hasattr(handler, "_xsrf_token")`, others the same of `_new_cookie`."""

    def probe(self: RequestHandler) -> None:
        names = ("_xsrf_token", "_raw_xsrf_token", "_new_cookie")
        assert not any(hasattr(self, name) for name in names)
        first = self.xsrf_token
        assert all(hasattr(self, name) for name in names) and self._xsrf_token == first
        del self._xsrf_token, self._raw_xsrf_token
        assert self.xsrf_token != first

    assert (await get(handler(probe))).code == 200


async def test_xsrf_settings() -> None:
    app = Application(
        [("/", Form)],
        xsrf_cookies=True,
        xsrf_cookie_name="__Host-x",
        xsrf_cookie_kwargs={"secure": True, "httponly": True},
    )
    cookie = (await fetch(app)).headers["Set-Cookie"]
    assert cookie.startswith("__Host-x=") and "Secure" in cookie and "HttpOnly" in cookie
    assert app.settings["xsrf_cookie_kwargs"] == {"secure": True, "httponly": True}


async def test_xsrf_form_html() -> None:
    response = await get(handler(lambda self: self.write(self.xsrf_form_html())))
    assert response.body.startswith(b'<input type="hidden" name="_xsrf" value="2|')


async def test_errors_are_not_hidden_by_protection() -> None:
    app = Application(
        [("/e", ErrorHandler, {"status_code": 417})],
        xsrf_cookies=True,
        cross_origin_protection=True,
    )
    evil = {"Origin": "https://evil.com", "Sec-Fetch-Site": "cross-site"}
    assert (await fetch(app, "/e", "POST", headers=evil)).code == 417
    assert (await fetch(app, "/none", "POST", headers=evil)).code == 404


# --- origin ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://test.local"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://trusted.com"}, 200),
        ({"Sec-Fetch-Site": "Same-Origin"}, 403),
        ({"Origin": "http://test.local"}, 200),
        ({"Origin": "http://TEST.local"}, 200),
        ({"Origin": "http://test.local/x"}, 200),
        ({"Origin": "http://test.local:81"}, 403),
        ({"Origin": "http://u@test.local"}, 403),
        ({"Origin": "test.local"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "https://trusted.com"}, 200),
        ({"Origin": "https://trusted.com/"}, 403),
        ({"Origin": "http://trusted.com"}, 403),
    ],
)
async def test_cross_origin_protection(headers: dict[str, str], code: int) -> None:
    prepared: list[int] = []

    class Prepared(Form):
        def prepare(self) -> None:
            prepared.append(1)

    settings = {"cross_origin_protection": True, "trusted_origins": ["https://trusted.com"]}
    app = Application([("/", Prepared)], **settings)
    assert (await fetch(app, method="POST", headers=headers)).code == code
    assert bool(prepared) == (code == 200)
    assert (await fetch(app, headers=headers)).code == 200  # GET is safe


async def test_own_trust() -> None:
    class Open(Form):
        def check_trusted_origin(self, origin: str) -> bool:
            return origin.endswith(".example.com")

    app = Application([("/", Open)], cross_origin_protection=True)
    assert (
        await fetch(app, method="POST", headers={"Origin": "https://a.example.com"})
    ).code == 200
    assert (await fetch(app, method="POST", headers={"Origin": "https://b.com"})).code == 403


# --- redirects -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("/a", ("", "")),
        ("a/b", ("", "")),
        ("//evil", ("", "evil")),
        ("///evil", ("", "evil")),
        ("/\\evil", ("", "evil")),
        ("\\\\evil", ("", "evil")),
        ("/\t/evil", ("", "evil")),
        ("\n//evil", ("", "evil")),
        (" //evil", ("", "evil")),
        ("//", ("", "/")),
        ("https:evil", ("https", "evil")),
        ("HTTPS://EVIL/x", ("https", "evil")),
        ("https:////evil", ("https", "evil")),
        ("ht\ntps://evil", ("https", "evil")),
        ("https://u@evil:80/x?y#z", ("https", "u@evil:80")),
        ("javascript:alert(1)", ("javascript", "")),
        ("mailto:a@b", ("mailto", "")),
        ("/a:b", ("", "")),
    ],
)
def test_origin_as_browsers_see_it(url: str, origin: tuple[str, str]) -> None:
    assert origin_of(url) == origin
    assert leads_elsewhere(url) == (origin != ("", ""))


def test_fixed_origin() -> None:
    assert fixed_origin("https://e.com{0}") == ("https", "e.com")
    assert fixed_origin("/{0}/x") == ("", "")
    assert fixed_origin("{0}") == ("", "")
    assert fixed_origin("https://e.com/{{x}}") == ("https", "e.com")
    assert fixed_origin("") == ("", "")


REDIRECTS = Application(
    [
        (r"/any/(.*)", RedirectHandler, {"url": "{0}"}),
        (r"/moved(.*)", RedirectHandler, {"url": "https://example.com{0}"}),
        (r"/hostless/(.*)", RedirectHandler, {"url": "https://{0}"}),
        (r"/schemeonly/(.*)", RedirectHandler, {"url": "https:{0}"}),
        (r"/src", RedirectHandler, {"url": "/dst?a=b", "permanent": False}),
        (r"/(.*)/target", RedirectHandler, {"url": "/{0}/destination"}),
    ]
)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/src", "/dst?a=b"),
        ("/src?c=d", "/dst?a=b&c=d"),
        ("/ok/target", "/ok/destination"),
        ("/any/foo/bar", "foo/bar"),
        ("/moved/x", "https://example.com/x"),
        ("/moved", "https://example.com"),
        ("/any/%EF%BC%8F%EF%BC%8Fe.com", "%EF%BC%8F%EF%BC%8Fe.com"),
    ],
)
async def test_redirect_handler(path: str, location: str) -> None:
    response = await fetch(REDIRECTS, path)
    assert response.code == (302 if path.startswith("/src") else 301)
    assert response.headers["Location"] == location


@pytest.mark.parametrize(
    "path",
    [
        "/%2Fevil.com/target",
        "/%2F%2Fevil.com/target?x=1",
        "/%5C%5Cevil.com/target",
        "/%09//evil.com/target",
        "/any/https://evil.com/",
        "/any/https:evil.com/",
        "/any/HTTPS%3A/evil.com",
        "/any/%20//evil.com",
        "/any/%5C%5Cevil.com/",
        "/any////evil.com/",
        "/any/javascript:alert(1)",
        "/any/java%09script:alert(1)",
        "/any/%0Afoo",
        "/any/a%00b",
        "/any/%2F%2F%5B?x=1",
        "/moved.evil.com/x",
        "/moved@evil.com/x",
        "/moved:8080/x",
        "/hostless/evil.com",
        "/schemeonly/evil.com?x=1",
        "/schemeonly////evil.com",
    ],
)
async def test_redirects_stay_where_they_were_meant_to(path: str) -> None:
    response = await fetch(REDIRECTS, path)
    assert response.code == 400 and "Location" not in response.headers


class Slashes(RequestHandler):
    @removeslash
    def get(self, *args: str) -> None:
        self.write("no slash")

    @removeslash
    def post(self, *args: str) -> None: ...


class Slashed(RequestHandler):
    @addslash
    def get(self, *args: str) -> None:
        self.write("slash")

    post = get


SLASHES = Application([("/+rem.*", Slashes), ("/", Slashes), ("/+add.*", Slashed)])


async def test_slashes() -> None:
    for path, location in [
        ("/rem/", "/rem"),
        ("/rem//?a=b", "/rem?a=b"),
        ("/add", "/add/"),
        ("/add?a=b", "/add/?a=b"),
    ]:
        response = await fetch(SLASHES, path)
        assert (response.code, response.headers["Location"]) == (301, location)
    for path in ("/rem", "/", "/add/"):
        assert (await fetch(SLASHES, path)).code == 200
    assert (await fetch(SLASHES, "/rem/", "POST")).code == 404
    assert (await fetch(SLASHES, "/add", "POST")).code == 404


@pytest.mark.parametrize(
    "path", ["//add.evil.com", "///add.evil.com", "//rem.evil.com/", "///rem.evil.com/x/"]
)
async def test_slashes_do_not_lead_elsewhere(path: str) -> None:
    response = await fetch(SLASHES, path)
    assert response.code == 403 and "Location" not in response.headers


# --- users -----------------------------------------------------------------------------------


async def test_authenticated() -> None:
    class Private(RequestHandler):
        @authenticated
        def get(self) -> None:
            self.write("secret")

        post = get

        def get_current_user(self) -> str | None:
            return self.get_cookie("user")

    app = Application([("/p", Private)], login_url="/login")
    response = await fetch(app, "/p?a=b")
    assert (response.code, response.headers["Location"]) == (302, "/login?next=%2Fp%3Fa%3Db")
    assert response.body == b""
    assert (await fetch(app, "/p", "POST")).code == 403
    assert (await fetch(app, "/p", headers={"Cookie": "user=x"})).body == b"secret"
    app.settings["login_url"] = "https://sso.com/in"
    location = (await fetch(app, "/p")).headers["Location"]
    assert location == "https://sso.com/in?next=http%3A%2F%2Ftest.local%2Fp"
    app.settings["login_url"] = "/login?x=1"
    assert (await fetch(app, "/p")).headers["Location"] == "/login?x=1"
    del app.settings["login_url"]
    assert (await fetch(app, "/p")).code == 500


@pytest.mark.parametrize("path", ["//evil.com/x", "///evil.com/x", "/\\evil.com/x"])
async def test_next_stays_here(path: str) -> None:
    class Private(RequestHandler):
        @authenticated
        def get(self) -> None: ...

    app = Application([(".*", Private)], login_url="/login")
    response = await fetch(app, path)
    assert response.headers["Location"] == "/login?next=%2Fevil.com%2Fx"


def test_local_url() -> None:
    for url in ("/", "/a?b=c#d", "a/b", "?x", "/a//b", "/a:b"):
        assert local_url(url) == url
    for url in (None, "", "//e.com", "/\\e.com", "https://e.com", "javascript:x", "/a\nb", "\t//e"):
        assert local_url(url) == "/" and local_url(url, "/home") == "/home"


async def test_current_user_may_be_awaited() -> None:
    class Private(RequestHandler):
        @authenticated
        async def get(self) -> None:
            self.write({"user": self.current_user})

        async def get_current_user(self) -> str | None:  # type: ignore[override]
            return self.get_cookie("user")

    app = Application([("/p", Private)], login_url="/login")
    assert (await fetch(app, "/p")).code == 302
    response = await fetch(app, "/p", headers={"Cookie": "user=x"})
    assert response.body == b'{"user": "x"}'


async def test_current_user_is_asked_once_or_assigned() -> None:
    asked: list[int] = []

    class Handler(RequestHandler):
        def prepare(self) -> None:
            if self.get_argument("assign", ""):
                self.current_user = "assigned"

        def get_current_user(self) -> str:
            asked.append(1)
            return ""

        def get(self) -> None:
            self.write({"user": self.current_user or self.current_user})

    await get(Handler)
    assert asked == [1]
    assert (await get(Handler, "/?assign=1")).body == b'{"user": "assigned"}'
    assert asked == [1]


async def test_log_lines_carry_no_decoded_controls(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(400, "bad %s", "thing")

    await get(Handler, "/%0A%1b[31m")
    assert all("\n" not in m and "\x1b" not in m for m in caplog.messages)
