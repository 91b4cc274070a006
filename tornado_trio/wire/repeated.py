"""Heads that repeat the previous one: on a persistent connection most are alike.

Knows request heads and which of their parts depend on which. Must not know connections.

A poll, a client of an API, a proxy's health check send the same fields with each request, often
the very same head. Parsing a small one costs 29 k instructions, a browser's 95 k; seeing that the
bytes are the same as last time, and copying the result, 3 k (6 k with another target).

Where each request has a connection of its own (a health check, a proxy or client without
keep-alive), these are alike in the same way: so a connection begins with what the first heads of
those before it were.
"""

from __future__ import annotations

from typing import Final

from ..limits import Dialect, Limits
from .events import RequestHead, RequestStartLine
from .headers import HTTPHeaders, _Repeated
from .heads import REQUEST_LINE, parse_request_head

__all__ = ["HeadMemory"]

# More is not kept: there may be a hundred thousand idle connections.
_MAX_KEPT = 1024


class HeadMemory:
    """Parses the heads of one connection, and remembers the fields of the last ones.

    They are kept once the same ones came twice in a row, so a connection with one request, or with
    different ones each time, keeps only a number. What is returned is always a copy.

    Args:
      firsts: the memory of the first heads of such connections, with the same limits and dialect.
    """

    __slots__ = ("_fields", "_firsts", "_hash", "_head", "_line", "_start_line", "_values")

    def __init__(self, firsts: HeadMemory | None = None) -> None:
        self._firsts = firsts
        # Of `firsts` shared until this one learns better: none of it is changed, only replaced.
        known = _NOTHING if firsts is None or not firsts._fields else firsts
        self._hash: int = known._hash
        # From the end of the start line; b"": nothing is remembered.
        self._fields: bytes = known._fields
        self._line: bytes = known._line
        self._start_line: RequestStartLine | None = known._start_line  # `_line`, parsed
        self._head: RequestHead | None = known._head
        self._values: dict[str, str | _Repeated] = known._values

    def __repr__(self) -> str:
        return f"<HeadMemory of {len(self._fields)} bytes>"

    def parse(self, data: bytes, limits: Limits, dialect: Dialect) -> RequestHead:
        """As `parse_request_head`. `limits` and `dialect` are the same each time."""
        fields = self._fields
        if fields and data.endswith(fields):
            known = self._head
            assert known is not None
            raw = data[: -len(fields)]
            line = self._start_line
            if raw != self._line:
                line = self._other_line(raw)
            if line is not None:
                headers = HTTPHeaders.__new__(HTTPHeaders)
                headers._fields = self._values.copy()
                return known.again(line, headers)
        head = parse_request_head(data, limits, dialect)
        self._notice(data, head)
        return head

    def _other_line(self, raw: bytes) -> RequestStartLine | None:
        """Another start line before the same fields; None unless these mean the same with it."""
        match = REQUEST_LINE.fullmatch(raw.decode("latin-1"))
        if match is None:
            return None
        line = RequestStartLine._make(match.groups())
        known = self._start_line
        assert known is not None
        if line.path[0] != "/" or line.method == "CONNECT":
            return None
        if line.version != known.version:
            return None
        self._start_line, self._line = line, raw
        return line

    def _notice(self, data: bytes, head: RequestHead) -> None:
        start = data.find(b"\r\n")
        fields = data[start:] if start > 0 else b""
        self._fields = b""
        if self._firsts is not None:
            self._firsts._notice(data, head)
            self._firsts = None
        if not fields or len(fields) > _MAX_KEPT:
            self._forget()
            return
        known, self._hash = self._hash, hash(fields)
        if known == self._hash and _is_plain(head):
            self._fields = fields
            self._line = data[:start]
            self._start_line = head.start_line
            self._values = head.headers._fields.copy()
            self._head = head.again(head.start_line, HTTPHeaders())
        elif self._head is not None:
            self._forget()

    def _forget(self) -> None:
        self._start_line = self._head = None
        self._line, self._values = b"", {}


class _Nothing:
    """What a memory knows at first."""

    _hash = 0
    _fields = _line = b""
    _start_line = _head = None
    _values: Final[dict[str, str | _Repeated]] = {}


_NOTHING: Final = _Nothing()


def _is_plain(head: RequestHead) -> bool:
    """Nothing in it has to be judged anew with each request, or belongs to one target."""
    fields = head.headers._fields
    line = head.start_line
    return (
        line.path[0] == "/"
        and type(line) is RequestStartLine
        and line.method != "CONNECT"
        and not (head.chunked or head.expect_continue or head.upgrade)
        and "Transfer-Encoding" not in fields
        and "Expect" not in fields
        and not any(type(value) is _Repeated for value in fields.values())
    )
