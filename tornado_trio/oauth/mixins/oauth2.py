"""Sign-in with OAuth 2.0 for request handlers. The protocol is in `tornado_trio.oauth.oauth2`."""

from __future__ import annotations

from typing import Any

from tornado_trio.oauth import oauth2
from tornado_trio.oauth.mixins.base import OAuth2Requests
from tornado_trio.wire.urls import url_concat

__all__ = ["OAuth2Mixin"]


class OAuth2Mixin(OAuth2Requests):
    """OAuth 2.0.

    Class attributes to set: ``_OAUTH_AUTHORIZE_URL``, ``_OAUTH_ACCESS_TOKEN_URL``.
    These methods are Tornado's; they leave ``state`` to `extra_params`. A new program should use
    `tornado_trio.oauth.Provider`, which checks it.
    """

    def authorize_redirect(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        extra_params: dict[str, Any] | None = None,
        scope: list[str] | None = None,
        response_type: str = "code",
    ) -> None:
        """Send the browser to the provider for its user's consent. `client_secret` is not used."""
        self.redirect(
            oauth2.authorize_url(
                self._OAUTH_AUTHORIZE_URL,  # type: ignore[attr-defined]
                redirect_uri,
                client_id,
                extra=extra_params,
                scope=scope,
                response_type=response_type,
            )
        )

    def _oauth_request_token_url(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        code: str | None = None,
        extra_params: dict[str, Any] | None = None,
    ) -> str:
        arguments = oauth2.token_arguments(
            redirect_uri, client_id, client_secret, code, extra_params
        )
        return url_concat(self._OAUTH_ACCESS_TOKEN_URL, arguments)  # type: ignore[attr-defined]
