"""Sign-in with other services: OAuth 1.0, 1.0a and 2.0, OpenID 2.0.

The protocols are pure functions (`oauth1`, `oauth2`, `openid`); the mixins for request handlers
send the requests, and `tornado_trio.oauth.fetch` sends those of `oauth2`.
"""

from tornado_trio.oauth import oauth1, oauth2, openid
from tornado_trio.oauth.errors import AuthError
from tornado_trio.oauth.mixins import (
    FacebookGraphMixin,
    GoogleOAuth2Mixin,
    OAuth2Mixin,
    OAuthMixin,
    OpenIdMixin,
    TwitterMixin,
)
from tornado_trio.oauth.oauth2 import Provider, SignIn

__all__ = [
    "AuthError",
    "FacebookGraphMixin",
    "GoogleOAuth2Mixin",
    "OAuth2Mixin",
    "OAuthMixin",
    "OpenIdMixin",
    "Provider",
    "SignIn",
    "TwitterMixin",
    "oauth1",
    "oauth2",
    "openid",
]
