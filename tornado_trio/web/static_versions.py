"""Versions of static files: hashes of their contents, kept by path.

Knows how to hash what `get_content` gives; a bounded cache forgets the least recently used.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator, Iterable

from ..log import gen_log

_lock = threading.Lock()


def content_version(content: bytes | Iterable[bytes], max_size: int) -> str:
    """SHA-512 of a file's content. ValueError beyond `max_size`: hashing takes a while."""
    digest = hashlib.sha512()
    size = 0
    chunks = [content] if isinstance(content, bytes) else content
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > max_size:
                raise ValueError(f"static file is larger than {max_size} bytes")
            digest.update(chunk)
    finally:
        if isinstance(chunks, Generator):
            chunks.close()  # it has the file open, and the traceback of an error keeps it alive
    return digest.hexdigest()


def cached(
    cache: dict[str, str | None],
    limit: int,
    absolute: str,
    compute: Callable[[str], str],
) -> str | None:
    """The version of a file, computed once. None, and one log line, if that is impossible."""
    with _lock:
        if absolute in cache:
            version = cache.pop(absolute)
            cache[absolute] = version  # the youngest again
            return version
    # Outside of the lock: threads may hash different files at once.
    try:
        version = compute(absolute)
    except Exception as exc:
        gen_log.error("Could not open static file %r: %s", absolute, exc)
        version = None
    with _lock:
        cache[absolute] = version
        while len(cache) > limit:
            del cache[next(iter(cache))]
    return version


def forget(cache: dict[str, str | None], absolute: str | None = None) -> None:
    """Forget one version, or all of them."""
    with _lock:
        if absolute is None:
            cache.clear()
        else:
            cache.pop(absolute, None)
