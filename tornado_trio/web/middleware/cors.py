"""Cross-origin requests of browsers (the CORS protocol of the Fetch standard, 3.2).

Websocket handshakes are not part of it: their handlers' `check_origin` decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..calls import Call, Next, Response

__all__ = ["CORS"]


# Scheme, host and port; an extension of a browser has a scheme of its own.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/*?#\s]+")


class CORS:
    """Lets pages of other origins read answers, and answers their preflight requests.

    Args:
        origins: those allowed, as browsers write them ("https://shop.example"), "*" for all, or
            a function that says of one whether it is.
        methods, headers: what a preflight allows; `headers` "*" allows what is asked for.
        expose: fields of answers that pages may read beyond the usual ones.
        credentials: whether cookies may come along. Not with origins "*": ValueError.
        max_age: seconds for which a browser need not ask again.
        private_network: whether public pages may ask a server in a private network.
    """

    def __init__(
        self,
        origins: Iterable[str] | Callable[[str], bool],
        *,
        methods: Iterable[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        headers: Iterable[str] = "*",
        expose: Iterable[str] = (),
        credentials: bool = False,
        max_age: int = 600,
        private_network: bool = False,
    ) -> None:
        self._all = origins == "*" or (not callable(origins) and "*" in origins)
        if isinstance(origins, str) and origins != "*":
            raise TypeError(f"origins is a list, or '*': [{origins!r}]")
        if self._all and credentials:
            raise ValueError(
                "credentials for every origin would let any page act as its visitor: list the "
                "origins, or give a function that knows them"
            )
        if callable(origins):
            self._allowed = origins
        else:
            listed = frozenset(origin.rstrip("/").lower() for origin in origins)
            for origin in listed - {"*", "null"}:
                if not _ORIGIN.fullmatch(origin):
                    raise ValueError(
                        f"{origin!r} is no origin, as browsers send it: "
                        '"https://shop.example", with a port if need be; for a pattern give a '
                        "function of the origin"
                    )
            self._allowed = lambda origin: origin.lower() in listed
        self._methods = ", ".join(methods)
        self._headers = None if headers == "*" else ", ".join(headers)
        self._expose = ", ".join(expose)
        self._credentials = credentials
        self._max_age = str(max_age)
        self._private_network = private_network

    async def __call__(self, call: Call, next: Next) -> None:
        headers = call.request.headers
        origin = headers.get("Origin")
        allowed = origin is not None and (self._all or self._allowed(origin))
        preflight = (
            call.request.method == "OPTIONS"
            and origin is not None
            and "Access-Control-Request-Method" in headers
        )
        call.on_response(lambda response: self._mark(response, origin if allowed else None))
        if not preflight:
            await next(call)
        elif not allowed:
            await call.answer(403, f"pages of {origin} may not ask this\n")
        else:
            call.on_response(lambda response: self._answer_preflight(call, response))
            await call.answer(204)

    def _mark(self, response: Response, origin: str | None) -> None:
        if not self._all:
            response.vary("Origin")  # also where there was none: caches answer both
        if origin is None or response.status == 101:
            return
        fields = response.headers
        fields["Access-Control-Allow-Origin"] = "*" if self._all else origin
        if self._credentials:
            fields["Access-Control-Allow-Credentials"] = "true"
        if self._expose:
            fields["Access-Control-Expose-Headers"] = self._expose

    def _answer_preflight(self, call: Call, response: Response) -> None:
        asked = call.request.headers
        fields = response.headers
        response.vary("Access-Control-Request-Method")
        response.vary("Access-Control-Request-Headers")
        fields["Access-Control-Allow-Methods"] = self._methods
        fields["Access-Control-Max-Age"] = self._max_age
        wanted = asked.get("Access-Control-Request-Headers")
        allowed = wanted if self._headers is None else self._headers
        if allowed:
            fields["Access-Control-Allow-Headers"] = allowed
        if self._private_network and asked.get("Access-Control-Request-Private-Network") == "true":
            fields["Access-Control-Allow-Private-Network"] = "true"
