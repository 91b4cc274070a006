"""Ready-made handlers: fixed errors, redirects, a fallback to another application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..wire.urls import qs_to_qsl, url_concat
from .errors import HTTPError
from .handler import RequestHandler
from .urls import fixed_origin, origin_of

__all__ = ["ErrorHandler", "FallbackHandler", "RedirectHandler"]


class ErrorHandler(RequestHandler):
    """Answers every request with `status_code`."""

    def initialize(self, status_code: int) -> None:  # type: ignore[override]
        self.set_status(status_code)

    # An error needs no protection, and 403 would hide which error it is.
    def check_trusted_origin(self, origin: str) -> bool:
        return True

    def check_xsrf_cookie(self) -> None:
        pass

    def prepare(self) -> None:
        raise HTTPError(self.get_status())


class RedirectHandler(RequestHandler):
    """Redirects GET to `url`, a `str.format` template for the groups of the path.

    The query is carried over. Groups cannot change the scheme or host of `url`: 400.
    """

    def initialize(self, url: str, permanent: bool = True) -> None:  # type: ignore[override]
        self._url = url
        self._permanent = permanent

    def get(self, *args: Any, **kwargs: Any) -> Any:
        url = self._url.format(*args, **kwargs)
        expected = fixed_origin(self._url)
        if origin_of(url) != expected:
            raise HTTPError(400, "Redirect URL cannot change the scheme or netloc")
        if not _is_sendable(url):
            raise HTTPError(400, "Redirect URL contains invalid characters")
        if self.request.query_arguments:
            try:
                url = url_concat(url, list(qs_to_qsl(self.request.query_arguments)))
            except ValueError:
                raise HTTPError(400, "Redirect URL contains invalid characters") from None
            if origin_of(url) != expected:
                raise HTTPError(400, "Redirect URL cannot change the scheme or netloc")
        return self.redirect(url, permanent=self._permanent)


def _is_sendable(url: str) -> bool:
    return not any(char < " " or char == "\x7f" for char in url)


class FallbackHandler(RequestHandler):
    """Hands the request to another application: an async callable over the exchange."""

    def initialize(self, fallback: Callable[[Any], Any]) -> None:  # type: ignore[override]
        self.fallback = fallback

    async def prepare(self) -> None:
        result = self.fallback(self.request.connection)
        if result is not None:
            await result
        self._finished = True
        self.on_finish()
