"""The error of a sign-in that did not succeed. Knows nothing else of the package."""

from tornado_trio.errors import TornadoTrioError

__all__ = ["AuthError"]


class AuthError(TornadoTrioError):
    """The provider refused, or its response or the browser's does not match the request."""
