"""Compression of answers by negotiation: br, zstd, gzip (RFC 9110 8.4, 12.5.3).

An answer that holds a secret beside what a visitor's enemy can choose gives the secret away by its
length (BREACH); XSRF tokens of this library are masked for that reason. `Cache-Control:
no-transform` leaves an answer as it is.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...wire.codings import choose_coding
from ...wire.parameters import media_type
from ..calls import BodyFilter, Call, Next, Response
from ..transforms import GZipContentEncoding, weaken_etag

__all__ = ["Compression"]

_TYPES = frozenset(
    {
        *GZipContentEncoding.CONTENT_TYPES,
        "application/problem+json",
        "application/ld+json",
        "application/manifest+json",
        "application/x-ndjson",
        "application/wasm",
        "font/ttf",
        "font/otf",
        "image/bmp",
        "image/vnd.microsoft.icon",
    }
)


def _gzip() -> BodyFilter:
    # 31: a gzip header and trailer around deflate with the largest window
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)

    def change(chunk: bytes, last: bool) -> bytes:
        # What is flushed by the handler is to be seen by the client.
        end = zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH
        data: bytes = compressor.compress(chunk)
        return data + bytes(compressor.flush(end))

    return change


def _br(quality: int = 5) -> BodyFilter:
    compressor: Any = importlib.import_module("brotli").Compressor(quality=quality)

    def change(chunk: bytes, last: bool) -> bytes:
        data: bytes = compressor.process(chunk)
        data += compressor.finish() if last else compressor.flush()
        return data

    return change


def _zstd(level: int = 3) -> BodyFilter:
    zstandard = importlib.import_module("zstandard")
    # RFC 8878 lets a decoder refuse a window above 8 MiB; this level has 2.
    compressor = zstandard.ZstdCompressor(level=level).compressobj()

    def change(chunk: bytes, last: bool) -> bytes:
        mode = zstandard.COMPRESSOBJ_FLUSH_FINISH if last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        data: bytes = compressor.compress(chunk)
        data += compressor.flush(mode)
        return data

    return change


_CODINGS: dict[str, tuple[str | None, Callable[[], BodyFilter]]] = {
    "br": ("brotli", _br),
    "zstd": ("zstandard", _zstd),
    "gzip": (None, _gzip),
}


def _is_installed(module: str | None) -> bool:
    if module is None:
        return True
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


class Compression:
    """Compresses what compresses well, with the coding that the client likes best.

    Args:
        codings: those offered, the best first; by default those of br, zstd and gzip whose
            packages are installed (extras `brotli`, `zstd`). ImportError for one that is not.
        min_length: bytes below which an answer of known length is left as it is.
        types: media types beside text/*.

    An answer is compressed in the event loop, at some 50 to 200 MB/s. Its entity tag becomes a
    weak one. HEAD says what GET would, but for the length.
    """

    def __init__(
        self,
        codings: Sequence[str] | None = None,
        *,
        min_length: int = 1024,
        types: Iterable[str] = _TYPES,
    ) -> None:
        if codings is None:
            codings = [name for name, (module, _) in _CODINGS.items() if _is_installed(module)]
        for name in codings:
            if name not in _CODINGS:
                raise ValueError(f"coding {name!r}; known are {', '.join(_CODINGS)}")
            module = _CODINGS[name][0]
            if not _is_installed(module):
                raise ImportError(f"the coding {name} needs the package {module}")
        self._codings = tuple(codings)
        self._min_length = min_length
        self._types = frozenset(types)

    async def __call__(self, call: Call, next: Next) -> None:
        accepted: Any = call.request.headers.get("Accept-Encoding")
        coding = choose_coding(accepted, self._codings) if accepted else None
        call.on_response(lambda response: self._compress(response, coding))
        await next(call)

    def _compress(self, response: Response, coding: str | None) -> None:
        headers = response.headers
        if response.status == 304:
            # Says what its 200 said, or might have.
            response.vary("Accept-Encoding")
            if coding is not None:
                weaken_etag(headers)
            return
        if not self._may_change(response):
            return
        response.vary("Accept-Encoding")
        length = headers.get("Content-Length", "")
        if coding is None or (length.isdigit() and int(length) < self._min_length):
            return
        weaken_etag(headers)
        headers["Content-Encoding"] = coding
        headers.pop("Accept-Ranges", None)
        response.pipe(_CODINGS[coding][1]())

    def _may_change(self, response: Response) -> bool:
        headers = response.headers
        status = response.status
        if status < 200 or status in (204, 206) or "Content-Encoding" in headers:
            return False
        if "no-transform" in headers.get("Cache-Control", "").lower():
            return False
        kind = media_type(headers.get("Content-Type", ""))
        return kind.startswith("text/") or kind in self._types
