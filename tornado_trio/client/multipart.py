"""Bodies of multipart/form-data (RFC 7578): `files=` and `form=` of a request, as one body.

Knows the format and where parts come from; nothing of connections. Everything but small bodies is
sent piece by piece, so a file of any size takes one chunk of memory. If each part's size is known
beforehand, so is the body's, and it goes out with Content-Length; many services refuse chunked
uploads.
"""

from __future__ import annotations

import inspect
import io
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol, TypeAlias, cast

from .._util.late import later
from .._util.threads import FILES
from ..wire.parameters import type_of_file
from .content import FILE_CHUNK, Chunks, Content, of_chunks
from .errors import InvalidRequest
from .upload import BodyWriter, Producer

if TYPE_CHECKING:
    import secrets
else:
    secrets = later("secrets", globals())


class AsyncFile(Protocol):
    """What `trio.open_file` returns, and its like: binary, its methods are awaited."""

    def read(self, size: int, /) -> Awaitable[bytes]:
        """Up to `size` bytes; b"" at the end."""
        ...


#: What a file's bytes come from.
FileContent: TypeAlias = (
    "bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | AsyncFile | Chunks"
    " | Callable[[], Chunks]"
)
#: One file: its content; or (filename, content); or (filename, content, content type).
File: TypeAlias = "FileContent | tuple[str, FileContent] | tuple[str, FileContent, str]"
#: What `files=` takes: field name -> file, or pairs of them (for several files of one field).
Files: TypeAlias = "Mapping[str, File] | Iterable[tuple[str, File]]"
#: What `form=` takes.
Form: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]]"


class _Part(NamedTuple):
    """`size` is None if only sending it tells; `data` is what is in memory."""

    head: bytes
    produce: Producer
    size: int | None
    repeatable: bool
    data: bytes | None = None


class Multipart(NamedTuple):
    """A body that is ready to be sent, and the fields that describe it."""

    content: Content
    fields: list[tuple[str, str]]


async def prepare_multipart(files: Files, form: Form | None) -> Multipart:
    """The body for `files=`, with the fields of `form=` before them.

    Raises: OSError for a path that is no readable file; `InvalidRequest` for a part that nothing
      can be made of.
    Cancellation: nothing has been opened.
    """
    boundary = secrets.token_hex(16).encode()  # of 128 bits: no content holds it by chance
    parts = [_field(boundary, name, value) for name, value in _values(form)]
    for name, file in files.items() if isinstance(files, Mapping) else files:
        parts.append(await _file(boundary, name, file))
    end = b"--%b--\r\n" % boundary
    fields = [("Content-Type", f"multipart/form-data; boundary={boundary.decode()}")]
    sizes = [part.size for part in parts]
    if None not in sizes:
        around = sum(len(part.head) + 2 for part in parts) + len(end)
        total = sum(cast("list[int]", sizes)) + around
        if total <= FILE_CHUNK and (data := _whole(parts)) is not None:
            # In one write with the head, and without a task that sends it.
            return Multipart(Content(data + end), fields)
        fields.append(("Content-Length", str(total)))

    async def produce(write: BodyWriter) -> None:
        for part in parts:
            await write(part.head)
            await part.produce(write)
            write.write(b"\r\n")
        await write(end)

    repeatable = all(part.repeatable for part in parts)
    return Multipart(Content(make_producer=lambda: produce, repeatable=repeatable), fields)


def _whole(parts: list[_Part]) -> bytes | None:
    """All parts, if they are in memory."""
    pieces = [part.head + part.data + b"\r\n" for part in parts if part.data is not None]
    return b"".join(pieces) if len(pieces) == len(parts) else None


# --- parts -----------------------------------------------------------------------------------


def _values(form: Form | None) -> Iterable[tuple[str, Any]]:
    """The pairs of a form; a list stands for several of one name, as in a urlencoded one."""
    if form is None:
        return
    for name, value in form.items() if isinstance(form, Mapping) else form:
        if isinstance(value, (list, tuple)):
            for each in value:
                yield name, each
        else:
            yield name, value


def _check(name: object) -> None:
    if not isinstance(name, str):
        raise InvalidRequest(f"the name of a part is text, not {name!r}")


def _field(boundary: bytes, name: str, value: Any) -> _Part:
    _check(name)
    data = value if isinstance(value, bytes) else str(value).encode("utf-8")
    return _Part(_head(boundary, name, None, None), _of_bytes(data), len(data), True, data)


