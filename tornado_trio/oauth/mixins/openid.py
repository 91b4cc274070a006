"""Sign-in with OpenID 2.0 for request handlers. The protocol is in `tornado_trio.oauth.openid`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urljoin

from tornado_trio.oauth import openid
from tornado_trio.oauth.mixins.base import AuthMixin, AuthResponse

__all__ = ["OpenIdMixin"]

_ATTRIBUTES = ["name", "email", "language", "username"]


class OpenIdMixin(AuthMixin):
    """OpenID 2.0 with attribute exchange. Class attribute to set: ``_OPENID_ENDPOINT``."""

    def authenticate_redirect(
        self,
        callback_uri: str | None = None,
        ax_attrs: list[str] = _ATTRIBUTES,
    ) -> None:
        """Send the browser to the provider, to come back to `callback_uri` (by default: here)."""
        callback_uri = callback_uri or self.request.uri
        assert callback_uri is not None
        arguments = self._openid_args(callback_uri, ax_attrs=ax_attrs)
        self.redirect(f"{self._endpoint()}?{urlencode(arguments)}")

    async def get_authenticated_user(self, http_client: Any = None) -> dict[str, Any]:
        """In the handler of the callback: the user's attributes, once the provider has confirmed.

        Raises:
            AuthError: it does not confirm.
        """
        # The message as the browser brought it goes back to the provider, which says
        # whether it is its own.
        arguments = {name: values[-1] for name, values in self.request.arguments.items()}
        arguments["openid.mode"] = "check_authentication"
        http = http_client if http_client is not None else self.get_auth_http_client()
        body = urlencode(arguments)
        response = await http.fetch(self._endpoint(), method="POST", body=body)
        return self._on_authentication_verified(response)

    def _openid_args(
        self,
        callback_uri: str,
        ax_attrs: list[str] = [],  # noqa: B006 (never changed; Tornado's signature)
        oauth_scope: str | None = None,
    ) -> dict[str, str]:
        callback = urljoin(self.request.full_url(), callback_uri)
        return openid.request_arguments(callback, ax_attrs, oauth_scope)

    def _on_authentication_verified(self, response: AuthResponse) -> dict[str, Any]:
        openid.check_answer(response.body)
        return openid.user_of(self.request.arguments, lambda name: self.get_argument(name, None))

    def _endpoint(self) -> str:
        endpoint: str = self._OPENID_ENDPOINT  # type: ignore[attr-defined]
        return endpoint
