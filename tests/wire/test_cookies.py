"""Cookie and Set-Cookie fields."""

from __future__ import annotations

import time
from http.cookies import CookieError, SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.wire.cookies import cookie_jar, make_morsel, parse_cookie, set_cookie_values


@pytest.mark.parametrize(
    ("field", "cookies"),
    [
        ("a=b; c=d", {"a": "b", "c": "d"}),
        ("a=b;c=d", {"a": "b", "c": "d"}),
        ("a=b; a=c", {"a": "c"}),
        ("a==b", {"a": "=b"}),
        ("a=b,c=d", {"a": "b,c=d"}),
        (" a = b ;\tc = ", {"a": "b", "c": ""}),
        ('a="b"', {"a": "b"}),
        ('a="', {"a": '"'}),
        ('a="\\', {"a": '"\\'}),
        ('a="\\"', {"a": "\\"}),
        ('a="b c\\054\\"\\x"', {"a": 'b c,"x'}),
        # ";" separates whatever the quotes say (CVE-2016-7401 and its like)
        ('a="b; c=d; e="', {"a": '"b', "c": "d", "e": '"'}),
        # a cookie without a name is not one with a name (CVE-2023-23934)
        ("=a=b", {"": "a=b"}),
        ("a", {"": "a"}),
        ("==__Host-x", {"": "=__Host-x"}),
        # only SP and TAB are blanks: nothing else turns into a name it is not
        ("\xa0__Host-a=1; \x85b=2; \x1cc=3", {"\xa0__Host-a": "1", "\x85b": "2", "\x1cc": "3"}),
        # one odd cookie neither hides nor changes the others
        ("bad name=1; ok=2; [x]=3; \x00=4", {"bad name": "1", "ok": "2", "[x]": "3", "\x00": "4"}),
        ("$Version=1; a=b", {"$Version": "1", "a": "b"}),
        ("", {}),
        (";;; ;", {}),
        ("=; =", {}),
    ],
)
def test_parse(field: str, cookies: dict[str, str]) -> None:
    assert parse_cookie(field) == cookies


@given(st.text())
def test_parse_anything(field: str) -> None:
    jar = cookie_jar(parse_cookie(field))
    assert isinstance(jar, SimpleCookie)


@pytest.mark.parametrize("unit", ["\\\\", "\\134", "\\", '\\"'])
def test_unquoting_is_linear(unit: str) -> None:
    """CVE-2024-7592, CVE-2024-52804."""
    start = time.process_time()
    parse_cookie('a="' + unit * 200_000 + '"')
    assert time.process_time() - start < 2


def test_jar_leaves_out_what_it_forbids() -> None:
    jar = cookie_jar({"a": "1", "bad name": "2", "path": "3", "": "4", "b": "x y;\xe9"})
    assert {name: morsel.value for name, morsel in jar.items()} == {"a": "1", "b": "x y;\xe9"}


# --- setting -----------------------------------------------------------------------------


def out(*args: Any, **kwargs: Any) -> str:
    return make_morsel(*args, **kwargs).OutputString(None)


def test_set() -> None:
    assert out("a", "b") == "a=b; Path=/"
    assert out(b"a", b"b", path=None) == "a=b"
    assert out("a", "x,y") == 'a="x\\054y"; Path=/'
    assert out("a", "") == 'a=""; Path=/'
    assert out("a", "b", expires=1000) == "a=b; expires=Thu, 01 Jan 1970 00:16:40 GMT; Path=/"
    assert out("a", "b", max_age=0) == "a=b; Max-Age=0; Path=/"
    assert out("a", "b", max_age="5", domain="x.com") == "a=b; Domain=x.com; Max-Age=5; Path=/"
    assert out("a", "b", secure=True, httponly=True) == "a=b; HttpOnly; Path=/; Secure"
    assert out("a", "b", samesite="lAX") == "a=b; Path=/; SameSite=Lax"
    assert out("a", "b", secure=True, partitioned=True) == "a=b; Path=/; Secure; Partitioned"
    assert out("a", "b", comment="c", version=1) == "a=b; Comment=c; Path=/; Version=1"
    assert "expires=" in out("a", "b", expires_days=1)
    assert parse_cookie(out("a", 'q"\\;,\xe9', path=None))["a"] == 'q"\\;,\xe9'


@pytest.mark.parametrize("value", ["a b", "a\n", "a\r\nSet-Cookie: x=y", "a\x00", "\t"])
def test_set_refuses_values(value: str) -> None:
    with pytest.raises(ValueError):
        make_morsel("a", value)


@pytest.mark.parametrize("name", ["", "a b", "a;", "a=b", "\xe9", "a\r\n", "path"])
def test_set_refuses_names(name: str) -> None:
    with pytest.raises(CookieError):
        make_morsel(name, "1")


@pytest.mark.parametrize("attribute", ["domain", "path", "samesite", "comment"])
@pytest.mark.parametrize("value", ["x; HttpOnly", "x\r\nA: b", "x\x7f", "x\x00", "x y"])
def test_set_refuses_attributes(attribute: str, value: str) -> None:
    """GHSA-78cv-mqj4-43f7."""
    with pytest.raises(CookieError):
        make_morsel("a", "b", **{attribute: value})


def test_set_refuses_others() -> None:
    with pytest.raises(CookieError):
        make_morsel("a", "b", samesite="bogus")
    with pytest.raises(CookieError):
        make_morsel("a", "b", nonsense=1)
    with pytest.raises(ValueError):
        make_morsel("a", "b", max_age="5; HttpOnly")


def test_fields_of_a_jar() -> None:
    jar = SimpleCookie()
    jar["a"] = "1"
    dict.__setitem__(jar, "b", make_morsel("b", "2", partitioned=True))
    assert list(set_cookie_values(jar)) == ["a=1", "b=2; Path=/; Partitioned"]
