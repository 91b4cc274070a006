"""What `tornado.httputil` was before Tornado 6.

Methods of `HTTPServerRequest` that are always there: programs that pass a plain function to
`HTTPServer` answer through the request: they write the response as raw bytes, head and all. The
connection knows how to take those. And, for the switch of generations, what was forgiven in heads
and forms before 6.5.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tornado._impl.generation import old_idiom
from tornado.log import gen_log

from tornado_trio._util.late import pattern_later
from tornado_trio.errors import HTTPInputError
from tornado_trio.wire.headers import HTTPHeaders, normalize_name
from tornado_trio.wire.parameters import media_type


class LegacyRequestMethods:
    """The removed methods; a base of `HTTPServerRequest`."""

    version: str
    connection: Any
    _finish_time: float | None

    def supports_http_1_1(self) -> bool:
        """Is the client one that speaks HTTP/1.1?"""
        return self.version == "HTTP/1.1"

    def write(self, chunk: bytes, callback: Callable[[], object] | None = None) -> Any:
        """Send bytes of the response, its head included unless `connection.write_headers` did.

        `callback` runs once they have been given to the connection.
        """
        old_idiom("HTTPServerRequest.write")
        if not isinstance(chunk, bytes):
            raise TypeError("chunk must be bytes")
        future = self.connection.write(chunk)
        if callback is not None:
            from tornado.ioloop import IOLoop  # when asked for: httputil needs no loop

            IOLoop.current().add_callback(callback)
        return future

    def finish(self) -> None:
        """End the response."""
        self.connection.finish()
        self._finish_time = time.time()


# --- forgiving, before 6.5 -----------------------------------------------------------------
_FOLD = pattern_later(r"\r?\n[ \t]+(?=[^\r\n])", globals())


def read_heads_loosely() -> None:
    """Let `HTTPHeaders.parse` and `parse_line` take folded lines, and controls in values."""

    def parse_line(self: Any, line: str, *, _chars_are_bytes: bool = True) -> None:
        line = line.rstrip("\n").removesuffix("\r")
        if not line:
            return
        if line[0] in " \t":
            _continue(self, line.lstrip())
            return
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPInputError("no colon in header line")
        _store(self, name, value.strip(" \t"))

    def parse(cls: Any, headers: str, *, _chars_are_bytes: bool = True) -> Any:
        self = cls()
        for line in _FOLD.sub(" ", headers).split("\n"):
            parse_line(self, line)
        return self

    HTTPHeaders.parse_line = parse_line  # type: ignore[method-assign]
    HTTPHeaders.parse = classmethod(parse)  # type: ignore[method-assign, assignment]


def _continue(headers: HTTPHeaders, text: str) -> None:
    """Add a folded line to the value before it."""
    if not headers._fields:
        raise HTTPInputError("first header line cannot start with whitespace")
    name = next(reversed(headers._fields))
    *values, last = headers.get_list(name)
    del headers[name]
    for value in (*values, f"{last} {text}"):
        _store(headers, name, value)


def _store(headers: HTTPHeaders, name: str, value: str) -> None:
    spelled = normalize_name(name)
    if spelled in headers._fields:
        headers._append(spelled, value)
    else:
        headers._fields[spelled] = value


def log_if_malformed(parse: Callable[..., None]) -> Callable[..., None]:
    """A malformed form was a line in the log, and a form without values."""

    def parse_loosely(*args: Any, **kwargs: Any) -> None:
        try:
            parse(*args, **kwargs)
        except HTTPInputError as error:
            text = str(error)
            if text.endswith("missing name"):
                text = "multipart/form-data value missing name"
            gen_log.warning("%s", text)

    return parse_loosely


def check_form_is_text(headers: HTTPHeaders, body: bytes) -> None:
    """Before 6, arguments that are not UTF-8 made a form malformed."""
    kind = media_type(headers.get("Content-Type", ""))
    if kind == "application/x-www-form-urlencoded" and "Content-Encoding" not in headers:
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise HTTPInputError(f"Invalid x-www-form-urlencoded body: {error}") from error
