"""Tornado's sign-in mixins: the native ones, with Tornado's HTTP client.

The client is imported when first asked for, so that importing this module costs little.
"""

import warnings
from typing import Any

from tornado_trio.oauth import AuthError, mixins

__all__ = [
    "AuthError",
    "FacebookGraphMixin",
    "GoogleOAuth2Mixin",
    "OAuth2Mixin",
    "OAuthMixin",
    "OpenIdMixin",
    "TwitterMixin",
]


_OPENID_WARNING = "OpenIdMixin is deprecated and will be removed in Tornado 6.7"


class _Client(mixins.AuthMixin):
    """Requests are sent with `AsyncHTTPClient`."""

    def get_auth_http_client(self) -> Any:
        """The `.AsyncHTTPClient` that requests are sent with. Override it for another client."""
        from tornado.httpclient import AsyncHTTPClient

        return AsyncHTTPClient()


class OpenIdMixin(_Client, mixins.OpenIdMixin):
    """OpenID 2.0. Deprecated since Tornado 6.5.8; upstream removes it in 6.7."""

    def authenticate_redirect(
        self,
        callback_uri: str | None = None,
        ax_attrs: list[str] = ["name", "email", "language", "username"],  # noqa: B006 (never changed)
    ) -> None:
        warnings.warn(_OPENID_WARNING, DeprecationWarning, stacklevel=2)
        super().authenticate_redirect(callback_uri, ax_attrs)

    async def get_authenticated_user(self, http_client: Any = None) -> dict[str, Any]:
        warnings.warn(_OPENID_WARNING, DeprecationWarning, stacklevel=2)
        return await super().get_authenticated_user(http_client)


class OAuthMixin(_Client, mixins.OAuthMixin):
    """OAuth 1.0 and 1.0a."""


class OAuth2Mixin(_Client, mixins.OAuth2Mixin):
    """OAuth 2.0."""


class TwitterMixin(OAuthMixin, mixins.TwitterMixin):
    """Twitter's API 1.1."""


class GoogleOAuth2Mixin(OAuth2Mixin, mixins.GoogleOAuth2Mixin):
    """Google."""


class FacebookGraphMixin(OAuth2Mixin, mixins.FacebookGraphMixin):
    """Facebook's Graph API."""
