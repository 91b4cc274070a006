"""Files as bodies: by their path, or in chunks. Knows descriptors, nothing of ASGI."""

from __future__ import annotations

import os

__all__ = ["read_at", "whole_file"]


def whole_file(descriptor: int, offset: int, count: int) -> str | None:
    """The path of an open file, if `count` bytes from `offset` are all of it; otherwise None.

    Also None where the system does not provide it (Linux does), or if the path now names another
    file.
    """
    found = os.fstat(descriptor)
    if offset or count != found.st_size:
        return None
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        return path if os.path.samestat(os.stat(path), found) else None
    except (OSError, ValueError):
        return None


def read_at(descriptor: int, offset: int, count: int) -> bytes:
    """Up to `count` bytes from `offset`; b"" at the file's end."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)
