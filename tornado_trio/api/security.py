"""Credentials as parameters, known to the OpenAPI document too.

```python
async def get(self, token: Annotated[str, api.Bearer()]) -> Profile: ...
```

A request without them is answered 401 with a challenge (RFC 9110 11.6.1); checking them is up to a
dependency. If the parameter has a default, they may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..web.credentials import Credentials, basic_credentials, bearer_token
from .problems import Problem

if TYPE_CHECKING:
    from ..web.request import Request

__all__ = ["ApiKey", "Basic", "Bearer", "Credentials", "Scheme"]


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to authenticate. `name` is its name in the OpenAPI document."""

    def take(self, request: Request) -> Any:
        """The credentials; None when the request has none."""
        raise NotImplementedError

    def describe(self) -> tuple[str, dict[str, Any]]:
        """Its name, and its OpenAPI security scheme object."""
        raise NotImplementedError

    def refuse(self) -> Problem:
        """The answer to a request without credentials."""
        return Problem(401, "credentials are needed")


@dataclass(frozen=True, slots=True)
class Bearer(Scheme):
    """A token in the Authorization field (RFC 6750): text."""

    realm: str = ""
    format: str | None = None
    name: str = "bearer"

    def take(self, request: Request) -> Any:
        return bearer_token(request)

    def describe(self) -> tuple[str, dict[str, Any]]:
        found = {"type": "http", "scheme": "bearer"}
        if self.format:
            found["bearerFormat"] = self.format
        return self.name, found

    def refuse(self) -> Problem:
        challenge = f'Bearer realm="{self.realm}"' if self.realm else "Bearer"
        return Problem(401, "a bearer token is needed", headers={"WWW-Authenticate": challenge})


@dataclass(frozen=True, slots=True)
class Basic(Scheme):
    """User name and password (RFC 7617): `Credentials`. Also 401 if they are malformed."""

    realm: str = "restricted"
    name: str = "basic"

    def take(self, request: Request) -> Any:
        return basic_credentials(request)

    def describe(self) -> tuple[str, dict[str, Any]]:
        return self.name, {"type": "http", "scheme": "basic"}

    def refuse(self) -> Problem:
        challenge = f'Basic realm="{self.realm}", charset="UTF-8"'
        return Problem(
            401, "a name and a password are needed", headers={"WWW-Authenticate": challenge}
        )


@dataclass(frozen=True, slots=True)
class ApiKey(Scheme):
    """A key in a header field: text."""

    header: str = "X-Api-Key"
    name: str = "apiKey"

    def take(self, request: Request) -> Any:
        return request.headers.get(self.header) or None

    def describe(self) -> tuple[str, dict[str, Any]]:
        return self.name, {"type": "apiKey", "in": "header", "name": self.header}
