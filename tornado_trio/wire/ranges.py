"""Byte ranges (RFC 9110 14). Knows only numbers and the fields' text.

One range a request: several would be answered in one multipart body, which no browser asks for and
which CVE-2011-3192 abused. Several, or anything malformed, count as no Range at all, which RFC 9110
allows.
"""

from __future__ import annotations

from typing import NamedTuple

from .._util.late import pattern_later
from ..errors import HTTPInputError

# ASCII digits only (CVE-2025-69225), blanks where Tornado takes them, and no more digits
# than any file has bytes: int() of a peer's thousand digits is slow.
# Possessive, or a field of blanks alone takes quadratic time (CVE-2025-62727).
_range = pattern_later(
    r"bytes=[ \t]*+([0-9]{0,19}+)[ \t]*+(?:-[ \t]*+([0-9]{0,19}+)[ \t]*+)?+", globals()
)


class ByteRange(NamedTuple):
    """Bytes `start` up to `end` (not included) of a body."""

    start: int
    end: int


def parse_range(value: str) -> tuple[int | None, int | None] | None:
    """(start, end) as the slice of a body; None when `value` is no single byte range.

    >>> parse_range("bytes=1-2")
    (1, 3)
    >>> parse_range("bytes=6-")
    (6, None)
    >>> parse_range("bytes=-6")
    (-6, None)
    >>> parse_range("bytes=-0")
    (None, 0)
    """
    match = _range.fullmatch(value)
    if match is None:
        return None
    first, last = match[1], match[2]
    if first:
        return int(first), int(last) + 1 if last else None
    if not last:
        return None, None
    return (-int(last), None) if int(last) else (None, 0)


class UnsatisfiableRange(HTTPInputError):
    """A range outside the body: answer 416 with `Content-Range: bytes */size`."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__("Range not satisfiable")
        self.size = size


def resolve_range(value: str | None, size: int) -> ByteRange | None:
    """The range that a Range field requests of a body of `size` bytes; None: send the whole.

    The `ByteRange` may be the whole body, when that was asked for. Raises
    `UnsatisfiableRange`.
    """
    parsed = parse_range(value) if value else None
    if parsed is None or parsed == (None, None):
        return None
    start, end = parsed
    if start is None or (end is not None and end <= start):
        # "-0" wants nothing; "5-1" is malformed, and Tornado answers both so.
        raise UnsatisfiableRange(size)
    if start < 0:
        start, end = max(size + start, 0), size
    if start >= size:
        raise UnsatisfiableRange(size)
    return ByteRange(start, size if end is None else min(end, size))


def content_range(start: int | None, end: int | None, total: int) -> str:
    """A Content-Range field for bytes `start` up to `end` (not included) of `total`.

    >>> content_range(None, 1, 4)
    'bytes 0-0/4'
    >>> content_range(1, 3, 4)
    'bytes 1-2/4'
    """
    return f"bytes {start or 0}-{(total if end is None else end) - 1}/{total}"
