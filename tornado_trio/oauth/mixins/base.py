"""What all sign-in mixins share: the handler they are mixed into, and the HTTP client.

Knows a request handler and an HTTP client only by the few names used here, so that
the same mixins serve native handlers and those of the Tornado overlay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from tornado_trio.oauth import oauth2

__all__ = ["AuthHttpClient", "AuthMixin", "AuthResponse", "OAuth2Requests"]


class AuthResponse(Protocol):
    """What is used of a response."""

    @property
    def body(self) -> bytes: ...


class AuthHttpClient(Protocol):
    """What is used of an HTTP client. `fetch` raises unless the answer is a success."""

    async def fetch(
        self, url: str, *, method: str = ..., headers: Any = ..., body: Any = ...
    ) -> AuthResponse: ...


class AuthMixin:
    """Base of the mixins. Mix one into a request handler.

    Native handlers take the HTTP client from the application's setting ``auth_http_client``:
    a `tornado_trio.client.Client`, or any object with the `fetch` of `AuthHttpClient`. Override
    `get_auth_http_client` for another.
    """

    if TYPE_CHECKING:
        # Of the request handler.
        request: Any
        settings: Any
        get_argument: Any
        get_cookie: Any
        set_cookie: Any
        clear_cookie: Any
        redirect: Any
        finish: Any
        require_setting: Any

    def get_auth_http_client(self) -> Any:
        """The HTTP client that requests to the provider are sent with."""
        self.require_setting("auth_http_client", "sign-in with a provider")
        # Imported when used: the overlay has a client of its own.
        from tornado_trio.client import Client
        from tornado_trio.oauth.fetch import ClientAdapter

        client = self.settings["auth_http_client"]
        return ClientAdapter(client) if isinstance(client, Client) else client


class OAuth2Requests(AuthMixin):
    """Requests that an OAuth 2.0 access token authorizes."""

    async def oauth2_request(
        self,
        url: str,
        access_token: str | None = None,
        post_args: Mapping[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """Fetch `url` with the access token, and return the JSON of the answer.

        Keyword arguments go into the query. `post_args` make it a POST with that form.

        Cancellation: ends the request; whether the provider acted on it is not known.
        """
        url = oauth2.request_url(url, access_token, args)
        http = self.get_auth_http_client()
        if post_args is None:
            response = await http.fetch(url)
        else:
            response = await http.fetch(url, method="POST", body=urlencode(post_args))
        return json.loads(response.body)
