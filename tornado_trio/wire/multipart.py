"""multipart/form-data, incrementally: bytes in, parts out. No I/O; knows only the format.

Plan. Everything between two delimiters is searched with `bytes.find`, from where the
last search ended, so time is linear however the bytes are cut (CVE-2023-46136,
CVE-2024-53981), and only a possible piece of a delimiter is held back: data is passed on as it
arrives. A delimiter followed by anything but a line end, "--" or padding is data (RFC 2046 5.1.1):
from the first such one on, a pattern finds the real ones, so that a body full of them makes no
object for each. Part heads are bounded, parts are counted, and the first malformed part ends the
whole (CVE-2025-47287: one error, not a line of log for each).

Why not a library: `multipart` 2.0 is well made and three times as fast at small forms,
but ignores `filename*`, lets controls through in names, and refuses bodies that
Tornado's programs send (an empty value without a line end of its own); `python-multipart`
walks heads a byte at a time in Python.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import HTTPInputError
from .headers import HTTPHeaders
from .parameters import parse_header

MAX_BOUNDARY: Final = 256  # RFC 2046 says 70; some programs make longer ones

_CRLF: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_MAX_PADDING: Final = 64
# The head of nearly every part, so that it needs no general parser: 2 us instead of 9.
_plain_head = re.compile(
    r'Content-Disposition: (form-data; name="([^"\\\x00-\x1f\x7f]++)"'
    r'(?:; filename="([^"\\\x00-\x1f\x7f]*+)")?)'
    r"(?:\r\nContent-Type: ([!-~](?:[ -~]*[!-~])?))?"
)


@dataclass(slots=True)
class Part:
    """The head of one part. `filename` is what the client says: never use it as a path.

    `headers` are all the fields of the part; `filename` is None for a plain value.
    """

    name: str
    filename: str | None
    content_type: str | None
    headers: HTTPHeaders


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part whose `Part` came last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete."""


Event = Part | PartData | PartEnd
_PART_END = PartEnd()


class _State(enum.Enum):
    START = enum.auto()  # before the first delimiter, which needs no line end before it
    DELIMITER = enum.auto()  # after `--boundary`: what follows says which kind it was
    HEAD = enum.auto()
    DATA = enum.auto()
    EPILOGUE = enum.auto()  # after the final delimiter: all ignored


