"""From `write()` to the exchange: status, header values, the buffer, flushing, finishing.

Plain functions over a handler's output state (`_headers`, `_write_buffer`, `_status_code`,
...), so that `RequestHandler` stays a list of thin methods. Knows the exchange's response
side; knows nothing of requests' meaning, templates or errors.

This is the path of every response; the numbers are from CPython 3.11, 100-byte body.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from .._util.fairness import Budget
from .._util.late import later, pattern_later
from .._util.mistakes import calling_line
from ..errors import HTTPInputError, HTTPOutputError
from ..escape import utf8
from ..exchange import CHECKPOINT, READY, Exchange, ResponseStartLine
from ..log import gen_log
from ..wire.dates import format_timestamp, http_date
from ..wire.headers import HTTPHeaders
from ..wire.phrases import standard_phrase

if TYPE_CHECKING:
    import datetime
    import numbers
    from http.cookies import SimpleCookie

    from .handler import RequestHandler
else:
    datetime = later("datetime", globals())
    numbers = later("numbers", globals())

_UNSAFE_VALUE = pattern_later(r"[^\t\x20-\x7e\x80-\xff]", globals())
# reason-phrase of RFC 9112, without "<": it also stands in the error page (CVE-2025-67724).
_REASON = pattern_later(r"[\t \x21-\x3b\x3d-\x7e\x80-\xff]+", globals())
_HTML = "text/html; charset=UTF-8"
# Fields that describe a body, and must not stay when there is none (RFC 9110 15.4.5). Allow
# does not, and Last-Modified of a 304 tells caches what they hold: both stay, as upstream's do.
REPRESENTATION_HEADERS = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Range",
    "Content-Type",
)


# So many flushes of one response may follow each other without letting other tasks run.
FLUSHES_IN_A_ROW = 16
_start_line = partial(tuple.__new__, ResponseStartLine)
_WITH_ETAG = frozenset(("GET", "HEAD"))
_WITHOUT_BODY = frozenset((204, 304))

# --- headers and status --------------------------------------------------------------

_default: tuple[tuple[int, str], dict[str, Any]] = ((0, ""), {})  # when and whose, and what


def default_headers(server: str) -> HTTPHeaders:
    """The headers a response starts with: 0.35 us, since they change only once a second."""
    global _default
    key = (int(time.time()), server)
    known = _default
    if known[0] != key:
        # One assignment of a pair: servers of several threads may race here.
        known = (key, {"Server": server, "Content-Type": _HTML, "Date": http_date()})
        _default = known
    headers = HTTPHeaders.__new__(HTTPHeaders)
    headers._fields = known[1].copy()
    return headers


def header_value(value: Any) -> str:
    """A header value as text.

    Raises ValueError for control characters (CVE-2012-2374) and for what latin-1 cannot
    hold, TypeError for other types.
    """
    if isinstance(value, str):
        # isprintable() is False for tab and no-break space, so it only accepts, never refuses.
        if value.isascii() and value.isprintable():
            return value
        text = value
    elif isinstance(value, bytes):
        text = value.decode("latin1")
    elif type(value) is int or isinstance(value, numbers.Integral):
        return str(value)
    elif isinstance(value, datetime.datetime):
        return format_timestamp(value)
    else:
        raise TypeError(f"Unsupported header value {value!r}")
    if _UNSAFE_VALUE.search(text):
        raise ValueError(f"Unsafe header value {text!r}")
    return text


def reason_phrase(status_code: int, reason: str | bytes | None) -> str:
    """The phrase to send: the given one if it is fit to be sent; the standard one for None."""
    if reason is None:
        return standard_phrase(status_code, "Unknown")
    if isinstance(reason, bytes):
        reason = reason.decode("latin-1")
    return reason if _REASON.fullmatch(reason) else "Unknown"


def warn_too_late(handler: RequestHandler, method: str) -> None:
    """Say, once per request, that a change of the head came after it was sent, and where."""
    if handler._told_too_late:
        return
    handler._told_too_late = True
    place = calling_line()
    gen_log.warning(
        "%s: %s() has no effect%s: the head of the answer was sent before, by flush() or finish()",
        handler._request_summary(),
        method,
        f" at {place}" if place else "",
    )


# --- body ----------------------------------------------------------------------------


def to_bytes(handler: RequestHandler, chunk: Any) -> bytes:
    """A chunk given to `write`: text is encoded, a dict becomes JSON and says so."""
    if isinstance(chunk, dict):
        handler._headers._fields["Content-Type"] = "application/json; charset=UTF-8"
        return handler._encode_dict(chunk)
    if isinstance(chunk, (bytes, str)):
        return utf8(chunk)
    message = "write() only accepts bytes, unicode, and dict objects"
    if isinstance(chunk, list):
        message += (
            ". Lists not accepted for security reasons; see "
            "http://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.write"
        )
    raise TypeError(message)


def flush(handler: RequestHandler, include_footers: bool = False) -> Awaitable[None]:
    """Hand what was written to the exchange, with the head before it the first time."""
    buffer = handler._write_buffer
    chunk = buffer[0] if len(buffer) == 1 else b"".join(buffer)
    handler._write_buffer = []
    request = handler.request
    connection: Exchange = request.connection
    if handler._headers_written:
        for transform in handler._transforms:
            chunk = transform.transform_chunk(chunk, include_footers)
        if request.method == "HEAD" or (include_footers and not chunk):
            return READY
        if handler._finished:
            return READY  # nothing can follow, and nothing was asked to
        # Also of nothing: it tells what is still unsent.
        flushed = connection.write(chunk)
        if handler._flushes is None:
            handler._flushes = Budget(FLUSHES_IN_A_ROW)
        if handler._flushes.spent() and flushed is READY:
            return CHECKPOINT
        return flushed
    handler._headers_written = True
    try:
        for transform in handler._transforms:
            handler._status_code, handler._headers, chunk = transform.transform_first_chunk(
                handler._status_code, handler._headers, chunk, include_footers
            )
        if request.method == "HEAD":
            chunk = b""
        headers = handler._headers
        if (cookies := getattr(handler, "_new_cookie", None)) is not None:
            _add_cookies(handler, headers, cookies)
        # Past the function that a named tuple has for its fields: 0.4 k instructions of 1.4.
        start_line = _start_line(("HTTP/1.1", handler._status_code, handler._reason))
        return connection.write_headers(start_line, headers, chunk)
    except Exception:
        # Nothing has left: an error page may follow, or a better head.
        handler._headers_written = False
        handler._write_buffer = buffer
        raise


def _add_cookies(handler: RequestHandler, headers: HTTPHeaders, cookies: SimpleCookie) -> None:
    try:
        for cookie in cookies.values():
            headers.add("Set-Cookie", cookie.OutputString(None))
    except HTTPInputError as exc:
        # The program's fault, not the client's; and the error page has to do without them.
        del handler._new_cookie
        raise HTTPOutputError(f"Illegal cookie: {exc}") from exc


def finish(handler: RequestHandler, chunk: Any = None) -> Awaitable[None]:
    """Complete the response: the rest of the body, the log line, `on_finish`."""
    if handler._finished:
        raise RuntimeError("finish() called twice")
    if chunk is not None:
        handler.write(chunk)
    if not handler._headers_written:
        _complete_head(handler)
    connection: Exchange = handler.request.connection
    if handler._close_callback_set:
        # The exchange must not keep the handler alive, nor tell it of a later close.
        connection.set_close_callback(None)
    flushed = handler.flush(include_footers=True)
    connection.finish()
    connection.logged = True
    handler._log()
    handler._finished = True
    handler.on_finish()
    handler._ui = None  # holds methods bound to the handler: a reference cycle
    return flushed


def _complete_head(handler: RequestHandler) -> None:
    """Everything about the head that depends on the whole body being known."""
    status = handler._status_code
    if (
        status == 200
        and handler.request.method in _WITH_ETAG
        and "Etag" not in handler._headers._fields  # who sets one decides what it answers for
    ):
        handler.set_etag_header()
        if handler.check_etag_header():
            handler._write_buffer = []
            handler.set_status(304)
            status = 304
    buffer = handler._write_buffer
    if status in _WITHOUT_BODY or status < 200:
        if buffer:
            raise RuntimeError(f"Cannot send body with status code HTTP{status}")
        if status < 200 and status != 101:
            raise HTTPOutputError(f"{status} is no final status")
        handler._clear_representation_headers()
        return
    size = len(buffer[0]) if len(buffer) == 1 else sum(map(len, buffer))
    fields = handler._headers._fields
    text = str(size)
    if "Content-Length" not in fields:
        fields["Content-Length"] = text
    elif fields["Content-Length"] != text and handler.request.method != "HEAD":
        _wrong_length(handler, str(handler._headers["Content-Length"]), size)


def _wrong_length(handler: RequestHandler, announced: str, size: int) -> None:
    """The whole body is known and its Content-Length is wrong: say so while an error page can
    still be sent."""
    if not (announced.isascii() and announced.isdigit()) or int(announced) == size:
        return  # the wire knows what to say of it
    gen_log.error(
        "Failed to flush partial response: Content-Length is %s, the body has %d bytes",
        announced,
        size,
    )
    handler._length_is_wrong()
    if size > int(announced):
        raise HTTPOutputError("Tried to write more data than Content-Length")
    raise HTTPOutputError(f"Tried to write {int(announced) - size} bytes less than Content-Length")


def has_no_body(status: int) -> bool:
    return status in _WITHOUT_BODY or 100 <= status < 200


def clear_representation_headers(headers: HTTPHeaders) -> None:
    for name in REPRESENTATION_HEADERS:
        if name in headers:
            del headers[name]
