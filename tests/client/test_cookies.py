"""The cookie jar: who gets which cookie back, and what a hostile server cannot set."""

from __future__ import annotations

import pytest

from tornado_trio.client.cookies import MAX_COOKIES, MAX_PER_DOMAIN, CookieJar
from tornado_trio.client.targets import parse_target

NOW = 1_700_000_000.0


def jar_with(*values: str, url: str = "http://www.a.test/dir/page") -> CookieJar:
    jar = CookieJar()
    jar.store(list(values), parse_target(url), NOW)
    return jar


def sent(jar: CookieJar, url: str, now: float = NOW) -> str | None:
    return jar.header(parse_target(url), now)


def test_host_only_and_domain() -> None:
    jar = jar_with("one=1", "two=2; Domain=a.test", "three=3; Domain=.a.test; Path=/")
    assert sent(jar, "http://www.a.test/dir/x") == "one=1; two=2; three=3"
    assert sent(jar, "http://other.a.test/dir/x") == "two=2; three=3"
    assert sent(jar, "http://b.test/") is None
    assert sent(jar, "http://nota.test/dir/") is None


def test_paths() -> None:
    jar = jar_with("deep=1; Path=/dir", "root=2; Path=/", "default=3", "odd=4; Path=x")
    assert sent(jar, "http://www.a.test/dir/") == "deep=1; default=3; odd=4; root=2"
    assert sent(jar, "http://www.a.test/directory") == "root=2"


def test_secure() -> None:
    jar = jar_with("s=1; Secure", url="https://a.test/")
    assert sent(jar, "http://a.test/") is None
    assert sent(jar, "https://a.test/") == "s=1"
    assert len(jar_with("s=1; Secure", url="http://a.test/")) == 0
    assert sent(jar_with("s=1; Secure", url="http://localhost/"), "http://localhost/") == "s=1"


def test_expiry() -> None:
    jar = jar_with("a=1; Max-Age=10", "b=2; Expires=Tue, 14 Nov 2023 22:14:20 GMT", "c=3")
    assert sent(jar, "http://www.a.test/dir/") == "a=1; b=2; c=3"
    assert sent(jar, "http://www.a.test/dir/", NOW + 30) == "b=2; c=3"
    assert sent(jar, "http://www.a.test/dir/", NOW + 90) == "c=3"
    assert len(jar) == 1
    jar.store(["c=; Max-Age=0"], parse_target("http://www.a.test/dir/page"), NOW)
    assert len(jar) == 0 and sent(jar, "http://www.a.test/dir/") is None


def test_max_age_wins_over_expires_and_garbage_means_session() -> None:
    jar = jar_with("a=1; Expires=Tue, 14 Nov 2000 22:14:20 GMT; Max-Age=10", "b=2; Expires=soon")
    assert sent(jar, "http://www.a.test/dir/") == "a=1; b=2"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "novalue",
        "=x",
        " =c",
        "a=b; Domain=..a.test",
        "a=b; Domain=..www.a.test",
        "a=b; Domain=a.test.",
        "a=b; Domain=test.",
        "a=b\r\nX: y",
        "a=\x00",
        "a=b; Domain=test",
        "a=b; Domain=b.test",
        "a=b; Domain=evil.www.a.test",
        "__Host-a=b",
        "__Host-a=b; Secure; Domain=www.a.test; Path=/",
        "__Secure-a=b",
        "a=" + "x" * 5000,
    ],
)
def test_refused(value: str) -> None:
    assert len(jar_with(value, url="https://www.a.test/")) == 0


def test_prefixes_accepted_when_they_hold() -> None:
    jar = jar_with("__Host-a=b; Secure; Path=/", "__Secure-c=d; Secure", url="https://a.test/")
    assert sent(jar, "https://a.test/") == "__Host-a=b; __Secure-c=d"


def test_addresses_have_no_domains() -> None:
    jar = jar_with("a=1; Domain=127.0.0.1", "b=2; Domain=0.0.1", url="http://127.0.0.1/")
    assert sent(jar, "http://127.0.0.1/") == "a=1"
    assert sent(jar, "http://7.127.0.0.1/") is None


