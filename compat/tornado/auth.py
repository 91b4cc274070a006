"""Tornado's sign-in mixins: the native ones, with Tornado's HTTP client.

The client is imported when first asked for, so that importing this module costs little.
"""

import warnings
from typing import TYPE_CHECKING, Any

from tornado._impl.legacy.auth import callbacks, user_by_callback
from tornado._impl.names import handing_on, shown_in

from tornado_trio.oauth import AuthError, mixins, oauth1

__all__ = [
    "AuthError",
    "FacebookGraphMixin",
    "GoogleOAuth2Mixin",
    "OAuth2Mixin",
    "OAuthMixin",
    "OpenIdMixin",
    "TwitterMixin",
]


# Programs sign requests to OAuth services with it, without a handler.
_oauth10a_signature = oauth1.signature

_OPENID_WARNING = "OpenIdMixin is deprecated and will be removed in Tornado 6.7"


class _Client(mixins.AuthMixin):
    """Requests are sent with `AsyncHTTPClient`."""

    def get_auth_http_client(self) -> Any:
        """The `.AsyncHTTPClient` that requests are sent with. Override it for another client."""
        from tornado.httpclient import AsyncHTTPClient

        return AsyncHTTPClient()


@callbacks("authenticate_redirect", "get_authenticated_user")
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


@callbacks("authorize_redirect", "get_authenticated_user")
class OAuthMixin(_Client, mixins.OAuthMixin):
    """OAuth 1.0 and 1.0a."""

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        """Override: the user whose access token this is; None or empty if there is none."""
        get_user = getattr(self, "_oauth_get_user", None)
        if get_user is None:
            raise NotImplementedError
        user: dict[str, Any] = await user_by_callback(get_user, access_token)
        return user


@callbacks("authorize_redirect", "oauth2_request")
class OAuth2Mixin(_Client, mixins.OAuth2Mixin):
    """OAuth 2.0."""


@callbacks("authenticate_redirect", "twitter_request")
class TwitterMixin(OAuthMixin, mixins.TwitterMixin):
    """Twitter's API 1.1."""

    _oauth_get_user_future = mixins.TwitterMixin._oauth_get_user_future


@callbacks("get_authenticated_user")
class GoogleOAuth2Mixin(OAuth2Mixin, mixins.GoogleOAuth2Mixin):
    """Google."""


@callbacks("get_authenticated_user", "facebook_request")
class FacebookGraphMixin(OAuth2Mixin, mixins.FacebookGraphMixin):
    """Facebook's Graph API."""


shown_in("tornado.auth", AuthError)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.auth")
