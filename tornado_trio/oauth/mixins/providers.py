"""Providers that Tornado knows by name: Google, Facebook, Twitter. Addresses and field names."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tornado_trio.oauth.mixins.oauth1 import OAuthMixin
from tornado_trio.oauth.mixins.oauth2 import OAuth2Mixin
from tornado_trio.oauth.oauth2 import FORM

__all__ = ["FacebookGraphMixin", "GoogleOAuth2Mixin", "TwitterMixin"]


class GoogleOAuth2Mixin(OAuth2Mixin):
    """Google. Application setting: ``google_oauth``, a dict with ``key`` and ``secret``."""

    _OAUTH_AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
    _OAUTH_ACCESS_TOKEN_URL = "https://www.googleapis.com/oauth2/v4/token"
    _OAUTH_USERINFO_URL = "https://www.googleapis.com/oauth2/v1/userinfo"
    _OAUTH_NO_CALLBACKS = False
    _OAUTH_SETTINGS_KEY = "google_oauth"

    def get_google_oauth_settings(self) -> dict[str, str]:
        """Override to take the credentials (``key``, ``secret``) from elsewhere."""
        settings: dict[str, str] = self.settings[self._OAUTH_SETTINGS_KEY]
        return settings

    async def get_authenticated_user(
        self,
        redirect_uri: str,
        code: str,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> dict[str, Any]:
        """In the handler of the callback: the answer with the ``access_token``.

        It says nothing about the user: ask `oauth2_request` for the userinfo address.
        """
        if client_id is None or client_secret is None:
            settings = self.get_google_oauth_settings()
            client_id = client_id if client_id is not None else settings["key"]
            client_secret = client_secret if client_secret is not None else settings["secret"]
        body = urlencode(
            {
                "redirect_uri": redirect_uri,
                "code": code,
                "client_id": client_id,
                "client_secret": client_secret,
                "grant_type": "authorization_code",
            }
        )
        http = self.get_auth_http_client()
        response = await http.fetch(
            self._OAUTH_ACCESS_TOKEN_URL, method="POST", headers=dict(FORM), body=body
        )
        token: dict[str, Any] = json.loads(response.body)
        return token


class FacebookGraphMixin(OAuth2Mixin):
    """Facebook's Graph API."""

    _OAUTH_ACCESS_TOKEN_URL = "https://graph.facebook.com/oauth/access_token?"
    _OAUTH_AUTHORIZE_URL = "https://www.facebook.com/dialog/oauth?"
    _OAUTH_NO_CALLBACKS = False
    _FACEBOOK_BASE_URL = "https://graph.facebook.com"

    _FIELDS = frozenset({"id", "name", "first_name", "last_name", "locale", "picture", "link"})

    async def get_authenticated_user(
        self,
        redirect_uri: str,
        client_id: str,
        client_secret: str,
        code: str,
        extra_fields: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """In the handler of the callback: the user.

        The fields are Facebook's (and `extra_fields`), with ``access_token`` and
        ``session_expires`` (seconds, as text). None if Facebook has no such user.
        """
        http = self.get_auth_http_client()
        response = await http.fetch(
            self._oauth_request_token_url(
                redirect_uri=redirect_uri,
                client_id=client_id,
                client_secret=client_secret,
                code=code,
            )
        )
        session = json.loads(response.body)
        access_token = session.get("access_token")
        fields = self._FIELDS.union(extra_fields or ())
        # The proof binds the token to us: stolen, it is of no use without the secret.
        proof = hmac.new(client_secret.encode(), str(access_token).encode(), hashlib.sha256)
        user = await self.facebook_request(
            path="/me",
            access_token=access_token,
            appsecret_proof=proof.hexdigest(),
            fields=",".join(sorted(fields)),
        )
        if user is None:
            return None
        found: dict[str, Any] = {field: user.get(field) for field in fields}
        expires = session.get("expires_in")
        found["access_token"] = access_token
        found["session_expires"] = str(expires) if expires is not None else None
        return found

    async def facebook_request(
        self,
        path: str,
        access_token: str | None = None,
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """`oauth2_request` for a path of the Graph API, such as "/btaylor/picture"."""
        url = self._FACEBOOK_BASE_URL + path
        return await self.oauth2_request(url, access_token, post_args, **args)


class TwitterMixin(OAuthMixin):
    """Twitter's API 1.1.

    Application settings: ``twitter_consumer_key``, ``twitter_consumer_secret``.
    """

    _OAUTH_REQUEST_TOKEN_URL = "https://api.twitter.com/oauth/request_token"
    _OAUTH_ACCESS_TOKEN_URL = "https://api.twitter.com/oauth/access_token"
    _OAUTH_AUTHORIZE_URL = "https://api.twitter.com/oauth/authorize"
    _OAUTH_AUTHENTICATE_URL = "https://api.twitter.com/oauth/authenticate"
    _OAUTH_NO_CALLBACKS = False
    _TWITTER_BASE_URL = "https://api.twitter.com/1.1"

    async def authenticate_redirect(self, callback_uri: str | None = None) -> None:
        """`authorize_redirect` that comes straight back if the user has consented before."""
        http = self.get_auth_http_client()
        response = await http.fetch(self._oauth_request_token_url(callback_uri=callback_uri))
        self._on_request_token(self._OAUTH_AUTHENTICATE_URL, None, response)

    async def twitter_request(
        self,
        path: str,
        access_token: dict[str, Any],
        post_args: Mapping[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """Fetch an API path, such as "statuses/user_timeline/btaylor", and return its JSON.

        A whole address is fetched as it is. Keyword arguments go into the query; `post_args`
        make it a POST with that form.
        """
        if path.startswith(("http:", "https:")):
            url = path
        else:
            url = f"{self._TWITTER_BASE_URL}{path}.json"
        if access_token:
            args.update(
                self._oauth_request_parameters(
                    url,
                    access_token,
                    {**args, **(post_args or {})},
                    method="GET" if post_args is None else "POST",
                )
            )
        if args:
            url += "?" + urlencode(args)
        http = self.get_auth_http_client()
        if post_args is None:
            response = await http.fetch(url)
        else:
            response = await http.fetch(url, method="POST", body=urlencode(post_args))
        return json.loads(response.body)

    def _oauth_consumer_token(self) -> dict[str, Any]:
        self.require_setting("twitter_consumer_key", "Twitter OAuth")
        self.require_setting("twitter_consumer_secret", "Twitter OAuth")
        return {
            "key": self.settings["twitter_consumer_key"],
            "secret": self.settings["twitter_consumer_secret"],
        }

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        user: dict[str, Any] = await self.twitter_request(
            "/account/verify_credentials", access_token=access_token
        )
        if user:
            user["username"] = user["screen_name"]
        return user
