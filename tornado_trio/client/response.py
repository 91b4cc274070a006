"""`Response`: what a server answered; read whole, or chunk by chunk.

Knows the hop it reads from and the decoder for its content coding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, final

from .._util.late import later, pattern_later
from ..net import Stream
from ..wire.headers import HTTPHeaders
from .decoding import BodyDecoder
from .errors import ClientError, HTTPStatusError
from .hop import Hop
from .targets import without_credentials

if TYPE_CHECKING:
    import json
else:
    json = later("json", globals())

_CHARSET = pattern_later(r'charset\s*=\s*"?([A-Za-z0-9_.:-]+)', globals(), re.IGNORECASE)


@final
class Response:
    """A status, headers and a body.

    Attributes:
      method, url: of the request that got this answer (after redirects).
      status (and `code`, Tornado's name for it), reason, http_version, headers.
      history: the redirects that led here, oldest first; their bodies are not kept.
      elapsed: seconds from the call until this head was complete.

    Backpressure: a streamed body is read from the connection only on demand.
    """

    __slots__ = (
        "_body",
        "_decoder",
        "_hop",
        "elapsed",
        "headers",
        "history",
        "http_version",
        "method",
        "reason",
        "status",
        "url",
    )

    def __init__(
        self,
        method: str,
        url: str,
        hop: Hop,
        decoder: BodyDecoder | None,
        history: tuple[Response, ...],
        elapsed: float,
    ) -> None:
        line = hop.head.start_line
        self.method = method
        self.url = url
        self.status = line.code
        self.reason = line.reason
        self.http_version = line.version
        self.headers: HTTPHeaders = hop.head.headers
        self.history = history
        self.elapsed = elapsed
        self._hop = hop
        self._decoder = decoder
        self._body: bytes | None = None

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.method} {without_credentials(self.url)}>"

    # --- the body -------------------------------------------------------------
    async def read_chunk(self) -> bytes:
        """Body bytes, decoded, as they arrive; b"" at the end.

        Raises: `ConnectionLost`, `ResponseError`, `BodyTooLarge`, `RequestTimeout`.
        Cancellation: nothing is lost.
        """
        decoder = self._decoder
        if decoder is None:
            return await self._hop.read_chunk()
        try:
            while not (data := decoder.pending()):
                if decoder.finished:
                    return b""
                decoder.feed(await self._hop.read_chunk())
        except ClientError:
            self.close()
            raise
        return data

    def __aiter__(self) -> Response:
        # Not an async generator: one that is left by `break` would have to be closed.
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read_chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def read(self) -> bytes:
        """The whole body (bounded by `ClientLimits.max_body_size`); kept in `body`.

        Errors as `read_chunk`. Cancellation: what has been read of it is lost.
        """
        if self._body is None:
            first = await self.read_chunk()
            pieces = [first]
            while first and (chunk := await self.read_chunk()):
                pieces.append(chunk)
            self._body = b"".join(pieces) if len(pieces) > 1 else first
        return self._body

    @property
    def body(self) -> bytes:
        """The body, once `read`. Raises RuntimeError before."""
        if self._body is None:
            raise RuntimeError("the body has not been read: await response.read()")
        return self._body

    @property
    def charset(self) -> str:
        """From the Content-Type; UTF-8 if it says nothing."""
        match = _CHARSET.search(self.headers.get("Content-Type", ""))
        return match[1] if match else "utf-8"

    @property
    def text(self) -> str:
        """`body` as text; bytes that do not fit the charset become U+FFFD."""
        try:
            return self.body.decode(self.charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """`body` as JSON. Raises ValueError."""
        return json.loads(self.body)

    @property
    def trailers(self) -> HTTPHeaders | None:
        """Fields sent after the body, if there were any; complete once the body is read."""
        return self._hop.trailers

    # --- the rest -------------------------------------------------------------
    @property
    def code(self) -> int:
        """The status, under the name it has in Tornado's responses."""
        return self.status

    @property
    def ok(self) -> bool:
        """The status is below 400."""
        return self.status < 400

    def raise_for_status(self) -> Response:
        """Raise `HTTPStatusError` for 400 and above; else return self."""
        if not self.ok:
            text = f"HTTP {self.status}: {self.reason or 'no reason'}"
            raise HTTPStatusError(f"{text} ({self.method} {without_credentials(self.url)})", self)
        return self

    def detach(self) -> Stream:
        """Take over the connection, after a 101 or a successful CONNECT; the caller closes it."""
        return self._hop.detach()

    def close(self) -> None:
        """Stop reading: the connection is reused if the rest has been received, else closed."""
        self._hop.close()
