"""Digest answers against the examples of RFC 2617 and RFC 7616; challenges, good and bad."""

from __future__ import annotations

import time

import pytest

from tornado_trio.client.auth import BasicAuth, DigestAuth, best_challenge, parse_challenge

RFC2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", '
    'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def test_rfc_2617_example() -> None:
    auth = DigestAuth("Mufasa", "Circle Of Life", cnonce="0a4f113b")
    assert auth.authorization("GET", "/") is None
    assert auth.challenged([RFC2617], 0)
    value = auth.authorization("GET", "/dir/index.html")
    assert value is not None
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert "nc=00000001" in value and "qop=auth" in value
    assert "nc=00000002" in (auth.authorization("GET", "/dir/index.html") or "")


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_examples(algorithm: str, response: str) -> None:
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    auth = DigestAuth("Mufasa", "Circle of Life", cnonce=cnonce)
    assert auth.challenged([RFC7616.format(algorithm)], 0)
    value = auth.authorization("GET", "/dir/index.html")
    assert value is not None and f'response="{response}"' in value
    assert f"algorithm={algorithm}" in value


def test_the_strongest_challenge_is_taken() -> None:
    found = best_challenge([RFC7616.format("MD5"), RFC7616.format("SHA-256"), "Basic realm=x"])
    assert found is not None and found["algorithm"] == "SHA-256"


def test_without_qop() -> None:
    auth = DigestAuth("foo", "bar")
    assert auth.challenged(['Digest realm="test", nonce="1234", opaque="asdf"'], 0)
    value = auth.authorization("GET", "/digest") or ""
    assert "nc=" not in value and 'opaque="asdf"' in value


def test_sess() -> None:
    auth = DigestAuth("foo", "bar", cnonce="x")
    assert auth.challenged(['Digest realm="t", nonce="1", algorithm=MD5-sess, qop="auth"'], 0)
    assert "algorithm=MD5-sess" in (auth.authorization("GET", "/") or "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic realm=x",
        "Digest",
        "Digest realm=x",
        'Digest realm="x", nonce="unterminated',
        'Digest realm="x"; nonce="y"',
        'Digest realm="x", nonce="y", algorithm=SHA-1',
        'Digest realm="x", nonce="y", qop="auth-int"',
    ],
)
def test_not_answerable(value: str) -> None:
    assert not DigestAuth("a", "b").challenged([value], 0)


def test_a_refusal_is_final_but_for_a_stale_nonce() -> None:
    auth = DigestAuth("a", "b")
    stale = 'Digest realm="x", nonce="2", stale=TRUE'
    assert auth.challenged(['Digest realm="x", nonce="1"'], 0)
    assert not auth.challenged(['Digest realm="x", nonce="2"'], 1)
    assert auth.challenged([stale], 1)
    assert not auth.challenged([stale], 2)
    assert not BasicAuth("a", "b").challenged([stale], 0)


def test_quoting_and_linear_time() -> None:
    params = parse_challenge(r'Digest realm="a\"b\\c", nonce="n"')
    assert params is not None and params["realm"] == 'a"b\\c'
    start = time.process_time()
    parse_challenge('Digest realm="' + "\\" * 200_000)
    parse_challenge("Digest " + 'a="b",' * 50_000)
    parse_challenge("Digest " + " " * 200_000)
    assert time.process_time() - start < 2


def test_secrets_do_not_show() -> None:
    assert "bar" not in repr(DigestAuth("foo", "bar")) and "bar" not in repr(BasicAuth("f", "bar"))
