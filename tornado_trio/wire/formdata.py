"""Form bodies: urlencoded and multipart, whole, into arguments and files.

Knows the formats and their limits, nothing of requests. `wire/multipart.py` is the incremental
parser beneath, for streaming.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .._util.object_dict import ObjectDict
from .._util.percent import STEP, parse_form_steps
from ..errors import HTTPInputError
from .parameters import media_type, parse_header


class HTTPFile(ObjectDict):
    """An uploaded file: `filename`, `body` (bytes) and `content_type`.

    The filename is what the client says: never use it as a path.
    """

    filename: str
    body: bytes
    content_type: str


@dataclass(slots=True)
class ParseMultipartConfig:
    """Bounds of multipart/form-data bodies; `enabled=False` refuses them."""

    enabled: bool = True
    #: Parts of one body. A form with more fields than this is an attack or wants JSON.
    max_parts: int = 100
    #: Bytes of one part's fields.
    max_part_header_size: int = 10 * 1024


@dataclass(slots=True)
class ParseUrlEncodedConfig:
    """Bounds of urlencoded bodies and of query strings."""

    #: Arguments of one body.
    max_arguments: int = 1000


@dataclass(slots=True)
class ParseBodyConfig:
    """Bounds of form bodies."""

    multipart: ParseMultipartConfig = field(default_factory=ParseMultipartConfig)
    urlencoded: ParseUrlEncodedConfig = field(default_factory=ParseUrlEncodedConfig)


DEFAULT_CONFIG = ParseBodyConfig()

Arguments = dict[str, list[bytes]]
Files = dict[str, list[HTTPFile]]


_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
#: Yields between steps of some milliseconds at most: others may run there.
Steps = Generator[None, None, None]
# Bytes of a multipart body that are searched in one go, 2 ms when full of false delimiters; and
# that are copied, 1 ms.
_SEARCHED: Final = 512 * 1024
_COPIED: Final = 1024 * 1024


def is_form(content_type: str) -> bool:
    """Whether `parse_body_arguments` parses such a body."""
    return media_type(content_type) in (_URLENCODED, _MULTIPART)


def parse_body_arguments(
    content_type: str,
    body: bytes,
    arguments: Arguments,
    files: Files,
    headers: Mapping[str, str] | None = None,
    *,
    config: ParseBodyConfig | None = None,
) -> None:
    """Add the arguments and files of a form body; do nothing with any other body.

    HTTPInputError when it is malformed or crosses a limit; nothing has been added then.
    """
    for _ in body_argument_steps(
        content_type, body, arguments, files, headers, config or DEFAULT_CONFIG
    ):
        pass


def body_argument_steps(
    content_type: str,
    body: bytes,
    arguments: Arguments,
    files: Files,
    headers: Mapping[str, str] | None,
    config: ParseBodyConfig,
) -> Steps:
    """`parse_body_arguments` in steps, of which a body up to 64 KiB is one."""
    kind = media_type(content_type)
    if kind not in (_URLENCODED, _MULTIPART):
        return
    if headers is not None and (coding := headers.get("Content-Encoding")):
        # What parses as a form here is gzip according to the header: refuse.
        raise HTTPInputError(f"Unsupported Content-Encoding: {coding}")
    if kind == _URLENCODED:
        try:
            found = yield from parse_form_steps(body, config.urlencoded.max_arguments)
        except ValueError as error:
            raise HTTPInputError(f"Invalid x-www-form-urlencoded body: {error}") from error
        for name, values in found.items():
            arguments.setdefault(name, []).extend(values)
    else:
        boundary = parse_header(content_type)[1].get("boundary")
        if not boundary:
            raise HTTPInputError("Invalid multipart/form-data: multipart boundary not found")
        yield from multipart_steps(
            boundary.encode("utf-8"), body, arguments, files, config.multipart
        )


def parse_multipart_form_data(
    boundary: bytes,
    data: bytes,
    arguments: Arguments,
    files: Files,
    *,
    config: ParseMultipartConfig | None = None,
) -> None:
    """Add the values (to `arguments`) and files (to `files`) of a multipart body.

    `boundary` may be in quotes. HTTPInputError as `parse_body_arguments`.
    """
    for _ in multipart_steps(boundary, data, arguments, files, config or DEFAULT_CONFIG.multipart):
        pass


def multipart_steps(
    boundary: bytes, data: bytes, arguments: Arguments, files: Files, config: ParseMultipartConfig
) -> Steps:
    """`parse_multipart_form_data` in steps."""
    if not config.enabled:
        raise HTTPInputError("multipart/form-data parsing is disabled")
    if boundary.startswith(b'"') and boundary.endswith(b'"') and len(boundary) > 1:
        boundary = boundary[1:-1]
    from .multipart import MultipartParser, Part  # few forms are of this kind

    parser = MultipartParser(
        boundary, max_parts=config.max_parts, max_part_header_size=config.max_part_header_size
    )
    data = bytes(data)  # as the values will be
    if data[:20].lower() == b"content-disposition:":
        # A first part without its delimiter, which Tornado has always read as a part.
        data = b"--" + boundary + b"\r\n" + data
    parts: list[tuple[Part, int, int]] = []
    for found in parser.spans(data, _SEARCHED):
        if found is None:
            yield
        else:
            parts.append(found)
    for part, start, end in parts:
        value = data[start:end] if end - start <= STEP else (yield from _copy(data, start, end))
        if part.filename:
            file: Any = HTTPFile(
                filename=part.filename,
                body=value,
                content_type=part.content_type or "application/unknown",
            )
            files.setdefault(part.name, []).append(file)
        else:
            arguments.setdefault(part.name, []).append(value)


def _copy(data: bytes, start: int, end: int) -> Generator[None, None, bytes]:
    """`data[start:end]`, with a yield after every `_COPIED` bytes."""
    if end - start <= _COPIED:
        yield
        return data[start:end]
    out = io.BytesIO()  # gives out what was written without a copy
    with memoryview(data) as view:
        while start < end:
            yield
            start += out.write(view[start : min(start + _COPIED, end)])
    return out.getvalue()
