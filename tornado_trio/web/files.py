"""`send_file`: one file as an answer, with validators and ranges, so that it can be resumed.

Knows a handler's headers and its exchange. Serving a directory by URL is done in `static`.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import trio

from ..exchange import Exchange
from ..wire.conditional import if_range_holds, match, none_match, not_modified_since
from ..wire.dates import format_timestamp
from ..wire.parameters import encode_header
from ..wire.ranges import ByteRange, UnsatisfiableRange, content_range, resolve_range
from . import static_paths
from .errors import HTTPError

if TYPE_CHECKING:
    from .answers import AnswerMethods

__all__ = ["content_disposition", "send_file"]

_PIECE = 64 * 1024
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# Opening a FIFO would wait for its writer.
_FLAGS |= getattr(os, "O_NONBLOCK", 0)


def content_disposition(filename: str, kind: str = "attachment") -> str:
    """The field that names a download (RFC 6266): any name, without its directories."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(char for char in name if char.isprintable()) or "download"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    field = encode_header(kind, {"filename": plain.replace('"', "_").replace("%", "_")})
    if plain == name and not set(name) & set('"%'):
        return field
    from urllib.parse import quote

    return f"{field}; filename*=UTF-8''{quote(name, safe='')}"


async def send_file(handler: AnswerMethods, path: str, root: str | None) -> None:
    """See `AnswerMethods.send_file`."""
    if root is not None:
        shown = path
        path = static_paths.join(root, path)
        base = static_paths.check_in_root(root, path, shown)
        static_paths.check_symlinks(base, path, None, shown)
    try:
        file = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise HTTPError(404) from None
    except PermissionError:
        raise HTTPError(403, "%s cannot be read", path) from None
    try:
        # Of what is open: the path may lead elsewhere by now.
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise HTTPError(404)
        part = _describe(handler, found)
        if part is not None:
            await _send(handler, file, part)
    finally:
        os.close(file)


def _describe(handler: AnswerMethods, found: os.stat_result) -> ByteRange | None:
    """Set the head. Returns what to send of the file; None for nothing."""
    asked, size = handler.request.headers, found.st_size
    headers = handler._headers
    modified = int(found.st_mtime)
    if "Etag" not in headers:
        handler.set_header("Etag", f'"{found.st_mtime_ns:x}-{size:x}-{found.st_ino:x}"')
    etag: str = headers["Etag"]
    handler.set_header("Last-Modified", format_timestamp(modified))
    handler.set_header("Accept-Ranges", "bytes")
    if "If-Match" in asked and not match(asked["If-Match"], etag):
        raise HTTPError(412)
    if "If-None-Match" in asked:
        known = none_match(asked["If-None-Match"], etag)
    else:
        since = asked.get("If-Modified-Since")
        known = since is not None and not_modified_since(since, modified)
    if known:
        handler.set_status(304)
        return None
    wanted = asked.get("Range")
    if wanted and (held := asked.get("If-Range")) and not if_range_holds(held, etag, modified):
        wanted = None
    try:
        part = resolve_range(wanted, size)
    except UnsatisfiableRange:
        handler.clear_header("Content-Disposition")
        handler.set_status(416)
        handler.set_header("Content-Range", f"bytes */{size}")
        return None
    if part is None or part == (0, size):
        part = ByteRange(0, size)
    else:
        handler.set_status(206)
        handler.set_header("Content-Range", content_range(part.start, part.end, size))
    handler.set_header("Content-Length", part.end - part.start)
    return part


async def _send(handler: AnswerMethods, file: int, part: ByteRange) -> None:
    count = part.end - part.start
    if handler.request.method == "HEAD":
        await handler.flush()
        return
    connection: Any = handler.request.connection
    whole = count > _PIECE and not handler._transforms
    if whole and isinstance(connection, Exchange):
        if type(connection).sendfile is not Exchange.sendfile:
            connection.more_follows()
            handler.flush()
            await connection.sendfile(file, part.start, count)
            return
    os.lseek(file, part.start, os.SEEK_SET)
    while count > 0 and (piece := os.read(file, min(count, _PIECE))):
        count -= len(piece)
        handler.write(piece)
        await handler.flush()
        await trio.lowlevel.checkpoint()
