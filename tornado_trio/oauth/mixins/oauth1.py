"""Sign-in with OAuth 1.0 and 1.0a for request handlers.

The protocol itself is in `tornado_trio.oauth.oauth1`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urljoin

from tornado_trio.escape import to_unicode, utf8
from tornado_trio.oauth import oauth1
from tornado_trio.oauth.errors import AuthError
from tornado_trio.oauth.mixins.base import AuthMixin, AuthResponse

__all__ = ["OAuthMixin"]

_COOKIE = "_oauth_request_token"


class OAuthMixin(AuthMixin):
    """OAuth 1.0 or 1.0a.

    Class attributes to set: ``_OAUTH_REQUEST_TOKEN_URL``, ``_OAUTH_AUTHORIZE_URL``,
    ``_OAUTH_ACCESS_TOKEN_URL``; ``_OAUTH_VERSION`` ("1.0" or, by default, "1.0a");
    ``_OAUTH_NO_CALLBACKS``, True if the provider wants callbacks registered beforehand.
    Methods to define: `_oauth_consumer_token` and `_oauth_get_user_future`.
    """

    _OAUTH_NO_CALLBACKS = False

    async def authorize_redirect(
        self,
        callback_uri: str | None = None,
        extra_params: dict[str, Any] | None = None,
        http_client: Any = None,
    ) -> None:
        """Send the browser to the provider for its user's consent.

        Sets the cookie ``_oauth_request_token``, which `get_authenticated_user` checks
        and clears, and finishes the response.
        """
        if callback_uri and self._OAUTH_NO_CALLBACKS:
            raise Exception("This service does not support oauth_callback")
        http = http_client if http_client is not None else self.get_auth_http_client()
        if self._version() == "1.0a":
            url = self._oauth_request_token_url(
                callback_uri=callback_uri, extra_params=extra_params
            )
        else:
            url = self._oauth_request_token_url()
        response = await http.fetch(url)
        self._on_request_token(self._url("_OAUTH_AUTHORIZE_URL"), callback_uri, response)

    async def get_authenticated_user(self, http_client: Any = None) -> dict[str, Any]:
        """In the handler of the callback: the user, with ``access_token`` among the fields.

        Raises:
            AuthError: this browser did not start the sign-in, or the provider gave no user.
        """
        key = utf8(self.get_argument("oauth_token"))
        verifier = self.get_argument("oauth_verifier", None)
        token = self._request_token(key)
        if verifier:
            token["verifier"] = verifier
        http = http_client if http_client is not None else self.get_auth_http_client()
        response = await http.fetch(self._oauth_access_token_url(token))
        access_token = oauth1.parse_response(response.body)
        user = await self._oauth_get_user_future(access_token)
        if not user:
            raise AuthError("Error getting user")
        user["access_token"] = access_token
        return user

    def _request_token(self, key: bytes) -> dict[str, Any]:
        """The token that this browser began with, kept in its cookie until now."""
        if not (kept := self.get_cookie(_COOKIE)):
            raise AuthError("Missing OAuth request token cookie")
        self.clear_cookie(_COOKIE)
        token: dict[str, Any] = oauth1.load_cookie(kept)
        if not hmac.compare_digest(utf8(token["key"]), key):
            raise AuthError("Request token does not match cookie")
        return token

    def _oauth_request_token_url(
        self,
        callback_uri: str | None = None,
        extra_params: dict[str, Any] | None = None,
    ) -> str:
        url = self._url("_OAUTH_REQUEST_TOKEN_URL")
        extra: dict[str, Any] = {}
        if self._version() == "1.0a":
            if callback_uri == "oob":
                extra["oauth_callback"] = "oob"
            elif callback_uri:
                extra["oauth_callback"] = self._absolute(callback_uri)
            extra.update(extra_params or {})
        return self._signed_url(url, None, extra)

    def _on_request_token(
        self, authorize_url: str, callback_uri: str | None, response: AuthResponse
    ) -> None:
        token = oauth1.parse_response(response.body)
        self.set_cookie(_COOKIE, oauth1.dump_cookie(token))
        arguments = {"oauth_token": token["key"]}
        if callback_uri == "oob":
            self.finish(f"{authorize_url}?{urlencode(arguments)}")
            return
        if callback_uri:
            arguments["oauth_callback"] = self._absolute(callback_uri)
        self.redirect(f"{authorize_url}?{urlencode(arguments)}")

    def _oauth_access_token_url(self, request_token: dict[str, Any]) -> str:
        extra = {}
        if "verifier" in request_token:
            extra["oauth_verifier"] = request_token["verifier"]
        return self._signed_url(self._url("_OAUTH_ACCESS_TOKEN_URL"), request_token, extra)

    def _oauth_consumer_token(self) -> dict[str, Any]:
        """Override: who we are to the provider, a dict with ``key`` and ``secret``."""
        raise NotImplementedError

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        """Override: the user whose access token this is; None or empty if there is none."""
        raise NotImplementedError

    def _oauth_request_parameters(
        self,
        url: str,
        access_token: dict[str, Any],
        parameters: Mapping[str, Any] = {},
        method: str = "GET",
    ) -> dict[str, Any]:
        """The OAuth parameters of a request; `parameters` are all others it has, form and query."""
        return dict(
            oauth1.request_parameters(
                self._oauth_consumer_token(),
                method,
                url,
                access_token,
                extra=parameters,
                version=self._version(),
            )
        )

    # Ours

    def _version(self) -> str:
        return str(getattr(self, "_OAUTH_VERSION", "1.0a"))

    def _url(self, attribute: str) -> str:
        url: str = getattr(self, attribute)
        return url

    def _absolute(self, uri: str) -> str:
        return urljoin(str(self.request.full_url()), to_unicode(uri))

    def _signed_url(self, url: str, token: dict[str, Any] | None, extra: dict[str, Any]) -> str:
        consumer = self._oauth_consumer_token()
        parameters = {**oauth1.protocol_parameters(consumer, token), **extra}
        found = oauth1.signature(consumer, "GET", url, parameters, token, version=self._version())
        return f"{url}?{urlencode({**parameters, 'oauth_signature': found})}"
