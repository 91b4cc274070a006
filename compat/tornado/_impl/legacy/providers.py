"""The sign-in mixins of Tornado 2 and 3 whose providers are gone: `GoogleMixin` (OpenID),
`FacebookMixin` (the REST API before Graph), `FriendFeedMixin`.

Programs derive from them, so the names have to exist; what needs the provider raises an error that
names its replacement. `GoogleMixin` works with another provider's endpoint.
"""

from __future__ import annotations

from typing import Any

from tornado._impl.generation import old_idiom
from tornado._impl.legacy.auth import callbacks
from tornado.auth import OAuthMixin, OpenIdMixin

from tornado_trio.oauth import AuthError

__all__ = ["FacebookMixin", "FriendFeedMixin", "GoogleMixin"]

_GOOGLE = "https://www.google.com/accounts/o8/ud"


class _Gone:
    """A mixin whose provider has ended its service. Raises `AuthError` where that matters."""

    _gone: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith("tornado."):
            old_idiom(f"tornado.auth.{_name_of(cls)}")

    def _provider_is_gone(self) -> AuthError:
        return AuthError(f"{_name_of(type(self))}: {self._gone}")


def _name_of(cls: type) -> str:
    return next(base.__name__ for base in cls.__mro__ if base.__module__ == __name__)


@callbacks("authenticate_redirect", "authorize_redirect", "get_authenticated_user")
class GoogleMixin(_Gone, OpenIdMixin, OAuthMixin):
    """OpenID 2.0. `_OPENID_ENDPOINT` may be another provider's; then signing in works."""

    _gone = "Google ended OpenID 2.0 in 2015; GoogleOAuth2Mixin is what it offers now"
    _OPENID_ENDPOINT = _GOOGLE

    def authenticate_redirect(
        self,
        callback_uri: str | None = None,
        ax_attrs: list[str] = ["name", "email", "language", "username"],  # noqa: B006
    ) -> None:
        """Send the browser to the provider, to come back to `callback_uri` (by default: here)."""
        self._check_endpoint()
        super().authenticate_redirect(callback_uri, ax_attrs)

    def authorize_redirect(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Access to Google's services together with OpenID was Google's alone."""
        raise self._provider_is_gone()

    async def get_authenticated_user(self, http_client: Any = None) -> dict[str, Any]:
        """In the handler of the callback: the user's attributes."""
        self._check_endpoint()
        return await super().get_authenticated_user(http_client)

    def _check_endpoint(self) -> None:
        if self._OPENID_ENDPOINT == _GOOGLE:
            raise self._provider_is_gone()

    def _oauth_consumer_token(self) -> dict[str, Any]:
        return _consumer(self, "google")


@callbacks("authorize_redirect", "get_authenticated_user", "friendfeed_request")
class FriendFeedMixin(_Gone, OAuthMixin):
    """OAuth 1.0 with FriendFeed."""

    _gone = "FriendFeed was shut down in 2015"

    def authorize_redirect(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        raise self._provider_is_gone()

    async def get_authenticated_user(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        raise self._provider_is_gone()

    async def friendfeed_request(
        self,
        path: str,
        access_token: dict[str, Any] | None = None,
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        raise self._provider_is_gone()

    def _oauth_consumer_token(self) -> dict[str, Any]:
        return _consumer(self, "friendfeed")


@callbacks("authorize_redirect", "get_authenticated_user", "facebook_request")
class FacebookMixin(_Gone):
    """Facebook's API before Graph."""

    _gone = "Facebook ended this API in 2012; FacebookGraphMixin is what it offers now"

    def authenticate_redirect(
        self,
        callback_uri: str | None = None,
        cancel_uri: str | None = None,
        extended_permissions: Any = None,
    ) -> None:
        raise self._provider_is_gone()

    def authorize_redirect(
        self,
        extended_permissions: Any,
        callback_uri: str | None = None,
        cancel_uri: str | None = None,
    ) -> None:
        raise self._provider_is_gone()

    async def get_authenticated_user(self) -> dict[str, Any]:
        raise self._provider_is_gone()

    async def facebook_request(self, method: str, **args: Any) -> Any:
        raise self._provider_is_gone()


def _consumer(handler: Any, provider: str) -> dict[str, Any]:
    key, secret = f"{provider}_consumer_key", f"{provider}_consumer_secret"
    handler.require_setting(key, "OAuth")
    handler.require_setting(secret, "OAuth")
    return {"key": handler.settings[key], "secret": handler.settings[secret]}
