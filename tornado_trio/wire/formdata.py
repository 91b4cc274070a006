"""Form bodies: urlencoded and multipart, whole, into arguments and files.

Knows the formats and their limits. Nothing of requests. `wire/multipart.py` is the
incremental parser beneath, for those who stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._util.object_dict import ObjectDict
from .._util.percent import parse_qs_bytes
from ..errors import HTTPInputError
from .multipart import MultipartParser, Part, PartData
from .parameters import parse_header


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


def is_form(content_type: str) -> bool:
    """Does `parse_body_arguments` do anything with such a body?"""
    return content_type.startswith(("application/x-www-form-urlencoded", "multipart/form-data"))


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
    if not is_form(content_type):
        return
    config = config or DEFAULT_CONFIG
    if headers is not None and (coding := headers.get("Content-Encoding")):
        # What parses as a form here is gzip to whoever reads the field: refuse.
        raise HTTPInputError(f"Unsupported Content-Encoding: {coding}")
    if content_type.startswith("application/x-www-form-urlencoded"):
        try:
            found = parse_qs_bytes(
                body, keep_blank_values=True, max_num_fields=config.urlencoded.max_arguments
            )
        except ValueError as error:
            raise HTTPInputError(f"Invalid x-www-form-urlencoded body: {error}") from error
        for name, values in found.items():
            arguments.setdefault(name, []).extend(values)
    else:
        boundary = parse_header(content_type)[1].get("boundary")
        if not boundary:
            raise HTTPInputError("Invalid multipart/form-data: multipart boundary not found")
        parse_multipart_form_data(
            boundary.encode("utf-8"), body, arguments, files, config=config.multipart
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
    config = config or DEFAULT_CONFIG.multipart
    if not config.enabled:
        raise HTTPInputError("multipart/form-data parsing is disabled")
    if boundary.startswith(b'"') and boundary.endswith(b'"') and len(boundary) > 1:
        boundary = boundary[1:-1]
    parser = MultipartParser(
        boundary, max_parts=config.max_parts, max_part_header_size=config.max_part_header_size
    )
    if data[:20].lower() == b"content-disposition:":
        # A first part without its delimiter, which Tornado has always read as a part.
        data = b"--" + boundary + b"\r\n" + data
    parts: list[tuple[Part, list[bytes]]] = []
    for event in parser.feed(data):
        if type(event) is PartData:
            parts[-1][1].append(event.data)
        elif type(event) is Part:
            parts.append((event, []))
    parser.finish()
    for part, pieces in parts:
        value = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if part.filename:
            file: Any = HTTPFile(
                filename=part.filename,
                body=value,
                content_type=part.content_type or "application/unknown",
            )
            files.setdefault(part.name, []).append(file)
        else:
            arguments.setdefault(part.name, []).append(value)
