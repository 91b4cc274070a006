"""Versions of static files as releases before 6 made them. Knows `get_content` only."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["md5_version"]


def md5_version(cls: Any, abspath: str) -> str:
    """The MD5 of a file's content, for fleets in which old processes still answer."""
    content = cls.get_content(abspath)
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in [content] if isinstance(content, bytes) else content:
        digest.update(chunk)
    return digest.hexdigest()
