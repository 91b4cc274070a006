"""OAuth 2.0, the authorization code flow (RFC 6749) with state and PKCE (RFC 7636). Pure: no I/O.

```python
provider = Provider(
    authorize_url="https://id.example/authorize",
    token_url="https://id.example/token",
    client_id="me",
    client_secret="known to both",
)
sign_in = provider.start("https://me.example/callback", scope=["email"])
# send the browser to sign_in.url; keep sign_in.state and sign_in.verifier in its session
request = provider.exchange(sign_in, arguments)     # arguments of the callback
token = parse_token(status, body)                   # of the answer to that request
```

Sending the requests is the caller's: `tornado_trio.oauth.mixins` does it for handlers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tornado_trio.oauth.errors import AuthError
from tornado_trio.wire.urls import url_concat

__all__ = [
    "Provider",
    "SignIn",
    "TokenRequest",
    "authorize_url",
    "challenge",
    "parse_token",
    "request_url",
    "token_arguments",
]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A POST to send to the provider. Not shown whole: `body` holds secrets."""

    url: str
    body: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=lambda: dict(FORM))
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One sign-in under way. Keep it for as long as the browser is away, bound to that browser."""

    #: Where to send the browser.
    url: str = field(compare=False)
    #: Where the provider sends it back to.
    redirect_uri: str
    #: Has to come back with it; secret.
    state: str = field(repr=False)
    #: Proves to the provider that we are who began (PKCE, RFC 7636); secret.
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An authorization server, and our client registration there."""

    #: The page at which users sign in.
    authorize_url: str
    #: Where codes are exchanged for tokens.
    token_url: str
    #: What the provider calls this service.
    client_id: str
    #: What it knows it by; None for public clients.
    client_secret: str | None = field(default=None, repr=False)

    def start(
        self,
        redirect_uri: str,
        *,
        scope: Iterable[str] = (),
        extra: Mapping[str, str] | None = None,
    ) -> SignIn:
        """Begin a sign-in: send the browser to `SignIn.url`."""
        state = secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48)
        parameters = {
            "state": state,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
            **(extra or {}),
        }
        url = authorize_url(
            self.authorize_url, redirect_uri, self.client_id, extra=parameters, scope=scope
        )
        return SignIn(url=url, redirect_uri=redirect_uri, state=state, verifier=verifier)

    def exchange(self, sign_in: SignIn, arguments: Mapping[str, str]) -> TokenRequest:
        """The request that turns the code in the callback's `arguments` into a token.

        Raises:
            AuthError: the provider refused, or the callback is not of this sign-in.
        """
        state = arguments.get("state", "")
        # First of all: nothing in a forged callback deserves to be looked at.
        if not hmac.compare_digest(state.encode(), sign_in.state.encode()):
            raise AuthError("OAuth2 callback with a wrong state")
        if "error" in arguments:
            raise AuthError(_provider_error(arguments))
        code = arguments.get("code")
        if not code:
            raise AuthError("OAuth2 callback without a code")
        return self._request(
            grant_type="authorization_code",
            code=code,
            redirect_uri=sign_in.redirect_uri,
            code_verifier=sign_in.verifier,
        )

    def refresh(self, refresh_token: str, *, scope: Iterable[str] = ()) -> TokenRequest:
        """The request for a new access token."""
        fields = {"scope": " ".join(scope)} if scope else {}
        return self._request(grant_type="refresh_token", refresh_token=refresh_token, **fields)

    def _request(self, **fields: str) -> TokenRequest:
        fields["client_id"] = self.client_id
        if self.client_secret is not None:
            fields["client_secret"] = self.client_secret
        return TokenRequest(self.token_url, urlencode(fields))


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def parse_token(status: int, body: bytes) -> dict[str, Any]:
    """The token of a provider's answer.

    Raises:
        AuthError: it is an error, or holds no access token.
    """
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise AuthError(f"The OAuth2 provider answered {status} with something that is no token")
    if "error" in fields:
        raise AuthError(_provider_error(fields))
    if not 200 <= status < 300 or "access_token" not in fields:
        raise AuthError(f"The OAuth2 provider answered {status} without a token")
    return fields


def _provider_error(fields: Mapping[str, Any]) -> str:
    description = fields.get("error_description")
    return f"OAuth2 error: {fields['error']}" + (f" ({description})" if description else "")


def authorize_url(
    url: str,
    redirect_uri: str | None = None,
    client_id: str | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
    scope: Iterable[str] | None = None,
    response_type: str = "code",
) -> str:
    """Where to send a browser for its user's consent."""
    arguments: dict[str, Any] = {"response_type": response_type}
    if redirect_uri is not None:
        arguments["redirect_uri"] = redirect_uri
    if client_id is not None:
        arguments["client_id"] = client_id
    arguments.update(extra or {})
    if scope:
        arguments["scope"] = " ".join(scope)
    return url_concat(url, arguments)


def token_arguments(
    redirect_uri: str | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
    code: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The arguments of a request for a token, those that are known."""
    known = {
        "redirect_uri": redirect_uri,
        "code": code,
        "client_id": client_id,
        "client_secret": client_secret,
    }
    found = {name: value for name, value in known.items() if value is not None}
    return {**found, **(extra or {})}


def request_url(url: str, access_token: str | None, arguments: Mapping[str, Any]) -> str:
    """`url` with the access token, if any, and `arguments` in its query."""
    query = {"access_token": access_token} if access_token else {}
    query.update(arguments)
    return url_concat(url, query) if query else url
