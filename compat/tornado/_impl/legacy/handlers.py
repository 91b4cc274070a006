"""What handlers did differently in old releases, where both are not possible: selected by
generation.

Knows handlers by their methods; nothing here is used unless `generation` says so.
"""

from __future__ import annotations

import hashlib
from typing import Any

from tornado_trio.wire.phrases import standard_phrase

__all__ = ["md5_version", "check_known_status"]


def md5_version(cls: Any, abspath: str) -> str:
    """Before 6: the MD5 of a static file's content, as processes that still run make it."""
    content = cls.get_content(abspath)
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in [content] if isinstance(content, bytes) else content:
        digest.update(chunk)
    return digest.hexdigest()


def check_known_status(status_code: int, reason: Any) -> None:
    """Before 5: a status that is unknown is an error, unless it comes with a reason."""
    if reason is None and not standard_phrase(status_code):
        raise ValueError(f"unknown status code {status_code}")