class MultipartParser:
    """The parser. `feed` it bytes until it has had them all, then `finish`.

    HTTPInputError for a malformed body; the parser is of no further use then.
    """

    def __init__(
        self, boundary: bytes, *, max_parts: int = 100, max_part_header_size: int = 10 * 1024
    ) -> None:
        if not boundary or len(boundary) > MAX_BOUNDARY:
            raise HTTPInputError("Invalid multipart/form-data: bad boundary")
        self._delimiter = b"\r\n--" + boundary
        # A delimiter with what shows that it is one.
        self._endings = (self._delimiter + _CRLF, self._delimiter + b"--")
        self._real: re.Pattern[bytes] | None = None
        self._max_parts = max_parts
        self._max_head = max_part_header_size
        self._parts = 0
        self._state = _State.START
        self._in_part = False
        # Indices instead of cutting the buffer: cutting at each piece is quadratic.
        self._buffer = b""
        self._at = 0  # everything before is done with
        self._searched = 0  # what is searched for does not begin before here
        # A head's last line end may be the one that belongs to the delimiter (an empty
        # value without a line end of its own), so it is kept for the search: this many
        # bytes at `_at` are no data.
        self._line_end = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take more bytes; take all events before feeding again."""
        if self._state is _State.EPILOGUE or not data:
            return
        # What is left is short: a piece of a delimiter, or of a head.
        kept = len(self._buffer) - self._at
        self._searched = max(self._searched - self._at, 0)
        self._buffer = self._buffer[self._at :] + data if kept else bytes(data)
        self._at = 0
        state = None
        while state is not self._state:
            state = self._state
            if state is _State.DATA:
                yield from self._data()
            elif state is _State.DELIMITER:
                yield from self._after_delimiter()
            elif state is _State.HEAD:
                yield from self._head()
            elif state is _State.START:
                self._start()

    def finish(self) -> None:
        """There is no more. HTTPInputError unless the final delimiter has come."""
        if self._state is not _State.EPILOGUE:
            raise HTTPInputError("Invalid multipart/form-data: no final boundary found")

    def _start(self) -> None:
        """Find the first delimiter: at the very start, or after a preamble, which is dropped."""
        first = self._delimiter[2:]
        if self._searched == 0:
            if self._buffer.startswith(first):
                self._at = len(first)
                self._state = _State.DELIMITER
                return
            if first.startswith(self._buffer):
                return  # may still become it
        found = self._buffer.find(self._delimiter)
        if found >= 0:
            self._at = found + len(self._delimiter)
            self._state = _State.DELIMITER
        else:
            self._at = max(len(self._buffer) - len(self._delimiter), 0)
        self._searched = self._at + 1  # not at the very start any more

    def _after_delimiter(self) -> Iterator[Event]:
        """CRLF: a part follows. `--`: the end."""
        at, buffer = self._at, self._buffer
        if len(buffer) - at < 2:
            return
        if buffer.startswith(b"--", at):
            self._state, self._at = _State.EPILOGUE, len(buffer)
            yield from self._end_part()
            return
        if buffer[at] in b" \t":
            # Padding that gateways may add (RFC 2046 5.1.1). Tornado refuses it.
            line = buffer[at : at + _MAX_PADDING + 2]
            padding = len(line) - len(line.lstrip(b" \t"))
            if padding > _MAX_PADDING:
                raise HTTPInputError("Invalid multipart/form-data: bad delimiter line")
            if len(line) < padding + 2:
                return
            at += padding
        if buffer.startswith(_CRLF, at):
            # The line end stays: it may be the first half of an empty head's end.
            self._state, self._at, self._searched = _State.HEAD, at, at
            yield from self._end_part()
        else:
            # Within a part only padding leads here: `_find_delimiter` knows all else as data.
            raise HTTPInputError("Invalid multipart/form-data: bad delimiter line")

    def _end_part(self) -> Iterator[Event]:
        if self._in_part:
            self._in_part = False
            yield _PART_END

    def _head(self) -> Iterator[Event]:
        at = self._at
        end = self._buffer.find(_HEAD_END, self._searched)
        if (end if end >= 0 else len(self._buffer) - 4) - at > self._max_head:
            raise HTTPInputError("multipart/form-data part header too large")
        if end < 0:
            self._searched = max(len(self._buffer) - 3, at)
            return
        self._parts += 1
        if self._parts > self._max_parts:
            raise HTTPInputError("multipart/form-data has too many parts")
        if end == at:
            raise HTTPInputError("multipart/form-data missing headers")
        part = parse_part_head(self._buffer[at + 2 : end])
        self._at = self._searched = end + 2
        self._line_end = 2
        self._state, self._in_part = _State.DATA, True
        yield part

    def _data(self) -> Iterator[Event]:
        buffer = self._buffer
        start = self._at + self._line_end
        found = self._find_delimiter(buffer)
        if found >= 0:
            self._at = found + len(self._delimiter)
            self._state = _State.DELIMITER
            end = found
        else:
            # Hold back what may be the beginning of a delimiter.
            end = self._possible_start(buffer)
            if end >= start:
                self._at, self._line_end = end, 0
            self._searched = self._at
        if end > start:
            yield PartData(buffer[start:end])

    def _find_delimiter(self, buffer: bytes) -> int:
        """Where the next real delimiter begins, -1 if it is not here yet."""
        delimiter = self._delimiter
        found = buffer.find(delimiter, self._searched)
        if found < 0:
            return -1
        after = found + len(delimiter)
        if buffer.startswith((_CRLF, b"--", b" ", b"\t"), after):
            return found
        if self._real is None:
            self._real = re.compile(re.escape(delimiter) + rb"(?:\r\n|--|[ \t])")
        match = self._real.search(buffer, found + 1)
        return -1 if match is None else match.start()

    def _possible_start(self, buffer: bytes) -> int:
        """Where a delimiter begins of which not all has come; the buffer's end if nowhere."""
        start = max(len(buffer) - len(self._delimiter) - 1, self._at)
        while (start := buffer.find(b"\r", start)) >= 0:
            tail = buffer[start:]
            if any(ending.startswith(tail) for ending in self._endings):
                return start
            start += 1
        return len(buffer)


def parse_part_head(head: bytes) -> Part:
    """One part's fields, without the empty line. HTTPInputError when they are not a form's."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        raise HTTPInputError("multipart/form-data part header is not UTF-8") from None
    if plain := _plain_head.fullmatch(text):
        disposition, name, filename, content_type = plain.groups()
        fields = {"Content-Disposition": disposition}
        if content_type:
            fields["Content-Type"] = content_type
        return Part(name, filename, content_type, HTTPHeaders(fields))
    headers = HTTPHeaders.parse(text, _chars_are_bytes=False)
    disposition, parameters = parse_header(headers.get("Content-Disposition", ""))
    if disposition.lower() != "form-data":
        raise HTTPInputError("Invalid multipart/form-data")
    name = parameters.get("name", "")
    if not name:
        raise HTTPInputError("multipart/form-data missing name")
    return Part(name, parameters.get("filename"), headers.get("Content-Type"), headers)
