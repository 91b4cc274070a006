"""OAuth 1.0: signatures against published vectors and against Tornado 6.6.1, tokens, cookies."""

import pytest

from tornado_trio.oauth import AuthError, oauth1

CONSUMER = {"key": "ck", "secret": "c s"}
TOKEN = {"key": "k", "secret": "s&é"}
PARAMETERS = {"b": "2", "a": "é ~*'", "c": 3, "d": "x"}


def test_signature_of_the_specification() -> None:
    """The photo example of OAuth Core 1.0, section A.5."""
    signature = oauth1.signature(
        {"key": "dpf43f3p2l4k3l03", "secret": "kd94hf93k423kf44"},
        "GET",
        "http://photos.example.net:80/photos",
        {
            "file": "vacation.jpg",
            "size": "original",
            "oauth_consumer_key": "dpf43f3p2l4k3l03",
            "oauth_token": "nnch734d00sl2jdk",
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": "1191242096",
            "oauth_nonce": "kllo9940pd9333jh",
            "oauth_version": "1.0",
        },
        {"key": "nnch734d00sl2jdk", "secret": "pfkkdhi9sl3r4s00"},
    )
    assert signature == b"tR3+Ty81lMeYAr/Fid0kMTYa/WM="


@pytest.mark.parametrize(
    ("version", "token", "expected"),
    [
        ("1.0", None, b"0mS+khBwzvqb6GxqqlFzeMlGrco="),
        ("1.0", TOKEN, b"41w7UOaRxuwhfGCu5HSR0TTD+Ps="),
        ("1.0a", None, b"/FbW2k5JmDsuziIn/Ddj2Kw0lJs="),
        ("1.0a", TOKEN, b"xLOm6qxyI2Z1NX5/ex85fQ+MEjw="),
    ],
)
def test_signature_as_tornado(version: str, token: dict[str, str] | None, expected: bytes) -> None:
    url = "HTTP://Ex.com:8080/A/b?q=1#f"
    assert oauth1.signature(CONSUMER, "post", url, PARAMETERS, token, version=version) == expected


def test_base_string() -> None:
    base = oauth1.base_string("get", "HTTPS://Ex.COM:443/p?x=1", {"b": "1 2", "a": "é"})
    assert base == "GET&https%3A%2F%2Fex.com%2Fp&a%3D%25C3%25A9%26b%3D1%25202"
    # A port that is not the scheme's own stays; parameters are sorted as they are sent.
    base = oauth1.base_string("GET", "http://ex.com:443/", {"a~": "1", "a ": "2"})
    assert base == "GET&http%3A%2F%2Fex.com%3A443%2F&a%2520%3D2%26a~%3D1"


def test_escape() -> None:
    assert oauth1.escape("a b~é*/'") == "a%20b~%C3%A9%2A%2F%27"
    assert oauth1.escape(b"a/") == "a%2F"
    assert oauth1.escape(3) == "3"


def test_request_parameters() -> None:
    first = oauth1.request_parameters(CONSUMER, "GET", "http://x/", TOKEN, extra={"q": "1"})
    second = oauth1.request_parameters(CONSUMER, "GET", "http://x/", TOKEN)
    assert first["oauth_nonce"] != second["oauth_nonce"]
    assert sorted(first) == [
        "oauth_consumer_key",
        "oauth_nonce",
        "oauth_signature",
        "oauth_signature_method",
        "oauth_timestamp",
        "oauth_token",
        "oauth_version",
    ]
    signed = {name: value for name, value in first.items() if name != "oauth_signature"}
    signed["q"] = "1"
    expected = oauth1.signature(CONSUMER, "GET", "http://x/", signed, TOKEN).decode()
    assert first["oauth_signature"] == expected


def test_parse_response() -> None:
    body = b"oauth_token=zx%20cv&oauth_token_secret=12%2634&extra=1&empty="
    token = {"key": "zx cv", "secret": "12&34", "extra": "1", "empty": ""}
    assert oauth1.parse_response(body) == token
    for bad in (b"", b"nonsense", b"oauth_token=x", b"\xff\xfe"):
        with pytest.raises(AuthError):
            oauth1.parse_response(bad)


def test_cookie() -> None:
    value = oauth1.dump_cookie({"key": "zxcv", "secret": "1234"})
    assert value == b"enhjdg==|MTIzNA=="
    assert oauth1.load_cookie(value.decode()) == {"key": "zxcv", "secret": "1234"}
    for bad in ("zz", "a|b", "enhjdg==", "enhjdg==|MTIzNA==|x", "/w==|/w==", "é|é"):
        with pytest.raises(AuthError):
            oauth1.load_cookie(bad)
