"""`StaticFileHandler`: files of a directory, with validators, ranges, versions in URLs.

Knows the order of checks on a request for a file; where files may be is decided in `static_paths`,
their versions in `static_versions`, the range grammar in `wire.ranges`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .._util.late import later
from .._util.threads import FILES
from ..errors import StreamClosedError
from ..exchange import Exchange
from ..wire.codings import choose_coding
from ..wire.conditional import if_range_holds, not_modified_since
from ..wire.dates import format_timestamp
from ..wire.parameters import type_of_file
from ..wire.ranges import ByteRange, UnsatisfiableRange, content_range, resolve_range
from . import static_paths, static_versions
from .errors import HTTPError
from .handler import RequestHandler
from .urls import leads_elsewhere

if TYPE_CHECKING:
    import datetime
else:
    datetime = later("datetime", globals())

__all__ = ["StaticFileHandler"]

# Up to here a file is read at once and leaves with its head in one send; above it, the
# kernel sends it (`sendfile`), or it is read in pieces of this size.
CHUNK = 64 * 1024
# Hashing more than this at once would hold up other requests: 1 MiB takes 2 ms.
THREAD_SIZE = 1 << 20
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class StaticFileHandler(RequestHandler):
    """Serves the files of a directory.

    ```python
    (r"/content/(.*)", StaticFileHandler, {"path": "/var/www"})
    ```

    `default_filename` is served for directories. Symlinks that lead out of the directory are
    refused, unless into `allowed_symlink_directory` (one or several, in place of `path`).
    With `precompressed`, `file.br` or `file.gz` is served for `file` to clients that accept it.

    Override `get_content`, `get_content_size`, `get_modified_time`, `get_absolute_path` and
    `validate_absolute_path` to serve from elsewhere; `make_static_url`, `parse_url_path`,
    `get_cache_time` and `get_version` for URLs of another form.
    """

    CACHE_MAX_AGE = 86400 * 365 * 10
    MAX_CACHED_VERSIONS = 10000
    MAX_VERSION_CONTENT_SIZE = 64 * 1024 * 1024
    PRECOMPRESSED: ClassVar[dict[str, str]] = {"br": ".br", "gzip": ".gz"}

    _static_hashes: ClassVar[dict[str, str | None]] = {}
    # What the file of a cached version looked like: (mtime_ns, size).
    _stamps: ClassVar[dict[str, tuple[int, int]]] = {}

    root: str
    path: str
    absolute_path: str | None
    modified: datetime.datetime | None = None
    default_filename: str | None = None
    allowed_symlink_directory: str | list[str] | None = None
    precompressed = False
    _stat_result: os.stat_result | None = None
    _stat_path: str | None = None
    _plain_path: str | None = None  # of a file served precompressed
    _encoding: str | None = None

    def initialize(  # type: ignore[override]
        self,
        path: str,
        default_filename: str | None = None,
        allowed_symlink_directory: str | list[str] | None = None,
        precompressed: bool = False,
    ) -> None:
        self.root = path
        self.default_filename = default_filename
        self.allowed_symlink_directory = allowed_symlink_directory
        self.precompressed = precompressed

    @classmethod
    def reset(cls) -> None:
        """Forget all versions."""
        static_versions.forget(cls._static_hashes)
        cls._stamps.clear()

    # --- the request -----------------------------------------------------------------------

    async def head(self, path: str) -> None:
        await self.get(path, include_body=False)

    async def get(self, path: str, include_body: bool = True) -> None:
        self.path = self.parse_url_path(path)
        absolute = self.get_absolute_path(self.root, self.path)
        self.absolute_path = self.validate_absolute_path(self.root, absolute)
        if self.absolute_path is None:
            return  # redirected
        if self.precompressed:
            self._choose_encoding()
        self.modified = self.get_modified_time()
        await self._ensure_version()
        self.set_headers()
        if self.should_return_304():
            self.set_status(304)
            return
        size = self.get_content_size()
        try:
            part = self._wanted_range(size)
        except UnsatisfiableRange:
            self.set_status(416)
            self.set_header("Content-Type", "text/plain")
            self.set_header("Content-Range", f"bytes */{size}")
            return
        start = end = None
        length = size
        # A range that is all of it gets 200: Chrome refuses to play audio otherwise.
        if part is not None and part != (0, size):
            start, end = part
            length = end - start
            self.set_status(206)
            self.set_header("Content-Range", content_range(start, end, size))
        self.set_header("Content-Length", length)
        if include_body:
            await self._send(start, end, length)
        elif self._transforms:
            await self.flush()  # as of a stream, so that they say of it what they say to GET

    def _wanted_range(self, size: int) -> ByteRange | None:
        """The part that was asked for, None for all; raises UnsatisfiableRange."""
        header = self.request.headers.get("Range")
        if not header:
            return None
        condition = self.request.headers.get("If-Range")
        if condition and not if_range_holds(
            condition, self._headers.get("Etag"), _seconds(self.modified)
        ):
            return None
        return resolve_range(header, size)

    async def _send(self, start: int | None, end: int | None, length: int) -> None:
        cls = type(self)
        assert self.absolute_path is not None
        try:
            if not cls._serves_own_content():
                if length <= CHUNK:
                    self.write(_read_at(self.absolute_path, start or 0, length))
                    if self._transforms:
                        # Files are sent as streams to transforms, whatever their size.
                        await self.flush()
                    return
                if not self._transforms and await self._sendfile(start or 0, length):
                    return
            # On the instance: some handlers override it as a plain method.
            content = self.get_content(self.absolute_path, start, end)
            for chunk in [content] if isinstance(content, bytes) else content:
                self.write(chunk)
                await self.flush()
        except StreamClosedError:
            if getattr(self.request.connection, "gone", None) is None:
                raise  # a stream that `get_content` reads, then
            return  # the client has what it wanted of the file
        except FileNotFoundError:
            raise HTTPError(404) from None  # it was there a moment ago
        except PermissionError:
            raise HTTPError(403, "%s cannot be read", self.path) from None

    async def _sendfile(self, offset: int, count: int) -> bool:
        """Let the exchange send the file; False if it cannot (and nothing was sent)."""
        connection = self.request.connection
        if not isinstance(connection, Exchange) or type(connection).sendfile is Exchange.sendfile:
            return False
        assert self.absolute_path is not None
        # Opening a local file does not wait for anything a thread would help with; by
        # descriptor, for a file object costs three more system calls.
        file = os.open(self.absolute_path, _READ_FLAGS)
        try:
            connection.more_follows()
            self.flush()
            await connection.sendfile(file, offset, count)
        finally:
            os.close(file)
        return True

    def _choose_encoding(self) -> None:
        """Serve the compressed sibling of the file, if there is one the client accepts."""
        self.set_header("Vary", "Accept-Encoding")
        plain = self.absolute_path
        assert plain is not None
        accepted = self.request.headers.get("Accept-Encoding")
        codings = list(self.PRECOMPRESSED)
        while (coding := choose_coding(accepted, codings)) is not None:
            codings.remove(coding)
            sibling = plain + self.PRECOMPRESSED[coding]
            try:
                self._check_path(self.root, sibling)
                self._stat_result = static_paths.stat_regular(sibling, self.path)
            except HTTPError:
                continue  # no such sibling, or none that may be served
            self._plain_path = plain
            self.absolute_path = self._stat_path = sibling
            self._encoding = coding
            return

    # --- where and what -----------------------------------------------------------------

    def parse_url_path(self, url_path: str) -> str:
        """The path relative to the root that a URL means."""
        if os.path.sep != "/":
            url_path = url_path.replace("/", os.path.sep)
        return url_path

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """The location of `path`: any text that `get_content` understands.

        Raises 403 if it leads out of `root` as written.
        """
        return static_paths.join(root, path)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """The location to serve, or None after answering (by a redirect).

        Raises 403 for what may not be served and 404 for what is missing.
        """
        root = self._check_path(root, absolute_path)
        if self.default_filename is not None and os.path.isdir(absolute_path):
            if not self.request.path.endswith("/"):
                if leads_elsewhere(self.request.path):
                    # CVE-2023-28370: it would be a redirect to another host.
                    raise HTTPError(403, "cannot redirect path with two initial slashes")
                self.redirect(self.request.path + "/", permanent=True)
                return None
            absolute_path = os.path.join(absolute_path, self.default_filename)
            self._check_path(root, absolute_path)
        self._stat_result = static_paths.stat_regular(absolute_path, self.path)
        self._stat_path = absolute_path
        if self.path.endswith(static_paths.OF_DIRECTORIES):
            if absolute_path == static_paths.join(root, self.path):
                raise HTTPError(404)  # a file is not a directory
        return absolute_path

    def _check_path(self, root: str, absolute_path: str) -> str:
        """403 unless the path lies in the root, as written and through its symlinks."""
        root = static_paths.check_in_root(root, absolute_path, self.path)
        allowed = self.allowed_symlink_directory
        directories: Sequence[str] | None
        directories = [allowed] if isinstance(allowed, str) else allowed
        static_paths.check_symlinks(root, absolute_path, directories, self.path)
        return root

    def _stat(self) -> os.stat_result:
        """The stat of the file served; taken once."""
        assert self.absolute_path is not None
        if self._stat_result is None or self._stat_path != self.absolute_path:
            self._stat_result = os.stat(self.absolute_path)
            self._stat_path = self.absolute_path
        return self._stat_result

    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> bytes | Iterable[bytes]:
        """The bytes of a file from `start` up to `end`, at once or in pieces.

        Lazy: the file is opened when the first chunk is requested.
        """
        return _pieces(abspath, start or 0, end)

    @classmethod
    def _serves_own_content(cls) -> bool:
        """Whether a subclass has replaced `get_content`, so that files are not to be opened."""
        ours = StaticFileHandler.__dict__["get_content"].__func__
        return getattr(cls.get_content, "__func__", None) is not ours

    def get_content_size(self) -> int:
        """The size of the whole resource."""
        return self._stat().st_size

    def get_modified_time(self) -> datetime.datetime | None:
        """When the resource was last modified, or None."""
        return datetime.datetime.fromtimestamp(int(self._stat().st_mtime), datetime.UTC)

    def get_content_type(self) -> str:
        """The Content-Type."""
        return type_of_file(self._plain_path or self.absolute_path or "")

    # --- headers ---------------------------------------------------------------------------

    def set_headers(self) -> None:
        """Set the headers that describe the content and say how long it may be kept."""
        self.set_etag_header()
        kind = self.get_content_type()
        fields: dict[str, Any] = {
            "Accept-Ranges": "bytes",
            "Last-Modified": self.modified,
            "Content-Type": kind or None,
            "Content-Encoding": self._encoding or None,
        }
        keep = self.get_cache_time(self.path, self.modified, kind)
        if keep > 0:
            fields["Cache-Control"] = f"max-age={keep}"
            fields["Expires"] = format_timestamp(time.time() + keep)
        for name, value in fields.items():
            if value is not None:
                self.set_header(name, value)
        self.set_extra_headers(self.path)

    def set_extra_headers(self, path: str) -> None:
        """Override to add headers."""

    def get_cache_time(self, path: str, modified: datetime.datetime | None, mime_type: str) -> int:
        """Seconds the response may be cached; 0 leaves it to the browser."""
        return self.CACHE_MAX_AGE if "v" in self.request.arguments else 0

    def compute_etag(self) -> str | None:
        """The version of the whole file, whatever part of it is sent."""
        assert self.absolute_path is not None
        version = self._get_cached_version(self.absolute_path)
        return f'"{version}"' if version else None

    def should_return_304(self) -> bool:
        """Whether the client has the current version."""
        if self.request.headers.get("If-None-Match"):
            return self.check_etag_header()
        since = self.request.headers.get("If-Modified-Since")
        modified = _seconds(self.modified)
        return since is not None and modified is not None and not_modified_since(since, modified)

    # --- versions --------------------------------------------------------------------------

    @classmethod
    def make_static_url(
        cls, settings: dict[str, Any], path: str, include_version: bool = True
    ) -> str:
        """The URL of a static file, with its version."""
        url: str = settings.get("static_url_prefix", "/static/") + path
        if not include_version:
            return url
        version = cls.get_version(settings, path)
        return f"{url}?v={version}" if version else url

    @classmethod
    def get_version(cls, settings: dict[str, Any], path: str) -> str | None:
        """The version of a file of the `static_path`, or None if it has none."""
        return cls._get_cached_version(cls.get_absolute_path(settings["static_path"], path))

    @classmethod
    def _get_cached_version(cls, abs_path: str) -> str | None:
        return static_versions.cached(
            cls._static_hashes, cls.MAX_CACHED_VERSIONS, abs_path, cls.get_content_version
        )

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """The version of a file: a hash of its content."""
        content = cls.get_content(abspath)
        return static_versions.content_version(content, cls.MAX_VERSION_CONTENT_SIZE)

    async def _ensure_version(self) -> None:
        """Drop the version of a file that has changed; hash a large one in a thread."""
        path = self.absolute_path
        if path is None or self._stat_path != path or self._stat_result is None:
            return  # not a file of ours to look at
        stamp = (self._stat_result.st_mtime_ns, self._stat_result.st_size)
        if self._stamps.get(path) != stamp:
            if path in self._stamps:
                static_versions.forget(self._static_hashes, path)
            if len(self._stamps) > self.MAX_CACHED_VERSIONS:
                self._stamps.clear()
            self._stamps[path] = stamp
        if type(self).compute_etag is not StaticFileHandler.compute_etag:
            return  # an Etag of the program's own (or none) needs no hash
        size = self._stat_result.st_size
        if THREAD_SIZE < size <= self.MAX_VERSION_CONTENT_SIZE:
            if path not in self._static_hashes:
                await FILES.run(self._get_cached_version, path)


def _pieces(path: str, start: int, end: int | None) -> Iterator[bytes]:
    static_paths.stat_regular(path, path)
    with open(path, "rb") as file:
        file.seek(start)
        remaining = None if end is None else end - start
        while remaining is None or remaining > 0:
            chunk = file.read(CHUNK if remaining is None else min(CHUNK, remaining))
            if not chunk:
                return
            if remaining is not None:
                remaining -= len(chunk)
            yield chunk


def _read_at(path: str, offset: int, count: int) -> bytes:
    """One read of a small file: 8 us against 20 for a file object."""
    fd = os.open(path, _READ_FLAGS)
    try:
        if offset:
            os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, count)
    finally:
        os.close(fd)


def _seconds(moment: datetime.datetime | None) -> float | None:
    """Since the epoch; a naive moment is in UTC."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
