"""Which file a static path means, and whether it may be served. Knows the file system only.

Three questions, in this order, so that the answer reveals nothing about files outside the root:
is the path inside the root as written; do its symlinks stay inside; is it a regular file.
The state of the file system is checked at one moment: a directory that untrusted users can
write to needs permissions, not this.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from .errors import HTTPError

NOT_IN_ROOT = "%s is not in root static directory"
NOT_A_FILE = "%s is not a file"
# Ends of paths that mean a directory (RFC 3986 5.2.4); abspath() would forget them.
OF_DIRECTORIES = tuple(os.path.sep + end for end in ("", ".", ".."))


def join(root: str, path: str) -> str:
    """The absolute location of `path` under `root`: 403 if it leads out, 404 if no path can."""
    if "\0" in path:
        raise HTTPError(404)
    absolute = os.path.abspath(os.path.join(root, path))
    check_in_root(root, absolute, path)
    return absolute


def check_in_root(root: str, absolute: str, shown: str) -> str:
    """403 unless `absolute` is `root` or below it, as written; the root with its separator."""
    root = os.path.abspath(root)
    if not root.endswith(os.path.sep):
        # With the separator: /var/www-private is not in /var/www.
        root += os.path.sep
    if not (absolute + os.path.sep).startswith(root):
        raise HTTPError(403, NOT_IN_ROOT, shown)
    if os.name == "nt" and ":" in absolute[len(root) :]:
        raise HTTPError(403, NOT_A_FILE, shown)  # an alternate data stream (NTFS)
    return root


def check_symlinks(root: str, absolute: str, allowed: Sequence[str] | None, shown: str) -> None:
    """403 if a symlink in `absolute` leads out of the allowed directories (the root)."""
    if allowed is None:
        # The usual case, at one lstat per component below the root: 2 us against 15 for
        # realpath(), which looks at all of them.
        if not _has_symlink(root, absolute):
            return
        allowed = [root]
    real = os.path.realpath(absolute)
    for directory in allowed:
        directory = os.path.realpath(directory)
        if real == directory or real.startswith(directory.rstrip(os.path.sep) + os.path.sep):
            return
    raise HTTPError(403, NOT_IN_ROOT, shown)


def _has_symlink(root: str, absolute: str) -> bool:
    """Whether a component of `absolute` below `root` is a symlink."""
    at = root.rstrip(os.path.sep)
    for name in absolute[len(root) :].split(os.path.sep):
        if not name:
            continue
        at = at + os.path.sep + name
        try:
            mode = os.lstat(at).st_mode
        except OSError:
            return False  # missing or unreadable from here on: nothing to follow
        if stat.S_ISLNK(mode):
            return True
    return False


def stat_regular(absolute: str, shown: str) -> os.stat_result:
    """The stat of a regular file; 404 if there is none, 403 if it is something else.

    Devices, FIFOs and sockets must not even be opened: some block, some never end.
    """
    try:
        result = os.stat(absolute)
    except (OSError, ValueError):
        raise HTTPError(404) from None
    if not stat.S_ISREG(result.st_mode):
        raise HTTPError(403, NOT_A_FILE, shown)
    return result
