"""Sign-in for request handlers, under Tornado's names. One implementation: the Tornado overlay
only gives these mixins its own HTTP client."""

from tornado_trio.oauth.mixins.base import AuthHttpClient, AuthMixin, AuthResponse
from tornado_trio.oauth.mixins.oauth1 import OAuthMixin
from tornado_trio.oauth.mixins.oauth2 import OAuth2Mixin
from tornado_trio.oauth.mixins.openid import OpenIdMixin
from tornado_trio.oauth.mixins.providers import (
    FacebookGraphMixin,
    GoogleOAuth2Mixin,
    TwitterMixin,
)

__all__ = [
    "AuthHttpClient",
    "AuthMixin",
    "AuthResponse",
    "FacebookGraphMixin",
    "GoogleOAuth2Mixin",
    "OAuth2Mixin",
    "OAuthMixin",
    "OpenIdMixin",
    "TwitterMixin",
]