def test_suffix_hook() -> None:
    jar = CookieJar(allow_domain=lambda domain, host: domain != "co.test")
    jar.store(["a=1; Domain=co.test", "b=2"], parse_target("http://x.co.test/"), NOW)
    assert sent(jar, "http://x.co.test/") == "b=2" and sent(jar, "http://y.co.test/") is None


def test_bounds() -> None:
    jar = jar_with(*[f"c{i}=1" for i in range(MAX_PER_DOMAIN + 10)])
    assert len(jar) == MAX_PER_DOMAIN
    jar = CookieJar()
    for i in range(MAX_COOKIES + 100):
        jar.store(["a=1"], parse_target(f"http://h{i}.test/"), NOW)
    assert len(jar) == MAX_COOKIES == len(list(jar))
    jar.clear()
    assert len(jar) == 0 and "0 cookies" in repr(jar)


@pytest.mark.parametrize(
    ("value", "url", "kept"),
    [
        ("s=evil; Path=/", "http://a.test/", "s=good"),
        ("s=evil; Path=/deep/er", "http://a.test/", "s=good"),
        ("s=evil; Domain=a.test; Path=/", "http://b.a.test/", "s=good"),
        ("s=new; Path=/; Secure", "https://a.test/", "s=new"),
        ("s=new; Path=/", "https://a.test/", "s=new"),
        ("t=2; Path=/", "http://a.test/", "s=good; t=2"),
    ],
)
def test_a_secure_cookie_is_not_replaced_over_plain_http(value: str, url: str, kept: str) -> None:
    jar = jar_with("s=good; Secure; Path=/", url="https://a.test/")
    jar.store([value], parse_target(url), NOW)
    assert sent(jar, "https://a.test/deep/er") == kept


def test_a_wider_secure_cookie_is_not_shadowed() -> None:
    jar = jar_with("s=good; Secure; Path=/; Domain=a.test", url="https://a.test/")
    jar.store(["s=evil; Path=/"], parse_target("http://b.a.test/"), NOW)
    assert sent(jar, "https://b.a.test/") == "s=good"
    local = jar_with("s=1; Secure; Path=/", url="http://localhost/")
    local.store(["s=2; Path=/"], parse_target("http://localhost/"), NOW)
    assert sent(local, "http://localhost/") == "s=2"


@pytest.mark.parametrize("value", ["a=b; Domain=com.", "a=b; Domain=.com.", "a=b; Domain=com"])
def test_a_single_label_is_too_wide_with_a_trailing_dot_too(value: str) -> None:
    assert len(jar_with(value, url="http://shop.com./")) == 0
    assert len(jar_with("a=b; Domain=shop.com.", url="http://shop.com./")) == 1


def test_the_last_domain_counts_though_it_is_empty() -> None:
    jar = jar_with("a=1; Domain=a.test; Domain=", "b=2; Domain=b.test; Domain=.")
    assert sent(jar, "http://www.a.test/dir/") == "a=1; b=2"
    assert sent(jar, "http://x.www.a.test/dir/") is None


@pytest.mark.parametrize("name", ["foo bar", "foo,bar", "foo\tbar", "foo  bar"])
def test_names_are_what_stands_before_the_equals_sign(name: str) -> None:
    jar = jar_with(f" {name} =baz")
    assert sent(jar, "http://www.a.test/dir/") == f"{name}=baz"


def test_equal_paths_go_in_order_of_creation() -> None:
    wide = "; Domain=a.test; Path=/"
    jar = jar_with(f"wide=1{wide}", "own=2; Path=/", f"more=3{wide}")
    target = parse_target("http://www.a.test/")
    assert sent(jar, target.url) == "wide=1; own=2; more=3"
    jar.store(["own=22; Path=/", "last=4; Path=/", f"wide=11{wide}"], target, NOW)
    assert sent(jar, target.url) == "wide=11; own=22; more=3; last=4"
    jar.store(["own=; Path=/; Max-Age=0"], target, NOW)
    jar.store(["own=2; Path=/"], target, NOW)
    assert sent(jar, target.url) == "wide=11; more=3; last=4; own=2"


def test_prefixes_in_any_case() -> None:
    assert len(jar_with("__HOST-a=1; Path=/", "__secure-b=2", url="https://a.test/")) == 0