async def _file(boundary: bytes, name: str, file: File) -> _Part:
    _check(name)
    content: Any = file
    filename = kind = None
    if isinstance(file, tuple):
        if not 2 <= len(file) <= 3 or not isinstance(file[0], str):
            raise InvalidRequest(
                f"the file {name!r} is (filename, content) or (filename, content, content type)"
            )
        filename, content = file[0], file[1]
        kind = file[2] if len(file) == 3 else None
    if filename is None:
        filename = _name_of(content) or name
    head = _head(boundary, name, filename, kind or type_of_file(filename))
    if isinstance(content, (bytes, bytearray, memoryview)):
        data = bytes(content)
        return _Part(head, _of_bytes(data), len(data), True, data)
    return _Part(head, *await _source(name, content))


def _head(boundary: bytes, name: str, filename: str | None, kind: str | None) -> bytes:
    lines = f'Content-Disposition: form-data; name="{_escaped(name)}"'
    if filename is not None:
        lines += f'; filename="{_escaped(filename)}"'
    if kind is not None:
        if not kind.isprintable() or not kind.isascii():
            raise InvalidRequest(f"{kind!r} is no content type, such as 'image/png'")
        lines += f"\r\nContent-Type: {kind}"
    try:
        # A path's name that is not UTF-8 is sent as the bytes that it is.
        encoded = lines.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the name of the part {name!r} is no text: {error}") from error
    return b"--%b\r\n%b\r\n\r\n" % (boundary, encoded)


def _escaped(name: str) -> str:
    """A name or filename as the HTML standard has it sent ("multipart/form-data encoding
    algorithm"): only what would end it is replaced."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _name_of(content: Any) -> str | None:
    """The filename that a path or an open file has of its own; no directories."""
    name = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    if not isinstance(name, (str, os.PathLike)):  # a temporary file's may be its descriptor
        return None
    return os.path.basename(os.fspath(name)) or None


# --- where their bytes come from -------------------------------------------------------------

_Source: TypeAlias = "tuple[Producer, int | None, bool]"


async def _source(name: str, content: Any) -> _Source:
    """What sends a content, its size, and whether it can do so again."""
    if isinstance(content, os.PathLike):
        return await _of_path(name, Path(content))
    read = getattr(content, "read", None)
    if read is not None:
        if isinstance(content, io.TextIOBase):
            raise InvalidRequest(f"the file {name!r} was opened as text: open it with 'rb'")
        return await _of_file(name, content)
    if hasattr(content, "__aiter__"):
        return of_chunks(content), None, False
    if callable(content):
        return _of_calls(content), None, True
    hint = "; text is given as text.encode(), a path as pathlib.Path(path)"
    raise InvalidRequest(
        f"the file {name!r} cannot be made of {type(content).__name__}"
        f"{hint if isinstance(content, str) else ''}"
    )


def _of_bytes(data: bytes) -> Producer:
    async def produce(write: BodyWriter) -> None:
        view = memoryview(data)
        for start in range(0, len(data), FILE_CHUNK):
            await write(view[start : start + FILE_CHUNK])

    return produce


def _of_calls(make: Callable[[], Chunks]) -> Producer:
    async def produce(write: BodyWriter) -> None:
        await of_chunks(make())(write)

    return produce


async def _of_path(name: str, path: Path) -> _Source:
    """A file that is opened when it is its turn."""
    found = await FILES.run(os.stat, path, abandon_on_cancel=True)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"the file {name!r} is a directory: {path}")
    size = found.st_size if stat.S_ISREG(found.st_mode) else None

    async def produce(write: BodyWriter) -> None:
        with await FILES.run(open, path, "rb") as file:
            await _copy(name, file, size, write)

    return produce, size, True


async def _of_file(name: str, file: Any) -> _Source:
    """An open file, from where it stands. Sent again from there, if it can seek."""
    seekable = getattr(file, "seekable", None)
    start: int | None = None
    size: int | None = None
    if seekable is not None and await _call(seekable):
        start = cast(int, await _call(file.tell))
        size = max(cast(int, await _call(file.seek, 0, os.SEEK_END)) - start, 0)
        await _call(file.seek, start)

    async def produce(write: BodyWriter) -> None:
        if start is not None:
            await _call(file.seek, start)
        await _copy(name, file, size, write)

    return produce, size, start is not None


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    """What a file's method returns: of a synchronous one, in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    result = await FILES.run(function, *args)
    return await result if inspect.isawaitable(result) else result


async def _copy(name: str, file: Any, size: int | None, write: BodyWriter) -> None:
    """Send what is left of a file, or the `size` bytes that were announced of it."""
    left = size
    while left is None or left > 0:
        chunk = await _call(file.read, FILE_CHUNK if left is None else min(FILE_CHUNK, left))
        if not chunk:
            break
        if not isinstance(chunk, bytes):
            raise InvalidRequest(f"the file {name!r} was opened as text: open it with 'rb'")
        if left is not None:
            left -= len(chunk)
        await write(chunk)
    if left:
        raise InvalidRequest(f"the file {name!r} was cut by {left} bytes while it was sent")
