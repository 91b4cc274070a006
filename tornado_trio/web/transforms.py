"""Output transforms: what may change a response between the handler and the exchange.

Knows status, headers and chunks; knows no handler.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from ..wire.codings import coding_quality
from ..wire.parameters import media_type

if TYPE_CHECKING:
    from ..wire.headers import HTTPHeaders
    from .request import Request

__all__ = ["GZipContentEncoding", "OutputTransform"]


class OutputTransform:
    """Base class; changes nothing. One instance per response."""

    def __init__(self, request: Request) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The head and the first bytes; `finishing` says that they are all."""
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Later bytes."""
        return chunk


class GZipContentEncoding(OutputTransform):
    """Compresses text when the client accepts gzip and the body is large enough."""

    # All of text/*, and these.
    CONTENT_TYPES = frozenset(
        [
            "application/javascript",
            "application/x-javascript",
            "application/xml",
            "application/atom+xml",
            "application/json",
            "application/xhtml+xml",
            "image/svg+xml",
        ]
    )
    # Level 6 costs 4 to 10 times level 1 and saves some percent; it is zlib's own default.
    GZIP_LEVEL = 6
    # Below one packet compression saves nothing on the wire.
    MIN_LENGTH = 1024

    def __init__(self, request: Request) -> None:
        accepted = request.headers.get("Accept-Encoding", "")
        # "*" alone does not count: clients that send it rarely mean gzip.
        self._gzipping = "gzip" in accepted.lower() and coding_quality(accepted, "gzip") > 0
        self._compressor: Any = None

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        vary = headers.get("Vary")
        if vary is None:
            headers["Vary"] = "Accept-Encoding"
        elif "accept-encoding" not in vary.lower() and vary.strip() != "*":
            headers["Vary"] = f"{vary}, Accept-Encoding"
        accepted = self._gzipping
        small = finishing and len(chunk) < self.MIN_LENGTH
        self._gzipping = accepted and not small and self._is_plain(status_code, headers)
        if self._gzipping or (accepted and status_code == 304):
            weaken_etag(headers)
        if self._gzipping:
            # 31: a gzip header and trailer around deflate with the largest window
            self._compressor = zlib.compressobj(self.GZIP_LEVEL, zlib.DEFLATED, 31)
            chunk = self.transform_chunk(chunk, finishing)
            headers["Content-Encoding"] = "gzip"
            announced = headers.pop("Content-Length", None)
            if finishing and announced is not None:
                headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk

    def _is_plain(self, status_code: int, headers: HTTPHeaders) -> bool:
        """Whether the body is a whole representation that compresses, and is not compressed."""
        if status_code == 206 or "Content-Encoding" in headers:
            return False
        return self._compressible_type(media_type(headers.get("Content-Type", "")))

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        if not self._gzipping:
            return chunk
        data: bytes = self._compressor.compress(chunk)
        # A flush of the handler is a promise that the client sees what was written.
        data += self._compressor.flush(zlib.Z_FINISH if finishing else zlib.Z_SYNC_FLUSH)
        return data

    def _compressible_type(self, content_type: str) -> bool:
        return content_type.startswith("text/") or content_type in self.CONTENT_TYPES


def weaken_etag(headers: HTTPHeaders) -> None:
    """The compressed body is only semantically equivalent (RFC 9110 8.8.3.3): with a strong tag,
    ranges of the plain bytes would be combined with it. A 304 carries the tag its 200 had, or would
    have had."""
    etag = headers.get("Etag")
    if etag is not None and etag.startswith('"'):
        headers["Etag"] = f"W/{etag}"
