"""Redirect policy: methods, bodies, and what never leaves an origin."""

from __future__ import annotations

import pytest

from tornado_trio.client.errors import InvalidRequest
from tornado_trio.client.redirects import follow, kept_fields, method_after

URL = "http://a.test/start"


@pytest.mark.parametrize(
    ("method", "status", "after"),
    [
        ("GET", 301, "GET"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 301, "PUT"),
        ("DELETE", 302, "DELETE"),
        ("HEAD", 303, "HEAD"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("OPTIONS", 308, "OPTIONS"),
    ],
)
def test_methods(method: str, status: int, after: str) -> None:
    assert method_after(method, status) == after
    redirect = follow(method, URL, status, "/next")
    assert redirect is not None and redirect.method == after
    assert redirect.url == "http://a.test/next"


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 400])
def test_not_a_redirect(status: int) -> None:
    assert follow("GET", URL, status, "/x") is None


def test_without_location() -> None:
    assert follow("GET", URL, 302, None) is None
    assert follow("GET", URL, 302, "") is None


@pytest.mark.parametrize(
    "location",
    ["ftp://a.test/", "h:5", "javascript:x", "file:///etc/passwd", "ws://a.test/"],
)
def test_other_schemes_fail(location: str) -> None:
    with pytest.raises(InvalidRequest):
        follow("GET", URL, 302, location)


@pytest.mark.parametrize("location", ["http://[::1", "//[x]/", "http://a.test:99999/"])
def test_what_is_no_url_fails_as_one(location: str) -> None:
    with pytest.raises(InvalidRequest, match="bad"):
        follow("GET", URL, 302, location)


def test_body_fields_go_with_the_body() -> None:
    fields = [("Content-Type", "a/b"), ("Content-Length", "3"), ("Expect", "x"), ("X", "y")]
    redirect = follow("POST", URL, 302, "/x")
    assert redirect is not None and not redirect.keep_body
    assert kept_fields(redirect, fields) == [("X", "y")]
    redirect = follow("POST", URL, 307, "/x")
    assert redirect is not None and redirect.keep_body
    assert kept_fields(redirect, fields) == fields


@pytest.mark.parametrize(
    ("location", "same"),
    [
        ("/x", True),
        ("http://a.test:80/x", True),
        ("http://A.TEST/x", True),
        ("https://a.test/x", False),
        ("http://a.test:81/x", False),
        ("http://b.a.test/x", False),
        ("//a.test.evil/x", False),
    ],
)
def test_secrets_stay_in_their_origin(location: str, same: bool) -> None:
    secrets = [
        ("Authorization", "a"),
        ("authorization", "b"),
        ("Cookie", "c"),
        ("Proxy-Authorization", "d"),
    ]
    redirect = follow("GET", URL, 302, location)
    assert redirect is not None and redirect.same_origin is same
    kept = kept_fields(redirect, [*secrets, ("Host", "a.test"), ("X", "y")])
    assert kept == ([*secrets, ("X", "y")] if same else [("X", "y")])


@pytest.mark.parametrize(
    ("url", "location", "there"),
    [
        (URL, "http://eve:pw@b.test/x", "http://b.test/x"),
        (URL, "http://eve:pw@a.test:80/x", "http://a.test:80/x"),
        ("http://me:pw@a.test/", "http://eve:pw@a.test/x", "http://a.test/x"),
        ("http://me:pw@a.test/", "http://me:pw@b.test/x", "http://b.test/x"),
        ("http://me:pw@a.test/", "/x", "http://me:pw@a.test/x"),
        ("http://me:pw@a.test/", "http://me:pw@a.test/x", "http://me:pw@a.test/x"),
    ],
)
def test_a_server_does_not_say_who_we_are(url: str, location: str, there: str) -> None:
    """Otherwise it could have us log in elsewhere, where only we can reach."""
    redirect = follow("GET", url, 302, location)
    assert redirect is not None and redirect.url == there
