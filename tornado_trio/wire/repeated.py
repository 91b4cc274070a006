"""Heads that repeat the previous one: on a persistent connection most are alike.

Knows request heads and which of their parts depend on which. Must not know connections.

A poll, a client of an API, a proxy's health check send the same fields with each request, often
the very same head. Parsing a small one costs 29 k instructions, a browser's 95 k; seeing that the
bytes are the same as last time, and copying the result, 3 k (6 k with another target).
"""

from __future__ import annotations

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
    """

    __slots__ = ("_fields", "_hash", "_head", "_line", "_values")

    def __init__(self) -> None:
        self._hash = 0
        self._fields = b""  # from the end of the start line; b"": nothing is remembered
        self._line = b""
        self._head: RequestHead | None = None
        self._values: dict[str, str | _Repeated] = {}

    def __repr__(self) -> str:
        return f"<HeadMemory of {len(self._fields)} bytes>"

    def parse(self, data: bytes, limits: Limits, dialect: Dialect) -> RequestHead:
        """As `parse_request_head`. `limits` and `dialect` are the same each time."""
        fields = self._fields
        if fields and data.endswith(fields):
            known = self._head
            assert known is not None
            raw = data[: -len(fields)]
            line: RequestStartLine | None = known.start_line
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
        known = self._head
        assert known is not None
        if line.path[0] != "/" or line.method == "CONNECT":
            return None
        if line.version != known.start_line.version:
            return None
        known.start_line, self._line = line, raw
        return line

    def _notice(self, data: bytes, head: RequestHead) -> None:
        start = data.find(b"\r\n")
        fields = data[start:] if start > 0 else b""
        self._fields = b""
        if not fields or len(fields) > _MAX_KEPT:
            self._head, self._values = None, {}
            return
        known, self._hash = self._hash, hash(fields)
        if known == self._hash and _is_plain(head):
            self._fields = fields
            self._line = data[:start]
            self._values = head.headers._fields.copy()
            self._head = head.again(head.start_line, HTTPHeaders())
        elif self._head is not None:
            self._head, self._values = None, {}


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
