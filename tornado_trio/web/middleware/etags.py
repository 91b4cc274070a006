"""Entity tags for answers that have none (RFC 9110 8.8.3)."""

from __future__ import annotations

from ...wire.conditional import compute_etag, none_match
from ..calls import Call, Next, Response

__all__ = ["ETags"]


class ETags:
    """Gives answers to GET a tag of their content, and 304 to those that have it already.

    Plain handlers do so by themselves; this is for typed handlers, functions and other answers
    whose body is known as a whole. Streams have none. Inside of `Compression` in the list, so that
    it sees what is compressed.
    """

    async def __call__(self, call: Call, next: Next) -> None:
        call.on_response(lambda response: self._tag(call, response))
        await next(call)

    def _tag(self, call: Call, response: Response) -> None:
        headers, body = response.headers, response.body
        if response.status != 200 or call.request.method != "GET" or body is None:
            return
        if "Etag" in headers or "no-store" in headers.get("Cache-Control", "").lower():
            return
        etag = headers["Etag"] = compute_etag([body])
        wanted = call.request.headers.get("If-None-Match")
        if wanted is not None and none_match(wanted, etag):
            response.status = 304
