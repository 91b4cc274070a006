"""The credentials in a request's Authorization field, parsed.

```python
async def current_user(self) -> User | None:
    token = web.bearer_token(self.request)
    return None if token is None else await self.users.of(token)
```

Functions of a request, native or Tornado's. They say what a client claims, not whether it is true:
compare secrets with `secrets.compare_digest`. Must not know handlers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Protocol

from .._util.records import dataclass

__all__ = ["Credentials", "basic_credentials", "bearer_token"]


class _HasHeaders(Protocol):
    @property
    def headers(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """The `username` and `password` of a client, by Basic authentication (RFC 7617)."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, ...)"


def bearer_token(request: _HasHeaders) -> str | None:
    """The token of `Authorization: Bearer ...` (RFC 6750 2.1).

    None without the field, for another scheme, and for a malformed token.
    """
    token = _said(request.headers, "bearer")
    # Two fields come joined by a comma; neither that nor a blank is in a token.
    return None if not token or not token.isascii() or _BREAKS.intersection(token) else token


_BREAKS = frozenset(' \t,"')


def basic_credentials(request: _HasHeaders) -> Credentials | None:
    """User name and password of `Authorization: Basic ...` (RFC 7617), as UTF-8.

    None without the field, for another scheme, and for a malformed value: not base64, not UTF-8, no
    colon, or with control characters.
    """
    try:
        pair = base64.b64decode(_said(request.headers, "basic"), validate=True).decode()
    except (binascii.Error, ValueError):  # UnicodeDecodeError is one
        return None
    username, colon, password = pair.partition(":")
    if not colon or any(each < " " or each == "\x7f" for each in pair):
        return None
    return Credentials(username, password)


def _said(headers: Mapping[str, str], scheme: str) -> str:
    given, _, rest = headers.get("Authorization", "").partition(" ")
    return rest.strip(" ") if given.lower() == scheme else ""
