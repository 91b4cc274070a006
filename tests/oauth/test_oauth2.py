"""OAuth 2.0: what is sent, and what callbacks and answers are refused."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tornado_trio.oauth import AuthError, Provider, oauth2

PROVIDER = Provider(
    authorize_url="https://p.example/authorize?tenant=1",
    token_url="https://p.example/token",
    client_id="id",
    client_secret="hush",
)


def test_challenge_of_rfc_7636() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert oauth2.challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_start() -> None:
    sign_in = PROVIDER.start("https://me/cb", scope=["a", "b"], extra={"prompt": "login"})
    query = parse_qs(urlsplit(sign_in.url).query)
    assert query == {
        "tenant": ["1"],
        "response_type": ["code"],
        "redirect_uri": ["https://me/cb"],
        "client_id": ["id"],
        "state": [sign_in.state],
        "code_challenge": [oauth2.challenge(sign_in.verifier)],
        "code_challenge_method": ["S256"],
        "prompt": ["login"],
        "scope": ["a b"],
    }
    assert 43 <= len(sign_in.verifier) <= 128  # RFC 7636, section 4.1
    assert PROVIDER.start("https://me/cb").state != sign_in.state


def test_secrets_are_not_shown() -> None:
    sign_in = PROVIDER.start("https://me/cb")
    request = PROVIDER.exchange(sign_in, {"state": sign_in.state, "code": "c0de"})
    shown = f"{PROVIDER!r} {request!r}"
    assert "hush" not in shown
    assert "c0de" not in shown
    assert sign_in.verifier not in repr(sign_in)


def test_exchange() -> None:
    sign_in = PROVIDER.start("https://me/cb")
    request = PROVIDER.exchange(sign_in, {"state": sign_in.state, "code": "c&d"})
    assert (request.method, request.url) == ("POST", "https://p.example/token")
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert parse_qs(request.body) == {
        "grant_type": ["authorization_code"],
        "code": ["c&d"],
        "redirect_uri": ["https://me/cb"],
        "code_verifier": [sign_in.verifier],
        "client_id": ["id"],
        "client_secret": ["hush"],
    }


def test_public_client_sends_no_secret() -> None:
    provider = Provider(authorize_url="https://p/a", token_url="https://p/t", client_id="id")
    request = provider.refresh("r", scope=["x"])
    assert parse_qs(request.body) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["r"],
        "scope": ["x"],
        "client_id": ["id"],
    }


@pytest.mark.parametrize("state", [None, "", "other", "é"])
def test_callback_of_another_sign_in(state: str | None) -> None:
    sign_in = PROVIDER.start("https://me/cb")
    arguments = {"code": "c", "error": "denied"}
    if state is not None:
        arguments["state"] = state
    with pytest.raises(AuthError, match="wrong state"):
        PROVIDER.exchange(sign_in, arguments)


def test_callback_with_an_error_or_nothing() -> None:
    sign_in = PROVIDER.start("https://me/cb")
    refused = {"state": sign_in.state, "error": "access_denied", "error_description": "no"}
    with pytest.raises(AuthError, match=r"access_denied \(no\)"):
        PROVIDER.exchange(sign_in, refused)
    with pytest.raises(AuthError, match="without a code"):
        PROVIDER.exchange(sign_in, {"state": sign_in.state})


def test_parse_token() -> None:
    assert oauth2.parse_token(200, b'{"access_token": "t"}') == {"access_token": "t"}
    for status, body, message in [
        (200, b"<html>", "no token"),
        (200, b"[1]", "no token"),
        (200, b"{}", "without a token"),
        (400, b'{"error": "invalid_grant"}', "invalid_grant"),
        (200, b'{"error": "x", "access_token": "t"}', "x"),
        (500, b'{"access_token": "t"}', "answered 500"),
        (200, b"\xff", "no token"),
    ]:
        with pytest.raises(AuthError, match=message):
            oauth2.parse_token(status, body)


def test_authorize_url() -> None:
    assert oauth2.authorize_url("http://p/a") == "http://p/a?response_type=code"
    url = oauth2.authorize_url("http://p/a?", "r", "c", extra={"scope": "q"}, scope=["z"])
    assert url == "http://p/a?response_type=code&redirect_uri=r&client_id=c&scope=z"


def test_request_url() -> None:
    assert oauth2.request_url("http://h/x", None, {}) == "http://h/x"
    url = oauth2.request_url("http://h/x?z=1", "T", {"a": "b c"})
    assert url == "http://h/x?z=1&access_token=T&a=b+c"
