"""Sends what `oauth2` prepares, and what the mixins ask for, with `tornado_trio.client`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_trio.client import Client, Response
from tornado_trio.oauth.oauth2 import FORM, TokenRequest, parse_token

__all__ = ["ClientAdapter", "fetch_token"]


class ClientAdapter:
    """A native client with the one method that the mixins call."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._client!r}>"

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Response:
        """Send a request (a form, if it has a body), and return the answer.

        Raises:
            HTTPStatusError: it is not a success.
        """
        if body is None:
            response = await self._client.request(method, url, headers=dict(headers or {}))
        else:
            fields = {**FORM, **(headers or {})}
            response = await self._client.request(method, url, headers=fields, body=body)
        return response.raise_for_status()


async def fetch_token(client: Client, request: TokenRequest) -> dict[str, Any]:
    """Send a token request and return the token.

    Raises:
        AuthError: the provider refuses, or answers with something else.
        ClientError: it could not be reached.

    Cancellation: ends the request. The code may be used up: start the sign-in again.
    """
    response = await client.request(
        request.method, request.url, headers=request.headers, body=request.body
    )
    return parse_token(response.status, response.body)
